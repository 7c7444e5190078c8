"""File locks of the operating system, which releases them when the process ends, even after SIGKILL.

Only `filelock.lock_descriptor` is used, on files that are opened here: filelock's `FileLock` cannot name the process
that holds it, and the marker file of its `SoftFileLock`, which can, may outlive a killed process.
"""

import contextlib
import errno
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path

from nmt.storage.portability import close_on_windows, copy_owner_and_mode, regular_file_status

_UNSUPPORTED = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK}
"""Error codes of file systems that have no locks. Files there are not locked."""
_POLL_SECONDS = 0.05


def lock_file(path: Path, replaces: Path | None = None) -> int:
    """Open `path`, which is created if missing, for this process alone. Return the descriptor; closing it unlocks.

    Wait as long as another process holds the lock. Links are not followed. The file can be read only by those who can
    read the file that it `replaces`, from the moment that it is created.
    """
    while (handle := try_lock_file(path, replaces)) is None:
        time.sleep(_POLL_SECONDS)
    return handle


def try_lock_file(path: Path, replaces: Path | None = None) -> int | None:
    """Do as `lock_file` does, but return None if another process holds the lock."""
    is_replacement = replaces is not None and regular_file_status(replaces) is not None
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    while True:
        handle = os.open(path, flags, 0o600 if is_replacement else 0o666)
        try:
            is_locked = _lock(handle)
            if is_locked and _is_at(handle, path):
                if replaces is not None:
                    copy_owner_and_mode(replaces, handle, extra=0o600)
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        if not is_locked:
            return None
        # Try again: the process that held the lock has removed or renamed the file.


@contextlib.contextmanager
def hold_lock(path: Path, seconds: float = math.inf) -> Iterator[bool]:
    """Hold the lock file `path` in the block, and remove it at the end; yield True.

    Wait as long as another process holds it; if it still does after `seconds`, yield False.
    """
    end = time.monotonic() + seconds
    while (handle := try_lock_file(path)) is None:
        if time.monotonic() >= end:
            yield False
            return
        time.sleep(_POLL_SECONDS)
    with os.fdopen(handle, "rb") as file:
        try:
            yield True
        finally:
            close_on_windows(file)
            with contextlib.suppress(PermissionError):  # Windows: the next process has opened it
                path.unlink(missing_ok=True)


def is_locked(path: Path) -> bool:
    """Return whether a process holds the lock of a file. The file is not created. False if it cannot be read."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return False
    try:
        return not _lock(handle)
    except OSError:
        return False
    finally:
        os.close(handle)


def _is_at(handle: int, path: Path) -> bool:
    """Return whether the open file still has the name `path`."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(handle), path.lstat())
    return False


def _lock(handle: int) -> bool:
    """Try to lock an open file. Return False if another process holds the lock, otherwise True.

    The result is True, too, if the file system does not support locks.
    """
    from filelock import lock_descriptor  # loads asyncio

    try:
        return lock_descriptor(handle, blocking=False)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return True
        raise
