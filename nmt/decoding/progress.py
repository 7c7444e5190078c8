"""Report the progress of a long translation, as a progress bar or as log lines."""

import datetime
import logging
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm

FIRST_REPORT, REPORT_INTERVAL = 10.0, 30.0
"""Seconds until the first log line, and between two log lines."""
MAX_LIVE_INTERVAL = 3600.0
"""Upper limit in seconds for live input, for which the interval doubles after each log line."""

logger = logging.getLogger(__name__)


class Progress(AbstractContextManager["Progress"]):
    """Reports how many lines are translated. Use it as a context manager and call `advance` after each batch.

    It shows a progress bar if stderr is a terminal, otherwise log lines; nothing if level INFO is disabled.
    """

    def __init__(
        self,
        share: Callable[[int], float | None] = lambda lines: None,
        name: str = "",
        is_live: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the function `share`, which returns the share of all work that a number of lines is; None if unknown."""
        self._share, self._is_live, self._clock = share, is_live, clock
        self._name = f"{name}: " if name else ""
        self._start = clock()
        self._next_report, self._interval = self._start + FIRST_REPORT, REPORT_INTERVAL
        self.lines = 0
        """Lines translated."""
        self.tokens = 0
        """Target tokens generated, including EOS."""
        self.details = ""
        """Text to show besides the figures."""
        self._bar: tqdm[Any] | None = None
        if logger.isEnabledFor(logging.INFO) and not is_live and sys.stderr.isatty():
            import tqdm as bars  # takes as long to import as a sentence to translate

            self._bar = bars.tqdm(desc=name or None, unit=" lines", file=sys.stderr, mininterval=1, leave=False)

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return self._clock() - self._start

    def advance(self, lines: int, tokens: int) -> None:
        """Add translated lines and generated target tokens; report if it is time."""
        self.lines += lines
        self.tokens += tokens
        if self._bar is not None:
            self._bar.update(lines)
            if text := ", ".join(filter(None, [self.details, self._remaining()])):
                self._bar.set_postfix_str(text)
        elif self._clock() >= self._next_report and self.lines:
            self._next_report = self._clock() + self._interval
            if self._is_live:
                self._interval = min(2 * self._interval, MAX_LIVE_INTERVAL)
            logger.info(self._name + ", ".join(filter(None, [self.figures(), self.details, self._remaining()])))

    def figures(self) -> str:
        """Return lines, time and speed."""
        seconds = max(self.seconds, 1e-9)
        return (
            f"{self.lines:,} lines in {seconds:,.1f} s: {self.lines / seconds:,.1f} lines/s, "
            f"{self.tokens / seconds:,.0f} target tokens/s"
        )

    def _remaining(self) -> str:
        """Return the percentage that is done and the remaining time, or "" if they are not known."""
        share = self._share(self.lines)
        if not share:
            return ""
        share = min(share, 1.0)
        left = datetime.timedelta(seconds=round(self.seconds * (1 - share) / share))
        return f"{100 * share:.0f} %, {left} left"
