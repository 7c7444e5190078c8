"""When freed memory is kept by the process, and when work that failed for lack of memory may be tried again."""

import sys

import pytest

from nmt.errors import is_out_of_memory
from nmt.kernels import allocator
from nmt.kernels.allocator import keep_freed_memory
from nmt.kernels.out_of_memory import free_after_shortage

resource = pytest.importorskip("resource")


class Big:
    """Stands for a tensor."""

    freed = 0

    def __del__(self):
        Big.freed += 1


def fail(error):
    big = Big()
    raise error
    del big


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("can't start new thread"),
    ],
)
def test_after_a_shortage_the_memory_of_the_failed_work_is_free(error):
    Big.freed = 0
    try:
        fail(error)
    except (MemoryError, RuntimeError) as caught:
        assert Big.freed == 0
        free_after_shortage(caught)
        assert Big.freed == 1


@pytest.mark.parametrize(
    ("error", "is_final_shortage"),
    [(RuntimeError("shapes differ"), False), (RuntimeError("could not create a primitive"), True)],
)
def test_an_error_after_which_a_smaller_batch_would_fail_too_is_raised_again(error, is_final_shortage):
    with pytest.raises(RuntimeError, match=str(error)):
        free_after_shortage(error)
    assert is_out_of_memory(error) == is_final_shortage


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_freed_memory_is_not_kept_if_address_space_is_limited(monkeypatch):
    class Libc:
        def __init__(self, name):
            pass

        def mallopt(self, *_):
            changed.append(1)
            return 1

    changed = []
    monkeypatch.setattr(allocator.ctypes, "CDLL", Libc)
    keep_freed_memory()
    assert changed
    changed.clear()
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1 << 32, resource.RLIM_INFINITY))
    keep_freed_memory()
    assert not changed
