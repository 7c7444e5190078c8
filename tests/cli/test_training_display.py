"""The progress bar of training on a terminal."""

import logging
import sys

import pytest

from nmt.cli.log_output import show_log
from nmt.storage.run_folder import Run
from nmt.training.training_log import TrainingLog


@pytest.fixture
def _shown_log():
    """Show messages as on the command line."""
    logger = logging.getLogger("nmt")
    handlers, level = list(logger.handlers), logger.level
    show_log()
    yield
    logger.handlers, logger.level = handlers, level


@pytest.mark.usefixtures("_shown_log")
def test_messages_are_shown_above_the_bar(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with TrainingLog(Run(tmp_path), 2, 5) as log:
        logging.getLogger("nmt.training").info("a message")
        log.advance()
        log.show(3, 1.5, 1000.0, 0.1)
    shown = capsys.readouterr().err
    assert "a message\n" in shown and "3/5" in shown and "loss 1.500, 1,000 target tokens/s" in shown
