"""Open output files: standard output, special files, and regular files that are replaced only when complete."""

import contextlib
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from nmt.errors import NmtError
from nmt.storage.atomic_files import NotReplaced, convert_write_errors, replace_on_success
from nmt.storage.locks import try_lock_file
from nmt.storage.standard_streams import standard_output

_REMEDY = "name another file"
_DESCRIPTOR_FOLDERS = re.compile("/dev/fd|/proc/.+/fd")


@contextlib.contextmanager
def open_output(path: Path | None) -> Iterator[BinaryIO]:
    """Open a binary file for writing: stdout for None and "-", otherwise `path`, which is replaced only on success.

    Until then the output is in `.NAME.partial` in the same folder, which overwrites that of a killed process. Symbolic
    links are followed. A special file (see `is_special`) is written directly.
    """
    if path is None or str(path) == "-":
        yield standard_output()
        return
    real = resolve_output(path)
    if is_special(path):
        with convert_write_errors(path, _REMEDY), _open_special(path) as special:
            yield special
        return
    partial = real.with_name(f".{real.name}.partial")
    handle = lock_partial(path, partial, real)
    with convert_write_errors(path, "the output file is unchanged"):
        try:
            with replace_on_success(real, partial, handle, keep_unmoved=True) as file:
                yield file
        except NotReplaced as error:
            raise NmtError(
                f"{path}: cannot be replaced: {error.strerror or error}; the whole output is in {partial}"
            ) from None


def resolve_output(path: Path) -> Path:
    """Return the file that `path` names, symbolic links followed. Raise `NmtError` for a folder."""
    with convert_write_errors(path, _REMEDY):
        if path.name in ("", "..") or path.is_dir():
            raise NmtError(f"{path}: is a folder; name a file")
        if path.is_symlink():
            with contextlib.suppress(FileNotFoundError):
                path.stat()  # raises OSError for a loop of links
            return path.resolve()
    return path


def is_special(path: Path | None) -> bool:
    """Return whether an output is written directly: stdout, a file that is already open, or not a regular file."""
    if path is None or str(path) == "-":
        return True
    with convert_write_errors(path, _REMEDY):
        try:
            found = path.stat()
        except FileNotFoundError:
            return False
    return not stat.S_ISREG(found.st_mode) or _standard_descriptor(found) is not None or _is_descriptor(path)


def lock_partial(path: Path, partial: Path, real: Path) -> int:
    """Open the `partial` file of the output `path` for this process alone; return its descriptor.

    Raise `NmtError` if another process has it open, or if it cannot be opened. `real` is the file to be replaced.
    """
    with convert_write_errors(path, _REMEDY):
        handle = try_lock_file(partial, replaces=real)
    if handle is None:
        raise NmtError(f"{path}: in use by another process, or given for two options; {_REMEDY}")
    return handle


class DirectOutput:
    """Outputs of which at least one is not a regular file: each translation is flushed, and none can be resumed."""

    finished_lines = 0

    def __init__(self, files: Sequence[BinaryIO]) -> None:
        self._files = files

    def skip_finished(self, inputs: Mapping[str, Iterator[str]]) -> None:
        """Skip nothing: see `ResumableOutput.skip_finished`."""

    def write(self, texts: Sequence[str]) -> None:
        """Write the translations of a line, one text for each file."""
        for file, text in zip(self._files, texts, strict=True):
            file.write(text.encode())
            file.flush()

    def commit(self) -> None:
        """Do nothing: see `ResumableOutput.commit`."""


def _open_special(path: Path) -> BinaryIO:
    """Open for writing; duplicate stdout and stderr, so that what was written to them is not lost."""
    number = _standard_descriptor(path.stat())
    return path.open("wb") if number is None else os.fdopen(os.dup(number), "wb")


def _standard_descriptor(found: os.stat_result) -> int | None:
    """Return 1 or 2 for the file that is open as stdout or stderr, None for others."""
    for number in (1, 2):
        with contextlib.suppress(OSError):  # closed
            if os.path.samestat(found, os.fstat(number)):
                return number
    return None


def _is_descriptor(path: Path) -> bool:
    """Return whether symbolic links lead from `path`, which exists, to a file that a process has open."""
    while path.is_symlink():
        folder = path.parent.resolve()
        if _DESCRIPTOR_FOLDERS.fullmatch(folder.as_posix()):
            return True
        path = folder / path.readlink()
    return False
