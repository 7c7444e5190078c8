"""Run work that may run out of memory, and report it as `NoMemory`."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from nmt.errors import is_short_of_code, is_short_of_memory
from nmt.kernels.allocator import return_freed_memory

Answer = TypeVar("Answer")
_THREAD = "nmt-after-shortage"


class NoMemory(Exception):
    """Memory did not suffice for a piece of work; a smaller one may fit."""


def free_after_shortage(error: BaseException) -> None:
    """Return freed memory to the system if `error` says that memory ran out, so that a smaller piece of work may fit.

    Raises `error` again if it says anything else.
    """
    if not is_short_of_memory(error):
        raise error
    return_freed_memory()


class Attempts:
    """Does pieces of work for which memory may not suffice.

    In the thread that asks, until oneDNN has found no room there for code that it compiles: from then on it compiles
    none in that thread, so a thread of our own goes on.
    """

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None

    def __call__(self, work: Callable[[], Answer]) -> Answer:
        """Return `work()`. Raises `NoMemory`."""
        if threading.current_thread().name.startswith(_THREAD):
            return self._within(work)
        for _ in range(2):
            try:
                return self._do(work)
            except (MemoryError, RuntimeError) as error:
                is_stuck = is_short_of_code(error)
                if not is_stuck and not is_short_of_memory(error):
                    raise
            return_freed_memory()
            if is_stuck or self._thread is not None:  # which may not have begun, and would do this work later
                self._leave_thread()
            if not is_stuck:
                break
        raise NoMemory

    @staticmethod
    def _within(work: Callable[[], Answer]) -> Answer:
        """Return `work()`, a part of work in a thread of ours, which only the whole can leave."""
        try:
            return work()
        except (MemoryError, RuntimeError) as error:
            if not is_short_of_memory(error):
                raise
        return_freed_memory()
        raise NoMemory

    def _do(self, work: Callable[[], Answer]) -> Answer:
        if self._thread is None:
            return work()
        needs_gradient, threads = torch.is_grad_enabled(), torch.get_num_threads()  # each thread has its own

        def there() -> Answer:
            if torch.get_num_threads() != threads:
                torch.set_num_threads(threads)
            with torch.set_grad_enabled(needs_gradient):
                return work()

        return self._thread.submit(there).result()

    def _leave_thread(self) -> None:
        if self._thread is not None:
            self._thread.shutdown()
        self._thread = ThreadPoolExecutor(1, _THREAD)


run_with_retry = Attempts()
"""The process's, as what it must get away from is the state of its threads."""
