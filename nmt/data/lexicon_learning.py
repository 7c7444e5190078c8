"""Which target tokens a source token becomes: a lexicon learnt from the prepared pairs by IBM Model 1 (Brown 1993).

Axes: V source vocabulary, W target vocabulary, N candidates of a source token, L links (a source and a target token
that stand in one pair).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from nmt.data.batching import Side, read_ids
from nmt.data.lexicon import CANDIDATES, COMMON, Lexicon
from nmt.data.prepared_data import Prepared
from nmt.data.store import Store
from nmt.data.subword import Subword
from nmt.data.token_ids import EOS, UNK

MOST_LINKS = 4_000_000
"""Links that are learnt from; of a larger corpus pairs are taken evenly, and then those with rare source tokens."""
LONGEST = 1 << 16
"""Most links of a pair; one with more is left out."""
LEAST = 3
"""Pairs with each source token, where the corpus has so many."""
_ITERATIONS = 4
_CHUNK = 2_000

Ints = npt.NDArray[Any]


def learn_lexicon(prepared: Prepared) -> Lexicon:
    """Learn a lexicon from the training pairs."""
    source_size, target_size = prepared.vocabularies.source.size, prepared.vocabularies.target.size
    source, source_sizes, target, target_sizes = _pairs(prepared)
    frequencies = np.bincount(target, minlength=target_size)
    common = np.argsort(-frequencies, kind="stable")[: min(COMMON, np.count_nonzero(frequencies))]
    candidates = np.full((source_size, CANDIDATES), EOS, np.int32)
    if len(source) and len(target):
        words, translations, probabilities = _model_1(source, source_sizes, target, target_sizes, target_size)
        order = np.lexsort((translations, -probabilities, words))
        words, translations = words[order], translations[order]
        rank = np.arange(len(words)) - np.searchsorted(words, words)
        kept = rank < CANDIDATES
        candidates[words[kept], rank[kept]] = translations[kept]
    if prepared.vocabularies.is_joint:  # what was never translated may be a name
        never = np.flatnonzero((candidates == EOS).all(1))
        candidates[never, 0] = never
    return Lexicon(candidates, common.astype(np.int32))


def _pairs(prepared: Prepared) -> tuple[Ints, Ints, Ints, Ints]:
    """Return ids end to end and sizes of source, each with EOS for the empty word, and of target."""
    parts = []
    room = MOST_LINKS
    for store, rows, source, is_even in _sample(prepared):
        target = _read(store, "target", rows, prepared.vocabularies.target)
        sizes = source.lengths + 1
        parts.append((np.insert(source.ids, np.cumsum(source.lengths), EOS), sizes, target.ids, target.lengths))
        room -= 0 if is_even else int((sizes * target.lengths).sum())
        if room <= 0:
            break
    joined = [np.concatenate(part).astype(np.int64) for part in zip(*parts, strict=True)] or [np.empty(0, np.int64)] * 4
    return joined[0], joined[1], joined[2], joined[3]


def _read(store: Store, side: str, rows: Ints, subword: Subword) -> Side:
    """Read one side of the pairs `rows`, words that have no entry as UNK."""
    found = read_ids(store, side, rows, subword)
    return Side(np.where(found.ids < subword.size, found.ids, UNK), found.lengths)


def _sample(prepared: Prepared) -> Iterator[tuple[Store, Ints, Side, bool]]:
    """Yield pairs of a store and their source: first an even sample, then those of the others with rare tokens."""
    usable = []
    links = 0
    for store, _ in prepared.train:
        of_pair = (store.source_lengths.astype(np.int64) + 1) * store.target_lengths
        usable.append(np.flatnonzero((of_pair > 0) & (of_pair <= LONGEST) & (store.source_lengths > 0)))
        links += int(of_pair[usable[-1]].sum())
    stride = max(1, -(-links // MOST_LINKS))
    subword = prepared.vocabularies.source
    seen = np.zeros(subword.size, np.int64)  # each source token so far
    for start in range(stride):
        for (store, _), rows in zip(prepared.train, usable, strict=True):
            for begin in range(start, len(rows), stride * _CHUNK):
                here = rows[begin : begin + stride * _CHUNK : stride]
                source = _read(store, "source", here, subword)
                if start > 0:
                    firsts = np.cumsum(source.lengths) - source.lengths
                    here = here[np.minimum.reduceat(seen[source.ids], firsts) < LEAST]
                    if not len(here):
                        continue
                    source = _read(store, "source", here, subword)
                seen += np.bincount(source.ids, minlength=len(seen))
                yield store, here, source, start == 0


def _model_1(
    source: Ints, source_sizes: Ints, target: Ints, target_sizes: Ints, target_size: int
) -> tuple[Ints, Ints, npt.NDArray[np.float64]]:
    """Return source token, target token and t(target | source) of everything that stands in one pair.

    Expectation maximisation from a uniform start (Brown 1993, eq. 14 and 17).
    """
    repeats = np.repeat(source_sizes, target_sizes)  # source tokens of the pair of each target token
    starts = np.repeat(np.cumsum(source_sizes) - source_sizes, target_sizes)
    ends = np.cumsum(repeats)
    where = np.repeat(starts - (ends - repeats), repeats) + np.arange(int(ends[-1]))  # (L,)
    codes, entry = np.unique(source[where] * target_size + np.repeat(target, repeats), return_inverse=True)
    words, translations = np.divmod(codes, target_size)
    probabilities = np.ones(len(codes))
    begins = ends - repeats
    for _ in range(_ITERATIONS):
        links = probabilities[entry]
        links /= np.repeat(np.add.reduceat(links, begins), repeats)
        counts = np.bincount(entry, links, minlength=len(codes))
        probabilities = counts / np.bincount(words, counts)[words]
    return words, translations, probabilities
