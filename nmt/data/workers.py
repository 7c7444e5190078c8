"""Worker processes: the same function over many tasks, results in order, a bounded number of them under way."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures import TimeoutError as NotYet  # before Python 3.11 not the built-in one
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TypeVar

from nmt.errors import NmtError

PATIENCE = 2.0
"""Seconds between two looks at whether all workers are alive."""
Task = TypeVar("Task")
Result = TypeVar("Result")


def available_cores() -> int:
    """Return the number of processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Workers:
    """A pool of `count` processes; with one, everything runs in this process."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool: ProcessPoolExecutor | None = None
        if count > 1:
            self._not_ours = set(multiprocessing.active_children())
            self._seen: set[Any] = set()
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(count, mp_context=context, initializer=_begin)

    def __enter__(self) -> "Workers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is None:
            return
        if kind is not None:  # a task may still run for minutes, and nobody wants its result
            self._look()
            for process in self._seen:
                process.terminate()
            for process in self._seen:
                process.join()
            # Of a result that was cut short the rest would be waited for as long as anybody could still write it.
            writer = getattr(getattr(self._pool, "_result_queue", None), "_writer", None)
            if writer is not None:
                writer.close()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def map(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """Yield `function` of every task, in their order; at most 2 x `count` tasks are taken ahead.

        Raises what the function raises, and `NmtError` where a process died.
        """
        if self._pool is None:
            yield from map(function, tasks)
            return
        running: deque[Future[Result]] = deque()
        try:
            for task in tasks:
                running.append(self._pool.submit(function, task))
                if len(running) > 2 * self.count:
                    yield self._result(running.popleft())
            while running:
                yield self._result(running.popleft())
        except BrokenProcessPool:
            raise NmtError(
                "a worker process died, perhaps because memory ran out; "
                "use fewer: --set data.workers=1 works in one process"
            ) from None

    def _look(self) -> set[Any]:
        """Take note of the worker processes and return those that have ended."""
        self._seen |= set(multiprocessing.active_children()) - self._not_ours
        return {process for process in self._seen if process.exitcode is not None}

    def _result(self, future: "Future[Result]") -> Result:
        """Wait for a result; raises `BrokenProcessPool` where a worker died, be it in the middle of its answer."""
        dead: set[Any] = set()
        while True:
            self._look()
            try:
                return future.result(PATIENCE)
            except NotYet:
                if future.done():
                    raise
                if dead:
                    raise BrokenProcessPool from None
                dead = self._look()


@contextmanager
def ended_by_ctrl_c() -> Iterator[None]:
    """Let Ctrl-C end this process, without a word, while a library computes for minutes and never asks Python."""
    is_heeded = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not is_heeded or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _begin() -> None:
    """Let Ctrl-C end a worker silently, and the end of the parent end it too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    parent: Any = multiprocessing.parent_process()
    parent.join()
    os._exit(1)
