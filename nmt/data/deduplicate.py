"""Duplicate pairs over a whole corpus, in memory that does not grow with it.

The hash and number of every pair go to bucket files on disk, equal hashes into the same bucket; then one bucket at a
time is sorted, and all but the first of equal pairs are marked in a file with one byte for each pair. Two different
pairs share a 128-bit hash with probability below 1e-20 in a corpus of a billion.
"""

from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

_PAIRS_PER_BUCKET = 1 << 20
_RECORD = np.dtype([("high", np.uint64), ("low", np.uint64), ("pair", np.int64)])


class Deduplicator:
    """Takes the hashes of all pairs in order, then finds which pairs are duplicates."""

    def __init__(self, folder: Path, pairs: int, pairs_per_bucket: int = _PAIRS_PER_BUCKET) -> None:
        """Work in `folder`, which is made; `pairs` is an upper bound of how many pairs will come."""
        folder.mkdir()
        self._folder = folder
        self._buckets = max(1, min(512, -(-pairs // pairs_per_bucket)))
        self._files: list[BinaryIO] = [self._bucket(i).open("wb") for i in range(self._buckets)]
        self._pairs = 0

    def add(self, digests: npt.NDArray[np.uint64]) -> None:
        """Take the hashes, (pairs, 2), of the pairs that come next."""
        records = np.empty(len(digests), _RECORD)
        records["high"], records["low"] = digests[:, 0], digests[:, 1]
        records["pair"] = np.arange(self._pairs, self._pairs + len(digests))
        bucket = records["high"] % np.uint64(self._buckets)
        for i, file in enumerate(self._files):
            file.write(records[bucket == i].tobytes())
        self._pairs += len(digests)

    def find(self) -> npt.NDArray[np.bool_]:
        """Return a memory-mapped (pairs,) array that is True for the first of equal pairs."""
        self.close()
        if not self._pairs:
            return np.ones(0, np.bool_)
        is_first = np.memmap(self._folder / "is_first", np.bool_, mode="w+", shape=(self._pairs,))
        is_first[:] = True
        for i in range(self._buckets):
            records = np.fromfile(self._bucket(i), _RECORD)
            order = np.lexsort((records["pair"], records["low"], records["high"]))
            high, low = records["high"][order], records["low"][order]
            is_repeat = (high[1:] == high[:-1]) & (low[1:] == low[:-1])
            is_first[records["pair"][order][1:][is_repeat]] = False
            self._bucket(i).unlink()
        return np.asarray(is_first)

    def close(self) -> None:
        """Close the bucket files."""
        for file in self._files:
            file.close()

    def _bucket(self, i: int) -> Path:
        return self._folder / f"bucket-{i}"
