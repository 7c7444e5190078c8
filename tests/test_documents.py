"""The commands that README and docs show can be typed: scripts, options, files and keys are there."""

import re
from pathlib import Path

import click
import pytest

from nmt import config
from nmt.cli.main import cli

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_can_be_typed(document: Path) -> None:
    text = document.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in re.findall(r"^ {4}\S.*", text, re.MULTILINE):
        for path in re.findall(r"(?:tests/)?(?:configs|scripts)/[\w./-]+\.(?:yaml|py|sh)", line):
            assert (ROOT / path).is_file(), path
        for script, rest in re.findall(r"((?:tests/)?scripts/[\w/]+\.py)([^|&#]*)", line):
            code = (ROOT / script).read_text(encoding="utf-8")
            assert [option for option in re.findall(r"(?<!\S)--[\w-]+", rest) if f'"{option}"' not in code] == [], line
        for name, rest in re.findall(r"(?:^|[\s/])nmt (\w+)([^|&#]*)", line):
            command = cli.get_command(click.Context(cli), name)
            assert command is not None, line
            known = {option for param in command.params for option in param.opts + param.secondary_opts}
            assert set(re.findall(r"(?<!\S)--?[a-z][\w-]*", rest)) <= known, line
            for path in re.findall(r"--config (configs/\S+)", rest):
                config.load(ROOT / path, re.findall(r"--set (\S+)", rest))
