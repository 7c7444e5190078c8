"""A folder that appears all at once: made beside its place by one process at a time, then moved there."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nmt.errors import NmtError
from nmt.storage.locks import lock_file


@contextmanager
def build_folder(folder: Path, is_done: Callable[[], bool]) -> Iterator[Path | None]:
    """Yield an empty folder that takes the place of `folder` when the block ends well, None where `is_done()`.

    Another process that builds the same folder is waited for before `is_done` is asked. What an interrupted try left
    behind is removed.
    """
    if folder.name in ("", ".."):
        raise NmtError(f"data.prepared: {folder}: give it a folder of its own")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial, old = (folder.with_name(f".{folder.name}.{what}") for what in ("partial", "old"))
    with _locked(folder.with_name(f".{folder.name}.lock")):
        if old.exists() and not folder.exists():  # interrupted between the two renames below
            old.rename(folder)
        for leftover in (partial, old):
            shutil.rmtree(leftover, ignore_errors=True)
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
                shutil.rmtree(leftover, ignore_errors=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that ends with the process, however it ends."""
    lock = lock_file(path)
    assert lock is not None
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(lock)
