"""Memory of the process: freed blocks are kept for the next step, and work that found too little is tried elsewhere."""

import ctypes
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from nmt.errors import is_short_of_code, is_short_of_memory

Answer = TypeVar("Answer")

RETURN_EVERY = 16
"""Steps after which a training returns its freed memory: often enough to stay small, seldom enough to cost nothing."""

_THREAD = "nmt-after-shortage"
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # of glibc's malloc.h


def keep_freed_memory() -> None:
    """Let the process reuse the memory of freed tensors instead of returning it to the system.

    glibc gives large blocks back at once, and the system clears each page anew at the next step: about a tenth of the
    time of training. Does nothing where the C library is another, or address space is limited (`ulimit -v`): what is
    kept is of no use there to threads and compiled code.
    """
    if not sys.platform.startswith("linux") or _is_limited():
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        # Before version 2.35 glibc takes no larger threshold than 32 MiB; without one the rest would do harm.
        if not (mallopt(_MMAP_THRESHOLD, 1 << 30) or mallopt(_MMAP_THRESHOLD, 1 << 25)):
            return
        mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)
        mallopt(_TOP_PAD, 1 << 24)


def _is_limited() -> bool:
    import resource  # there is none on Windows

    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY


def return_freed_memory() -> None:
    """Give the system what it was spared by `keep_freed_memory`: where that does not suffice, or lies in small pieces.

    Blocks of ever new sizes leave gaps that no later one fits; minimum-risk training kept ten times what it used.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform.startswith("linux") else None
    if trim is not None:
        trim(0)


class NoMemory(Exception):
    """Memory did not suffice for a piece of work; a smaller one may fit."""


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


attempt = Attempts()
"""The process's, as what it must get away from is the state of its threads."""
