"""Tune glibc's memory allocator: keep freed memory for the next step, or return it to the system."""

import ctypes
import sys

RETURN_EVERY = 16
"""Number of steps after which training returns freed memory: the process stays small, and the cost is negligible."""

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # from glibc's malloc.h


def keep_freed_memory() -> None:
    """Let the process reuse the memory of freed tensors instead of returning it to the system.

    By default glibc returns large blocks at once, and the system clears each page again at the next step, which takes
    about a tenth of the training time. Do nothing with another C library or if the address space is limited
    (`ulimit -v`): threads and compiled code could not use the memory that is kept.
    """
    if not sys.platform.startswith("linux") or has_address_limit():
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    # Before version 2.35 glibc accepts at most 32 MiB. Without a larger threshold the other settings would do harm.
    if mallopt is not None and (mallopt(_MMAP_THRESHOLD, 1 << 30) or mallopt(_MMAP_THRESHOLD, 1 << 25)):
        mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)
        mallopt(_TOP_PAD, 1 << 24)


def has_address_limit() -> bool:
    """Return whether the address space of the process is limited (`ulimit -v`). Not available on Windows."""
    import resource

    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY


def return_freed_memory() -> None:
    """Return the memory that `keep_freed_memory` kept, after a shortage or if it is fragmented.

    Blocks of varying sizes leave gaps that no later block fits: minimum-risk training kept ten times what it used.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform.startswith("linux") else None
    if trim is not None:
        trim(0)
