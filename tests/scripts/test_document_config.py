"""docs/config.md is generated from the schema, and scripts/documentation/document_config.py checks that."""

from pathlib import Path

import pytest

from scripts.documentation.document_config import main


def test_the_committed_document_is_up_to_date() -> None:
    assert main(["--check"]) == 0


def test_check_fails_for_a_missing_or_changed_document_until_it_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = tmp_path / "docs" / "config.md"
    assert main(["--check"], document) == 1
    assert main([], document) == 0
    assert main(["--check"], document) == 0
    document.write_text(document.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert main(["--check"], document) == 1
    assert "is out of date; run: python scripts/documentation/document_config.py" in capsys.readouterr().err
