"""Let OpenMP's threads spin while they wait, but only while no other program needs the cores.

Between two parallel pieces of work the threads of GNU OpenMP, which torch brings on Linux, spin for some milliseconds
before they sleep. That is fastest on an idle machine. But while another program keeps a core busy, a thread that spins
uses up its share of that core, and all work waits for it: training falls to a quarter of its speed and less.

`SpinControl` measures how long the threads of this process wait for a core, as Linux counts it, and shortens the
spinning while they do. GNU OpenMP documents the switch (GOMP_SPINCOUNT): if there are more OpenMP threads than cores,
they spin 100 times and not 300,000 times. So an idle team of threads is added, and removed when the cores are free
again. Neither changes any result. `scripts/benchmarks/contention.py` measures the effect.
"""

import ctypes
import os
import sys
import threading
import time
from pathlib import Path

INTERVAL = 0.5
"""Seconds between two looks at the waiting time."""
WAITING, FREE = 0.2, 0.08
"""Shares of the time that threads wait for a core, added up: above the first spinning is shortened, below the second it
is not any more. Alone on two cores a training waits for 0.06 of the time, beside a busy loop for 0.75."""
CHOSEN_BY_USER = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
"""Environment variables that decide the spinning; it is left alone if one is set."""
_THREADS = Path("/proc/self/task")
_MAPS = Path("/proc/self/maps")


def waiting_seconds() -> float:
    """Return how long the threads of this process have waited for a core so far, added up over those that live."""
    total = 0
    for thread in _THREADS.iterdir():
        try:
            total += int((thread / "schedstat").read_text().split()[1])
        except (OSError, IndexError, ValueError):  # it has just ended
            continue
    return total / 1e9


class ExtraTeam:
    """An idle team of OpenMP threads, so many that there are more threads than cores."""

    def __init__(self, library: Path, threads: int) -> None:
        """Start `threads`, the first of which is an ordinary thread, in the loaded OpenMP `library`."""
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
    """Watches the waiting time of this process in a daemon thread, and shortens spinning while it is long."""

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
        """Watch until the process ends."""
        threading.Thread(target=self._watch, name="nmt-spin-control", daemon=True).start()

    def judge(self, share: float) -> None:
        """Shorten or lengthen spinning after an interval of which threads have waited a `share`."""
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
    """Return the GNU OpenMP library that is loaded in this process; None if there is none."""
    for line in _MAPS.read_text(encoding="utf-8", errors="replace").split("\n"):
        _, slash, path = line.partition("/")
        if slash and Path(path).name.startswith("libgomp"):
            return Path(slash + path)
    return None


_started = threading.Lock()


def share_cores(threads: int) -> None:
    """Start, once in a process, a `SpinControl` for the OpenMP `threads` of torch, where that is possible and of use.

    Nothing is done with one thread, if the user has chosen how to wait, without GNU OpenMP or Linux's counts, and where
    address space is limited, as a thread that cannot start would end the process.
    """
    if threads < 2 or not sys.platform.startswith("linux") or any(name in os.environ for name in CHOSEN_BY_USER):
        return
    import resource

    is_limited = resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
    if is_limited or not (_THREADS / str(os.getpid()) / "schedstat").is_file():
        return
    library = loaded_library()
    if library is not None and _started.acquire(blocking=False):
        SpinControl(library, threads).start()
