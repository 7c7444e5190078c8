"""Prefetch: run an iterator in a background thread, which prepares batches while the model computes."""

import queue
import threading
from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Prefetch(Generic[Item]):
    """Yields the items of an iterator, and keeps up to `ahead` items ready.

    An exception of `items` is raised at its place in the sequence. `close` (or the end of a `with` block) ends the
    thread.
    """

    def __init__(self, items: Iterator[Item], ahead: int = 16) -> None:
        self._items = items
        self._ready: queue.Queue[tuple[Item | None, BaseException | None]] = queue.Queue(ahead)
        self._is_closing = threading.Event()
        self._end: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="prefetch", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        if self._end is not None:
            raise self._end
        item, self._end = self._ready.get()
        if self._end is not None:
            raise self._end
        return item  # type: ignore[return-value]

    def __enter__(self) -> "Prefetch[Item]":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the thread and drop the items that are ready; the iterator is then at its end."""
        self._is_closing.set()
        while self._thread.is_alive():
            while not self._ready.empty():
                self._ready.get()
            self._thread.join(timeout=0.01)
        self._end = self._end or StopIteration()

    def _run(self) -> None:
        end: BaseException = StopIteration()
        try:
            for item in self._items:
                self._ready.put((item, None))
                if self._is_closing.is_set():
                    return
        except BaseException as error:
            end = error
        self._ready.put((None, end))
