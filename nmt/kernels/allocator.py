"""Memory of the process: freed blocks are kept for the next step, and work that found too little is tried elsewhere."""

import ctypes
import sys

RETURN_EVERY = 16
"""Steps after which a training returns its freed memory: often enough to stay small, seldom enough to cost nothing."""

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
