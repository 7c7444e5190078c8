"""Give a new file the owner, group and permissions of the file that it replaces."""

import contextlib
import os
import stat
from pathlib import Path


def copy_mode(path: Path, handle: int, extra: int = 0) -> None:
    """Give an open file the owner, group and permissions, with the `extra` ones, of `path` if that is a regular file.

    If the system does not allow the group, that which the file has gets no more than everybody has.
    """
    found = regular_file_status(path)
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


def regular_file_status(path: Path) -> os.stat_result | None:
    """Return the status of the regular file that is to be replaced, None where there is none."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found if stat.S_ISREG(found.st_mode) else None
