"""Minimum error rate training (Och 2003): weights of features that maximise the BLEU of the best hypotheses.

Along one coordinate, w + x e_k, the score of each hypothesis is a line in x: intercept f·w, slope f_k. The best
hypothesis of a sentence changes only where the upper envelope of its lines has a corner, so the BLEU of all sentences
is piecewise constant in x, and the best x is found exactly.

Axes: S sentences, N hypotheses of a sentence (padded), F features, M corners, C = 10 statistics of BLEU.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nmt.randomness import generator

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
ORDERS = 4
"""n-gram orders of BLEU."""
MAX_PASSES = 50
"""Passes over all coordinates, at most, from one start."""
MIN_GAIN = 1e-6
"""BLEU that a step must gain."""
MIN_WIDTH = 1e-6
"""Width of the narrowest interval that a step may end in: in narrower ones rounding decides."""


@dataclass(frozen=True)
class Candidates:
    """The hypotheses of all sentences, padded to the longest list."""

    features: Floats
    """(S, N, F)"""
    statistics: Ints
    """(S, N, C): correct n-grams, all n-grams of each order, and lengths of hypothesis and reference."""
    is_real: NDArray[np.bool_]
    """(S, N), False for padding."""

    @classmethod
    def of(cls, features: Sequence[Floats], statistics: Sequence[Ints]) -> "Candidates":
        """Return the candidates of sentences with features (N, F) and statistics (N, C)."""
        widest = max(map(len, features))
        is_real = np.arange(widest) < np.array([len(each) for each in features])[:, None]
        padded = np.zeros((len(features), widest, features[0].shape[1]))
        padded[is_real] = np.concatenate(features)
        counts = np.zeros((len(features), widest, statistics[0].shape[1]), np.int64)
        counts[is_real] = np.concatenate(statistics)
        return cls(padded, counts, is_real)

    def choose(self, weights: Floats) -> Ints:
        """Return the number of the best hypothesis of each sentence, (S,); the first of equal ones."""
        scores = np.where(self.is_real, self.features @ weights, -np.inf)  # (S, N)
        best: Ints = scores.argmax(1)
        return best

    def bleu(self, weights: Floats) -> float:
        """Return the corpus BLEU of the best hypotheses, 0 to 100."""
        chosen = self.statistics[np.arange(len(self.statistics)), self.choose(weights)]  # (S, C)
        return float(corpus_bleu(chosen.sum(0)))


def corpus_bleu(statistics: Ints) -> Floats:
    """Return BLEU (...), 0 to 100, of summed statistics (..., C), with sacreBLEU's smoothing `exp`."""
    correct, total = statistics[..., :ORDERS], statistics[..., ORDERS : 2 * ORDERS]
    length, reference = statistics[..., -2], statistics[..., -1]
    log_precisions, factor = np.zeros(length.shape), np.ones(length.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        for order in range(ORDERS):
            is_zero = correct[..., order] == 0
            factor = np.where(is_zero, factor * 2, factor)  # sacreBLEU halves the precision of each order without match
            precision = np.where(is_zero, 1 / factor, correct[..., order]) / total[..., order]
            log_precisions += np.log(precision)
        brevity = np.where(length < reference, np.exp(1 - reference / length), 1.0)
        bleu = 100 * brevity * np.exp(log_precisions / ORDERS)
    is_none = (correct == 0).all(-1) | (total == 0).any(-1) | (length == 0)
    return np.where(is_none, 0.0, bleu)


def optimise(candidates: Candidates, start: Floats, restarts: int, seed: int) -> tuple[Floats, float]:
    """Return weights (F,) with a high BLEU, and this BLEU, which is never below that of `start`.

    Coordinate ascent from `start` and from `restarts` random points; the same `seed` gives the same result. The sum of
    the absolute weights is 1.
    """
    spread = _spread(candidates)
    scaled = Candidates(candidates.features / spread, candidates.statistics, candidates.is_real)
    random = generator(seed, "minimum error rate training")
    drawn = random.uniform(-1, 1, (restarts, len(start)))
    starts = [start * spread, *np.where(start == 0, drawn, np.copysign(drawn, start))]
    best, best_bleu = start, candidates.bleu(start)
    for point in starts:
        found = _ascend(scaled, point) / spread
        found = found / max(1e-12, np.abs(found).sum())
        bleu = candidates.bleu(found)
        if bleu > best_bleu + MIN_GAIN:
            best, best_bleu = found, bleu
    return best, best_bleu


def _spread(candidates: Candidates) -> Floats:
    """Return the standard deviation of each feature within the sentences, (F,), 1 where it is constant."""
    real = candidates.is_real[..., None]
    count = np.maximum(1, candidates.is_real.sum(1))[:, None, None]
    mean = (candidates.features * real).sum(1, keepdims=True) / count
    deviation = np.where(real, candidates.features - mean, 0.0)
    spread: Floats = np.sqrt((deviation**2).sum((0, 1)) / candidates.is_real.sum())
    return np.where(spread > 1e-12, spread, 1.0)


def _ascend(candidates: Candidates, weights: Floats) -> Floats:
    """Return weights from which no step along a coordinate gains BLEU."""
    weights = weights.copy()
    bleu = candidates.bleu(weights)
    for _ in range(MAX_PASSES):
        before = bleu
        for coordinate in range(len(weights)):
            step, _ = line_search(candidates, weights, coordinate)
            moved = weights.copy()
            moved[coordinate] += step
            reached = candidates.bleu(moved)
            if reached > bleu + MIN_GAIN:
                weights, bleu = moved, reached
        if bleu == before:
            break
    return weights


def line_search(candidates: Candidates, weights: Floats, coordinate: int) -> tuple[float, float]:
    """Return the step along a coordinate with the highest BLEU, and this BLEU.

    Of equally good intervals that of no step is taken, else the one nearest to it; the step ends in its middle.
    """
    corners, sums = _intervals(candidates, weights, coordinate)  # (M,), (M + 1, C)
    bleu = corpus_bleu(sums)  # (M + 1,)
    if not len(corners):
        return 0.0, float(bleu[0])
    begin, end = np.append(corners[0] - 2.0, corners), np.append(corners, corners[-1] + 2.0)
    bleu = np.where(end - begin >= MIN_WIDTH, bleu, -1.0)
    middle = (begin + end) / 2
    middle[(begin <= 0) & (end >= 0) & (bleu >= 0)] = 0.0
    best = np.flatnonzero(bleu == bleu.max())
    chosen = best[np.abs(middle[best]).argmin()]
    return float(middle[chosen]), float(bleu[chosen])


def _intervals(candidates: Candidates, weights: Floats, coordinate: int) -> tuple[Floats, Ints]:
    """Return the corners (M,) of all envelopes in ascending order, and the summed statistics between them, (M + 1, C).

    The envelopes of all sentences are followed from the left to the right at the same time, one corner in each round.
    """
    rows = np.arange(len(candidates.features))
    intercepts = np.where(candidates.is_real, candidates.features @ weights, -np.inf)  # (S, N)
    slopes = np.where(candidates.is_real, candidates.features[..., coordinate], np.inf)
    lowest = slopes.min(1, keepdims=True)
    current = np.where(slopes == lowest, intercepts, -np.inf).argmax(1)  # (S,): the best far to the left
    first = candidates.statistics[rows, current].sum(0)
    corners: list[Floats] = []
    changes: list[Ints] = []
    while len(rows):
        own_intercept = intercepts[rows, current][:, None]
        own_slope = slopes[rows, current][:, None]
        is_steeper = candidates.is_real[rows] & (slopes[rows] > own_slope)
        with np.errstate(divide="ignore", invalid="ignore"):
            crossings = (own_intercept - intercepts[rows]) / (slopes[rows] - own_slope)
        crossings = np.where(is_steeper, crossings, np.inf)  # (rows, N)
        nearest = crossings.min(1, keepdims=True)
        following = np.where(crossings == nearest, slopes[rows], -np.inf).argmax(1)  # the steepest of equal ones
        has_next = np.isfinite(nearest[:, 0])
        old, new = candidates.statistics[rows, current], candidates.statistics[rows, following]
        corners.append(nearest[has_next, 0])
        changes.append((new - old)[has_next])
        rows, current = rows[has_next], following[has_next]
    at = np.concatenate(corners)
    order = at.argsort(kind="stable")
    sums = np.concatenate([first[None], first + np.concatenate(changes)[order].cumsum(0)])
    return at[order], sums
