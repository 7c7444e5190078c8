"""Find pairs whose lines do not belong together: shifted lines, shuffled lines, wrong pairs among right ones."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt

from nmt.diagnosis.finding import Finding
from nmt.diagnosis.lexical_scores import Encoded, Floats, Ints, PairScorer, encode, mismatched_share
from nmt.diagnosis.texts import Texts

MIN_PAIRS = 100
"""A corpus with fewer pairs is not examined: it is too small to learn a lexicon."""
MAX_SHARE = 0.04
"""Share of wrong pairs that is tolerated."""
_FITTED_PAIRS = 8000
"""Pairs that are examined."""
_SHIFT_SHARE = 0.1
"""Share of wrong pairs from which on shifted lines are looked for."""
_MAX_SHIFT = 3
_BLOCK = 50
"""Consecutive lines that are in the same fold, and that are labelled together."""
_NONE = 1 << 40
"""The shift of a block whose lines fit no line nearby."""


def diagnose_alignment(texts: Texts, ignored: set[int]) -> list[Finding]:
    """Return the finding that pairs are misaligned, if so; pairs with an index in `ignored` do not count."""
    kept = np.array([i for i in range(len(texts.source)) if i not in ignored and texts.source[i] and texts.target[i]])
    share, evidence = 0.0, ""
    if len(kept) >= MIN_PAIRS:
        sample = kept[_blocks(len(kept), _FITTED_PAIRS)]
        scored = _Scored.of(encode(texts.source, texts.target), sample, sample)
        share = mismatched_share(scored.scores, scored.random)
        segments = _segments(texts, scored, sample) if share > _SHIFT_SHARE else []
        if segments:
            evidence = _describe(texts, segments)
        elif share > MAX_SHARE + 1.5 * math.sqrt(MAX_SHARE / len(sample)):  # allow for chance in small sets
            place = _place(texts, scored, sample)
            evidence = f"In {texts.name}, the lines of about {share:.0%} of the pairs do not belong together{place}."
        elif texts.fault:
            evidence = "The pairs up to the end of the shorter file belong together."
    if not evidence and not texts.fault:
        return []
    remedy = (
        "Create both files again from the same source, and check that no step drops, adds or sorts lines of one file."
    )
    if share > 0.8:
        remedy += " A model cannot learn from these pairs."
    elif not texts.fault:
        remedy += " If the pairs come from an automatic alignment, remove those with a low alignment score."
    return [Finding("misaligned pairs", f"{texts.fault and f'{texts.fault}. '}{evidence}".strip(), remedy)]


@dataclass(frozen=True)
class _Scored:
    """Scores of pairs, and of random pairs of the same lines."""

    encoded: Encoded
    scorers: list[PairScorer]
    """The scorer that has not seen the pairs of each fold."""
    folds: Ints
    """The fold of each source line; 0 for those that no scorer has seen."""
    scores: Floats
    random: Floats

    @classmethod
    def of(cls, encoded: Encoded, source: Ints, target: Ints) -> "_Scored":
        """Score the pairs of line `source[i]` and line `target[i]` with lexicons of the other folds."""
        folds = 2 if len(source) > 3000 else 4 if len(source) > 600 else 8
        fold = _folds(len(source), folds)
        scores, random = np.zeros(len(source)), np.zeros(len(source))
        of_lines = np.zeros(len(encoded.source), np.int64)
        of_lines[source] = fold
        scorers = []
        for number in range(folds):
            learned, held_out = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
            scorer = PairScorer(encoded, source[learned], target[learned])
            scores[held_out] = scorer(source[held_out], target[held_out])
            random[held_out] = scorer(source[held_out], target[np.roll(held_out, len(held_out) // 2 + 7)])
            scorers.append(scorer)
        return cls(encoded, scorers, of_lines, scores, random)

    def rescore(self, source: Ints, target: Ints) -> Floats:
        """Return the scores of other pairs, each by a scorer that has not seen its source line."""
        scores = np.zeros(len(source))
        for number, scorer in enumerate(self.scorers):
            chosen = np.flatnonzero(self.folds[source] == number)
            if len(chosen):
                scores[chosen] = scorer(source[chosen], target[chosen])
        return scores


def _folds(count: int, folds: int) -> Ints:
    """Return the fold of each of `count` pairs: blocks of pairs, or a few pairs at a time if there are few."""
    size = _BLOCK if count >= 2 * folds * _BLOCK else 5
    fold: Ints = np.arange(count, dtype=np.int64) // size % folds
    return fold


def _blocks(count: int, most: int) -> Ints:
    """Return the numbers up to `count`, or blocks of them at even distances, about `most`."""
    stride = max(1, -(-count // most))
    numbers = np.arange(count, dtype=np.int64)
    chosen: Ints = numbers[numbers // _BLOCK % stride == 0]
    return chosen


def _segments(texts: Texts, at_zero: _Scored, sample: Ints) -> list[tuple[int, int, int]]:
    """Return (first line, last line, shift) of the parts of a corpus if lines are shifted; else an empty list.

    With shift k source line n belongs to target line n + k; _NONE: it belongs to no line nearby.
    """
    candidates = [k for k in range(-_MAX_SHIFT, _MAX_SHIFT + 1) if k]
    if (far := _length_shift(at_zero.encoded)) not in (0, *candidates):
        candidates.append(far)
    best, fit, best_share = 0, at_zero, 1 - mismatched_share(at_zero.scores, at_zero.random)
    few = sample[_blocks(len(sample), 1200)]
    shares: dict[int, float] = {}
    for shift in candidates:
        source, target = _shifted(texts, few, shift)
        if len(source) < MIN_PAIRS:
            continue
        scored = _Scored.of(at_zero.encoded, source, target)
        shares[shift] = 1 - mismatched_share(scored.scores, scored.random)
        if shares[shift] > best_share:
            best, fit, best_share = shift, scored, shares[shift]
    if not any(share > 0.1 for share in shares.values()):
        return []
    shifts = [0, *(shift for shift, share in shares.items() if share > 0.05)]
    table = np.full((len(shifts), len(texts.source)), -np.inf)
    for row, shift in zip(table, shifts, strict=True):
        source, target = _shifted(texts, sample, shift)
        row[source] = fit.rescore(source, target)
    labels = list(_labels(texts, table, shifts, sample, float(np.mean(fit.random)), best, best_share))
    segments = [(part[0][0], part[-1][1], shift) for shift, part in _grouped(labels)]
    if all(shift in (0, _NONE) for _, _, shift in segments):
        return []
    return _refine(texts, fit, segments)


def _refine(texts: Texts, fit: _Scored, segments: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Return the segments with boundaries at the line where the scores of both shifts change places."""
    found = [segments[0]]
    index = {number: i for i, number in enumerate(texts.numbers)}
    for first, last, shift in segments[1:]:
        begin, end, before = found[-1]
        lines = np.arange(index[max(begin, end - _BLOCK)], index[min(last, first + _BLOCK)] + 1)
        if _NONE not in (before, shift) and len(lines) < 2000:
            gain = np.zeros(len(lines))
            for sign, one in ((1, before), (-1, shift)):
                source, target = _shifted(texts, lines, one)
                gain[source - lines[0]] += sign * fit.rescore(source, target)
            first = texts.numbers[min(int(lines[0]) + int(np.argmax(np.cumsum(gain))) + 1, int(lines[-1]))]
            found[-1] = begin, first - 1, before
        found.append((first, last, shift))
    return found


def _grouped(labels: list[tuple[int, int, int]]) -> Iterator[tuple[int, list[tuple[int, int, int]]]]:
    """Join blocks with the same shift; a single block that differs from both neighbours is noise."""
    shifts = [shift for _, _, shift in labels]
    for i in range(1, len(shifts) - 1):
        if shifts[i - 1] == shifts[i + 1]:
            shifts[i] = shifts[i - 1]
    rows = [(*label[:2], shift) for label, shift in zip(labels, shifts, strict=True)]
    for shift, part in groupby(rows, key=lambda row: row[2]):
        yield shift, list(part)


def _labels(
    texts: Texts, table: Floats, shifts: Sequence[int], sample: Ints, random: float, best: int, share: float
) -> Iterator[tuple[int, int, int]]:
    """Yield (first line, last line, shift) of each block of the sample."""
    row = table[shifts.index(best) if best in shifts else 0][sample]
    finite = row[np.isfinite(row)]
    good = float(np.mean(np.sort(finite)[-max(1, int(len(finite) * share)) :]))
    limit = random + 0.4 * (good - random)
    for start in range(0, len(sample), _BLOCK):
        block = sample[start : start + _BLOCK]
        values = table[:, block]
        means = [float(np.mean(row[np.isfinite(row)])) if np.isfinite(row).any() else -np.inf for row in values]
        winner = int(np.argmax(means))
        yield (
            texts.numbers[block[0]],
            texts.numbers[block[-1]],
            shifts[winner] if means[winner] > limit else _NONE,
        )


def _shifted(texts: Texts, sample: Ints, shift: int) -> tuple[Ints, Ints]:
    """Return the indices of source lines of the sample and of the target lines `shift` lines later, if there are."""
    target = sample + shift
    inside = (target >= 0) & (target < len(texts.target))
    source, target = sample[inside], target[inside]
    numbers = np.asarray(texts.numbers)
    is_near = numbers[target] - numbers[source] == shift
    return source[is_near], target[is_near]


def _length_shift(encoded: Encoded) -> int:
    """Return the shift of the target lines by which the lengths of both sides correlate best."""
    sides: list[npt.NDArray[np.float64]] = []
    for lengths in encoded.characters:
        logs = np.log(lengths + 5)
        sides.append((logs - logs.mean()) / (logs.std() + 1e-9))
    size = 1 << (2 * len(sides[0])).bit_length()
    spectra = [np.fft.rfft(side, size) for side in sides]
    correlation = np.fft.irfft(np.conj(spectra[0]) * spectra[1], size)
    shift = int(np.argmax(correlation))
    return shift if shift < size // 2 else shift - size


def _describe(texts: Texts, segments: list[tuple[int, int, int]]) -> str:
    """Return a text that says which lines are shifted."""
    parts = []
    for first, last, shift in segments:
        if shift in (0, _NONE):
            continue
        distance = f"{abs(shift):,} line{'s' * (abs(shift) > 1)} {'later' if shift > 0 else 'earlier'}"
        end = "to the end" if last == segments[-1][1] else f"to line {last:,}"
        parts.append(f"from about line {first:,} {end}, each source line belongs to the target line {distance}")
    if len(segments) == 1:
        parts = [parts[0].replace(f"from about line {segments[0][0]:,} to the end", "in the whole text")]
    more = f"; there are {len(parts) - 3} more such parts" if len(parts) > 3 else ""
    return f"The lines of {texts.name} are shifted: {'; '.join(parts[:3])}{more}."


def _place(texts: Texts, scored: _Scored, sample: Ints) -> str:
    """Return where wrong pairs are: in one part, or anywhere."""
    is_wrong = scored.scores <= np.quantile(scored.random, 0.75)
    where = np.flatnonzero(is_wrong)
    if is_wrong.mean() > 0.7:
        return ": it looks as if the lines of one file were shuffled, sorted, or belong to another text"
    sums = np.concatenate([[0.0], np.cumsum(is_wrong - 0.5)])
    low = np.minimum.accumulate(sums)
    last = int(np.argmax(sums - low))
    first = int(np.argmin(sums[: last + 1]))
    inside = int(is_wrong[first:last].sum())
    if inside > 0.7 * len(where) and last - first >= _BLOCK:
        return f", most of them from about line {texts.numbers[sample[first]]:,} to {texts.numbers[sample[last - 1]]:,}"
    worst = sorted(sample[where[np.argsort(scored.scores[where])[:5]]].tolist())
    return f" (for example {texts.lines(worst, 5)})"
