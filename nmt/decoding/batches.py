"""What is searched at once: as much as a budget allows, and less where memory does not suffice."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from nmt.errors import NmtError, is_short_of_memory

Answer = TypeVar("Answer")


TOGETHER = 8
"""Up to so many, numbers of rows are powers of two; above it, multiples of it or of about a tenth."""


def unit(count: int) -> int:
    """Return of what the number of rows is a multiple, about `count` > `TOGETHER`.

    oneDNN compiles a product for every number of rows that it meets, and keeps it, half a megabyte each: so there are
    to be few.
    """
    return max(TOGETHER, 1 << max(0, (count - 1).bit_length() - 4))


def rounded_up(count: int) -> int:
    """Return the least number of rows that is in use and at least `count` > 0."""
    if count <= TOGETHER:
        return 1 << (count - 1).bit_length()
    return -(-count // unit(count)) * unit(count)


def batches(order: list[int], sizes: list[int], budget: int) -> Iterator[list[int]]:
    """Cut `order` into batches that fill at most `budget` places, padding counted, or are of one."""
    batch: list[int] = []
    longest = 0
    for i in order:
        longest = max(longest, sizes[i])
        while batch and (len(batch) + 1) * longest > budget:
            full = len(batch) if len(batch) <= TOGETHER else len(batch) // unit(len(batch)) * unit(len(batch))
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
            answers = work(some)
        except (MemoryError, RuntimeError) as error:
            if not is_short_of_memory(error):
                raise
            if len(some) == 1:
                raise NmtError(f"{name(some[0])}: out of memory, even alone; {remedy}") from None
            half = len(some) // 2
            pending += [some[half:], some[:half]]
            continue
        yield some, answers
