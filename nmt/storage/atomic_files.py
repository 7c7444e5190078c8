"""Write a file completely or not at all; errors name the file and how to correct the problem."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from nmt.errors import NmtError
from nmt.storage.locks import lock_file
from nmt.storage.portability import close_on_windows, copy_owner_and_mode


@contextmanager
def convert_write_errors(path: Path, remedy: str) -> Iterator[None]:
    """Turn an `OSError` in this context, such as a full disk, into an `NmtError` that names the file (`path` if
    unknown)."""
    try:
        yield
    except OSError as error:
        raise NmtError(f"{error.filename or path}: cannot be written: {error.strerror or error}; {remedy}") from None


def write_atomically(path: Path, data: bytes | str, remedy: str) -> None:
    """Write a file completely and durably, or leave it unchanged. Text is written as UTF-8.

    A file that is replaced keeps its mode. Links are not followed. Raise `NmtError`, which ends with the `remedy`, if
    the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    content = data.encode("utf-8", errors="replace") if isinstance(data, str) else data
    try:
        if temporary.is_symlink() or (temporary.exists() and not os.access(temporary, os.R_OK | os.W_OK)):
            temporary.unlink()
        with replace_on_success(path, temporary, lock_file(temporary, replaces=path)) as file:
            file.write(content)
    except OSError as error:
        raise NmtError(f"{path}: cannot be written: {error.strerror or error}; {remedy}") from None


def write_by_rename(path: Path, data: bytes) -> None:
    """Write a file under a name of its own and rename it, so that several processes may write the same file at once."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


class NotReplaced(OSError):
    """The temporary file is complete but cannot be renamed."""


@contextmanager
def replace_on_success(path: Path, temporary: Path, handle: int, keep_unmoved: bool = False) -> Iterator[BinaryIO]:
    """Yield the file `temporary`, which this process has locked as `handle`; rename it to `path` if the block succeeds.

    It gets the owner, group and permissions of the file that it replaces. If the block fails, it is removed. If it
    cannot be renamed, raise `NotReplaced`, and remove it unless `keep_unmoved`.
    """
    with os.fdopen(handle, "wb") as file:
        try:
            file.truncate()
            yield file
            move_into_place(file, path, temporary)
        except BaseException as error:
            if not (keep_unmoved and isinstance(error, NotReplaced)):
                close_on_windows(file)
                temporary.unlink(missing_ok=True)  # before it is closed, and thus unlocked
            raise


def move_into_place(file: BinaryIO, path: Path, temporary: Path) -> None:
    """Flush the open file `temporary` to disk and rename it to `path`. Raise `NotReplaced` if it cannot be renamed."""
    file.flush()
    os.fsync(file.fileno())  # some file systems report only now that they are full
    copy_owner_and_mode(path, file.fileno())
    close_on_windows(file)
    try:
        temporary.replace(path)
    except OSError as error:
        raise NotReplaced(*error.args) from None
