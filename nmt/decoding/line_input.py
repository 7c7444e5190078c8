"""Open the lines of a file or of standard input."""

import functools
import io
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from nmt.data.lines import InvalidLines, read_lines, stream_lines
from nmt.storage.standard_streams import standard_input


def open_lines(path: Path | None, invalid: InvalidLines | None = None) -> tuple[Iterator[str], bool]:
    """Return the lines of `path`, or of stdin for None and "-", and whether they come live.

    They do from a terminal, a pipe, a FIFO or a device, that is from all that is not a regular file. Lines that are not
    valid UTF-8 are counted in `invalid`; without it they are errors.
    """
    if path is not None and str(path) != "-":
        return read_lines(path, invalid), _is_live(path.stat)
    stream = standard_input()
    try:
        descriptor = stream.fileno()
    except io.UnsupportedOperation:
        return stream_lines(stream, invalid), False
    # A file object of our own: Python waits for the lock of sys.stdin at exit, which a blocked reader would hold.
    own = open(descriptor, "rb", closefd=False)  # noqa: SIM115 (read as long as there are lines)
    is_live = _is_live(functools.partial(os.fstat, descriptor))
    return stream_lines(own, invalid, is_live), is_live


def _is_live(status: Callable[[], os.stat_result]) -> bool:
    try:
        mode = status().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def input_name(path: Path | None) -> str:
    """Return how an input is called in messages."""
    return "standard input" if path is None or str(path) == "-" else str(path)


def plain_size(path: Path | None) -> int | None:
    """Return the bytes of a regular input that is not compressed; None where that is not known."""
    try:
        if path is not None and str(path) != "-":
            found = path.stat()
            if not stat.S_ISREG(found.st_mode):
                return None
            with path.open("rb") as file:
                return None if file.read(2) == b"\x1f\x8b" else found.st_size
        descriptor = standard_input().fileno()
        found = os.fstat(descriptor)
        return found.st_size - os.lseek(descriptor, 0, os.SEEK_CUR) if stat.S_ISREG(found.st_mode) else None
    except OSError:  # io.UnsupportedOperation is one
        return None
