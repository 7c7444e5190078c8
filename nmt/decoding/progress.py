"""What a long translation says while it runs: progress, as a bar or as lines, and which lines are unusually long."""

import datetime
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from tqdm import tqdm

from nmt.data.lines import InvalidLines

Report = Callable[[str], None]

FIRST, EVERY = 10.0, 30.0
"""Seconds until the first line of progress, and between two of them."""
LONGEST = 3600.0
"""Most seconds between two lines for live input, where the time doubles: nobody may read them."""


class Progress:
    """Reports on lines that are translated; use it as a context and call `advance` after each batch."""

    def __init__(
        self,
        say: Report | None,
        share: Callable[[int], float | None] = lambda lines: None,
        name: str = "",
        is_live: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Report to `say`, None for nobody; `share` tells what share of all the work so many lines are."""
        self._say, self._share, self._is_live, self._clock = say, share, is_live, clock
        self._name = f"{name}: " if name else ""
        self._start = clock()
        self._due, self._pause = self._start + FIRST, EVERY
        self.lines = 0
        """Lines translated."""
        self.tokens = 0
        """Target tokens generated, ends of sentences included."""
        self._bar: tqdm[Any] | None = None
        if say is not None and not is_live and sys.stderr.isatty():
            self._bar = tqdm(desc=name or None, unit=" lines", file=sys.stderr, mininterval=1, leave=False)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    @property
    def seconds(self) -> float:
        """Time since the beginning."""
        return self._clock() - self._start

    def advance(self, lines: int, tokens: int) -> None:
        """Note lines that are translated and target tokens that were generated; report if it is time."""
        self.lines += lines
        self.tokens += tokens
        if self._bar is not None:
            self._bar.update(lines)
            if left := self._left():
                self._bar.set_postfix_str(left)
        elif self._say is not None and self._clock() >= self._due and self.lines:
            self._due = self._clock() + self._pause
            if self._is_live:
                self._pause = min(2 * self._pause, LONGEST)
            figures = [self.figures(), *([left] if (left := self._left()) else [])]
            self._say(f"{self._name}{', '.join(figures)}")

    def figures(self) -> str:
        """Return lines, time and speed."""
        seconds = max(self.seconds, 1e-9)
        return (
            f"{self.lines:,} lines in {seconds:,.1f} s: {self.lines / seconds:,.1f} lines/s, "
            f"{self.tokens / seconds:,.0f} target tokens/s"
        )

    def _left(self) -> str:
        """Return the percentage that is done and the time that is left, nothing where that is not known."""
        share = self._share(self.lines)
        if not share:
            return ""
        share = min(share, 1.0)
        left = datetime.timedelta(seconds=round(self.seconds * (1 - share) / share))
        return f"{100 * share:.0f} %, {left} left"


class InvalidText:
    """Warns once about lines that are not valid UTF-8, which are translated with U+FFFD in place of what is invalid."""

    def __init__(self, say: Report | None, counts: InvalidLines, is_live: bool = False) -> None:
        """Warn about `counts`; as soon as there is an invalid line for live input, else in `finish`."""
        self._say, self._counts, self._is_live = say, counts, is_live
        self._has_warned = False

    def look(self) -> None:
        """Warn after a window of live input."""
        if self._is_live:
            self.finish()

    def finish(self) -> None:
        """Warn at the end of the input, if that has not been done."""
        if self._counts.invalid and not self._has_warned and self._say is not None:
            self._say(f"warning: {self._counts}")
        self._has_warned = self._has_warned or self._counts.invalid > 0


class LongLines:
    """Counts lines that are longer than those that the model was trained on, and warns of them once."""

    def __init__(self, say: Report | None, usual: int | None, name: str = "the input", is_live: bool = False) -> None:
        """Warn about lines of more than `usual` tokens; at once for live input, else in `finish`."""
        self._say, self._usual, self._name, self._is_live = say, usual, name, is_live
        self.count = 0
        self._first = 0

    def see(self, number: int, tokens: int) -> None:
        """Note that line `number`, counted from 0, has so many source tokens."""
        if self._usual is None or tokens <= self._usual:
            return
        self.count += 1
        self._first = self._first or number + 1
        if self.count == 1 and self._is_live:
            self._warn(f"line {number + 1:,} is")

    def finish(self) -> None:
        """Warn at the end of the input."""
        if self.count and not self._is_live:
            counted = f"{self.count:,} lines (the first is line {self._first:,}) are"
            self._warn(f"line {self._first:,} is" if self.count == 1 else counted)

    def _warn(self, what: str) -> None:
        if self._say is not None:
            self._say(
                f"warning: {self._name}: {what} longer than 99.9 % of the training lines ({self._usual} tokens), and "
                "the model may leave out parts: give one sentence a line, or let long lines be cut at the ends of "
                f"sentences with --max-source-tokens {self._usual}"
            )
