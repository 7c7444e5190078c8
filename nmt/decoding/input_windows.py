"""Group input lines: a fixed number of lines of a file, or the lines available so far from a pipe or terminal."""

import itertools
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from nmt.errors import NmtError

MAX_CHARACTERS = 1 << 22
"""Characters of a window, which bound its memory. A window that reaches them is complete, even with few lines."""
MAX_DELAY = 0.01
"""Seconds to wait for one more line of a live input before the lines that have arrived are translated."""

Item = TypeVar("Item")
Size = Callable[[Any], int]
"""Returns the number of characters of an item."""


def read_prefixes(prefixes: Iterator[str], count: int, lines_before: int) -> list[str]:
    """Return the next `count` prefixes. Raise `NmtError` if fewer are left.

    `lines_before` is the number of prefixes that were read earlier, for the message.
    """
    found = list(itertools.islice(prefixes, count))
    if len(found) < count:
        total = lines_before + len(found)
        raise NmtError(f"--prefix-file has {total:,} lines but the input has more; give one prefix per line")
    return found


def read_windows(
    items: Iterable[Item], count: int, characters: int = MAX_CHARACTERS, size: Size = len
) -> Iterator[list[Item]]:
    """Yield lists of `count` items, or of fewer that reach `characters`. Read no item before it is needed."""
    window: list[Item] = []
    total = 0
    for item in items:
        window.append(item)
        total += size(item)
        if len(window) == count or total >= characters:
            yield window
            window, total = [], 0
    if window:
        yield window


def live_windows(
    items: Iterable[Item], count: int, characters: int = MAX_CHARACTERS, size: Size = len
) -> Iterator[list[Item]]:
    """Yield lists of the items that have arrived, at most `count`. Wait only if none has arrived.

    A daemon thread reads up to `count` items ahead. Its exceptions are raised here.
    """
    arrived: queue.Queue[Item | BaseException] = queue.Queue(maxsize=count)

    def read() -> None:
        try:
            for item in items:
                arrived.put(item)
            arrived.put(StopIteration())
        except BaseException as error:
            arrived.put(error)

    threading.Thread(target=read, daemon=True, name="nmt-reader").start()
    end: BaseException | None = None
    while end is None:
        window: list[Item] = []
        total = 0
        while len(window) < count and total < characters:
            try:
                item = arrived.get(timeout=MAX_DELAY if window else None)
            except queue.Empty:
                break
            if isinstance(item, BaseException):
                end = item
                break
            window.append(item)
            total += size(item)
        if window:
            yield window
    if not isinstance(end, StopIteration):
        raise end
