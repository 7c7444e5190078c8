"""Run a function over many tasks in worker processes; the results come in the order of the tasks."""

import multiprocessing
import os
import queue
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from nmt.errors import NmtError

Task = TypeVar("Task")
Result = TypeVar("Result")


def available_cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Workers:
    """A pool of `count` processes; if `count` is 1, everything runs in this process.

    Each process has a pipe of its own, which the operating system closes when the process dies: `ProcessPoolExecutor`
    shares one pipe and may then wait forever for the rest of a result. A thread for each process waits for its results.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._threads = ThreadPoolExecutor(count)
        self._idle: queue.SimpleQueue[Connection] = queue.SimpleQueue()
        self._processes: list[Any] = []
        context = multiprocessing.get_context("spawn")
        for _ in range(count if count > 1 else 0):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs,), daemon=True)
            process.start()
            theirs.close()  # or the end of the process would not close the pipe
            self._processes.append(process)
            self._idle.put(ours)

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *error: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in self._processes:  # after an error a task could run for minutes more
            process.terminate()
            process.join()
        self._threads.shutdown()
        while not self._idle.empty():
            self._idle.get().close()

    def map(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """Yield the result of `function` for every task, in order; at most 2 x `count` tasks are taken in advance.

        Raise what the function raises, and `NmtError` if a process died.
        """
        if not self._processes:
            yield from map(function, tasks)
            return
        running: deque[Future[Result]] = deque()
        for task in tasks:
            running.append(self._threads.submit(self._run, function, task))
            if len(running) > 2 * self.count:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()

    def _run(self, function: Callable[[Task], Result], task: Task) -> Result:
        """Have an idle process compute a result, and wait for it."""
        connection = self._idle.get()
        try:
            connection.send((function, task))
            result, error, trace = connection.recv()
        except (EOFError, OSError):
            raise NmtError(
                "a worker process died, perhaps because memory ran out; "
                "use fewer: --set data.workers=1 works in one process"
            ) from None
        finally:
            self._idle.put(connection)
        if error is not None:
            raise error from RuntimeError(f"in a worker process:\n{trace}")
        return result  # type: ignore[no-any-return]


def _serve(connection: Connection) -> None:
    """Compute results until the parent closes the pipe; Ctrl-C and the end of the parent end this process."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    while True:
        try:
            function, task = connection.recv()
        except EOFError:
            return
        try:
            answer: tuple[Any, Exception | None, str] = function(task), None, ""
        except Exception as error:
            answer = None, error, traceback.format_exc()
        connection.send(answer)


def _exit_with_parent() -> None:
    parent: Any = multiprocessing.parent_process()
    parent.join()
    os._exit(1)
