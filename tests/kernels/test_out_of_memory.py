"""After a shortage of memory the memory of the failed work is freed; other errors are raised again."""

import pytest

from nmt.errors import is_out_of_memory
from nmt.kernels.out_of_memory import free_after_shortage


class Big:
    """Stands for a tensor; counts how many have been freed."""

    freed = 0

    def __del__(self) -> None:
        Big.freed += 1


def fail(error: BaseException) -> None:
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
def test_memory_of_the_failed_work_is_freed(error: Exception) -> None:
    Big.freed = 0
    try:
        fail(error)
    except (MemoryError, RuntimeError) as caught:
        assert Big.freed == 0
        free_after_shortage(caught)
        assert Big.freed == 1


@pytest.mark.parametrize(
    ("error", "is_shortage"),
    [
        (RuntimeError("shapes differ"), False),
        (RuntimeError("could not create a primitive"), True),
        (RuntimeError("could not execute a primitive"), True),
    ],
)
def test_error_that_would_come_again_with_a_smaller_batch_is_raised(error: Exception, is_shortage: bool) -> None:
    with pytest.raises(RuntimeError, match=str(error)):
        free_after_shortage(error)
    assert is_out_of_memory(error) == is_shortage
