"""Read a corpus once, completely: clean text in a file, and hashes, lengths and flags of each pair in arrays.

Everything that grows with the corpus and is not on disk is about 40 bytes per pair.
"""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nmt.corpora.near_duplicates import HASH_BYTES, near_duplicate_key, text_hash
from nmt.data.lines import html_entity

Flags = npt.NDArray[np.bool_]
Hashes = npt.NDArray[np.uint64]
Lengths = npt.NDArray[np.uint32]

SAMPLE_PAIRS = 4000
"""Pairs kept for facts that need the text. Which ones depends on their hashes, not on their order."""
_SAMPLE_CHARACTERS = 2000
_IS_INVALID, _HAS_ENTITY = 1, 2


@dataclass
class Scan:
    """The pairs of a corpus; all arrays have one element for each pair."""

    text: Path
    """Temporary file with a line "source TAB target" for each pair."""
    lines: Lengths
    """Line number in the corpus, from 1."""
    source_keys: Hashes
    """Hash of the near-duplicate key of the source; equal for sentences that count as the same."""
    target_keys: Hashes
    pairs: Hashes
    """Hash of the pair itself; equal for identical pairs, also if their sides are swapped."""
    source_lengths: Lengths
    """In characters."""
    target_lengths: Lengths
    is_invalid: Flags
    """The pair has U+FFFD, which replaces bytes that could not be decoded."""
    is_identical: Flags
    """Both sides are the same text."""
    has_entity: Flags
    """One side has an HTML entity."""
    sample: list[tuple[int, str, str]]
    """Some pairs with their index, about `SAMPLE_PAIRS`."""
    is_swapped: Flags
    """The columns are swapped in this pair: reading swaps them back."""

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def is_empty(self) -> Flags:
        """One side has no text."""
        return np.asarray((self.source_lengths == 0) | (self.target_lengths == 0), np.bool_)

    @property
    def ratios(self) -> npt.NDArray[np.float64]:
        """Characters of the longer side for each character of the shorter side."""
        shorter = np.minimum(self.source_lengths, self.target_lengths)
        longer = np.maximum(self.source_lengths, self.target_lengths)
        return np.asarray(longer / np.maximum(shorter, 1), np.float64)

    def read(self, keep: Flags | None = None) -> Iterator[tuple[str, str]]:
        """Yield the pairs in their order; only those that are True in `keep` if it is given."""
        with self.text.open("rb") as file:
            flags = self.is_swapped.tolist()
            lines: Iterable[tuple[bytes, bool]] = zip(file, flags, strict=True)
            for raw, is_swapped in lines if keep is None else compress(lines, keep.tolist()):
                first, _, second = raw.decode("utf-8").removesuffix("\n").partition("\t")
                yield (second, first) if is_swapped else (first, second)

    def swap_back(self, is_swapped: Flags) -> None:
        """Swap source and target of these pairs."""
        self.is_swapped ^= is_swapped
        sides = ((self.source_keys, self.target_keys), (self.source_lengths, self.target_lengths))
        for source, target in sides:
            source[is_swapped], target[is_swapped] = target[is_swapped].copy(), source[is_swapped].copy()
        self.sample = [(i, b, a) if is_swapped[i] else (i, a, b) for i, a, b in self.sample]

    def first_of_equal(self) -> Flags:
        """Return which pairs are the first of identical ones."""
        is_first = np.zeros(len(self), np.bool_)
        is_first[np.unique(self.pairs, return_index=True)[1]] = True
        return is_first


def scan_pairs(pairs: Iterable[tuple[int, str, str]], text: Path) -> Scan:
    """Read numbered pairs of clean text, and write them to the file `text`."""
    hashes = bytearray()  # source key, target key and pair of each pair in turn
    lines, lengths, flags = array("I"), array("I"), array("B")
    sample, limit = dict[int, tuple[bytes, str, str]](), b"\xff" * HASH_BYTES
    with text.open("wb", buffering=1 << 20) as file:
        for index, (line, source, target) in enumerate(pairs):
            raw = f"{source}\t{target}\n"
            file.write(raw.encode("utf-8", errors="replace"))
            pair = text_hash(raw if source < target else f"{target}\t{source}\n")
            hashes += text_hash(near_duplicate_key(source)) + text_hash(near_duplicate_key(target)) + pair
            lines.append(line)
            lengths.append(len(source))
            lengths.append(len(target))
            flag = _IS_INVALID if "\ufffd" in raw else 0
            if "&" in raw and html_entity(raw) is not None:
                flag |= _HAS_ENTITY
            flags.append(flag)
            if pair < limit:
                sample[index] = pair, source[:_SAMPLE_CHARACTERS], target[:_SAMPLE_CHARACTERS]
                if len(sample) > 2 * SAMPLE_PAIRS:
                    limit = sorted(each[0] for each in sample.values())[SAMPLE_PAIRS]
                    sample = {i: each for i, each in sample.items() if each[0] < limit}
    table = np.frombuffer(bytes(hashes), np.uint64).reshape(-1, 3)
    size = np.frombuffer(lengths, np.uint32).reshape(-1, 2)
    marks = np.frombuffer(flags, np.uint8)
    return Scan(
        text=text,
        lines=np.frombuffer(lines, np.uint32),
        source_keys=table[:, 0].copy(),
        target_keys=table[:, 1].copy(),
        pairs=table[:, 2].copy(),
        source_lengths=size[:, 0].copy(),
        target_lengths=size[:, 1].copy(),
        is_invalid=(marks & _IS_INVALID) > 0,
        is_identical=(table[:, 0] == table[:, 1]) & (size[:, 0] > 0),
        has_entity=(marks & _HAS_ENTITY) > 0,
        sample=[(i, source, target) for i, (_, source, target) in sample.items()],
        is_swapped=np.zeros(len(marks), np.bool_),
    )
