"""Work for which memory does not suffice: where it is tried again, and what of its failures is passed on."""

import threading

import pytest
import torch

from nmt.kernels.out_of_memory import Attempts, NoMemory

STUCK = "could not create a primitive"


class Work:
    """Fails with each of `errors` in turn, then returns what it found of its thread."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.threads = []

    def __call__(self):
        self.threads.append(threading.get_ident())
        if self.errors:
            raise self.errors.pop(0)
        return threading.get_ident(), torch.is_grad_enabled(), torch.get_num_threads()


def test_a_thread_that_can_compile_no_more_is_left_for_good():
    attempt, here = Attempts(), threading.get_ident()
    assert attempt(Work())[0] == here
    work = Work(RuntimeError(STUCK))
    there = attempt(work)[0]
    assert work.threads == [here, there] and there != here
    assert attempt(Work())[0] == there
    later = Work(RuntimeError(STUCK))
    attempt(later)
    assert later.threads[0] == there and here not in later.threads


def test_the_other_thread_computes_as_the_first_would():
    attempt, before = Attempts(), torch.get_num_threads()
    attempt(Work(RuntimeError(STUCK)))
    torch.set_num_threads(3)
    try:
        with torch.no_grad():
            assert attempt(Work())[1:] == (False, 3)
        assert attempt(Work())[1]
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("errors", "tries"),
    [
        ([MemoryError()], 1),
        ([RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")], 1),
        ([RuntimeError("can't start new thread")], 1),
        ([RuntimeError(STUCK), RuntimeError(STUCK)], 2),
        ([RuntimeError(STUCK), MemoryError()], 2),
    ],
)
def test_want_of_memory_is_told_apart(errors, tries):
    work = Work(*errors)
    with pytest.raises(NoMemory):
        Attempts()(work)
    assert len(work.threads) == tries


def test_work_whose_thread_could_not_begin_is_not_done_later(monkeypatch):
    attempt, begin, begun = Attempts(), threading.Thread.start, []

    def start(thread):
        begun.append(thread)
        if len(begun) == 1:
            raise RuntimeError("can't start new thread")
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    stuck, later = Work(RuntimeError(STUCK)), Work()
    with pytest.raises(NoMemory):
        attempt(stuck)
    attempt(later)
    assert (len(begun), len(stuck.threads), len(later.threads)) == (2, 1, 1)


def test_work_within_work_stays_in_its_thread():
    attempt = Attempts()
    attempt(Work(RuntimeError(STUCK)))
    outer, inner = attempt(lambda: (threading.get_ident(), attempt(Work())[0]))
    assert outer == inner != threading.get_ident()


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), ValueError("out of memory")])
def test_other_failures_are_passed_on(error):
    attempt = Attempts()
    with pytest.raises(type(error), match=str(error)):
        attempt(Work(error))
    attempt(Work(RuntimeError(STUCK)))
    with pytest.raises(type(error), match=str(error)):
        attempt(Work(error))


@pytest.mark.parametrize(
    ("error", "raised"), [(MemoryError(), NoMemory), (RuntimeError("shapes differ"), RuntimeError)]
)
def test_work_within_work_fails_as_it_does_elsewhere(error, raised):
    attempt = Attempts()
    attempt(Work(RuntimeError(STUCK)))
    with pytest.raises(raised):
        attempt(lambda: attempt(Work(error)))


def test_work_within_work_that_is_stuck_begins_anew_elsewhere():
    attempt = Attempts()
    first = attempt(Work(RuntimeError(STUCK)))[0]
    inner = Work(RuntimeError(STUCK))
    attempt(lambda: attempt(inner))
    assert len(inner.threads) == 2 and inner.threads[0] == first
