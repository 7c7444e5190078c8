"""File operations that Windows lacks or restricts: fsync of a folder, owner and permissions, renaming an open file."""

import contextlib
import os
import stat
from pathlib import Path
from typing import BinaryIO

IS_WINDOWS = os.name == "nt"


def sync_tree(folder: Path) -> None:
    """Flush a folder and everything in it to disk."""
    for path in sorted(folder.rglob("*"), reverse=True):
        sync(path)
    sync(folder)


def sync(path: Path) -> None:
    """Flush a file, or the names of the files in a folder, to disk. Windows cannot flush a folder: do nothing there."""
    if IS_WINDOWS and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDWR if IS_WINDOWS else os.O_RDONLY)  # Windows flushes only writable files
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def close_on_windows(file: BinaryIO) -> None:
    """Close a file that is renamed or removed next, if this is Windows, which does neither with an open file.

    On other systems the file stays open, and locked.
    """
    if IS_WINDOWS:
        file.close()


def copy_owner_and_mode(path: Path, handle: int, extra: int = 0) -> None:
    """Give an open file the owner, group and permissions of the regular file `path`, and the `extra` permissions.

    Do nothing if there is no such file, or on Windows. If the system does not allow the group, the group that the file
    has gets only the permissions of others.
    """
    found = regular_file_status(path)
    if found is None or IS_WINDOWS:
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
    """Return the status of a regular file, or None if there is none. Links are not followed."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found if stat.S_ISREG(found.st_mode) else None
