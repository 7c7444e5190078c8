"""The CPU cores of this process."""

import os


def available_cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def requested_threads() -> int:
    """Return the number of threads to compute with: a thread for each core, or fewer with OMP_NUM_THREADS, as torch."""
    limit = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return min(available_cores(), int(limit)) if limit.isdecimal() and int(limit) > 0 else available_cores()
