"""Fixtures for the tests of scripts."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from text_files import write_lines

from nmt.cli.main import cli
from scripts import ROOT, commands
from scripts.documentation import run_systems
from scripts.experiments import compare_seeds


@pytest.fixture
def commands_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the scripts run nmt commands in this process, without the reports of runs: torch is not imported again."""

    def nmt(*arguments: str) -> str:
        return CliRunner().invoke(cli, arguments, catch_exceptions=False, standalone_mode=False).stdout

    for module in (commands, compare_seeds, run_systems):
        monkeypatch.setattr(module, "nmt", nmt)


@pytest.fixture
def tiny_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a temporary folder with a corpus of a few words, and return the config of a tiny network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    lines = [" ".join("abcdef"[i % n] for i in range(n)) for n in range(2, 7)] * 4
    for side in ("s", "t"):
        write_lines(side, lines)
    corpus = {"source": "s", "target": "t"}
    sizes = {part: {"size": 8} for part in ("embedding", "encoder", "decoder")}
    values: dict[str, Any] = {
        "name": "tiny",
        "data": {"train": corpus, "valid": corpus, "test": {"test": corpus}, "workers": 1},
        "subword": {"kind": "char", "vocab_size": 20},
        "model": sizes,
        "training": {"max_steps": 2, "validation_bleu": False, "metric": "loss"},
    }
    Path("tiny.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    return Path("tiny.yaml")
