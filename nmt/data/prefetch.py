"""Prefetch: run an iterator in a background thread, which prepares batches while the model computes."""

import queue
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

Item = TypeVar("Item")


@contextmanager
def prefetch(items: Iterator[Item], ahead: int = 16) -> Iterator[Iterator[Item]]:
    """Yield an iterator over `items` that keeps up to `ahead` items ready. It ends with the `with` block.

    An exception of `items` is raised at its place in the sequence.
    """
    ready: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(ahead)
    is_closing = threading.Event()

    def run() -> None:
        end: BaseException = StopIteration()
        try:
            for item in items:
                ready.put((item, None))
                if is_closing.is_set():
                    return
        except BaseException as error:
            end = error
        ready.put((None, end))

    def take() -> Generator[Item, None, None]:
        while True:
            item, end = ready.get()
            if isinstance(end, StopIteration):
                return
            if end is not None:
                raise end
            yield item

    thread = threading.Thread(target=run, name="prefetch", daemon=True)
    thread.start()
    taken = take()
    try:
        yield taken
    finally:
        is_closing.set()
        while thread.is_alive():
            while not ready.empty():
                ready.get()
            thread.join(timeout=0.01)
        taken.close()
