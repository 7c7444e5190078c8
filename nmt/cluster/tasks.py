"""Run a function over many tasks on the nodes of a Ray cluster; the results come in the order of the tasks.

The interface is that of `nmt.data.workers.Workers`. Ray repeats a task whose process or node was lost, so a task must
give the same result if it runs twice, even at the same time: its files are written under another name and renamed.
"""

import os
import socket
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from nmt.cluster.connection import RETRIES, Cluster

Task = TypeVar("Task")
Result = TypeVar("Result")
TASK_BYTES = 32 << 20
"""An upper bound of the size of a task and its result, to limit how many are held in memory."""


class RayTasks:
    """Runs tasks on a cluster, one for each CPU at a time."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._folder = Path.cwd()

    @property
    def count(self) -> int:
        """The number of CPUs that the cluster has now; Ray may add and remove nodes."""
        return max(1, self._cluster.room)

    @property
    def in_flight(self) -> int:
        """The number of tasks that are taken in advance: two for each CPU, as far as the memory for objects holds."""
        room = int(self._cluster.total("object_store_memory") / 2 / TASK_BYTES)
        return max(2, min(2 * self.count, room))

    def map(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """Yield the result of `function` for every task, in order; at most `in_flight` tasks are taken in advance.

        Raise what the function raises, and NmtError if the cluster cannot do a task.
        """
        ray = self._cluster.ray
        remote = ray.remote(num_cpus=1, max_retries=RETRIES)(_run)
        running: deque[Any] = deque()
        limit = self.in_flight
        try:
            for task in tasks:
                running.append(remote.remote(function, task, self._folder))
                if len(running) > limit:
                    yield self._result(running)
                    limit = self.in_flight
            while running:
                yield self._result(running)
        finally:
            for reference in running:
                with suppress(Exception):  # the cluster may be gone
                    ray.cancel(reference, force=True)

    def _result(self, running: deque[Any]) -> Any:
        """Wait for the first of `running`, remove it and return its result."""
        result, error, trace = self._cluster.get(running[0])
        running.popleft()
        if error is not None:
            raise error from RuntimeError(f"on a node of the Ray cluster:\n{trace}")
        return result


def _run(function: Callable[[Any], Any], task: Any, folder: Path) -> tuple[Any, Exception | None, str]:
    """Compute a result in a process of a node, in the working folder of the driver if this node sees it."""
    with suppress(OSError):
        os.chdir(folder)
    try:
        return function(task), None, ""
    except Exception as error:
        return None, name_node(error), traceback.format_exc()


def name_node(error: Exception) -> Exception:
    """Return the error, with the name of this node if it is an error of the operating system, such as a full disk."""
    if not isinstance(error, OSError) or error.errno is None:
        return error
    return OSError(error.errno, f"{error.strerror} (on the node {socket.gethostname()})", error.filename)
