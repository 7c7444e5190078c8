"""What is searched at once: as much as a budget allows, and less where memory does not suffice."""

import functools
from collections.abc import Callable, Iterator
from typing import TypeVar

from nmt.errors import NmtError
from nmt.process_memory import NoMemory, attempt

Answer = TypeVar("Answer")


FEW = 8
"""Any number of rows up to this is in use; of larger ones only some."""


def _spacing(count: int) -> int:
    """Return the distance of the numbers of rows in use about `count` > `FEW`: up to 128 `FEW`, then 1/16 to 1/8.

    oneDNN compiles a product for every number of rows that it meets, and keeps it, half a megabyte to two megabytes
    each: so there are to be few.
    """
    return max(FEW, 1 << ((count - 1).bit_length() - 4))


def rounded_up(count: int) -> int:
    """Return the least number of rows in use that is not below `count`."""
    return count if count <= FEW else -(-count // _spacing(count)) * _spacing(count)


def rounded_down(count: int) -> int:
    """Return the largest number of rows in use that is not above `count`."""
    return count if count <= FEW else count // _spacing(count) * _spacing(count)


def batches(order: list[int], sizes: list[int], budget: int) -> Iterator[list[int]]:
    """Cut `order` into batches that fill at most `budget` places, padding counted, or are of one.

    All but the last are of a number of sentences that is in use.
    """
    batch: list[int] = []
    longest = 0
    for i in order:
        longest = max(longest, sizes[i])
        while batch and (len(batch) + 1) * longest > budget:
            full = rounded_down(len(batch))
            yield batch[:full]
            batch = batch[full:]
            longest = max(sizes[j] for j in [*batch, i])
        batch.append(i)
    if batch:
        yield batch


def by_halves(
    rows: list[int], work: Callable[[list[int]], list[Answer]], name: Callable[[int], str], remedy: str
) -> Iterator[tuple[list[int], list[Answer]]]:
    """Yield `rows` and `work(rows)`; in halves, and halves of these, where memory does not suffice.

    Raises `NmtError` with the `name` of a row and the `remedy` where it does not suffice for this one alone.
    """
    pending = [rows]
    while pending:
        some = pending.pop()
        try:
            answers = attempt(functools.partial(work, some))
        except NoMemory:
            if len(some) == 1:
                raise NmtError(f"{name(some[0])}: out of memory, even alone; {remedy}") from None
            half = len(some) // 2
            pending += [some[half:], some[:half]]
            continue
        yield some, answers
