"""Prefetching gives the same items in the same order as the iterator it runs."""

import threading
import time
from collections.abc import Iterator

import pytest

from nmt.data.prefetch import prefetch


def failing() -> Iterator[int]:
    yield 1
    raise KeyError("broken")


def test_the_items_come_in_the_same_order() -> None:
    with prefetch(iter(range(100)), ahead=3) as items:
        assert list(items) == list(range(100))
        assert list(items) == []
    with prefetch(iter([None, None])) as items_of_none:
        assert list(items_of_none) == [None, None]


def test_an_exception_is_raised_at_its_place() -> None:
    with prefetch(failing()) as items:
        assert next(items) == 1
        with pytest.raises(KeyError, match="broken"):
            next(items)


def test_at_most_as_many_items_as_asked_are_prepared() -> None:
    made: list[int] = []

    def count() -> Iterator[int]:
        for i in range(1000):
            made.append(i)
            yield i

    with prefetch(count(), ahead=5) as items:
        next(items)
        deadline = time.monotonic() + 5
        while len(made) < 7 and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.02)
        assert len(made) == 7  # one taken, five in the queue, one that waits for a place in it
        assert [next(items) for _ in range(20)] == list(range(1, 21))


@pytest.mark.parametrize("taken", [0, 3])
def test_the_thread_ends_with_the_block(taken: int) -> None:
    before = threading.active_count()
    with prefetch(iter(int, 1), ahead=2) as items:
        for _ in range(taken):
            next(items)
    assert threading.active_count() == before
    with pytest.raises(StopIteration):
        next(items)
