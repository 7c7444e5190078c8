"""Stdout and stderr of the command: work goes on where messages cannot be written, and ends where results cannot."""

import contextlib
import io
import os
import sys
from pathlib import Path
from typing import Any


class _Messages(io.FileIO):
    """Stderr that takes everything: work goes on where nobody reads messages any more, or their disk is full."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or len(data)
        except OSError:
            return len(data)


def prepare_streams() -> None:
    """Make stderr one that never fails (POSIX), and a strict stdout write what its encoding lacks as `\\uNNNN`."""
    if sys.stderr is None:  # closed: nobody listens
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115
    elif os.name == "posix" and sys.stderr is sys.__stderr__ and isinstance(sys.stderr, io.TextIOWrapper):
        raw = io.BufferedWriter(_Messages(sys.stderr.fileno(), "w", closefd=False))
        sys.stderr = io.TextIOWrapper(raw, sys.stderr.encoding, "backslashreplace", line_buffering=True)
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def drop_what_cannot_be_written() -> None:
    """Let go of results that stdout, full or closed, has refused; Python would try once more at its end."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        try:
            sys.stdout.flush()
        except OSError:
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
