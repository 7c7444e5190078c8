"""`nmt log` prints the logs of runs."""

import csv
import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from nmt.cli.log import command
from nmt.errors import NmtError
from nmt.reports.log_table import log_text
from nmt.storage.history import History


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, bleu in (("one", 20.0), ("two", 31.25)):
        Path(name).mkdir()
        rows: list[dict[str, object]] = [{"event": "start", "step": 0, "device": "cpu"}]
        for step in range(10, 401, 10):
            rows.append({
                "event": "train", "step": step, "epoch": step // 100, "loss": 50 / step, "learning_rate": 1e-3,
                "gradient_norm": 0.5, "tokens": 900, "tokens_per_second": 4321.5, "seconds": step * 10.0,
            })  # fmt: skip
            if step % 200 == 0:
                rows.append({"event": "valid", "step": step, "epoch": step // 100, "loss": 1.5, "perplexity": 4.48,
                             "bleu": bleu if step == 200 else 1.0, "samples": [], "seconds": step * 10.0})  # fmt: skip
        text = "".join(json.dumps(row) + "\n" for row in rows)
        Path(name, "log.jsonl").write_text(text + '{"ev', encoding="utf-8")


def invoke(*arguments: str) -> str:
    return CliRunner().invoke(command, arguments, catch_exceptions=False, standalone_mode=False).stdout


def test_a_table_has_the_validations_and_as_many_steps_as_fit(runs: None) -> None:
    lines = invoke("one", "-n", "6").split("\n")
    assert lines[:2] == ["one", "device cpu"]
    assert lines[2].split()[:4] == ["step", "epoch", "loss", "learning"]
    rows = [line.split() for line in lines[3:-1]]
    assert len(rows) == 6 and [row[0] for row in rows][::5] == ["10", "400"]
    [best] = [row for row in rows if row[0] == "200"]
    assert best == ["200", "2", "0.250", "1.00e-03", "0.50", "4,322", "1.500", "4.48", "20.00*", "0:33:20"]
    assert rows[-1][-2:] == ["1.00", "1:06:40"]
    assert len(invoke("one", "-n", "0").split("\n")) == 3 + 40 + 1
    both = invoke("one", "two/log.jsonl", "-n", "3")
    assert "31.25*" in both and both.count("device cpu") == 2


def test_all_lines_as_csv_and_json(runs: None) -> None:
    rows = list(csv.DictReader(invoke("one", "two", "--csv").split("\n")))
    assert len(rows) == 2 * 42
    valid = [row for row in rows if row["event"] == "valid"]
    assert [(row["run"], row["step"], row["bleu"]) for row in valid][1:3] == [
        ("one", "400", "1.0"),
        ("two", "200", "31.25"),
    ]
    assert rows[0]["tokens_per_second"] == "4321.5" and rows[0]["bleu"] == "" and rows[0]["seconds"] == "100.0"
    [one, two] = json.loads(invoke("one", "two", "--json"))
    assert (one["run"], two["run"], one["facts"]) == ("one", "two", {"device": "cpu"})
    assert len(one["train"]) == 40 and two["valid"][0]["bleu"] == 31.25


def test_wrong_usage_and_empty_logs(runs: None, tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="--csv and --json exclude each other"):
        invoke("one", "--csv", "--json")
    with pytest.raises(NmtError, match=r"three.*: no such log"):
        invoke("one", "three")
    assert log_text([History("new")], 5) == "new\nno step is logged yet"
    failed = History("x", [{"event": "train", "step": 1, "loss": None}], [{"event": "valid", "step": 1, "bleu": None}])
    assert log_text([failed], 5).split("\n")[-1].split() == ["1", "0:00:00"]


def test_event_files_for_tensorboard(runs: None) -> None:
    one, two = invoke("one", "two", "--tensorboard", "events").split("\n")[:-1]
    assert Path(one).parent == Path("events/one") and Path(two).parent == Path("events/two")
    assert b"valid/bleu" in Path(one).read_bytes()
