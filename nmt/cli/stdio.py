"""Standard output and error of the commands: if a message cannot be written, the command continues; else it fails."""

import contextlib
import io
import os
import sys
from pathlib import Path
from typing import Any


class _NonFailingFile(io.FileIO):
    """A file whose write errors are ignored: work continues if its messages are not read or the disk is full."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or len(data)
        except OSError:
            return len(data)


def prepare_streams() -> None:
    """Make stderr ignore write errors (except a Windows console), and stdout escape unencodable characters."""
    stderr, is_original, buffer = sys.stderr, sys.stderr is sys.__stderr__, getattr(sys.stderr, "buffer", None)
    if stderr is None:  # closed
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115
    elif is_original and isinstance(getattr(buffer, "raw", buffer), io.FileIO):
        raw = io.BufferedWriter(_NonFailingFile(stderr.fileno(), "w", closefd=False))
        sys.stderr = io.TextIOWrapper(raw, stderr.encoding, "backslashreplace", line_buffering=True)
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def discard_unwritten_output() -> None:
    """Discard what stdout could not write because it is full or closed: Python would try to write it again at exit."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        try:
            sys.stdout.flush()
        except OSError:
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
