"""`report.html` is written while a run trains, but neither too often nor at the cost of the training."""

from pathlib import Path

import pytest
from tiny_training import interrupted, tiny

from nmt.storage.run_folder import Run
from nmt.storage.validation_texts import read_validation_texts
from nmt.training import report_refresh
from nmt.training.events import CheckpointSaved, TrainingEvent, TrainingStarted, Validated
from nmt.training.report_refresh import ReportRefresh
from nmt.training.session import train
from nmt.training.validation import SAMPLES, sample_rows

FACTS = {"parameters": 1, "device": "cpu", "precision": "fp32", "threads": 1, "torch": "2", "pairs": 1, "left_out": 0}
STARTED = TrainingStarted(
    Path("run"), 0, 9, is_resumed=False, source_vocabulary=9, target_vocabulary=9, seed=1, **FACTS
)  # type: ignore[arg-type]
VALIDATED = Validated(3, 0, 1.0, 2.7, 5.0, is_best=True, samples=(), seconds=9.0)


class Pages:
    """Counts the pages that are written, each of which takes `cost` seconds of a clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.cost = 1.0
        self.written: list[bool] = []
        self.error: Exception | None = None
        monkeypatch.setattr(report_refresh, "write_report", self._write)
        self.refresh = ReportRefresh(Run(Path("run")), tiny(), {}, clock=lambda: self.now)

    def _write(self, folder: Path, is_training: bool, config: object, shapes: object) -> None:
        self.now += self.cost
        self.written.append(is_training)
        if self.error is not None:
            raise self.error

    def after(self, seconds: float, event: TrainingEvent) -> int:
        """Return how many pages `event` writes, `seconds` after the last page."""
        before = len(self.written)
        self.now += seconds
        self.refresh.observe(event)
        return len(self.written) - before


def test_a_page_is_refreshed_if_the_last_one_cost_at_most_three_percent(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = Pages(monkeypatch)
    assert pages.after(0, STARTED) == 1
    assert pages.after(20, VALIDATED) == 0
    assert pages.after(10, VALIDATED) == 0
    assert pages.after(10, CheckpointSaved(3, Path("x"), is_best=True)) == 0
    pages.cost = 0.1
    assert pages.after(0, VALIDATED) == 1  # 40 s after a page of 1 s
    assert pages.after(3.4, VALIDATED) == 1  # after a page of 0.1 s
    pages.refresh.write(is_training=False)
    assert pages.written == [True, True, True, False]


def test_refreshing_takes_a_small_share_of_any_training(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = Pages(monkeypatch)
    began = pages.now
    for number in range(500):
        pages.cost = 0.5 + number / 100
        pages.after(3, VALIDATED)
    spent = pages.now - began - 1500
    assert len(pages.written) > 3 and spent < 0.05 * 1500


def test_an_error_is_a_warning_once(monkeypatch: pytest.MonkeyPatch, messages: list[str]) -> None:
    pages = Pages(monkeypatch)
    pages.error = ZeroDivisionError("no curve")
    pages.after(0, STARTED)
    pages.after(99, VALIDATED)
    assert len(pages.written) == 2
    assert messages == ["warning: run/report.html could not be written (no curve); training is not affected"]


def test_an_error_does_not_stop_training(
    corpus_folder: Path, monkeypatch: pytest.MonkeyPatch, messages: list[str]
) -> None:
    monkeypatch.setattr("nmt.reports.report_page.curves_section", lambda *_: 1 / 0)
    assert train(tiny(max_steps=4)).is_finished
    assert sum("could not be written (division by zero)" in message for message in messages) == 1


def test_pages_of_a_stopped_and_of_a_finished_run(corpus_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = interrupted(monkeypatch, tiny(), 6)
    page = run.folder / "report.html"
    stopped = page.read_text(encoding="utf-8")
    assert "Not finished: step " in stopped and 'http-equiv="refresh"' not in stopped
    (run.folder / "corpus.json").unlink()
    seen = []
    train(tiny(), resume=True, on_event=lambda _: seen.append(page.read_text(encoding="utf-8")))
    assert any("Training: step" in text and 'http-equiv="refresh"' in text for text in seen)
    finished = page.read_text(encoding="utf-8")
    assert "Finished after 12 steps" in finished and 'http-equiv="refresh"' not in finished
    for section in ("curves", "progress", "quality", "attention", "corpus", "network"):
        assert f'<h2 id="{section}">' in finished
    texts = read_validation_texts(Run(run.folder), {4, 8, 12})
    assert texts is not None and len(texts.translations) == 20
    assert [each.weights[0] for each in texts.attention if abs(sum(each.weights[0]) - 1) > 0.05] == []


@pytest.mark.parametrize("count", [1, 4, 5, 6, 100])
def test_the_logged_sentences_differ_and_cover_all_lengths(count: int) -> None:
    sources = ["a" * (count - n) for n in range(count)] + ["", "a", "a"]
    rows = sample_rows(sources)
    lengths = [len(sources[row]) for row in rows]
    assert len(rows) == min(count, SAMPLES) and lengths == sorted(set(lengths))
    assert lengths[0] <= 1 + count // SAMPLES and lengths[-1] >= count - count // SAMPLES
