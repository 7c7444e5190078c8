"""Settings and fixtures for all tests."""

import logging
import os
from collections.abc import Iterator

import pytest

# One thread for each worker: two threads that wait for each other on one core take five times as long.
os.environ["OMP_NUM_THREADS"] = "1"


class _ListHandler(logging.Handler):
    """Collects the messages in a list, a warning with the prefix "warning: " as on the command line."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        self.messages.append(f"warning: {text}" if record.levelno == logging.WARNING else text)


@pytest.fixture
def messages() -> Iterator[list[str]]:
    """The log messages of `nmt` (level INFO and above) during a test, in order; `clear` it to start anew."""
    handler, logger = _ListHandler(), logging.getLogger("nmt")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler.messages
    logger.removeHandler(handler)
    logger.setLevel(level)
