"""Logs of runs that were stopped, damaged, resumed and restarted are read."""

import json
from pathlib import Path

import pytest

from nmt.errors import NmtError
from nmt.storage.history import History, read_history


def write(folder: Path, *records: object, tail: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "log.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records) + tail, encoding="utf-8")
    return folder


def train(step: int, loss: float = 1.0) -> dict[str, object]:
    return {"event": "train", "step": step, "loss": loss, "learning_rate": 0.1}


def valid(step: int, loss: float = 1.0, **more: object) -> dict[str, object]:
    return {"event": "valid", "step": step, "loss": loss, **more}


def test_records_are_read_in_order(tmp_path: Path) -> None:
    start = {"event": "start", "step": 0, "device": "cpu"}
    run = write(tmp_path / "my-run", start, train(1, 3.0), valid(1, 2.0, bleu=5.0), train(2, 2.5), {"event": "end"})
    history = read_history(run)
    assert history.name == "my-run"
    assert history.facts == {"device": "cpu"}
    assert history.series("train", "loss") == ([1, 2], [3.0, 2.5])
    assert history.series("valid", "bleu") == ([1], [5.0])
    assert read_history(run / "log.jsonl") == history


@pytest.mark.parametrize("tail", ['{"event": "tra', '{"event": "train", "step": 3, "loss": 1.0', "\x00\x00", "\n\n"])
def test_incomplete_last_line_is_skipped(tmp_path: Path, tail: str) -> None:
    history = read_history(write(tmp_path / "run", train(1), train(2), tail=tail))
    assert history.series("train", "loss")[0] == [1, 2]


def test_incomplete_line_in_the_middle_is_skipped(tmp_path: Path) -> None:
    run = write(tmp_path / "run", train(1), tail='{"event": "tr{"event": "resume", "step": 1}\n' + json.dumps(train(2)))
    assert read_history(run).series("train", "loss")[0] == [1, 2]


@pytest.mark.parametrize("told", [True, False], ids=["with a resume line", "without one"])
def test_later_records_replace_repeated_steps(tmp_path: Path, told: bool) -> None:
    before = [train(1, 9), train(2, 8), valid(2, 7), train(3, 6), train(4, 5), valid(4, 4)]
    resume = [{"event": "resume", "step": 2}] if told else []
    history = read_history(write(tmp_path / "run", *before, *resume, train(3, 1)))
    assert history.series("train", "loss") == ([1, 2, 3], [9, 8, 1])
    assert history.series("valid", "loss") == ([2], [7]), "what was seen at the checkpoint stays, what came later goes"


def test_later_record_of_the_same_step_is_kept(tmp_path: Path) -> None:
    history = read_history(write(tmp_path / "run", train(1, 2), train(1, 3), valid(1, 4), valid(1, 5)))
    assert history.series("train", "loss") == ([1], [3])
    assert history.series("valid", "loss") == ([1], [5])


def test_new_start_drops_earlier_records(tmp_path: Path) -> None:
    history = read_history(write(tmp_path / "run", train(5), {"event": "start", "step": 0}, train(1, 7)))
    assert history.series("train", "loss") == ([1], [7])


def test_values_that_are_not_numbers_are_left_out(tmp_path: Path) -> None:
    rows = [
        train(1, float("nan")),
        train(2, float("inf")),
        valid(2, bleu=None),
        valid(3, bleu="5"),
        valid(4, bleu=True),
    ]
    history = read_history(write(tmp_path / "run", *rows, train(5, 1.0)))
    assert history.series("train", "loss") == ([5], [1.0])
    assert history.series("valid", "bleu") == ([], [])


def test_best_is_the_first_of_equal_values() -> None:
    history = History(
        "x", [], [valid(1, 3, bleu=4.0), valid(2, 2, bleu=6.0), valid(3, 2, bleu=6.0), valid(4, 5, bleu=1.0)]
    )
    assert history.best("bleu", highest=True) == (2, 6.0)
    assert history.best("loss", highest=False) == (2, 2.0)
    assert history.best("chrf", highest=True) is None


def test_lower_loss_decides_between_equal_bleu() -> None:
    history = History("x", [], [valid(1, 3, bleu=0.0), valid(2, 2, bleu=0.004), valid(3, 2.5, bleu=0.0)])
    assert history.best("bleu", highest=True) == (2, 0.004)
    history.valid.extend([valid(4, 5, bleu=7.0), {"event": "valid", "step": 5, "loss": None, "bleu": 7.0}])
    assert history.best("bleu", highest=True) == (4, 7.0)
    history.valid.append(valid(6, 4, bleu=7.0))
    assert history.best("bleu", highest=True) == (6, 7.0)


def test_validation_of_step_0_is_kept(tmp_path: Path) -> None:
    start, resume = {"event": "start", "step": 0}, {"event": "resume", "step": 0}
    history = read_history(write(tmp_path / "run", start, valid(0, 2.0, bleu=9.0), resume, train(1), valid(1, 3.0)))
    assert history.series("valid", "loss") == ([0, 1], [2.0, 3.0])
    assert history.best("bleu", highest=True) == (0, 9.0)


def test_missing_and_invalid_logs_are_reported(tmp_path: Path) -> None:
    with pytest.raises(NmtError, match="no such log; give a run folder"):
        read_history(tmp_path / "none")
    with pytest.raises(NmtError, match=r"log\.jsonl: no such log"):
        read_history(tmp_path)
    (tmp_path / "log.jsonl").write_text("hello\nworld\n", encoding="utf-8")
    with pytest.raises(NmtError, match="not a log of JSON lines"):
        read_history(tmp_path)
