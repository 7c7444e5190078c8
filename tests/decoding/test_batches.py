"""What is searched at once fits, or is halved until it does."""

import pytest

from nmt.decoding.batches import by_halves
from nmt.errors import NmtError


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")])
def test_halves_until_memory_suffices(error):
    tried = []

    def work(rows):
        tried.append(len(rows))
        if len(rows) > 3:
            raise error
        return [row * row for row in rows]

    found = list(by_halves(list(range(10)), work, str, "shorten it"))
    assert [row for rows, _ in found for row in rows] == list(range(10))
    assert all(answers == [row * row for row in rows] for rows, answers in found)
    assert tried == [10, 5, 2, 3, 5, 2, 3]


def test_what_fits_alone_nowhere_is_named():
    def work(rows):
        if 4 in rows:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")
        return rows

    found = by_halves([3, 4], work, lambda row: f"line {row}", "shorten it")
    assert next(found) == ([3], [3])
    with pytest.raises(NmtError, match="line 4: out of memory, even alone; shorten it"):
        next(found)


@pytest.mark.parametrize("message", ["shapes differ", "could not create a primitive"])
def test_what_less_would_not_mend_is_not_tried_again(message):
    tried = []

    def work(rows):
        tried.append(len(rows))
        raise RuntimeError(message)

    with pytest.raises(RuntimeError, match=message):
        list(by_halves([1, 2], work, str, "shorten it"))
    assert tried == [2]
