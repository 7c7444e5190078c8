"""The shuffle of large corpora: every pair once, resumed at any window, random, and in memory that does not grow."""

import time
import tracemalloc
from collections import Counter
from dataclasses import replace
from unittest import mock

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.data.shuffling import PAIRS_PER_BLOCK, PAIRS_PER_POOL, EpochLayout, Shuffle, Usable
from nmt.data.store import Store


class Lengths(Store):
    """A store that has only the lengths of its pairs."""

    def __init__(self, lengths: npt.NDArray[np.int32]) -> None:
        self._pairs = len(lengths)
        self.source_lengths = self.target_lengths = lengths


def shuffle_of(sizes: list[int], seed: int = 1) -> Shuffle:
    """Return a shuffle of stores of so many pairs, whose lengths are 1 to 10."""
    return Shuffle([Lengths(np.arange(size, dtype=np.int32) % 10 + 1) for size in sizes], seed)


def pooled(
    shuffle: Shuffle, weights: list[float], pool: int, block: int, window: int, longest: int = 10
) -> EpochLayout:
    together = EpochLayout(window, longest, tuple(weights))
    return shuffle.add_pools(together, shuffle.count_usable(longest), pool, block)


def windows(shuffle: Shuffle, layout: EpochLayout, epoch: int = 0, start: int = 0) -> list[list[int]]:
    return [numbers.tolist() for _, numbers, _ in shuffle.windows(epoch, layout, start)]


STORES = st.lists(st.tuples(st.integers(0, 70), st.integers(1, 10).map(lambda n: n / 4)), min_size=1, max_size=3)


@mock.patch("nmt.data.shuffling._MIN_BLOCKS", 1)  # else small stores have blocks of one pair
@given(STORES, st.integers(1, 60), st.integers(1, 13), st.integers(1, 30), st.integers(3, 10))
@settings(max_examples=25, deadline=None)
def test_every_pair_comes_as_often_as_its_weight_says(
    stores: list[tuple[int, float]], pool: int, block: int, window: int, longest: int
) -> None:
    sizes, weights = [size for size, _ in stores], [weight for _, weight in stores]
    shuffle = shuffle_of(sizes)
    layout = pooled(shuffle, weights, pool, block, window, longest)
    total: Counter[int] = Counter()
    usable = {  # the weight of each pair that is short enough, by its number
        sum(sizes[:i]) + row: weight
        for i, (size, weight) in enumerate(stores)
        for row in range(size)
        if row % 10 + 1 <= longest
    }
    for epoch in range(4):
        seen = Counter(number for numbers in windows(shuffle, layout, epoch) for number in numbers)
        assert all(int(weight) <= seen[number] <= -(-weight // 1) for number, weight in usable.items())
        total += seen
    assert total == Counter({number: round(4 * weight) for number, weight in usable.items()})


@mock.patch("nmt.data.shuffling._MIN_BLOCKS", 1)  # else small stores have blocks of one pair
@given(STORES, st.integers(1, 60), st.integers(1, 13), st.integers(1, 30), st.integers(0, 3))
@settings(max_examples=10, deadline=None)
def test_an_epoch_resumes_at_every_window(
    stores: list[tuple[int, float]], pool: int, block: int, window: int, epoch: int
) -> None:
    shuffle = shuffle_of([size for size, _ in stores])
    layout = pooled(shuffle, [weight for _, weight in stores], pool, block, window)
    found = [(number, pairs.tolist(), is_last) for number, pairs, is_last in shuffle.windows(epoch, layout, 0)]
    assert [number for number, _, _ in found] == list(range(len(found)))
    assert [is_last for _, _, is_last in found] == [False] * (len(found) - 1) + [True] * bool(found)
    for start in range(len(found)):
        assert windows(shuffle, layout, epoch, start) == [pairs for _, pairs, _ in found[start:]]


def test_only_corpora_that_do_not_fit_into_one_pool_get_several() -> None:
    shuffle = shuffle_of([600, 400])
    together = EpochLayout(50, 10, (1.0, 0.5))
    usable = shuffle.count_usable(10)
    assert shuffle.add_pools(together, usable, 1000, 8) == together
    assert shuffle.add_pools(together, usable, 999, 8) == replace(
        together, pairs_per_block=8, pools=1, windows_per_pool=16
    )
    assert shuffle.add_pools(replace(together, weights=(1.5, 1.0)), usable, 1000, 8).pools == 2


def test_the_number_of_windows_follows_the_pairs_that_are_short_enough() -> None:
    shuffle = shuffle_of([4000])
    assert shuffle.count_usable(3) == Usable((1200,), sum((1, 2, 3)) * 400 + 1200)
    layout = pooled(shuffle, [1.0], 1000, 8, 30, longest=3)
    assert (layout.pools, layout.windows_per_pool) == (4, 10)
    assert np.mean([len(window) for window in windows(shuffle, layout)]) == 30


def test_every_epoch_has_the_same_share_of_a_small_corpus_beside_a_large_one() -> None:
    shuffle = shuffle_of([60, 3000, 200])
    layout = pooled(shuffle, [0.5, 1.0, 0.25], 1000, 128, 100)
    for epoch in range(8):
        numbers = np.concatenate(windows(shuffle, layout, epoch))
        assert (numbers < 60).sum() == 30 and 47 <= (numbers >= 3060).sum() <= 51


PAIRS, POOL, BLOCK, WINDOW = 1 << 14, 1 << 11, 16, 1 << 8


@pytest.fixture(scope="module")
def epochs() -> list[npt.NDArray[np.int64]]:
    """The place of each pair in the order of its epoch, for some epochs of `PAIRS` pairs."""
    shuffle = shuffle_of([PAIRS])
    layout = pooled(shuffle, [1.0], POOL, BLOCK, WINDOW)
    return [np.argsort(np.concatenate(windows(shuffle, layout, epoch))) for epoch in range(15)]


def test_neighbours_in_the_corpus_are_rarely_neighbours_in_training(epochs: list[npt.NDArray[np.int64]]) -> None:
    """Pairs i and i + 1 of a block are in the same pool, and there like two pairs of a uniform permutation of it."""
    in_block = np.arange(PAIRS - 1) % BLOCK != BLOCK - 1
    found = {"window": [], "batch": [], "distance": [], "distance of blocks": []}  # type: dict[str, list[float]]
    for place in epochs:
        first, second = place[:-1], place[1:]
        found["window"].append(np.mean((first // WINDOW == second // WINDOW)[in_block]))
        found["batch"].append(np.mean((first // 32 == second // 32)[in_block]))
        found["distance"].append(np.mean(np.abs(first - second)[in_block]))
        found["distance of blocks"].append(np.mean(np.abs(first - second)[~in_block]))
    mean = {key: float(np.mean(values)) for key, values in found.items()}
    # For uniform permutations of a pool, and of the epoch: two places share a part of n with chance n / pool.
    assert mean["window"] == pytest.approx(WINDOW / POOL, rel=0.03)
    assert mean["batch"] == pytest.approx(32 / POOL, rel=0.05)
    assert mean["distance"] == pytest.approx(POOL / 3, rel=0.02)
    assert mean["distance of blocks"] == pytest.approx(PAIRS / 3, rel=0.03)


def test_a_block_is_in_every_pool_equally_often(epochs: list[npt.NDArray[np.int64]]) -> None:
    counts = np.zeros((PAIRS // BLOCK, PAIRS // POOL))
    together = np.zeros((PAIRS // BLOCK, 2))
    for place in epochs:
        pools = place[::BLOCK] // POOL
        counts[np.arange(len(pools)), pools] += 1
        together[np.arange(len(pools) - 1), (pools[:-1] == pools[1:]).astype(int)[: len(pools) - 1]] += 1
    expected = len(epochs) * POOL / PAIRS
    freedom = (counts.shape[0] - 1) * (counts.shape[1] - 1)
    assert abs(((counts - expected) ** 2 / expected).sum() - freedom) < 4 * np.sqrt(2 * freedom)
    # Neighbouring blocks share a pool as often as any two blocks.
    share = together[:-1, 1].mean() / len(epochs)
    assert share == pytest.approx((POOL - BLOCK) / (PAIRS - BLOCK), rel=0.1)


def peak_memory(pairs: int) -> int:
    """Return the peak memory of two windows at the end of a pool and at the start of the next one, in bytes."""
    lengths = np.broadcast_to(np.int32(20), (pairs,))  # takes no memory
    shuffle = Shuffle([Lengths(lengths)], 1)
    layout = shuffle.add_pools(EpochLayout(4096, 100, (1.0,)), Usable((pairs,), 0), 1 << 17, PAIRS_PER_BLOCK)
    tracemalloc.start()
    try:
        for number, _, _ in shuffle.windows(5, layout, layout.pools // 2 * layout.windows_per_pool - 1):
            if number == layout.pools // 2 * layout.windows_per_pool:
                break
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_depend_on_the_size_of_the_corpus() -> None:
    small, large = peak_memory(10**7), peak_memory(10**9)
    assert large < 1.1 * small < 10e6


def test_the_lengths_of_a_large_corpus_are_counted_in_parts() -> None:
    shuffle = Shuffle([Lengths(np.broadcast_to(np.int32(20), (10**7,)))], 1)
    tracemalloc.start()
    assert shuffle.count_usable(20) == Usable((10**7,), 21 * 10**7)
    assert tracemalloc.get_traced_memory()[1] < 2 * 10**7
    tracemalloc.stop()


def test_a_pool_is_opened_in_well_under_a_second() -> None:
    shuffle = Shuffle([Lengths(np.broadcast_to(np.int32(20), (10**9,)))], 1)
    layout = shuffle.add_pools(EpochLayout(10_000, 100, (1.0,)), Usable((10**9,), 0), PAIRS_PER_POOL, PAIRS_PER_BLOCK)
    start = time.process_time()
    _, numbers, _ = next(shuffle.windows(0, layout, 12_345))
    assert time.process_time() - start < 1.0
    assert len(np.unique(numbers)) == len(numbers) and 9_000 < len(numbers) < 11_000
