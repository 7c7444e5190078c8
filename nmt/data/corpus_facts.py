"""Facts about the text of a run, which its report shows: lengths, subwords, overlap of training and evaluated text.

They are computed once, at the start of training, and kept in the run folder as `corpus.json`, because the text may be
gone when the report is written again.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nmt.config import Config, Corpus
from nmt.data.batching import Sentences, read_ids
from nmt.data.corpus import read_pairs
from nmt.data.language_tags import prepend_tag
from nmt.data.lines import normalize
from nmt.data.permutation import mix
from nmt.data.prepared_data import Prepared, read_header
from nmt.data.store import Store
from nmt.data.subword import SPACE, Subword
from nmt.data.token_ids import EOS, UNK
from nmt.data.training_words import split_words
from nmt.errors import NmtError

SIDES = ("source", "target")
MAX_PAIRS, MAX_TEXT_PAIRS = 2_000_000, 100_000
"""Training pairs that are read at most: token ids, and text, which takes longer."""
PAIRS_PER_CHUNK = 50_000
BINS = 24
LONGEST_SHARE = 0.995
"""The share of the sentences that the bins of the histogram before the last one hold."""
RAREST = 12

Ints = npt.NDArray[np.integer]
Indices = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class EvaluatedSet:
    """The validation set or a test set as the model reads it."""

    name: str
    sources: Sequence[str]
    """Normalised lines, with their tags."""
    ids: tuple[Sentences, Sentences]
    """Source and target."""


def corpus_facts(config: Config, prepared: Prepared, words: Counter[str]) -> dict[str, Any]:
    """Return the facts as JSON values: those of the training pairs by side, and those of each evaluated set.

    `words` are the numbers of training sources with each word, as from `count_words`.
    """
    stores = [store for store, _ in prepared.train]
    pairs = sum(map(len, stores))
    is_text = any(store.is_text for store in stores)
    chosen = prepared.sample_pairs(MAX_TEXT_PAIRS if is_text else MAX_PAIRS)
    sets = list(_evaluated_sets(config, prepared))
    counts = [np.zeros(subword.size, np.int64) for subword in _subwords(prepared)]
    # Only the hashes of evaluated text are kept: those of source, target and both, and whether they were found.
    wanted = [
        np.concatenate(hashes) for hashes in zip(*(_pair_hashes(s.ids, _subwords(prepared)) for s in sets), strict=True)
    ]
    is_found = [np.zeros(len(hashes), np.bool_) for hashes in wanted]
    for sides in _read_chunks(prepared, chosen):
        for count, sentences, subword in zip(counts, sides, _subwords(prepared), strict=True):
            known = np.where(sentences.ids < subword.size, sentences.ids, UNK)
            count += np.bincount(known, minlength=subword.size)
        for hashes, found, of_chunk in zip(wanted, is_found, _pair_hashes(sides, _subwords(prepared)), strict=True):
            found |= np.isin(hashes, of_chunk)
    seen = [hashes[found] for hashes, found in zip(wanted, is_found, strict=True)]
    read = sum(map(len, chosen))
    return {
        "pairs": pairs,
        **({"pairs_read": read} if read < pairs else {}),
        "dropped": read_header(prepared.folder).get("table", []),
        "lengths": _histograms(_count_lengths(stores)),
        **{
            side: {"language": language, **_subword_facts(subword, count)}
            for side, language, subword, count in zip(
                SIDES, (config.data.source_language, config.data.target_language), _subwords(prepared), counts,
                strict=True,
            )
        },
        "sets": [_set_facts(each, seen, words, _subwords(prepared), config) for each in sets],
    }  # fmt: skip


def _subwords(prepared: Prepared) -> tuple[Subword, Subword]:
    return prepared.vocabularies.source, prepared.vocabularies.target


def _read_chunks(prepared: Prepared, chosen: Sequence[Indices]) -> Iterator[tuple[Sentences, Sentences]]:
    for (store, _), numbers in zip(prepared.train, chosen, strict=True):
        for start in range(0, len(numbers), PAIRS_PER_CHUNK):
            rows = numbers[start : start + PAIRS_PER_CHUNK]
            source, target = (
                read_ids(store, side, rows, subword) for side, subword in zip(SIDES, _subwords(prepared), strict=True)
            )
            yield source, target


def _evaluated_sets(config: Config, prepared: Prepared) -> Iterator[EvaluatedSet]:
    """Yield the validation sets, by their keys, and the test sets; one whose files are missing is left out."""
    for key, validation in prepared.validation.items():
        rows = np.arange(len(validation.store))
        source, target = (
            read_ids(validation.store, side, rows, subword)
            for side, subword in zip(SIDES, _subwords(prepared), strict=True)
        )
        yield EvaluatedSet(key, validation.text[0], (source, target))
    for name, corpus in config.data.test.items():
        try:
            lines = list(_read_lines(config, corpus))
        except NmtError:
            continue
        sources, targets = [line for line, _ in lines], [line for _, line in lines]
        encoded = [subword.encode(side) for subword, side in zip(_subwords(prepared), (sources, targets), strict=True)]
        yield EvaluatedSet(name, sources, (Sentences.from_lists(encoded[0]), Sentences.from_lists(encoded[1])))


def _read_lines(config: Config, corpus: Corpus) -> Iterator[tuple[str, str]]:
    for source, target in read_pairs(corpus):
        line = prepend_tag(normalize(source, config.data), corpus.tag, config.data.tags)
        yield line, normalize(target, config.data)


def _count_lengths(stores: Sequence[Store]) -> list[Indices]:
    """Return for source and target how many training sentences have each length, from 0 on."""
    counts = [np.zeros(1, np.int64), np.zeros(1, np.int64)]
    for store in stores:
        for lengths in store.read_lengths():
            for side, found in enumerate(lengths):
                more = np.bincount(found, minlength=len(counts[side]))
                more[: len(counts[side])] += counts[side]
                counts[side] = more
    return counts


def _histograms(length_counts: Sequence[Indices]) -> dict[str, Any]:
    """Return mean, median and largest length of both sides, and histograms with the same bins for both."""
    longest = max((_quantile(side, LONGEST_SHARE) for side in length_counts if side.any()), default=1.0)
    width = max(1, -(-int(longest + 1) // (BINS - 1)))
    bins = [np.minimum(np.arange(len(side)) // width, BINS - 1) for side in length_counts]
    counts = [
        np.bincount(numbers, side, BINS).astype(int).tolist() for numbers, side in zip(bins, length_counts, strict=True)
    ]
    used = max((n + 1 for side in counts for n, count in enumerate(side) if count), default=1)
    return {
        "width": width,
        **{
            name: {
                "counts": count[:used],
                "mean": float(side @ np.arange(len(side)) / max(1, side.sum())),
                "median": _quantile(side, 0.5),
                "max": int(np.flatnonzero(side).max(initial=0)),
            }
            for name, side, count in zip(SIDES, length_counts, counts, strict=True)
        },
    }


def _quantile(counts: Indices, share: float) -> float:
    """Return the quantile of numbers of which `counts` says how often each occurs, as `np.quantile`; 0 for none."""
    ends = np.cumsum(counts)
    place = share * max(0, int(ends[-1]) - 1)
    below, above = (int(np.searchsorted(ends, int(rank), side="right")) for rank in (place, np.ceil(place)))
    return float(below + (above - below) * (place - int(place))) if ends[-1] else 0.0


def _subword_facts(subword: Subword, counts: Ints) -> dict[str, Any]:
    """Return how the text is cut into subwords; `counts` (V,) are the numbers of their occurrences."""
    pieces = subword.pieces(range(subword.size))
    begins = np.array([piece.startswith(SPACE) for piece in pieces])
    lengths = np.array([len(piece.replace(SPACE, "")) for piece in pieces])
    is_text = np.arange(subword.size) > EOS
    is_byte = np.array([piece.startswith("<0x") for piece in pieces])
    used = np.flatnonzero((counts > 0) & is_text & ~is_byte)
    rarest = used[np.argsort(counts[used], kind="stable")][:RAREST]
    return {
        "vocabulary": subword.size,
        "unused": int((is_text & (counts == 0)).sum()),
        "tokens": int(counts.sum()),
        "unknown": int(counts[UNK]),
        "words": int(counts[begins].sum()),
        "characters": int((counts * lengths)[is_text].sum()),
        "rarest": [[pieces[i], int(counts[i])] for i in rarest.tolist()],
    }


def _set_facts(
    each: EvaluatedSet, in_training: Sequence[Hashes], words: Counter[str], subwords: Sequence[Subword], config: Config
) -> dict[str, Any]:
    """Return what the training text has of an evaluated set.

    `in_training` are the hashes, as from `_pair_hashes`, of what the training text has of all evaluated sets.
    `rarest_word` has for each source the number of training sources that its rarest word occurs in.
    """
    source, target, both = (
        int(np.isin(hashes, seen).sum())
        for hashes, seen in zip(_pair_hashes(each.ids, subwords), in_training, strict=True)
    )
    return {
        "name": each.name,
        "pairs": len(each.sources),
        "in_training": {"source": source, "target": target, "both": both},
        "rarest_word": [
            min((words[word] for word in split_words(line, config.data.source_language)), default=0)
            for line in each.sources
        ],
    }


def _pair_hashes(sides: Sequence[Sentences], subwords: Sequence[Subword]) -> tuple[Hashes, Hashes, Hashes]:
    """Return a hash of each source, of each target and of each pair."""
    source, target = (_sentence_hashes(side, subword.size) for side, subword in zip(sides, subwords, strict=True))
    return source, target, mix(source) + target


def _sentence_hashes(sentences: Sentences, vocabulary: int) -> Hashes:
    """Return the sum of a hash of the token and its position over the tokens of each sentence."""
    lengths = sentences.lengths
    starts = np.cumsum(lengths) - lengths
    position = np.arange(len(sentences.ids)) - np.repeat(starts, lengths)
    ids = np.where(sentences.ids < vocabulary, sentences.ids, UNK).astype(np.uint64)
    tokens = mix((ids << np.uint64(32)) + position.astype(np.uint64))
    total = np.zeros(len(lengths), np.uint64)
    is_real = lengths > 0
    if is_real.any():
        total[is_real] = np.add.reduceat(tokens, starts[is_real])
    return total
