"""Which target tokens a source token becomes: a lexicon learnt from the prepared pairs by IBM Model 1 (Brown 1993).

Axes: V source vocabulary, W target vocabulary, N candidates of a source token, L links (a source and a target token
that stand in one pair).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from nmt.data.prepare import Prepared
from nmt.data.subword import EOS
from nmt.errors import NmtError

CANDIDATES = 64
"""Most target tokens kept for a source token."""
COMMON = 128
"""Target tokens, the most frequent ones, that any source may become."""
MOST_LINKS = 4_000_000
"""Links that are learnt from; of a larger corpus pairs are taken evenly."""
_ITERATIONS = 4
_CHUNK = 10_000

Ints = npt.NDArray[Any]


@dataclass(frozen=True)
class Lexicon:
    """Target ids for source ids."""

    candidates: npt.NDArray[np.int32]
    """(V, N) the most probable targets of each source token, the best first; EOS where there are no more."""
    common: npt.NDArray[np.int32]
    """(at most COMMON,) the most frequent target tokens, the most frequent first."""

    def save(self, path: Path) -> None:
        """Write the lexicon to `path`, whole or not at all."""
        temporary = path.with_name(f".{path.name}.tmp")
        save_file({"candidates": self.candidates, "common": self.common}, temporary)
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path, source_size: int, target_size: int) -> "Lexicon":
        """Read the lexicon of vocabularies of those sizes; raises `NmtError` where it is missing or damaged."""
        try:
            tensors = load_file(path)
            lexicon = cls(tensors["candidates"].astype(np.int32), tensors["common"].astype(np.int32))
            is_whole = lexicon.candidates.shape == (source_size, CANDIDATES) and lexicon.common.ndim == 1
            ids = np.concatenate([lexicon.candidates.ravel(), lexicon.common])
            if not is_whole or ids.min() < 0 or ids.max() >= target_size:
                raise ValueError
        except FileNotFoundError:
            raise NmtError(
                f"{path}: no lexicon; nmt train --resume writes one, or translate without --shortlist"
            ) from None
        except (SafetensorError, OSError, KeyError, ValueError):
            raise NmtError(f"{path}: damaged; remove it and let nmt train --resume write it again") from None
        return lexicon


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
    return Lexicon(candidates, common.astype(np.int32))


def _pairs(prepared: Prepared) -> tuple[Ints, Ints, Ints, Ints]:
    """Return ids end to end and sizes of source, each with EOS for the empty word, and of target."""
    links = sum(
        int(((store.source_lengths.astype(np.int64) + 1) * store.target_lengths).sum()) for store, _ in prepared.train
    )
    stride = max(1, -(-links // MOST_LINKS))
    parts: list[tuple[Ints, Ints, Ints, Ints]] = []
    for store, _ in prepared.train:
        chosen = np.arange(0, len(store), stride)
        for begin in range(0, len(chosen), _CHUNK):
            rows = chosen[begin : begin + _CHUNK]
            if store.is_text:
                sides = (prepared.vocabularies.source, "source"), (prepared.vocabularies.target, "target")
                (source, source_sizes), (target, target_sizes) = (
                    _flat(subword.encode(store.texts(side, rows))) for subword, side in sides
                )
            else:
                (source, source_sizes), (target, target_sizes) = (
                    store.gather(side, rows) for side in ("source", "target")
                )
            parts.append((np.insert(source, np.cumsum(source_sizes), EOS), source_sizes + 1, target, target_sizes))
    joined = [np.concatenate(part).astype(np.int64) for part in zip(*parts, strict=True)] or [np.empty(0, np.int64)] * 4
    return joined[0], joined[1], joined[2], joined[3]


def _flat(lines: list[list[int]]) -> tuple[Ints, Ints]:
    return np.array([token for line in lines for token in line], np.int64), np.array([len(line) for line in lines])


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
