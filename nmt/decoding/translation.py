"""The translation of a line, joined from those of its parts.

Axes: S source tokens, T target tokens.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from nmt import config
from nmt.data.languages import has_spaces
from nmt.data.lines import one_line
from nmt.data.subword import SPACE, Vocabularies
from nmt.data.token_ids import UNK
from nmt.decoding.hypothesis import Hypothesis
from nmt.decoding.source_lines import Line
from nmt.decoding.word_alignment import align, copied_words, replace_unknown, word_numbers, words


@dataclass(frozen=True)
class Target:
    """One translation of a line."""

    text: str
    """One printable line."""
    score: float
    """What search ranks by; the mean over the pieces where the line was cut."""
    log_prob: float
    """Natural log of p(target | source), the sum over the pieces where the line was cut."""
    pieces: tuple[str, ...]
    """Subword pieces, without EOS; of what a network copied, the word itself."""
    token_log_probs: tuple[float, ...]
    """Natural log of each token's probability, each piece's EOS included."""
    words: tuple[tuple[int, int], ...] | None
    """(source word, target word), counted from 0, for each target word; None if not asked for."""
    attention: NDArray[np.float32] | None
    """(T, S) with the source's EOS as last column; None if not asked for, or the line was cut."""


@dataclass(frozen=True)
class Translation:
    """A line and its translations."""

    number: int
    """Line number, from 0."""
    source: str
    """The line as it was given, made printable."""
    source_pieces: tuple[str, ...]
    """Subword pieces, without EOS; of what a network can copy, the word itself."""
    targets: tuple[Target, ...]
    """At most n_best, the best first; one empty one for an empty line."""
    others: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """As in `Request`."""


EMPTY = Target("", 0.0, 0.0, (), (), (), None)


class Joiner:
    """Joins the translations of the parts of a line."""

    def __init__(self, vocabularies: Vocabularies, data: config.Data, copies_source: bool) -> None:
        """With `copies_source` unknown words are replaced by unknown words of the source alone, if it has any."""
        self._vocabularies = vocabularies
        self._data = data
        self._has_spaces = has_spaces(data.target_language)
        self._copies_source = copies_source

    def join(self, line: Line, hypotheses: list[Hypothesis], with_alignment: bool, replaces: bool) -> Target:
        """Return the translation of a line from those of its parts; `replaces` copies words for unknown ones."""
        between = " " if self._has_spaces else ""
        target = self._vocabularies.target
        text = ""
        attention: NDArray[np.float32] | None = None
        links: list[tuple[int, int]] = []
        every: list[str] = []
        for part, hypothesis in zip(line.slices, hypotheses, strict=True):
            tokens = target.entries(hypothesis.tokens)
            pieces = target.pieces(tokens)
            every += target.pieces(hypothesis.tokens, line.unknown) if line.unknown else pieces
            numbers = word_numbers(pieces)
            attention = hypothesis.alignment
            if attention is not None:
                attention = attention[:, len(line.tag) :]
            forced = line.forced if part.start == 0 else []
            copies = self._copies(line, part, hypothesis, attention) if replaces else {}
            copies |= {i: line.unknown[t - target.size] for i, t in enumerate(hypothesis.tokens) if t >= target.size}
            if copies or forced:
                added = replace_unknown(tokens, target, copies, numbers, self._has_spaces, forced)
            else:
                added = target.decode(tokens)
            added = one_line(added)
            joint = text + (between if text and added else "") + added
            if attention is not None:
                first = len(words(text)) - (bool(text) and not between)
                total = len(words(joint))
                pairs = align(attention, numbers, line.words[part])
                links += [(source, first + word) for word, source in pairs.items() if first + word < total]
            text = joint
        return Target(
            text=text,
            score=float(np.mean([h.score for h in hypotheses])),
            log_prob=sum(h.log_prob for h in hypotheses),
            pieces=tuple(every),
            token_log_probs=tuple(value for h in hypotheses for value in h.token_log_probs),
            words=tuple(links) if with_alignment else None,
            attention=attention if with_alignment and len(hypotheses) == 1 else None,
        )

    def _copies(
        self, line: Line, part: slice, hypothesis: Hypothesis, attention: NDArray[np.float32] | None
    ) -> dict[int, str]:
        """Return the source word to copy for each unknown token in the translation of a part of a line."""
        if attention is None or UNK not in hypothesis.tokens:
            return {}
        if has_spaces(self._data.source_language):
            texts, numbers = words(line.source), line.words[part]
        else:
            texts = [piece.strip(SPACE) for piece in self._vocabularies.source.surfaces(line.normal)]
            numbers = list(range(len(texts)))[part]
        if not numbers:  # of a line of spaces
            return {}
        unknown = {number for number, token in zip(numbers, line.ids[part], strict=True) if token == UNK}
        return copied_words(hypothesis.tokens, attention, numbers, texts, unknown if self._copies_source else ())


class HasText(Protocol):
    """A translation."""

    @property
    def text(self) -> str:
        """What is printed."""


AText = TypeVar("AText", bound=HasText)


def take(targets: Iterator[AText], count: int, is_distinct: bool) -> tuple[AText, ...]:
    """Return the first `count` of `targets`; where `is_distinct`, without those whose text an earlier one has.

    Equal texts are of several segmentations, or of several words that are printed alike. Reads no further than needed.
    """
    return tuple(itertools.islice(_distinct(targets) if is_distinct else targets, count))


def _distinct(targets: Iterator[AText]) -> Iterator[AText]:
    seen: set[str] = set()
    for target in targets:
        if target.text not in seen:
            seen.add(target.text)
            yield target
