"""Tasks and workers for the tests of clusters; they are imported in processes of the nodes."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def double(task: tuple[str, int]) -> int:
    """Return twice a number. At the first call of all, the process kills itself."""
    folder, number = task
    try:
        Path(folder, "killed").touch(exist_ok=False)
    except FileExistsError:
        return 2 * number
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def fail(error: Exception) -> None:
    """Raise an error."""
    raise error


class Slow:
    """A worker for actors, which records in a folder which process did what."""

    def __init__(self, folder: Path) -> None:
        self.identity: dict[str, Any] = {"model": "m"}
        self._folder = folder

    def __call__(self, task: int) -> int:
        """Return twice the task."""
        (self._folder / f"{task}-{os.getpid()}").touch()
        time.sleep(0.3)
        return double((str(self._folder), task))


@dataclass(frozen=True)
class Make:
    """Makes the worker of an actor."""

    folder: Path

    def __call__(self) -> Slow:
        """Make it in the process of the actor."""
        return Slow(self.folder)
