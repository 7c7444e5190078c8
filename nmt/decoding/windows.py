"""How lines arrive: in windows to be sorted, full ones from a file, whatever is there from a person or a pipe."""

import itertools
import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

from nmt.data.subword import SPACE
from nmt.errors import NmtError

MAX_CHARACTERS = 1 << 22
"""Characters after which a window is closed, whatever its lines: bounds the memory."""
PAUSE = 0.01
"""Seconds without a further line after which those that have arrived are translated."""

Item = TypeVar("Item")


def take_prefixes(prefixes: Iterator[str], count: int, before: int) -> list[str]:
    """Return the next `count` prefixes; raises `NmtError` where there are fewer, `before` have been taken already."""
    taken = list(itertools.islice(prefixes, count))
    if len(taken) < count:
        raise NmtError(f"--prefix-file has {before + len(taken):,} lines but the input has more; give one a line")
    return taken


def read_windows(lines: Iterable[str], size: int) -> Iterator[list[str]]:
    """Yield lists of up to `size` lines."""
    iterator = iter(lines)
    while window := list(_until_full(iterator, size)):
        yield window


def live_windows(lines: Iterable[str], size: int) -> Iterator[list[str]]:
    """Yield lists of the lines that have arrived, at most `size`; waits only while there is none.

    A daemon thread reads `lines`, at most `size` ahead; its exceptions are raised here.
    """
    arrived: queue.Queue[str | BaseException | None] = queue.Queue(maxsize=size)

    def read() -> None:
        try:
            for line in lines:
                arrived.put(line)
            arrived.put(None)
        except BaseException as error:
            arrived.put(error)

    threading.Thread(target=read, daemon=True, name="nmt-reader").start()
    is_open = True
    while is_open:
        window: list[str] = []
        characters = 0
        while len(window) < size and characters < MAX_CHARACTERS:
            try:
                item = arrived.get(timeout=PAUSE if window else None)
            except queue.Empty:
                break
            if isinstance(item, str):
                window.append(item)
                characters += len(item)
                continue
            is_open = False
            if window:
                yield window
                window = []
            if item is not None:
                raise item
            break
        if window:
            yield window


def _until_full(lines: Iterator[str], size: int) -> Iterator[str]:
    characters = 0
    for line in itertools.islice(lines, size):
        yield line
        characters += len(line)
        if characters >= MAX_CHARACTERS:
            return


def cut(pieces: list[str], limit: int) -> list[slice]:
    """Return slices of at most `limit` pieces that cover a line.

    The latest end of a sentence in the second half of the slice is taken, else the latest space, else the limit.
    """
    slices, begin = [], 0
    while len(pieces) - begin > limit:
        late = range(begin + limit, begin + max(1, limit // 2) - 1, -1)
        space = (end for end in late if pieces[end].startswith(SPACE))
        sentence = (end for end in late if _ends_sentence(pieces[end - 1], pieces[end]))
        end = next(sentence, next(space, begin + limit))
        slices.append(slice(begin, end))
        begin = end
    return [*slices, slice(begin, len(pieces))]


def _ends_sentence(piece: str, following: str) -> bool:
    """Whether a sentence ends between two pieces; a full stop within a word or a number ends none."""
    return piece[-1] in "。！？；" or (piece[-1] in ".!?;…" and following.startswith(SPACE))
