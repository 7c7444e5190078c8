"""What is searched at once: as much as a budget allows, and less where memory does not suffice."""

import functools
from collections.abc import Callable, Iterator
from typing import TypeVar

from nmt.errors import NmtError
from nmt.kernels.out_of_memory import NoMemory, run_with_retry
from nmt.kernels.row_counts import round_rows_down

Answer = TypeVar("Answer")


def batches(order: list[int], sizes: list[int], budget: int) -> Iterator[list[int]]:
    """Cut `order` into batches that fill at most `budget` places, padding counted, or are of one.

    All but the last are of a number of sentences that is in use.
    """
    batch: list[int] = []
    longest = 0
    for i in order:
        longest = max(longest, sizes[i])
        while batch and (len(batch) + 1) * longest > budget:
            full = round_rows_down(len(batch))
            yield batch[:full]
            batch = batch[full:]
            longest = max(sizes[j] for j in [*batch, i])
        batch.append(i)
    if batch:
        yield batch


def halve_on_out_of_memory(
    rows: list[int], work: Callable[[list[int]], list[Answer]], name: Callable[[int], str], remedy: str
) -> Iterator[tuple[list[int], list[Answer]]]:
    """Yield `rows` and `work(rows)`; in halves, and halves of these, where memory does not suffice.

    Raises `NmtError` with the `name` of a row and the `remedy` where it does not suffice for this one alone.
    """
    pending = [rows]
    while pending:
        some = pending.pop()
        try:
            answers = run_with_retry(functools.partial(work, some))
        except NoMemory:
            if len(some) == 1:
                raise NmtError(f"{name(some[0])}: out of memory, even alone; {remedy}") from None
            half = len(some) // 2
            pending += [some[half:], some[:half]]
            continue
        yield some, answers
