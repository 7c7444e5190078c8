"""What the scripts that measure share: where they write, what they say, and how they end."""

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nmt.errors import NmtError

ROOT = Path(__file__).resolve().parent.parent
NMT = [sys.executable, "-m", "nmt"]
"""Begins a command line."""
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}
"""In which that is found from any folder."""


def say(line: str) -> None:
    """Tell how it goes."""
    print(line, file=sys.stderr, flush=True)


def processor() -> str:
    """Return the name of the processor, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def check_output(path: Path | None) -> None:
    """Raise `NmtError` where a file could not be written, before hours of measuring."""
    if path is not None and not path.absolute().parent.is_dir():
        raise NmtError(f"{path}: no such folder; make it, or choose another --json")


@contextmanager
def workspace(folder: Path | None) -> Iterator[Path]:
    """Give the absolute path of `folder`, made where missing, or of a temporary one."""
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="nmt-bench-") as name:
            yield Path(name)
    else:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NmtError(f"{folder}: cannot be made: {error.strerror}") from None
        yield folder.absolute()


def write_json(path: Path | None, found: Any) -> None:
    """Write all figures, where a file is asked for."""
    if path is not None:
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def compare(name: str, work: Callable[[argparse.Namespace, Path], None], given: argparse.Namespace) -> int:
    """Do `work` in the folder of --work, once it is known that --json can be written; return as `conclude` does."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's & makes what it begins ignore it

    def in_folder() -> None:
        check_output(given.json)
        with workspace(given.work) as folder:
            work(given, folder)

    return conclude(name, in_folder)


def conclude(name: str, work: Callable[[], None]) -> int:
    """Do the work of a script; return 1 after telling in one line what the user can mend."""
    try:
        work()
    except NmtError as error:
        say(f"{name}: error: {error}")
        return 1
    return 0
