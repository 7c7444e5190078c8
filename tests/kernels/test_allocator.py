"""The allocator keeps freed memory, unless the address space is limited."""

import sys

import pytest

from nmt.kernels import allocator
from nmt.kernels.allocator import keep_freed_memory

resource = pytest.importorskip("resource")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
@pytest.mark.parametrize(("limit", "is_changed"), [(resource.RLIM_INFINITY, True), (1 << 32, False)])
def test_freed_memory_is_kept_unless_the_address_space_is_limited(monkeypatch, limit, is_changed):
    class Libc:
        def __init__(self, name):
            pass

        def mallopt(self, *_):
            changes.append(1)
            return 1

    changes = []
    monkeypatch.setattr(allocator.ctypes, "CDLL", Libc)
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limit, resource.RLIM_INFINITY))
    keep_freed_memory()
    assert bool(changes) == is_changed
