"""What is searched at once fits, or is halved until it does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.decoding.memory_budget import batches, halve_on_out_of_memory
from nmt.errors import NmtError
from nmt.kernels.row_counts import FEW, round_rows_down, round_rows_up


@given(st.lists(st.integers(1, 60), max_size=400), st.integers(1, 2000), st.booleans())
def test_batches_hold_every_sentence_once_within_the_budget(sizes, budget, is_sorted):
    sizes = sorted(sizes) if is_sorted else sizes
    order = list(range(len(sizes)))
    found = list(batches(order, sizes, budget))
    assert [i for batch in found for i in batch] == order
    assert all(len(batch) == 1 or len(batch) * max(sizes[i] for i in batch) <= budget for batch in found)
    assert all(len(batch) <= FEW or len(batch) == round_rows_up(len(batch)) for batch in found[:-1])


def test_few_numbers_of_rows_are_in_use():
    assert [round_rows_up(count) for count in (1, 3, 8, 9, 128, 129, 257)] == [1, 3, 8, 16, 128, 144, 288]
    assert all(count <= round_rows_up(count) <= max(1.125 * count, count + 7) for count in range(1, 3000))
    for count in range(1, 3000):
        assert round_rows_up(round_rows_up(count)) == round_rows_up(count)
        assert round_rows_up(round_rows_down(count)) == round_rows_down(count) <= count
    assert len({round_rows_up(count) for count in range(1, 1025)}) == 47


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")])
def test_halves_until_memory_suffices(error):
    tried = []

    def work(rows):
        tried.append(len(rows))
        if len(rows) > 3:
            raise error
        return [row * row for row in rows]

    found = list(halve_on_out_of_memory(list(range(10)), work, str, "shorten it"))
    assert [row for rows, _ in found for row in rows] == list(range(10))
    assert all(answers == [row * row for row in rows] for rows, answers in found)
    assert tried == [10, 5, 2, 3, 5, 2, 3]


def test_what_fits_alone_nowhere_is_named():
    def work(rows):
        if 4 in rows:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")
        return rows

    found = halve_on_out_of_memory([3, 4], work, lambda row: f"line {row}", "shorten it")
    assert next(found) == ([3], [3])
    with pytest.raises(NmtError, match="line 4: out of memory, even alone; shorten it"):
        next(found)


def test_what_less_would_not_mend_is_not_tried_again():
    tried = []

    def work(rows):
        tried.append(len(rows))
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        list(halve_on_out_of_memory([1, 2], work, str, "shorten it"))
    assert tried == [2]
