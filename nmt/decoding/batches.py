"""What is searched at once: as much as a budget allows, and less where memory does not suffice."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from nmt.errors import NmtError, is_short_of_memory

Answer = TypeVar("Answer")


def batches(order: list[int], sizes: list[int], budget: int) -> Iterator[list[int]]:
    """Cut `order` into batches that fill at most `budget` places, padding counted, or are of one."""
    batch: list[int] = []
    longest = 0
    for i in order:
        longest = max(longest, sizes[i])
        if batch and (len(batch) + 1) * longest > budget:
            yield batch
            batch, longest = [], sizes[i]
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
