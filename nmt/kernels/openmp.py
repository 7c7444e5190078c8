"""Reduce the busy-waiting of OpenMP threads while other programs use the CPU cores.

Between two parallel regions, the threads of GNU OpenMP (which torch uses on Linux) spin for some milliseconds before
they sleep. That is fastest on an idle machine. But if another program keeps a core busy, a spinning thread uses up its
share of that core, and all threads wait for it: training falls to a quarter of its speed and less.

`SpinControl` measures how long the threads of this process wait for a core, as Linux counts it, and shortens the
spinning while that time is long. GNU OpenMP documents how (GOMP_SPINCOUNT): with more OpenMP threads than cores,
threads spin 100 times instead of 300,000 times. So `SpinControl` adds an idle team of threads, and removes it when the
cores are free again. No result changes. `scripts/benchmarks/contention.py` measures the effect.
"""

import ctypes
import os
import sys
import threading
import time
from pathlib import Path

from nmt.kernels.allocator import has_address_limit

INTERVAL = 0.5
"""Seconds between two measurements of the waiting time."""
WAITING, FREE = 0.2, 0.08
"""Time that threads wait for a core, added up over the threads, as a share of the elapsed time. Above `WAITING`
spinning is shortened, below `FREE` it is no longer shortened. Training on two idle cores has 0.06, beside a busy loop
0.75."""
CHOSEN_BY_USER = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
"""Environment variables that set the spinning. If one of them is set, spinning is not changed."""
_THREADS = Path("/proc/self/task")
_MAPS = Path("/proc/self/maps")


def waiting_seconds() -> float:
    """Return how long the living threads of this process have waited for a core so far, added up."""
    total = 0
    for thread in _THREADS.iterdir():
        try:
            total += int((thread / "schedstat").read_text().split()[1])
        except (OSError, IndexError, ValueError):  # the thread has ended
            continue
    return total / 1e9


class ExtraTeam:
    """An idle team of OpenMP threads, with which there are more threads than cores."""

    def __init__(self, library: Path, threads: int) -> None:
        """Start `threads` in the loaded OpenMP `library`; the first of them is an ordinary Python thread."""
        self._end = threading.Event()
        self._library, self._count = library, threads
        self._thread = threading.Thread(target=self._run, name="nmt-extra-team", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the threads."""
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        parallel = ctypes.CDLL(str(self._library)).GOMP_parallel
        parallel.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
        nothing = ctypes.cast(ctypes.CDLL(None).getpid, ctypes.c_void_p)
        parallel(nothing, None, self._count, 0)
        self._end.wait()


class SpinControl:
    """Measure the waiting time of this process in a daemon thread, and shorten spinning while it is long."""

    def __init__(self, library: Path, threads: int) -> None:
        """Take the OpenMP `library` and the number of `threads` that the process computes with."""
        self._library = library
        self._extra = max(1, len(os.sched_getaffinity(0)) - threads + 1)
        self._team: ExtraTeam | None = None

    @property
    def is_short(self) -> bool:
        """Whether spinning is shortened now."""
        return self._team is not None

    def start(self) -> None:
        """Start measuring, until the process ends."""
        threading.Thread(target=self._watch, name="nmt-spin-control", daemon=True).start()

    def judge(self, share: float) -> None:
        """Shorten or lengthen spinning after an interval in which threads waited for `share` of the time."""
        if self._team is None and share > WAITING:
            self._team = ExtraTeam(self._library, self._extra + 1)
        elif self._team is not None and share < FREE:
            self._team.close()
            self._team = None

    def _watch(self) -> None:
        before, waited = time.monotonic(), waiting_seconds()
        while True:
            time.sleep(INTERVAL)
            now, total = time.monotonic(), waiting_seconds()
            self.judge(max(0.0, total - waited) / (now - before))
            before, waited = now, total


def loaded_library() -> Path | None:
    """Return the path of the GNU OpenMP library that this process has loaded; None if there is none."""
    for line in _MAPS.read_text(encoding="utf-8", errors="replace").split("\n"):
        _, slash, path = line.partition("/")
        if slash and Path(path).name.startswith("libgomp"):
            return Path(slash + path)
    return None


_started = threading.Lock()


def share_cores(threads: int) -> None:
    """Start a `SpinControl` for the OpenMP `threads` of torch, once per process.

    Do nothing if there is only one thread, if the user has set one of `CHOSEN_BY_USER`, if torch does not use GNU
    OpenMP, or if Linux does not report how long threads wait (`schedstat`). Do nothing either if the address space is
    limited: an OpenMP thread that cannot start would end the process.
    """
    if threads < 2 or not sys.platform.startswith("linux") or any(name in os.environ for name in CHOSEN_BY_USER):
        return
    if has_address_limit() or not (_THREADS / str(os.getpid()) / "schedstat").is_file():
        return
    library = loaded_library()
    if library is not None and _started.acquire(blocking=False):
        SpinControl(library, threads).start()
