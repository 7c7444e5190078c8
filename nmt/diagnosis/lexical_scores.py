"""Score how well the two lines of a pair belong together: by a lexicon learned from the same corpus, and by length.

A pair is scored with t(target | source) and t(source | target) of IBM Model 1 (Brown 1993), learned from pairs of the
other folds (cross-fitting), so that the score of a wrong pair is that of a random one. Axes: N pairs, L links.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nmt.data.lexicon_learning import model_1
from nmt.diagnosis.texts import words

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MAX_WORDS = 30
"""Words of a line that are used."""
_STEM = 6
"""Characters of a word that count, since endings vary."""
_SMOOTHING = 0.1
_SAME_WORD = 0.3
"""Probability that an unknown word is translated by itself: a name or a number."""
_LENGTH_WEIGHT = 0.5
_MAX_DEVIATION = 6.0


@dataclass(frozen=True)
class Encoded:
    """The words of both sides of a corpus as numbers from 1."""

    source: list[list[int]]
    target: list[list[int]]
    size: int
    """Upper bound of the numbers."""
    same: tuple[Ints, Ints]
    """(size,) the target word that is spelled like a source word, and the reverse; -1 if there is none."""
    characters: tuple[Floats, Floats]
    """(N,) characters of each line."""


def encode(source: Sequence[str], target: Sequence[str]) -> Encoded:
    """Return the words of both sides as numbers."""
    sides, ids = [], []
    for lines in (source, target):
        numbers: dict[str, int] = {}
        sides.append(
            [
                [numbers.setdefault(word[:_STEM], len(numbers) + 1) for word in words(line.lower())[:MAX_WORDS]]
                for line in lines
            ]
        )
        ids.append(numbers)
    size = max(map(len, ids)) + 1
    same = np.full((2, size), -1, np.int64)
    for word, number in ids[0].items():
        if (other := ids[1].get(word)) is not None:
            same[0, number], same[1, other] = other, number
    lengths = [np.array([len(line) for line in lines], np.float64) for lines in (source, target)]
    return Encoded(sides[0], sides[1], size, (same[0], same[1]), (lengths[0], lengths[1]))


class PairScorer:
    """Scores pairs of lines with lexicons in both directions that are learned from some of the pairs."""

    def __init__(self, encoded: Encoded, source: Ints, target: Ints) -> None:
        """Learn from the pairs of line `source[i]` and line `target[i]`."""
        self._encoded = encoded
        sources, targets = [encoded.source[i] for i in source], [encoded.target[i] for i in target]
        self._forward = _Lexicon(sources, targets, encoded.size, encoded.same[0])
        self._backward = _Lexicon(targets, sources, encoded.size, encoded.same[1])
        ratios = self._ratios(source, target)
        self._ratio = float(np.median(ratios))
        self._spread = float(np.median(np.abs(ratios - self._ratio))) * 1.5 + 0.1

    def __call__(self, source: Ints, target: Ints) -> Floats:
        """Return the scores of the pairs of line `source[i]` and line `target[i]`, (N,): higher is better."""
        sources, targets = [self._encoded.source[i] for i in source], [self._encoded.target[i] for i in target]
        forward, forward_words = self._forward.score(sources, targets)
        backward, backward_words = self._backward.score(targets, sources)
        deviation = np.abs(self._ratios(source, target) - self._ratio) / self._spread
        lexical = (forward + backward) / np.sqrt(np.maximum(forward_words + backward_words, 1))
        return np.asarray(lexical - _LENGTH_WEIGHT * np.minimum(deviation, _MAX_DEVIATION))

    def _ratios(self, source: Ints, target: Ints) -> Floats:
        lengths = self._encoded.characters
        return np.asarray(np.log((lengths[0][source] + 5) / (lengths[1][target] + 5)))


class _Lexicon:
    """t(target | source) of IBM Model 1, smoothed for words that are seldom seen."""

    def __init__(self, source: list[list[int]], target: list[list[int]], size: int, same: Ints) -> None:
        self._size, self._same = size, same
        ids, sizes, target_ids, target_sizes = _flatten(source, target)
        frequencies = np.bincount(ids, minlength=size)
        self._unigram = np.bincount(target_ids, minlength=size) / max(1, len(target_ids))
        found: tuple[Any, Any, Any] = (np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros(1))
        if len(target_ids):
            found = model_1(ids, sizes, target_ids, target_sizes, size)
        self._codes = found[0] * size + found[1]
        # A word that was seen n times has n / (n + 1) of its probabilities.
        self._probabilities = found[2] * (frequencies / (frequencies + 1))[found[0]]

    def score(self, source: list[list[int]], target: list[list[int]]) -> tuple[Floats, Ints]:
        """Return the sum over known target words of log p(word | source) / p(word), (N,), and their number, (N,)."""
        ids, sizes, target_ids, target_sizes = _flatten(source, target)
        pair = np.repeat(np.arange(len(target)), target_sizes)
        if not len(target_ids):
            return np.zeros(len(target)), np.zeros(len(target), np.int64)
        repeats = np.repeat(sizes, target_sizes)
        starts = np.repeat(np.cumsum(sizes) - sizes, target_sizes)
        begins = np.cumsum(repeats) - repeats
        positions = np.repeat(starts - begins, repeats) + np.arange(int(repeats.sum()))  # (L,)
        link_source, link_target = ids[positions], np.repeat(target_ids, repeats)
        codes = link_source * self._size + link_target
        entry = np.minimum(np.searchsorted(self._codes, codes), len(self._codes) - 1)
        links = np.where(self._codes[entry] == codes, self._probabilities[entry], 0.0)
        links = np.where(self._same[link_source] == link_target, np.maximum(links, _SAME_WORD), links)
        probability = np.add.reduceat(links, begins) / repeats
        unigram = self._unigram[target_ids]
        is_known = (unigram > 0) | (probability > 0)
        unigram = np.maximum(unigram, 1 / len(target_ids))
        ratios = np.where(is_known, np.log((1 - _SMOOTHING) * probability / unigram + _SMOOTHING), 0.0)
        total = np.bincount(pair, ratios, minlength=len(target)).astype(np.float64)
        return total, np.bincount(pair, is_known, minlength=len(target)).astype(np.int64)


def _flatten(source: list[list[int]], target: list[list[int]]) -> tuple[Ints, Ints, Ints, Ints]:
    """Return ids and lengths of both sides, end to end; each source line gets the empty word 0."""
    sizes = np.array([len(line) + 1 for line in source], np.int64)
    target_sizes = np.array([len(line) for line in target], np.int64)
    ids = np.fromiter((word for line in source for word in (0, *line)), np.int64, int(sizes.sum()))
    target_ids = np.fromiter((word for line in target for word in line), np.int64, int(target_sizes.sum()))
    return ids, sizes, target_ids, target_sizes


def mismatched_share(scores: Floats, random_scores: Floats) -> float:
    """Return the estimated share of pairs whose lines do not belong together.

    A share x of wrong pairs puts a share x / 2 of the scores below the median of those of random pairs.
    """
    return min(1.0, 2 * float(np.mean(scores <= np.median(random_scores))))
