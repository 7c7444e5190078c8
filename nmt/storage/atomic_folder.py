"""Build a folder completely or not at all, and let only one process at a time build it."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from nmt.errors import NmtError
from nmt.storage.locks import hold_lock


@contextlib.contextmanager
def build_folder(folder: Path, is_done: Callable[[], bool]) -> Iterator[Path | None]:
    """Yield an empty folder that replaces `folder` if the block succeeds, or None if `is_done()` returns True.

    Wait for another process that builds the same folder, then call `is_done`. Remove what an interrupted process left.
    The folder that contains `folder` must exist.
    """
    if folder.name in ("", ".."):
        raise NmtError(f"{folder}: give it a folder of its own")
    partial, old = (folder.with_name(f".{folder.name}.{suffix}") for suffix in ("partial", "old"))
    with hold_lock(folder.with_name(f".{folder.name}.lock")):
        if old.exists() and not folder.exists():  # a process was interrupted between the two renames below
            old.rename(folder)
        for leftover in (partial, old):
            _remove(leftover)
        if is_done():
            yield None
            return
        partial.mkdir()
        try:
            yield partial
            if folder.exists():
                folder.rename(old)
            partial.rename(folder)
        finally:
            for leftover in (partial, old):
                _remove(leftover)


def _remove(path: Path) -> None:
    """Remove a folder, a file or a link, as far as that is possible."""
    if path.is_symlink() or path.is_file():
        with contextlib.suppress(OSError):
            path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)
