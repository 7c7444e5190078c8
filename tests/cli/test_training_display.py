"""What `nmt train` shows of a training: lines, a bar on a terminal, and the signals that it listens to."""

import logging
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from nmt.cli import training_display
from nmt.cli.log_output import show_log
from nmt.cli.progress_bars import ProgressBars
from nmt.cli.stop_signals import StopSignals
from nmt.cli.training_display import TrainingDisplay
from nmt.config import parse
from nmt.training.events import CheckpointSaved, StepLogged, TrainingStarted
from nmt.training.stop import Stopped

CONFIG = parse({"name": "x", "data": {"train": {"tsv": "a.tsv"}, "valid": {"tsv": "a.tsv"}}}, "test")
STARTED = TrainingStarted(Path("runs/x"), 2, 5, True, 1234, "cpu", "fp32", 1, "2.6", 10, 0, 70, 80, 1)
STEP = StepLogged(3, 5, 0, 1.5, 1.6, 0.5, 1e-3, 2.0, 100, 0, 1000.0, 3.0, 7.0)
SAVED = CheckpointSaved(3, Path("runs/x/checkpoints/step-3"), True)


@pytest.fixture(autouse=True)
def _shown_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Show messages as on the command line, and leave the allocator as it is."""
    for name in ("keep_freed_memory", "share_cores"):
        monkeypatch.setattr(training_display, name, lambda *_: None)
    logger = logging.getLogger("nmt")
    handlers, level = list(logger.handlers), logger.level
    show_log()
    yield
    logger.handlers, logger.level = handlers, level


def show_training() -> None:
    with TrainingDisplay(CONFIG) as display:
        display.show(STARTED)
        display.bars.show("training", 2, 5)
        logging.getLogger("nmt.training").info("a message")
        display.bars.show("training", 3, 5)
        display.show(STEP)
        display.show(SAVED)


def test_events_are_lines_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show_training()
    assert capsys.readouterr().err.split("\n") == [
        "parameters 1,234  device cpu  precision fp32  threads 1  torch 2.6  pairs 10  vocabulary 70/80  seed 1",
        "resuming at step 2",
        "a message",
        "step 3/5  loss 1.500, 1,000 target tokens/s, 0:00:07 left",
        "",
    ]


def test_lines_are_shown_above_the_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    show_training()
    shown = capsys.readouterr().err
    assert "a message\n" in shown and "3/5" in shown and "loss 1.500, 1,000 target tokens/s" in shown
    assert "step 3/5" not in shown


def test_each_action_has_its_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBars() as bars:
        bars.show("cleaning", 0, 10)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with ProgressBars() as bars:
        for action, done in (("cleaning", 0), ("cleaning", 10), ("subwords", 0), ("subwords", 1), ("encoding", 4)):
            bars.show(action, done, 10)
    shown = capsys.readouterr().err
    assert "cleaning: " in shown and "encoding: " in shown and "subwords" not in shown


def test_ctrl_c_ends_the_process_at_once_while_it_trains_subwords() -> None:
    def handler_inside(trains_subwords: bool = True) -> Any:
        with ProgressBars(trains_subwords) as bars:
            bars.show("subwords", 0, 1)
            inside = signal.getsignal(signal.SIGINT)
            bars.show("subwords", 1, 1)
            assert signal.getsignal(signal.SIGINT) is before
            bars.show("subwords", 0, 1)  # the handler is restored after an error, too
        assert signal.getsignal(signal.SIGINT) is before
        return inside

    original = signal.getsignal(signal.SIGINT)
    try:
        for before in (signal.default_int_handler, signal.SIG_IGN):  # ignored: nohup, or a shell's background
            signal.signal(signal.SIGINT, before)
            assert handler_inside() == (signal.SIG_DFL if before is signal.default_int_handler else before)
            assert handler_inside(trains_subwords=False) is before
            with ThreadPoolExecutor(1) as pool:  # only the main thread can set a handler
                assert pool.submit(handler_inside).result() is before
    finally:
        signal.signal(signal.SIGINT, original)


def test_signals_request_a_stop_from_the_start_of_training_to_its_end() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with TrainingDisplay(CONFIG) as display:
        assert signal.getsignal(signal.SIGTERM) is before
        display.show(STARTED)
        signal.raise_signal(signal.SIGTERM)
        assert display.signals.request.is_set() and display.signals.number == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_interrupts_a_validation() -> None:
    signals = StopSignals()
    with signals.listening(), pytest.raises(Stopped), signals.request.interrupting():
        signal.raise_signal(signal.SIGINT)
        pytest.fail("the validation continued")
