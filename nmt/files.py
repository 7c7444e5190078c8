"""Files that are whole or not there, files that one process at a time holds, and JSON."""

import contextlib
import errno
import json
import math
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from nmt.errors import NmtError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_UNSUPPORTED = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK}
"""What file systems without locks answer; there none is taken."""


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text; NaN and infinite numbers, which older versions wrote, are read as None.

    Raises `ValueError` if the text is not JSON or is nested too deeply.
    """
    try:
        return json.loads(text, parse_constant=lambda name: None)
    except RecursionError:
        raise ValueError("nested too deep") from None


def dump_json(value: Any, indent: int | None = None, ensure_ascii: bool = True, sort_keys: bool = False) -> str:
    """Return `value` as JSON, with null in place of NaN and of infinite numbers, which JSON does not have."""
    return json.dumps(_finite(value), indent=indent, ensure_ascii=ensure_ascii, sort_keys=sort_keys, allow_nan=False)


def _finite(value: Any) -> Any:
    """Return `value` with None in place of each float that is not finite, at any depth."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return value


def standard_input() -> BinaryIO:
    """Return stdin, to read bytes from; raises `NmtError` where it is closed."""
    if sys.stdin is None:
        raise NmtError("standard input is closed; name a file to read")
    return sys.stdin.buffer


def standard_output() -> BinaryIO:
    """Return stdout, to write bytes to; raises `NmtError` where it is closed."""
    if sys.stdout is None:
        raise NmtError("standard output is closed, and results go there; send them to a file, or to /dev/null")
    return sys.stdout.buffer


@contextmanager
def writing(path: Path, remedy: str) -> Iterator[None]:
    """Turn a failure to write in this context, such as a full disk, into an `NmtError` that names `path`."""
    try:
        yield
    except OSError as error:
        raise NmtError(f"{error.filename or path}: cannot be written: {error.strerror or error}; {remedy}") from None


def write_whole(path: Path, data: bytes | str, remedy: str) -> None:
    """Write a file completely and durably, or leave it as it was; text as UTF-8. A replaced file keeps its mode.

    Links are not followed. Raises `NmtError`, which ends with the `remedy`, if that fails.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    content = data.encode("utf-8", errors="replace") if isinstance(data, str) else data
    try:
        if temporary.is_symlink() or (temporary.exists() and not os.access(temporary, os.R_OK | os.W_OK)):
            temporary.unlink()
        handle = hold(temporary, replaces=path)
        assert handle is not None  # as it was waited for
        with replacing(path, temporary, handle) as file:
            file.write(content)
    except OSError as error:
        raise NmtError(f"{path}: cannot be written: {error.strerror or error}; {remedy}") from None


class NotReplaced(OSError):
    """The temporary file is complete, but it cannot be moved to its place."""


@contextmanager
def replacing(path: Path, temporary: Path, handle: int, keeps: bool = False) -> Iterator[BinaryIO]:
    """Give the file `temporary`, held by this process, to write to; it replaces `path` if the block succeeds.

    It gets the owner, group and permissions of the file that it replaces. If the block fails, nothing is left. Raises
    `NotReplaced`, and leaves `temporary` if `keeps`, if it cannot be moved.
    """
    with os.fdopen(handle, "wb") as file:
        try:
            file.truncate()
            yield file
            take_place(file, path, temporary)
        except NotReplaced:
            if not keeps:
                temporary.unlink(missing_ok=True)
            raise
        except BaseException:
            if os.name == "nt":  # which renames and removes no open file
                file.close()
            temporary.unlink(missing_ok=True)  # while it is still ours
            raise


def take_place(file: BinaryIO, path: Path, temporary: Path) -> None:
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


def copy_mode(path: Path, handle: int, extra: int = 0) -> None:
    """Give an open file the owner, group and permissions, with the `extra` ones, of `path` if that is a regular file.

    If the system does not allow the group, that which the file has gets no more than everybody has.
    """
    found = _replaced(path)
    if found is None or os.name != "posix":
        return
    own, mode = os.fstat(handle), found.st_mode & 0o777
    with contextlib.suppress(OSError):
        if own.st_uid != found.st_uid:
            os.fchown(handle, found.st_uid, -1)
    try:
        if own.st_gid != found.st_gid:
            os.fchown(handle, -1, found.st_gid)
    except OSError:
        mode &= 0o707 | (mode & 0o007) << 3
    with contextlib.suppress(OSError):  # file systems without permissions
        os.fchmod(handle, mode | extra)


def _replaced(path: Path) -> os.stat_result | None:
    """Return the status of the regular file that is to be replaced, None where there is none."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def hold(path: Path, wait: bool = True, replaces: Path | None = None) -> int | None:
    """Open `path`, made if missing, for this process alone, and return its descriptor; closing it releases the lock.

    If another process holds it, that one is waited for, or None is returned. The lock ends with the process, however
    it ends. Links are not followed. From the beginning only those may read it who may read the file that it `replaces`.
    """
    found = None if replaces is None else _replaced(replaces)
    mode = 0o666 if found is None else 0o600
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), mode)
        try:
            if fcntl is None or not _lock(handle, wait) or _is_at(handle, path):
                if found is not None and replaces is not None:
                    copy_mode(replaces, handle, extra=0o600)
                return handle
        except BlockingIOError:
            os.close(handle)
            return None
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # the process that held it has removed or renamed it: another may hold a new one


def _is_at(handle: int, path: Path) -> bool:
    """Tell whether the open file still has the name `path`."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(handle), path.lstat())
    return False


def _lock(handle: int, wait: bool) -> bool:
    """Lock an open file and return True, or False if the file system has no locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return False
        raise
    return True
