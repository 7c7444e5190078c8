"""Read the input of a command as lines: from a file, a pipe, a terminal or standard input."""

import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from nmt.data.lines import InvalidLines, read_lines, stream_lines
from nmt.storage.standard_streams import standard_input


def open_lines(path: Path | None, invalid: InvalidLines | None = None) -> tuple[Iterator[str], bool]:
    """Return the lines of `path`, or of stdin for None and "-", and whether the input is live.

    Live input comes from a terminal, a pipe, a FIFO or a device: from anything but a regular file. Lines that are not
    valid UTF-8 are counted in `invalid`. Without `invalid` they raise `NmtError`.
    """
    if path is not None and not _is_stdin(path):
        return read_lines(path, invalid), _is_live(path)
    stream = standard_input()
    try:
        descriptor = stream.fileno()
    except io.UnsupportedOperation:
        return stream_lines(stream, invalid), False
    # Not sys.stdin itself: at exit Python waits for the lock of sys.stdin, which a blocked reader thread would hold.
    file = open(descriptor, "rb", closefd=False)  # noqa: SIM115 (read until the input ends)
    return stream_lines(file, invalid, _is_live(descriptor)), _is_live(descriptor)


def input_name(path: Path | None) -> str:
    """Return the name of an input for messages."""
    return "standard input" if _is_stdin(path) else str(path)


def uncompressed_size(path: Path | None) -> int | None:
    """Return the bytes of an input that are still to be read; None if it is compressed or not a regular file."""
    try:
        if path is None or _is_stdin(path):
            descriptor = standard_input().fileno()
            size = os.fstat(descriptor).st_size - os.lseek(descriptor, 0, os.SEEK_CUR)
            return size if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
        if not path.is_file():  # opening a FIFO would wait for its writer
            return None
        with path.open("rb") as file:
            return None if file.read(2) == b"\x1f\x8b" else path.stat().st_size
    except OSError:  # io.UnsupportedOperation is an OSError
        return None


def _is_stdin(path: Path | None) -> bool:
    return path is None or str(path) == "-"


def _is_live(file: Path | int) -> bool:
    """Return whether a file, named by its path or its descriptor, is neither a regular file nor a folder."""
    try:
        mode = os.stat(file).st_mode  # noqa: PTH116 (accepts a descriptor)
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
