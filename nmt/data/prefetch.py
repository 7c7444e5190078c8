"""Work ahead: an iterator that runs another one in a background thread."""

import queue
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Prefetch(Generic[Item]):
    """Yields what `items` yields, up to `ahead` of them made before they are asked for.

    What `items` raises is raised here, in its place. `close` (or the end of a `with` block) ends the thread.
    """

    def __init__(self, items: Iterator[Item], ahead: int = 16) -> None:
        self._items = items
        self._made: queue.Queue[tuple[Item | None, BaseException | None]] = queue.Queue(ahead)
        self._is_closing = threading.Event()
        self._end: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="prefetch", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        if self._end is not None:
            raise self._end
        item, self._end = self._made.get()
        if self._end is not None:
            raise self._end
        return item  # type: ignore[return-value]

    def __enter__(self) -> "Prefetch[Item]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the thread and drop what was made ahead; asking for more then raises StopIteration."""
        self._is_closing.set()
        while self._thread.is_alive():
            while not self._made.empty():
                self._made.get()
            self._thread.join(timeout=0.01)
        self._end = self._end or StopIteration()

    def _run(self) -> None:
        end: BaseException = StopIteration()
        try:
            for item in self._items:
                self._made.put((item, None))
                if self._is_closing.is_set():
                    return
        except BaseException as error:
            end = error
        self._made.put((None, end))
