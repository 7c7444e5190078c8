"""Run a function over many tasks in worker processes; the results come in the order of the tasks."""

import contextlib
import os
import pickle
import queue
import subprocess
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO, Any, Protocol, TypeVar

from nmt.errors import NmtError

Task = TypeVar("Task")
Result = TypeVar("Result")
_PROGRAM = """
import sys
sys.path[:] = sys.argv[1:]
import signal
signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends the process at once
from nmt.data.workers import serve
serve()
"""


class WorkerPool(Protocol):
    """What runs tasks: `Workers` of this machine, or `nmt.cluster.tasks.RayTasks`."""

    @property
    def count(self) -> int:
        """The number of tasks that run at the same time."""

    def map(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """Yield the result of `function` for every task, in order; only some tasks are taken in advance."""


class Workers:
    """A pool of `count` processes; if `count` is 1, everything runs in this process.

    Unlike those of `multiprocessing`, the processes do not import the main module: a script may train at its top level,
    without a guard. Each process has pipes of its own, which the operating system closes when the process dies:
    `ProcessPoolExecutor` shares one pipe and may then wait forever for the rest of a result. A thread for each process
    waits for its results.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._threads = ThreadPoolExecutor(count)
        self._idle: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()
        self._processes: list[subprocess.Popen[bytes]] = []
        for _ in range(count if count > 1 else 0):
            command = [sys.executable, "-c", _PROGRAM, *sys.path]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self._processes.append(process)
            self._idle.put(process)

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *error: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in self._processes:  # after an error a task could run for minutes more
            process.terminate()
            process.wait()
        self._threads.shutdown()
        for process in self._processes:
            for pipe in _pipes(process):
                with contextlib.suppress(OSError):  # the rest of a task that the process did not read
                    pipe.close()

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
        process = self._idle.get()
        tasks, answers = _pipes(process)
        try:
            pickle.dump((function, task), tasks)
            tasks.flush()
            result, error, trace = pickle.load(answers)
        except (EOFError, OSError, pickle.UnpicklingError):
            raise NmtError(
                "a worker process died, perhaps because memory ran out; "
                "use fewer: --set data.workers=1 works in one process"
            ) from None
        finally:
            self._idle.put(process)
        if error is not None:
            raise error from RuntimeError(f"in a worker process:\n{trace}")
        return result  # type: ignore[no-any-return]


def _pipes(process: "subprocess.Popen[bytes]") -> tuple[IO[bytes], IO[bytes]]:
    """Return the pipes of a process, for tasks and for answers."""
    assert process.stdin is not None and process.stdout is not None
    return process.stdin, process.stdout


def serve() -> None:
    """Compute results in a worker process until the parent closes the pipe."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing else may print between the answers
    tasks: queue.SimpleQueue[tuple[Callable[[Any], Any], Any]] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(tasks,), daemon=True).start()
    while True:
        function, task = tasks.get()
        try:
            answer: tuple[Any, Exception | None, str] = function(task), None, ""
        except Exception as error:
            answer = None, error, traceback.format_exc()
        pickle.dump(answer, answers)
        answers.flush()


def _receive(tasks: "queue.SimpleQueue[tuple[Callable[[Any], Any], Any]]") -> None:
    """Receive tasks. At the end of the parent, end this process even in the middle of a task."""
    try:
        while True:
            tasks.put(pickle.load(sys.stdin.buffer))
    except EOFError:
        pass
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)
