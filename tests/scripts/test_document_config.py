"""`docs/config.md` is what the schema says, and the check notices when it is not."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


def _load() -> ModuleType:
    path = Path(__file__).parents[2] / "scripts" / "document_config.py"
    spec = importlib.util.spec_from_file_location("document_config", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


script = _load()


def test_the_committed_document_is_up_to_date() -> None:
    assert script.main(["--check"]) == 0


def test_check_fails_on_a_stale_or_missing_document_and_writing_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = tmp_path / "docs" / "config.md"
    assert script.main(["--check"], document) == 1
    assert script.main([], document) == 0
    assert script.main(["--check"], document) == 0
    document.write_text(document.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert script.main(["--check"], document) == 1
    assert "is stale; run: python scripts/document_config.py" in capsys.readouterr().err
