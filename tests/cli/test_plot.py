"""`nmt plot` draws the logs of runs."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from nmt import config
from nmt.cli.plot import command
from nmt.errors import NmtError


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        Path(name).mkdir()
        rows = [{"event": "train", "step": s, "loss": 5 / s, "learning_rate": 1e-3} for s in range(1, 9)]
        rows.append({"event": "valid", "step": 8, "loss": 1.0, "bleu": 20.0})
        Path(name, "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"ev', encoding="utf-8")
    return ["one", "two"]


def run(*arguments: str) -> list[str]:
    result = CliRunner().invoke(command, arguments, catch_exceptions=False, standalone_mode=False)
    return result.stdout.split("\n")[:-1]


def test_the_default_file_is_in_the_folder_of_a_single_run(runs: list[str]) -> None:
    assert run("one") == ["one/curves.png"]
    assert run(*runs) == ["curves.png"]
    assert run(*runs, "-o", "new/both.svg") == ["new/both.svg"]
    for path in ("one/curves.png", "curves.png"):
        assert Path(path).read_bytes().startswith(b"\x89PNG")
    svg = Path("new/both.svg").read_text(encoding="utf-8")
    assert all(f"{name}: best BLEU 20.00 at step 8" in svg for name in runs)


def test_missing_logs_and_wrong_formats_are_reported(runs: list[str]) -> None:
    with pytest.raises(NmtError, match="no such log"):
        run("one", "three")
    with pytest.raises(NmtError, match=r"b\.gif: the file extension must be"):
        run("one", "-o", "b.gif")
    Path("two/log.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(NmtError, match="nothing to draw yet"):
        run("two")


def test_html_writes_the_report_page_again(runs: list[str]) -> None:
    corpus = {"source": "a", "target": "b"}
    values = {"name": "one", "data": {"train": corpus, "valid": corpus}}
    Path("one/config.yaml").write_text(config.dump(config.parse(values, "test")), encoding="utf-8")
    assert run("one/log.jsonl", "--html") == ["curves.png", "one/report.html"]
    assert Path("one/report.html").is_file()
