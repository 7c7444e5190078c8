"""Batches fit the budget, and are halved until they fit into memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.decoding.memory_budget import cut_batches, halve_after_shortage
from nmt.errors import NmtError
from nmt.kernels.row_counts import EXACT_UP_TO, round_rows_up


@given(st.lists(st.integers(1, 60), max_size=400), st.integers(1, 2000), st.booleans())
def test_batches_hold_every_sentence_once_within_the_budget(sizes, budget, is_sorted):
    sizes = sorted(sizes) if is_sorted else sizes
    order = list(range(len(sizes)))
    found = list(cut_batches(order, sizes, budget))
    assert [i for batch in found for i in batch] == order
    assert all(len(batch) == 1 or len(batch) * max(sizes[i] for i in batch) <= budget for batch in found)
    assert all(len(batch) <= EXACT_UP_TO or len(batch) == round_rows_up(len(batch)) for batch in found[:-1])


OUT_OF_MEMORY = [
    MemoryError(),
    RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY)
def test_a_batch_is_halved_until_it_fits(error):
    pending, tried, done = [list(range(10))], [], []
    while pending:
        batch = pending.pop()
        tried.append(len(batch))
        if len(batch) > 3:
            pending += halve_after_shortage(batch, error, "line 1", "shorten it")
        else:
            done += batch
    assert done == list(range(10)) and tried == [10, 5, 2, 3, 5, 2, 3]


@pytest.mark.parametrize("error", OUT_OF_MEMORY)
def test_a_single_sentence_that_does_not_fit_is_an_error(error):
    with pytest.raises(NmtError, match="line 4: out of memory, even alone; shorten it"):
        halve_after_shortage([7], error, "line 4", "shorten it")


def test_other_errors_are_raised_again():
    error = RuntimeError("shapes differ")
    with pytest.raises(RuntimeError, match="shapes differ"):
        halve_after_shortage([1, 2], error, "line 1", "shorten it")
