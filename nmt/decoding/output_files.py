"""How translations are written: text, Moses n-best lists, JSON lines; and files that appear only when complete."""

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from nmt.errors import NmtError
from nmt.storage.atomic_files import NotReplaced, convert_write_errors, replace_on_success
from nmt.storage.locks import lock_file
from nmt.storage.standard_streams import standard_output

ELSEWHERE = "name another file"
_DESCRIPTORS = re.compile("/dev/fd|/proc/.+/fd")


@contextlib.contextmanager
def open_output(path: Path | None) -> Iterator[BinaryIO]:
    """Give a binary file to write to: stdout for None or "-"; else `path`, which changes only if all went well.

    Until then its lines are in `.NAME.partial` beside it; such a file of a killed process is written over. A link is
    followed. A file that is not regular, or that is open already as /dev/stdout is, is written to at once.
    """
    if path is None or str(path) == "-":
        yield standard_output()
        return
    with convert_write_errors(path, ELSEWHERE):
        real = real_place(path)
        if is_special(path):
            with _open_special(path) as special:
                yield special
            return
        partial = real.with_name(f".{real.name}.partial")
        handle = lock_file(partial, wait=False, replaces=real)
    if handle is None:
        raise NmtError(f"{path}: being written already, by another process or for another option; name another file")
    with convert_write_errors(path, "nothing is there yet"):
        try:
            with replace_on_success(real, partial, handle, keeps=True) as file:
                yield file
        except NotReplaced as error:
            raise NmtError(
                f"{path}: cannot be replaced: {error.strerror or error}; the whole output is in {partial}"
            ) from None


def real_place(path: Path) -> Path:
    """Return the file that `path` names, links followed; raises `NmtError` for a folder."""
    if path.name in ("", "..") or path.is_dir():
        raise NmtError(f"{path}: is a folder; name a file")
    if not path.is_symlink():
        return path
    with convert_write_errors(path, ELSEWHERE):
        with contextlib.suppress(FileNotFoundError):
            path.stat()  # an OSError for a loop of links
        return path.resolve()


def is_special(path: Path | None) -> bool:
    """Tell whether an output is written to at once: stdout, or what is not a regular file of its own."""
    if path is None or str(path) == "-":
        return True
    with convert_write_errors(path, ELSEWHERE):
        try:
            found = path.stat()
        except FileNotFoundError:
            return False
    return not stat.S_ISREG(found.st_mode) or _standard(found) is not None or _is_descriptor(path)


def _open_special(path: Path) -> BinaryIO:
    """Open for writing; stdout and stderr as they are, so that nothing that was written to them is lost."""
    number = _standard(path.stat())
    return path.open("wb") if number is None else os.fdopen(os.dup(number), "wb")


def _standard(found: os.stat_result) -> int | None:
    """Return 1 or 2 for the file that is open as stdout or stderr, None for others."""
    for number in (1, 2):
        with contextlib.suppress(OSError):  # closed
            if os.path.samestat(found, os.fstat(number)):
                return number
    return None


def _is_descriptor(path: Path) -> bool:
    """Tell whether links lead from `path`, which is there, to a file that some process has open."""
    while path.is_symlink():
        folder = path.parent.resolve()
        if _DESCRIPTORS.fullmatch(folder.as_posix()):
            return True
        path = folder / path.readlink()
    return False
