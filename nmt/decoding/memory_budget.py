"""Group sentences for search into batches that fit a budget of tokens, and halve a batch if memory runs out."""

from collections.abc import Iterator

from nmt.kernels.out_of_memory import OutOfMemory, free_after_shortage
from nmt.kernels.row_counts import round_rows_down


def cut_batches(order: list[int], sizes: list[int], budget: int) -> Iterator[list[int]]:
    """Cut `order` into batches of at most `budget` tokens, padding included; a larger sentence is a batch of its own.

    `sizes` has the tokens of each sentence. The size of each batch but the last is one of `round_rows_down`.
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


def halve_after_shortage(batch: list[int], error: BaseException, name: str, remedy: str) -> list[list[int]]:
    """Free memory and return the second and the first half of a `batch` that failed with `error`.

    The halves are pushed onto a stack of batches, so that the first one is next. Raise `error` again if it does not say
    that memory ran out. Raise `OutOfMemory` with the `name` and the `remedy` if the batch is a single sentence.
    """
    free_after_shortage(error)
    if len(batch) == 1:
        raise OutOfMemory(f"{name}: out of memory, even alone; {remedy}") from None
    half = len(batch) // 2
    return [batch[half:], batch[:half]]
