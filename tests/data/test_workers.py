"""Worker processes give the same results as one process, and their death is an error."""

import operator
import os
import pickle
import signal
import stat
import time
from collections.abc import Iterator

import pytest

from nmt.data.workers import Workers
from nmt.errors import NmtError


@pytest.mark.parametrize("count", [1, 2])
def test_results_come_in_the_order_of_the_tasks(count: int) -> None:
    taken: list[float] = []

    def tasks() -> Iterator[float]:
        for seconds in (0.05, 0.0, 0.02, *[0.0] * 20):
            taken.append(seconds)
            yield seconds

    with Workers(count) as workers:
        results = workers.map(time.sleep, tasks())
        next(results)
        assert len(taken) <= 2 * count + 1
        assert list(results) == [None] * 22
        assert list(workers.map(operator.neg, range(30))) == [-i for i in range(30)]


@pytest.mark.parametrize("count", [1, 2])
def test_an_exception_of_the_function_is_raised(count: int) -> None:
    with Workers(count) as workers, pytest.raises(FileNotFoundError):
        list(workers.map(os.stat, ["/", "/nothing/here"]))


def test_a_dead_worker_is_an_error_and_nothing_hangs() -> None:
    with pytest.raises(NmtError, match=r"worker process died.*data\.workers=1"), Workers(2) as workers:
        list(workers.map(os._exit, [3]))


def die_in_an_answer(task: int) -> int:
    """Write half of an answer to the pipe of this process, and kill it."""
    for descriptor in range(3, 100):
        try:
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                os.write(descriptor, pickle.dumps("half of an answer")[:-5])
        except OSError:
            continue
    os.kill(os.getpid(), signal.SIGKILL)
    return task


@pytest.mark.skipif(os.name == "nt", reason="uses the pipes and signals of Unix")
def test_a_worker_that_dies_in_the_middle_of_its_answer_is_an_error() -> None:
    with pytest.raises(NmtError, match=r"worker process died.*data\.workers=1"), Workers(2) as workers:
        list(workers.map(die_in_an_answer, [3]))


def test_an_error_does_not_wait_for_running_tasks() -> None:
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), Workers(2) as workers:
        list(workers.map(operator.neg, [1]))
        results = workers.map(time.sleep, [0, 60, 60])
        next(results)
        raise KeyboardInterrupt
    assert time.monotonic() - began < 30
