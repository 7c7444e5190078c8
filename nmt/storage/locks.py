"""Lock a file for one process; the lock ends with the process."""

import contextlib
import errno
import os
from pathlib import Path

from nmt.storage.file_mode import copy_mode, regular_file_status

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_UNSUPPORTED = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK}
"""What file systems without locks answer; there none is taken."""


def lock_file(path: Path, wait: bool = True, replaces: Path | None = None) -> int | None:
    """Open `path`, made if missing, for this process alone, and return its descriptor; closing it releases the lock.

    If another process holds it, that one is waited for, or None is returned. The lock ends with the process, however
    it ends. Links are not followed. From the beginning only those may read it who may read the file that it `replaces`.
    """
    found = None if replaces is None else regular_file_status(replaces)
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
