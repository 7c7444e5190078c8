"""How lines arrive: in windows to be sorted, full ones from a file, or the lines that have come from a live input."""

import itertools
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from nmt.errors import NmtError

MAX_CHARACTERS = 1 << 22
"""Characters after which a window is closed, however few its lines: bounds the memory."""
PAUSE = 0.01
"""Seconds without a further line after which those that have arrived are translated."""

Item = TypeVar("Item")
Size = Callable[[Any], int]
"""Counts the characters of an item."""


def take_prefixes(prefixes: Iterator[str], count: int, before: int) -> list[str]:
    """Return the next `count` prefixes; raises `NmtError` if there are fewer, `before` have been taken already."""
    taken = list(itertools.islice(prefixes, count))
    if len(taken) < count:
        raise NmtError(f"--prefix-file has {before + len(taken):,} lines but the input has more; give one a line")
    return taken


def read_windows(
    items: Iterable[Item], count: int, characters: int = MAX_CHARACTERS, size: Size = len
) -> Iterator[list[Item]]:
    """Yield lists of up to `count` items, closed when they hold `characters`; reads no item before it is needed."""
    iterator = iter(items)
    while window := list(_until_full(iterator, count, characters, size)):
        yield window


@dataclass(frozen=True)
class _End:
    """What a reader sends last."""

    error: BaseException | None


def live_windows(
    items: Iterable[Item], count: int, characters: int = MAX_CHARACTERS, size: Size = len
) -> Iterator[list[Item]]:
    """Yield lists of the items that have arrived, at most `count`; waits only while there is none.

    A daemon thread reads `items`, at most `count` ahead; its exceptions are raised here.
    """
    arrived: queue.Queue[Item | _End] = queue.Queue(maxsize=count)

    def read() -> None:
        try:
            for item in items:
                arrived.put(item)
            arrived.put(_End(None))
        except BaseException as error:
            arrived.put(_End(error))

    threading.Thread(target=read, daemon=True, name="nmt-reader").start()
    end: _End | None = None
    while end is None:
        window: list[Item] = []
        total = 0
        while len(window) < count and total < characters:
            try:
                item = arrived.get(timeout=PAUSE if window else None)
            except queue.Empty:
                break
            if isinstance(item, _End):
                end = item
                break
            window.append(item)
            total += size(item)
        if window:
            yield window
    if end.error is not None:
        raise end.error


def _until_full(items: Iterator[Item], count: int, characters: int, size: Size) -> Iterator[Item]:
    total = 0
    for item in itertools.islice(items, count):
        yield item
        total += size(item)
        if total >= characters:
            return
