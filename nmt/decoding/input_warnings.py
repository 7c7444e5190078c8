"""Warn about input lines that are not valid UTF-8, and about lines that are longer than the training lines."""

import logging

from nmt.data.lines import InvalidLines

logger = logging.getLogger(__name__)


class InputWarnings:
    """Warns once about invalid UTF-8 and once about long lines: at once if the input is live, otherwise at its end."""

    def __init__(self, invalid: InvalidLines, typical_length: int | None, is_live: bool = False) -> None:
        """`invalid` counts invalid lines. A line of more than `typical_length` tokens is long (None: no line is)."""
        self._invalid, self._typical_length, self._is_live = invalid, typical_length, is_live
        self._long_lines = self._first = 0
        self._has_warned_invalid = self._has_warned_long = False

    def check(self, number: int, tokens: int) -> None:
        """Take the number of source tokens of line `number`, counted from 0."""
        if self._typical_length is not None and tokens > self._typical_length:
            self._long_lines += 1
            self._first = self._first or number + 1
        if self._is_live:
            self.finish()

    def finish(self) -> None:
        """Log the warnings that are due and have not been logged."""
        if self._invalid.invalid and not self._has_warned_invalid:
            self._has_warned_invalid = True
            logger.warning(str(self._invalid))
        if self._long_lines and not self._has_warned_long:
            self._has_warned_long = True
            warn_of_long_lines(self._invalid.name, self._long_lines, self._first, self._typical_length)


def warn_of_long_lines(name: str, count: int, number: int, typical_length: int | None) -> None:
    """Log the warning about `count` long lines of the input `name`, of which `number` is the first, from 1."""
    first = f"line {number:,}"
    lines = f"{first} is" if count == 1 else f"{count:,} lines (the first is {first}) are"
    logger.warning(
        f"{name}: {lines} longer than 99.9 % of the training lines ({typical_length} tokens), and the model may leave "
        "out parts: let lines be split into sentences with --split-sentences, or only long lines with "
        f"--max-source-tokens {typical_length}"
    )
