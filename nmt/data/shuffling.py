"""Shuffle the pairs of an epoch with an amount of memory that does not depend on the size of the corpus.

An epoch is a sequence of windows: groups of pairs that are sorted by length together. If the corpora have at most
`PAIRS_PER_POOL` pairs, all pairs of the epoch are shuffled together. Larger ones are shuffled in two levels: blocks of
consecutive pairs in an order that is computed (`Permutation`), and the pairs of a pool of consecutive blocks in memory.
Everything is a function of the seed, the epoch and the `EpochLayout`, and the number of a window leads to its pool.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nmt.data.permutation import Permutation
from nmt.data.store import Store
from nmt.randomness import generator

PAIRS_PER_POOL = 1 << 20
PAIRS_PER_BLOCK = 128
"""A block is then about one page (4 KiB) of each file of a store."""
_MIN_BLOCKS = 64
"""A store with fewer blocks of `PAIRS_PER_BLOCK` pairs has smaller ones."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class EpochLayout:
    """Settings that divide the pairs of an epoch into windows. The field names are keys of training/state.json."""

    pairs_per_window: int
    """The approximate number of pairs of a window."""
    max_tokens: int
    """Pairs with more tokens than this on a side, without EOS, are left out."""
    weights: tuple[float, ...]
    """Passes over each store in an epoch."""
    pairs_per_block: int = 0
    """Consecutive pairs of a store that are in one pool; 0 if all pairs of the epoch are shuffled together."""
    pools: int = 1
    """Parts of the epoch that are shuffled one at a time."""
    windows_per_pool: int = 0
    """The number of windows of every pool; 0 if all pairs of the epoch are shuffled together."""


@dataclass(frozen=True)
class Usable:
    """The pairs that have at most a number of tokens on both sides."""

    pairs: tuple[int, ...]
    """Their number in each store."""
    tokens: int
    """Their target tokens, including EOS."""


class Shuffle:
    """The order of the pairs of some stores in each epoch. Pairs are numbered over all stores."""

    def __init__(self, stores: Sequence[Store], seed: int) -> None:
        self._stores, self._seed = stores, seed
        self._bounds = np.cumsum([0, *map(len, stores)])
        """The number of the first pair of each store, and the end."""

    def __len__(self) -> int:
        return int(self._bounds[-1])

    def count_usable(self, max_tokens: int) -> Usable:
        """Count the pairs that have at most `max_tokens` tokens on both sides, without EOS."""
        pairs, tokens = [0] * len(self._stores), 0
        for i, store in enumerate(self._stores):
            for source, target in store.read_lengths():
                is_usable = np.maximum(source, target) <= max_tokens
                pairs[i] += int(np.count_nonzero(is_usable))
                tokens += int(target[is_usable].sum(dtype=np.int64))
        return Usable(tuple(pairs), tokens + sum(pairs))

    def add_pools(
        self, together: EpochLayout, usable: Usable, pairs_per_pool: int, pairs_per_block: int
    ) -> EpochLayout:
        """Return the layout `together`, which shuffles all pairs together, or with pools if there are too many pairs.

        `usable` are the pairs with its `max_tokens`.
        """
        sizes = list(map(len, self._stores))
        if sum(size * max(1.0, weight) for size, weight in zip(sizes, together.weights, strict=True)) <= pairs_per_pool:
            return together
        pairs, usable_pairs = (
            sum(size * weight for size, weight in zip(found, together.weights, strict=True))
            for found in (sizes, usable.pairs)
        )
        pools = max(1, -int(-pairs // pairs_per_pool))
        windows = max(1, round(usable_pairs / pools / together.pairs_per_window))
        return replace(together, pairs_per_block=pairs_per_block, pools=pools, windows_per_pool=windows)

    def windows(self, epoch: int, layout: EpochLayout, start: int) -> Iterator[tuple[int, Ints, bool]]:
        """Yield the windows of an epoch from the number `start` on.

        Each has its number, the numbers of its pairs, and whether it is the last one of the epoch.
        """
        if not layout.pairs_per_block:
            windows = self._windows_of_all(epoch, layout)
            for number in range(start, len(windows)):
                yield number, windows[number], number + 1 == len(windows)
            return
        total = layout.pools * layout.windows_per_pool
        for pool in range(start // layout.windows_per_pool, layout.pools):
            first = pool * layout.windows_per_pool
            windows = np.array_split(self._pool(epoch, layout, pool), layout.windows_per_pool)
            for number in range(max(start, first), first + layout.windows_per_pool):
                yield number, windows[number - first], number + 1 == total
            del windows  # before the next pool is made

    def longest(self, numbers: Ints) -> npt.NDArray[np.int32]:
        """Return the tokens of the longer side of each pair, without EOS."""
        found = np.empty(len(numbers), np.int32)
        for store, start, stop in zip(self._stores, self._bounds, self._bounds[1:], strict=False):
            is_here = (numbers >= start) & (numbers < stop)
            rows = numbers[is_here] - start
            found[is_here] = np.maximum(store.source_lengths[rows], store.target_lengths[rows])
        return found

    def rows(self, numbers: Ints) -> list[tuple[Store, Ints]]:
        """Return the stores that have the pairs `numbers`, which are in ascending order, and their rows there."""
        cuts = np.searchsorted(numbers, self._bounds[1:-1])
        return [
            (store, part - start)
            for store, part, start in zip(self._stores, np.split(numbers, cuts), self._bounds, strict=False)
            if len(part)
        ]

    def _windows_of_all(self, epoch: int, layout: EpochLayout) -> list[Ints]:
        """Return the numbers of the pairs of each window of an epoch whose pairs are shuffled together."""
        parts = []
        for i, (store, weight) in enumerate(zip(self._stores, layout.weights, strict=True)):
            is_usable = np.maximum(store.source_lengths, store.target_lengths) <= layout.max_tokens
            numbers = np.flatnonzero(is_usable) + self._bounds[i]
            parts += [numbers] * int(weight)
            # The rest of the weight: each epoch continues where the epoch before stopped in a fixed shuffled order.
            start, stop = _share_of_epoch(epoch, weight, len(numbers))
            if stop > start:
                order = generator(self._seed, "rotation", i).permutation(numbers)
                parts.append(order.take(np.arange(start, stop), mode="wrap"))
        if not sum(map(len, parts)):
            return []
        shuffled = np.concatenate(parts)
        generator(self._seed, "shuffle", epoch).shuffle(shuffled)
        return np.array_split(shuffled, max(1, round(len(shuffled) / layout.pairs_per_window)))

    def _pool(self, epoch: int, layout: EpochLayout, pool: int) -> Ints:
        """Return the numbers of the pairs of a pool in random order."""
        parts = self._parts(epoch, layout)
        ends = np.cumsum([part.items for part in parts])
        items = int(ends[-1])
        if not items:
            return np.empty(0, np.int64)
        places = np.arange(pool * items // layout.pools, (pool + 1) * items // layout.pools)
        chosen = Permutation(items, self._seed, "blocks", epoch)(places)
        part_of = np.searchsorted(ends, chosen, side="right")
        ranges = [part.ranges(chosen[part_of == i] - (ends[i] - part.items)) for i, part in enumerate(parts)]
        starts, sizes = (np.concatenate(column) for column in zip(*ranges, strict=True))
        order = np.argsort(starts, kind="stable")  # the lengths are read in the order of the files
        starts, sizes = starts[order], sizes[order]
        ends = np.cumsum(sizes)
        numbers = np.repeat(starts - (ends - sizes), sizes) + np.arange(int(sizes.sum()))
        numbers = numbers[self.longest(numbers) <= layout.max_tokens]
        generator(self._seed, "pool", epoch, pool).shuffle(numbers)
        return numbers

    def _parts(self, epoch: int, layout: EpochLayout) -> list["_Part"]:
        """Return the blocks of an epoch: for each store those of its whole passes, and those of the rest of its weight.

        For the rest, each epoch continues where the epoch before stopped in a fixed order of the blocks, and even
        within a block. Each block counts as full there, so that the last one, which is not, needs no exception.
        """
        parts = []
        for i, (store, weight) in enumerate(zip(self._stores, layout.weights, strict=True)):
            bounds, size = (int(self._bounds[i]), int(self._bounds[i + 1])), layout.pairs_per_block
            size = max(1, min(size, len(store) // _MIN_BLOCKS))
            blocks = -(-len(store) // size)
            pairs = blocks * size
            order = Permutation(blocks, self._seed, "rotation of blocks", i)
            parts.append(_Part(bounds, size, 0, int(weight) * pairs, None))
            parts.append(_Part(bounds, size, *_share_of_epoch(epoch, weight, pairs), order))
        return parts


def _share_of_epoch(epoch: int, weight: float, pairs: int) -> tuple[int, int]:
    """Return the part of an endless rotation over `pairs` pairs that the fraction of `weight` gives to an epoch."""
    share = weight % 1 * pairs
    return int(epoch * share), int((epoch + 1) * share)


@dataclass(frozen=True)
class _Part:
    """The pairs `start` to `stop` of an endless sequence of the blocks of a store, cut into its blocks."""

    bounds: tuple[int, int]
    """The numbers of the first pair of the store and of the first pair after it."""
    size: int
    """Pairs of a block."""
    start: int
    stop: int
    order: Permutation | None
    """The order of the blocks, which is repeated without end; None for the order of the store."""

    @property
    def items(self) -> int:
        """The number of blocks, counting incomplete ones at both ends."""
        return -(-self.stop // self.size) - self.start // self.size if self.stop > self.start else 0

    def ranges(self, items: Ints) -> tuple[Ints, Ints]:
        """Return the number of the first pair and the number of pairs of each of `items`."""
        first, end = self.bounds
        places = items + self.start // self.size
        blocks = places % max(1, -(-(end - first) // self.size))
        if self.order is not None:
            blocks = self.order(blocks)
        skipped = np.maximum(0, self.start - places * self.size)
        starts = first + blocks * self.size + skipped
        stops = first + blocks * self.size + np.minimum(self.size, self.stop - places * self.size)
        return starts, np.maximum(0, np.minimum(stops, end) - starts)
