"""Warn about input lines that are not valid UTF-8, are longer than the training lines, or have many unseen words."""

import logging
from dataclasses import dataclass, field

from nmt.data.lines import InvalidLines
from nmt.data.training_words import TrainingWords

logger = logging.getLogger(__name__)
EXAMPLES = 3
MAX_EXAMPLE = 40
"""Characters of an unseen word that a warning shows at most."""


@dataclass
class UnseenWords:
    """How many words of an input do not occur in the training text of the model."""

    words: int = 0
    """All words."""
    unseen: int = 0
    first_line: int = 0
    """The number of the first line with an unseen word, from 1; 0 if there is none."""
    examples: list[str] = field(default_factory=list)
    """The first unseen words, each once."""

    def add(self, number: int, line: str, known: TrainingWords) -> None:
        """Count the words of line `number`, from 0."""
        words, unseen = known.unseen(line)
        self.words += words
        self.unseen += len(unseen)
        if unseen:
            self.first_line = self.first_line or number + 1
            new = [word for word in dict.fromkeys(unseen) if word not in self.examples]
            self.examples += new[: EXAMPLES - len(self.examples)]


class InputWarnings:
    """Warns once for each kind of unusual line: at once if the input is live, otherwise at its end.

    Words are judged at the end of the input, because a line may have one rare word by chance.
    """

    def __init__(
        self,
        invalid: InvalidLines,
        typical_length: int | None,
        is_live: bool = False,
        known: TrainingWords | None = None,
    ) -> None:
        """`invalid` counts invalid lines. A line of more than `typical_length` tokens is long (None: no line is).

        `known` are the words of the training text (None: no word is reported as unseen).
        """
        self._invalid, self._typical_length, self._is_live, self._known = invalid, typical_length, is_live, known
        self._long_lines = self._first = 0
        self._unseen = UnseenWords()
        self._has_warned_invalid = self._has_warned_long = False

    def check(self, number: int, tokens: int, line: str) -> None:
        """Take line `number`, counted from 0, and the number of its source tokens."""
        if self._typical_length is not None and tokens > self._typical_length:
            self._long_lines += 1
            self._first = self._first or number + 1
        if self._known is not None:
            self._unseen.add(number, line, self._known)
        if self._is_live:
            self._warn_of_lines()

    def finish(self) -> None:
        """Log the warnings that have not been logged, at the end of the input."""
        self._warn_of_lines()
        if self._known is not None:
            known = self._known
            warn_of_unseen_words(self._invalid.name, self._unseen, known.usual_share, known.sampled_pairs)

    def _warn_of_lines(self) -> None:
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


def warn_of_unseen_words(name: str, found: UnseenWords, usual_share: float, sampled_pairs: int | None) -> None:
    """Log a warning if the input `name` has unusually many unseen words.

    For `usual_share` and `sampled_pairs` see `TrainingWords`.
    """
    if found.unseen <= usual_share * found.words:
        return
    verb = "is" if found.unseen == 1 else "are"
    part = "" if sampled_pairs is None else f"{sampled_pairs:,} pairs of it were read; "
    place = f"line {found.first_line:,}" if found.unseen == 1 else f"the first in line {found.first_line:,}"
    examples = [word if len(word) <= MAX_EXAMPLE else f"{word[:MAX_EXAMPLE]}…" for word in found.examples]
    if examples and found.unseen > len(examples):
        examples.append("…")
    shown = f": {', '.join(examples)}" if examples else ""
    logger.warning(
        f"{name}: {found.unseen:,} of {found.words:,} words {verb} not in the training text ({part}{place}{shown}). "
        "Translations of such words are often wrong; 'nmt tune' trains a model further on text of another kind"
    )
