"""The generated pages of docs/ are up to date, and the programs that write them check that."""

from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.documentation import document_api, document_commands, document_config

PROGRAMS = pytest.mark.parametrize("main", [document_config.main, document_commands.main, document_api.main])
Main = Callable[..., int]


@PROGRAMS
def test_the_committed_document_is_up_to_date(main: Main) -> None:
    assert main(["--check"]) == 0


@PROGRAMS
def test_check_fails_for_a_missing_or_changed_document_until_it_is_written(
    main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = tmp_path / "docs" / "page.md"
    assert main(["--check"], document) == 1
    assert main([], document) == 0
    assert main(["--check"], document) == 0
    document.write_text(document.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert main(["--check"], document) == 1
    script = Path(main.__code__.co_filename).name
    assert f"is out of date; run: python scripts/documentation/{script}" in capsys.readouterr().err


def test_every_public_name_and_every_command_is_documented() -> None:
    import nmt
    from nmt.cli.main import COMMANDS

    api, commands = document_api.markdown(), document_commands.markdown()
    names = {name for name in nmt.__all__ if name not in ("__version__", "TrainingEvent")}
    assert {name for name in names if f"### nmt.{name}\n" not in api} == set()
    assert {name for name in COMMANDS if f"## nmt {name}\n" not in commands} == set()
