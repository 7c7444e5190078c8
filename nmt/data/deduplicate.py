"""Find duplicate sentence pairs in a corpus with a fixed amount of memory.

The hash and the number of every pair are written to bucket files, equal hashes to the same bucket. Then the buckets are
sorted one by one, and all but the first of equal pairs are marked in a file with one byte for each pair. In a corpus of
a billion pairs, two different pairs share a 128-bit hash with a probability below 1e-20.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

_PAIRS_PER_BUCKET = 1 << 20
_MAX_BUCKETS = 512
_RECORD = np.dtype([("high", np.uint64), ("low", np.uint64), ("pair", np.int64)])

Apply: TypeAlias = Callable[[Callable[[Path], npt.NDArray[np.int64]], Iterable[Path]], Iterable[npt.NDArray[np.int64]]]


class Deduplicator:
    """Takes the hashes of all pairs in order, then finds which pairs are duplicates."""

    def __init__(self, folder: Path, pairs: int, pairs_per_bucket: int = _PAIRS_PER_BUCKET) -> None:
        """Make `folder` for the buckets; `pairs` is an upper bound of the number of pairs."""
        folder.mkdir()
        self._folder = folder
        buckets = max(1, min(_MAX_BUCKETS, -(-pairs // pairs_per_bucket)))
        self._files: list[BinaryIO] = [(folder / f"bucket-{i}").open("wb") for i in range(buckets)]
        self._pairs = 0

    def add(self, digests: npt.NDArray[np.uint64]) -> None:
        """Add the hashes of the next pairs, (pairs, 2)."""
        records = np.empty(len(digests), _RECORD)
        records["high"], records["low"] = digests[:, 0], digests[:, 1]
        records["pair"] = np.arange(self._pairs, self._pairs + len(digests))
        bucket = (records["high"] % np.uint64(len(self._files))).astype(np.uint16)
        records = records[np.argsort(bucket, kind="stable")]
        ends = np.cumsum(np.bincount(bucket, minlength=len(self._files)))
        for file, part in zip(self._files, np.split(records, ends[:-1]), strict=True):
            file.write(part.tobytes())
        self._pairs += len(digests)

    def find_first(self, apply: Apply = map) -> npt.NDArray[np.bool_]:
        """Return a memory-mapped (pairs,) array that is True for the first of equal pairs; remove the buckets.

        `apply` is a function like `map`, which may use several processes.
        """
        for file in self._files:
            file.close()
        if not self._pairs:
            return np.ones(0, np.bool_)
        is_first = np.memmap(self._folder / "is_first", np.bool_, mode="w+", shape=(self._pairs,))
        is_first[:] = True
        buckets = [Path(file.name) for file in self._files]
        for bucket, repeats in zip(buckets, apply(find_repeats, buckets), strict=True):
            is_first[repeats] = False
            bucket.unlink()
        return np.asarray(is_first)


def find_repeats(bucket: Path) -> npt.NDArray[np.int64]:
    """Return the numbers of the pairs in a bucket that are equal to an earlier one."""
    records = np.fromfile(bucket, _RECORD)
    order = np.lexsort((records["pair"], records["low"], records["high"]))
    high, low = records["high"][order], records["low"][order]
    is_repeat = (high[1:] == high[:-1]) & (low[1:] == low[:-1])
    repeats: npt.NDArray[np.int64] = records["pair"][order][1:][is_repeat]
    return repeats
