"""Work on batches side by side in threads, and on halves of a batch if memory runs out."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

Result = TypeVar("Result")
FEW = 8
"""A single batch of at most this many sentences is not cut for several threads."""


def share_out(batches: list[list[int]], threads: int) -> list[list[int]]:
    """Return at least one batch for each of `threads`, if there are batches that are worth cutting."""
    shared = list(batches)
    while 0 < len(shared) < threads and len(largest := max(shared, key=len)) > FEW:
        index = shared.index(largest)
        shared[index : index + 1] = [largest[: len(largest) // 2], largest[len(largest) // 2 :]]
    return shared


def work_side_by_side(
    batches: list[list[int]],
    work: Callable[[list[int]], Result],
    halve: Callable[[list[int], BaseException], list[list[int]]],
    threads: int,
) -> Iterator[tuple[list[int], Result]]:
    """Yield each batch and the result of `work` on it, in the order in which they are done.

    If `work` raises `MemoryError` or `RuntimeError`, it is called again for the parts that `halve` returns of the
    batch. At most `threads` batches are worked on at the same time. The threads end with this function, so none is left
    over for a process that forks later.
    """
    pending = share_out(batches, threads)[::-1]  # a stack, the first batch on top
    if threads == 1 or len(pending) < 2:
        while pending:
            batch = pending.pop()
            try:
                result = work(batch)
            except (MemoryError, RuntimeError) as error:
                pending += halve(batch, error)
                continue
            yield batch, result
        return
    from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

    with ThreadPoolExecutor(min(threads, len(pending)), "nmt-batch") as pool:
        running: dict[Future[Result], list[int]] = {}
        while pending or running:
            while pending and len(running) < threads:
                batch = pending.pop()
                running[pool.submit(work, batch)] = batch
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                batch = running.pop(future)
                try:
                    result = future.result()
                except (MemoryError, RuntimeError) as error:
                    pending += halve(batch, error)
                    continue
                yield batch, result
