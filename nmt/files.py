"""Files that are whole or not there, files that one process at a time holds, and JSON."""

import contextlib
import errno
import json
import math
import os
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
    """Write a file that is there whole, on the disk, or as it was before; text as UTF-8.

    Links are not followed. Raises `NmtError`, which ends with the `remedy`, where that fails.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    content = data.encode("utf-8", errors="replace") if isinstance(data, str) else data
    try:
        if temporary.is_symlink() or (temporary.exists() and not os.access(temporary, os.R_OK | os.W_OK)):
            temporary.unlink()
        handle = hold(temporary)
        assert handle is not None  # as it was waited for
        with replacing(path, temporary, handle) as file:
            file.write(content)
    except OSError as error:
        raise NmtError(f"{path}: cannot be written: {error.strerror or error}; {remedy}") from None


class NotReplaced(OSError):
    """All is written, but cannot take its place."""


@contextmanager
def replacing(path: Path, temporary: Path, handle: int, keeps: bool = False) -> Iterator[BinaryIO]:
    """Give the file `temporary`, held by this process, to write to; it takes the place of `path` where all goes well.

    Where the block fails nothing is left; raises `NotReplaced`, and leaves `temporary` if it `keeps` that, where it
    cannot be moved.
    """
    with os.fdopen(handle, "wb") as file:
        try:
            file.truncate()
            yield file
            file.flush()
            os.fsync(handle)  # some file systems tell only now that they are full
        except BaseException:
            if os.name == "nt":  # which renames and removes no open file
                file.close()
            temporary.unlink(missing_ok=True)  # while it is still ours
            raise
        if os.name == "nt":
            file.close()
        try:
            temporary.replace(path)
        except OSError as error:
            if not keeps:
                temporary.unlink(missing_ok=True)
            raise NotReplaced(*error.args) from None


def hold(path: Path, wait: bool = True) -> int | None:
    """Open `path`, made where missing, for this process alone, and return its descriptor; closing it lets go.

    Where another process holds it, that one is waited for, or None returned. The lock ends with the process, however
    it ends. Links are not followed.
    """
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        try:
            if fcntl is None or not _lock(handle, wait):
                return handle
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), path.lstat()):
                    return handle
        except BlockingIOError:
            os.close(handle)
            return None
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # who held it has removed or renamed it: another process may hold a new one


def _lock(handle: int, wait: bool) -> bool:
    """Lock an open file and return True, False where the file system has no locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return False
        raise
    return True
