"""Files that are whole or not there, files that one process at a time holds, and JSON."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from nmt.errors import NmtError
from nmt.storage.file_mode import copy_mode
from nmt.storage.locks import lock_file


@contextmanager
def convert_write_errors(path: Path, remedy: str) -> Iterator[None]:
    """Turn a failure to write in this context, such as a full disk, into an `NmtError` that names `path`."""
    try:
        yield
    except OSError as error:
        raise NmtError(f"{error.filename or path}: cannot be written: {error.strerror or error}; {remedy}") from None


def write_atomically(path: Path, data: bytes | str, remedy: str) -> None:
    """Write a file completely and durably, or leave it as it was; text as UTF-8. A replaced file keeps its mode.

    Links are not followed. Raises `NmtError`, which ends with the `remedy`, if that fails.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    content = data.encode("utf-8", errors="replace") if isinstance(data, str) else data
    try:
        if temporary.is_symlink() or (temporary.exists() and not os.access(temporary, os.R_OK | os.W_OK)):
            temporary.unlink()
        handle = lock_file(temporary, replaces=path)
        assert handle is not None  # as it was waited for
        with replace_on_success(path, temporary, handle) as file:
            file.write(content)
    except OSError as error:
        raise NmtError(f"{path}: cannot be written: {error.strerror or error}; {remedy}") from None


class NotReplaced(OSError):
    """The temporary file is complete, but it cannot be moved to its place."""


@contextmanager
def replace_on_success(path: Path, temporary: Path, handle: int, keeps: bool = False) -> Iterator[BinaryIO]:
    """Give the file `temporary`, held by this process, to write to; it replaces `path` if the block succeeds.

    It gets the owner, group and permissions of the file that it replaces. If the block fails, nothing is left. Raises
    `NotReplaced`, and leaves `temporary` if `keeps`, if it cannot be moved.
    """
    with os.fdopen(handle, "wb") as file:
        try:
            file.truncate()
            yield file
            move_into_place(file, path, temporary)
        except NotReplaced:
            if not keeps:
                temporary.unlink(missing_ok=True)
            raise
        except BaseException:
            if os.name == "nt":  # which renames and removes no open file
                file.close()
            temporary.unlink(missing_ok=True)  # while it is still ours
            raise


def move_into_place(file: BinaryIO, path: Path, temporary: Path) -> None:
    """Move the open file `temporary` to `path` once it is on the disk; raises `NotReplaced` if that fails."""
    file.flush()
    os.fsync(file.fileno())  # some file systems tell only now that they are full
    copy_mode(path, file.fileno())
    if os.name == "nt":
        file.close()
    try:
        temporary.replace(path)
    except OSError as error:
        raise NotReplaced(*error.args) from None
