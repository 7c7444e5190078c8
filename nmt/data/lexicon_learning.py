"""Learn the bilingual lexicon for shortlists from the training pairs by IBM Model 1 (Brown 1993).

Axes: V source vocabulary, W target vocabulary, N candidates of a source token, L links. A link is a source token and a
target token of the same pair.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from nmt.data.batching import Sentences, read_ids
from nmt.data.lexicon import CANDIDATES_PER_TOKEN, MAX_COMMON, Lexicon
from nmt.data.prepared_data import Prepared
from nmt.data.store import Store
from nmt.data.subword import Subword
from nmt.data.token_ids import EOS, UNK

MAX_LINKS = 4_000_000
"""Limit of the links. From a larger corpus, pairs are taken at even distances, then pairs with rare source tokens."""
MAX_PAIRS = 1 << 22
"""Pairs that are considered at most, at even distances, so that the memory does not depend on the corpus."""
MAX_LINKS_PER_PAIR = 1 << 16
"""Pairs with more links are left out."""
MIN_PAIRS_PER_TOKEN = 3
"""Pairs are added until each source token is in at least so many, if the corpus has them."""
_ITERATIONS = 4
_PAIRS_PER_CHUNK = 2_000

Ints = npt.NDArray[Any]


def learn_lexicon(prepared: Prepared) -> Lexicon:
    """Learn a lexicon from the training pairs."""
    source_size, target_size = prepared.vocabularies.source.size, prepared.vocabularies.target.size
    source, source_sizes, target, target_sizes = sample_pairs(prepared)
    frequencies = np.bincount(target, minlength=target_size)
    common = np.argsort(-frequencies, kind="stable")[: min(MAX_COMMON, np.count_nonzero(frequencies))]
    candidates = np.full((source_size, CANDIDATES_PER_TOKEN), EOS, np.int32)
    if len(source) and len(target):
        words, translations, probabilities = model_1(source, source_sizes, target, target_sizes, target_size)
        order = np.lexsort((translations, -probabilities, words))
        words, translations = words[order], translations[order]
        rank = np.arange(len(words)) - np.searchsorted(words, words)
        kept = rank < CANDIDATES_PER_TOKEN
        candidates[words[kept], rank[kept]] = translations[kept]
    if prepared.vocabularies.is_joint:  # a token without a translation may be part of a name
        untranslated = np.flatnonzero((candidates == EOS).all(1))
        candidates[untranslated, 0] = untranslated
    return Lexicon(candidates, common.astype(np.int32))


def sample_pairs(prepared: Prepared) -> tuple[Ints, Ints, Ints, Ints]:
    """Return source ids, source lengths, target ids and target lengths of at most about `MAX_LINKS` links.

    Ids are end to end. Every source sentence ends with EOS, which stands for the empty word.
    """
    parts = []
    links_left = MAX_LINKS
    for store, rows, source, is_even in _sampled_chunks(prepared):
        target = _read(store, "target", rows, prepared.vocabularies.target)
        sizes = source.lengths + 1
        parts.append((np.insert(source.ids, np.cumsum(source.lengths), EOS), sizes, target.ids, target.lengths))
        links_left -= 0 if is_even else int((sizes * target.lengths).sum())
        if links_left <= 0:
            break
    joined = [np.concatenate(part).astype(np.int64) for part in zip(*parts, strict=True)] or [np.empty(0, np.int64)] * 4
    return joined[0], joined[1], joined[2], joined[3]


def _read(store: Store, side: str, rows: Ints, subword: Subword) -> Sentences:
    """Read one side of the pairs `rows`, with UNK for out-of-vocabulary words."""
    found = read_ids(store, side, rows, subword)
    return Sentences(np.where(found.ids < subword.size, found.ids, UNK), found.lengths)


def _sampled_chunks(prepared: Prepared) -> Iterator[tuple[Store, Ints, Sentences, bool]]:
    """Yield a store, rows of it, their source sentences, and whether they are from the even sample.

    The even sample comes first, then those of the other pairs that have rare source tokens.
    """
    usable = []
    links = 0
    step = max(1, -(-sum(len(store) for store, _ in prepared.train) // MAX_PAIRS))
    for store, _ in prepared.train:
        source_lengths = store.source_lengths[::step]
        pair_links = (source_lengths.astype(np.int64) + 1) * store.target_lengths[::step]
        is_usable = (pair_links > 0) & (pair_links <= MAX_LINKS_PER_PAIR) & (source_lengths > 0)
        usable.append(np.flatnonzero(is_usable) * step)
        links += int(pair_links[is_usable].sum())
    stride = max(1, -(-links // MAX_LINKS))
    subword = prepared.vocabularies.source
    seen = np.zeros(subword.size, np.int64)  # occurrences of each source token so far
    for start in range(stride):
        for (store, _), rows in zip(prepared.train, usable, strict=True):
            for begin in range(start, len(rows), stride * _PAIRS_PER_CHUNK):
                chunk = rows[begin : begin + stride * _PAIRS_PER_CHUNK : stride]
                source = _read(store, "source", chunk, subword)
                if start > 0:
                    firsts = np.cumsum(source.lengths) - source.lengths
                    chunk = chunk[np.minimum.reduceat(seen[source.ids], firsts) < MIN_PAIRS_PER_TOKEN]
                    if not len(chunk):
                        continue
                    source = _read(store, "source", chunk, subword)
                seen += np.bincount(source.ids, minlength=len(seen))
                yield store, chunk, source, start == 0


def model_1(
    source: Ints, source_sizes: Ints, target: Ints, target_sizes: Ints, target_size: int
) -> tuple[Ints, Ints, npt.NDArray[np.float64]]:
    """Return source token, target token and t(target | source) of every two tokens that have a link.

    Expectation maximisation from a uniform start (Brown 1993, eq. 14 and 17).
    """
    repeats = np.repeat(source_sizes, target_sizes)  # source tokens of the pair of each target token
    starts = np.repeat(np.cumsum(source_sizes) - source_sizes, target_sizes)
    ends = np.cumsum(repeats)
    positions = np.repeat(starts - (ends - repeats), repeats) + np.arange(int(ends[-1]))  # (L,)
    codes, entry = np.unique(source[positions] * target_size + np.repeat(target, repeats), return_inverse=True)
    words, translations = np.divmod(codes, target_size)
    probabilities = np.ones(len(codes))
    begins = ends - repeats
    for _ in range(_ITERATIONS):
        links = probabilities[entry]
        links /= np.repeat(np.add.reduceat(links, begins), repeats)
        counts = np.bincount(entry, links, minlength=len(codes))
        probabilities = counts / np.bincount(words, counts)[words]
    return words, translations, probabilities
