"""Workers change where a function runs, not what comes out."""

import operator
import os
import signal
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any

import pytest

from nmt.data import workers as workers_module
from nmt.data.workers import Workers, ended_by_ctrl_c
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
def test_what_a_function_raises_is_raised(count: int) -> None:
    with Workers(count) as workers, pytest.raises(FileNotFoundError):
        list(workers.map(os.stat, ["/", "/nothing/here"]))


def test_a_dead_worker_is_told_and_nothing_hangs() -> None:
    with pytest.raises(NmtError, match=r"worker process died.*data\.workers=1"), Workers(2) as workers:
        list(workers.map(os._exit, [3]))


def die_sending(task: int) -> int:
    """Let this process be killed in the middle of its answer."""

    def cut_short(self: Connection, content: bytes) -> None:
        os.write(self.fileno(), struct.pack("!i", 1000) + b"half")
        os.kill(os.getpid(), signal.SIGKILL)

    Connection._send_bytes = cut_short  # type: ignore[method-assign]
    return task


@pytest.mark.skipif(os.name == "nt", reason="pipes and signals of Unix")
def test_a_worker_that_dies_in_the_middle_of_its_answer_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers_module, "PATIENCE", 0.3)
    with pytest.raises(NmtError, match=r"worker process died.*data\.workers=1"), Workers(2) as workers:
        list(workers.map(die_sending, [3]))


def test_an_error_does_not_wait_for_the_tasks_under_way() -> None:
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), Workers(2) as workers:
        list(workers.map(operator.neg, [1]))
        results = workers.map(time.sleep, [0, 60, 60])
        next(results)
        raise KeyboardInterrupt
    assert time.monotonic() - began < 30


def test_what_never_asks_python_is_ended_by_ctrl_c_at_once() -> None:
    def heeded() -> Any:
        with ended_by_ctrl_c():
            return signal.getsignal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert heeded() == signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        with ThreadPoolExecutor(1) as pool:  # where no handler can be set
            assert pool.submit(heeded).result() is signal.default_int_handler
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nohup, or a shell's background
        assert heeded() == signal.SIG_IGN
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
