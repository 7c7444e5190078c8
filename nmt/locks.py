"""Files that one process at a time holds."""

import contextlib
import errno
import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_UNSUPPORTED = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK}
"""What file systems without locks answer; there none is taken."""


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
