"""The processes that train one model together, started by `torchrun`; an ordinary process is rank 0 of 1.

Every rank takes the same decisions: what they depend on is exchanged first. Rank 0 alone writes files. Messages between
the ranks go through gloo, also if the gradients go through NCCL, so that no exchange waits for a GPU.
"""

import atexit
import faulthandler
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from nmt.errors import NmtError, Reported, is_short_of_memory
from nmt.kernels.out_of_memory import OutOfMemory
from nmt.training.stop import Stopped

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import ProcessGroup, Store, Work

Value = TypeVar("Value")

TIMEOUT_VARIABLE = "NMT_RANK_TIMEOUT"
"""Environment variable: seconds after which a rank that waits for another one ends with an error."""
DEFAULT_TIMEOUT = 600
_POLL_SECONDS = 0.1
_CLAIM_SECONDS = 3.0
"""How long a rank that has lost another one waits for that one to report its error."""
_ANSWER_SECONDS = 2.0
"""How long a rank waits for the store when it ends with an error."""
_EXIT_SECONDS = 5.0
"""How long a process whose network is cut may take to end."""
_VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


class RankLost(NmtError):
    """Another rank has ended, or has not answered for `DEFAULT_TIMEOUT` seconds."""


class OtherRankOutOfMemory(MemoryError):
    """Memory ran out on another rank during the same work, which all ranks repeat in smaller parts."""


_RAISED: tuple[type[Exception], ...] = (Exception, Stopped, OtherRankOutOfMemory, OutOfMemory, RankLost)
"""What `Ranks.agree` raises for a failure of another rank, by its kind: 0 for none, then the more severe later."""


def _kind(failure: BaseException) -> int:
    """Return the index in `_RAISED`."""
    if isinstance(failure, Stopped):
        return 1
    if is_short_of_memory(failure):
        return 2
    return 3 if isinstance(failure, OutOfMemory) else 4


class Ranks:
    """This process and the others that train the same model. Without others, every method is a plain local one."""

    def __init__(self, rank: int = 0, size: int = 1, store: "Store | None" = None) -> None:
        """Describe rank `rank` of `size`; with more than one, `torch.distributed` must be initialised."""
        self.rank, self.size = rank, size
        self._store = store
        self._data: ProcessGroup | None = None
        """The group for tensors; None is the default group, gloo."""
        self._tasks = 0

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def connect(self, device: torch.device) -> None:
        """Prepare sums of tensors on `device`. All ranks must call this together."""
        if self.size > 1 and device.type == "cuda" and dist.is_nccl_available():
            with _converting_errors():
                self._data = dist.new_group(backend="nccl", timeout=_timeout())

    def sum(self, tensor: Tensor) -> "Work | None":
        """Begin to replace `tensor` by its sum over all ranks; `wait` of the result waits for it."""
        if self.size == 1:
            return None
        with _converting_errors():
            work: Work = dist.all_reduce(tensor, group=self._data, async_op=True)
            return work

    def wait(self, work: "Work | None") -> None:
        """Wait for the end of a sum. Raise `RankLost` if another rank has ended."""
        if work is not None:
            with _converting_errors():
                work.wait()

    def copy_from_first(self, tensors: Iterable[Tensor]) -> None:
        """Replace the values of `tensors` by those of rank 0."""
        if self.size > 1:
            with _converting_errors():
                for tensor in tensors:
                    dist.broadcast(tensor, src=0, group=self._data)

    def max(self, value: int) -> int:
        """Return the largest value of all ranks."""
        if self.size == 1:
            return value
        largest = torch.tensor([value])
        with _converting_errors():
            dist.all_reduce(largest, op=dist.ReduceOp.MAX)
        return int(largest)

    def any(self, flag: bool) -> bool:
        """Return whether `flag` is true on any rank."""
        return bool(self.max(int(flag)))

    def wait_for_all(self) -> None:
        """Wait until every rank has come here."""
        self.max(0)

    def agree(self, failure: BaseException | None) -> None:
        """Raise an exception on all ranks if work that they do together has failed on one of them.

        `failure` is that of this rank. `Stopped` and errors for lack of memory are raised on all ranks, which take
        their consequences together. Otherwise the ranks without a failure of their own raise `RankLost`.
        """
        kind = 0 if failure is None else _kind(failure)
        worst = self.max(kind)
        if worst == 0:
            return
        messages = self.gather(str(failure) if kind == worst else "")
        if failure is not None and kind == worst:
            raise failure
        raise _RAISED[worst](next(filter(None, messages), "an error on another rank"))

    def gather(self, value: Value) -> list[Value]:
        """Return the values of all ranks, in their order, on every rank."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        with _converting_errors():
            dist.all_gather_object(values, value)
        return values

    def from_first(self, value: Value) -> Value:
        """Return the value of rank 0."""
        if self.size == 1:
            return value
        values: list[Any] = [value]
        with _converting_errors():
            dist.broadcast_object_list(values, src=0)
        return values[0]  # type: ignore[no-any-return]

    def on_first(self, function: Callable[[], object]) -> None:
        """Call `function` on rank 0 while the others wait, however long it takes. Its `NmtError` is raised on all.

        The others do not wait in a collective operation, which would time out while rank 0 prepares a large corpus.
        """
        if self.size == 1:
            function()
            return
        assert self._store is not None
        self._tasks += 1
        key = f"task-{self._tasks}"
        if self.is_first:
            try:
                function()
            except BaseException as error:
                self._store.set(key, f"error: {error or type(error).__name__}")
                raise
            self._store.set(key, "done")
            return
        with _converting_errors():
            while not _has(self._store, key):
                time.sleep(_POLL_SECONDS)
            answer = self._store.get(key).decode()
        if answer != "done":
            raise NmtError(answer.removeprefix("error: "))

    def check_equal(self, facts: dict[str, object]) -> None:
        """Raise `NmtError` on all ranks unless the `facts` are the same on each; the keys are names for the user."""
        gathered = self.gather(facts)
        for key in dict.fromkeys(key for each in gathered for key in each):
            values = [each.get(key) for each in gathered]
            rank = next((rank for rank, value in enumerate(values) if value != values[0]), None)
            if rank is not None:
                raise NmtError(
                    f"{key} differs: {values[0]} on rank 0, {values[rank]} on rank {rank}; start all ranks with the "
                    "same command and the same files"
                )

    def share(self, items: list[Value]) -> list[Value]:
        """Return the part of `items` that this rank works on: every `size`-th one."""
        return items[self.rank :: self.size]

    def claim(self, error: BaseException) -> bool:
        """Return whether this rank is the one that reports an error that ended several ranks.

        A rank that has only lost another one leaves the report to that one if it makes it within a few seconds. If the
        store does not answer, because the network is cut, each rank reports.
        """
        try:
            return _answer_of(lambda: self._claim(error), _CLAIM_SECONDS + _ANSWER_SECONDS)
        except TimeoutError:
            return True

    def _claim(self, error: BaseException) -> bool:
        if self._store is None:
            return True
        try:
            if isinstance(error, RankLost):
                end = time.monotonic() + _CLAIM_SECONDS
                while time.monotonic() < end and not self._store.check(["claimed"]):
                    time.sleep(_POLL_SECONDS)
            return self._store.add("claimed", 1) == 1
        except RuntimeError:  # the store has ended with the process that kept it
            return True


def interleave(shares: Sequence[Sequence[Value]]) -> list[Value]:
    """Return the results for all items, in their order, given those of each rank for its `Ranks.share` of the items."""
    count = sum(map(len, shares))
    return [shares[number % len(shares)][number // len(shares)] for number in range(count)]


ALONE = Ranks()
"""The ranks of an ordinary process."""
_joined: Ranks | None = None


@contextmanager
def joined() -> Iterator[Ranks]:
    """Join the processes that torchrun started, for this block; within another such block, return the same ranks.

    An `NmtError` in the block becomes `Reported` on all ranks but one. Raise `NmtError` if the environment variables
    of torchrun are incomplete, or if the other ranks do not come within the time-out.
    """
    global _joined
    if _joined is not None or not is_started_by_torchrun():
        yield _joined or ALONE
        return
    _joined = _join()
    try:
        yield _joined
        _joined.wait_for_all()  # rank 0 may keep the store, which the others still need
    except NmtError as error:
        if not _joined.claim(error):
            raise Reported(str(error)) from None
        place = f"rank {_joined.rank} on {socket.gethostname()}: " if _joined.rank else ""
        raise type(error)(f"{place}{error}") from None
    finally:
        _joined = None
        _leave()


def _join() -> Ranks:
    """Meet the other ranks at the address in the environment."""
    missing = [name for name in _VARIABLES if not os.environ.get(name)]
    if missing:
        raise NmtError(
            f"WORLD_SIZE is {os.environ.get('WORLD_SIZE')}, but {', '.join(missing)} is not set: start training with "
            "torchrun, or unset WORLD_SIZE to train in one process"
        )
    if not dist.is_available():
        raise NmtError("this torch was built without torch.distributed: unset WORLD_SIZE to train in one process")
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    rank, size = os.environ["RANK"], os.environ["WORLD_SIZE"]
    address = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    try:
        store, number, count = next(rendezvous("env://", timeout=_timeout()))
        store = PrefixStore(_meet(store, number, count), store)
        dist.init_process_group("gloo", store=store, rank=number, world_size=count, timeout=_timeout())
    except (RuntimeError, ValueError, OSError) as error:
        raise NmtError(
            f"rank {rank} of {size}: no connection to all other ranks at {address} ({_first_line(error)}); start all "
            f"{size} ranks, and check that this address can be reached; the time-out is {_timeout().seconds} s "
            f"({TIMEOUT_VARIABLE})"
        ) from None
    return Ranks(number, count, PrefixStore("nmt", store))


def _meet(store: "Store", rank: int, size: int) -> str:
    """Return a name for this meeting of all ranks, which rank 0 draws. Raise OSError after the time-out.

    After a restart, torchrun may keep the store, in which the ranks that have ended left their addresses. So every rank
    says hello with a new random word, and accepts only the answer to that word.
    """
    end = time.monotonic() + _timeout().seconds
    word = secrets.token_hex(8)
    if rank > 0:
        store.set(f"nmt/hello-{rank}", word)
        _wait_for(store, f"nmt/answer-{word}", end)
        name = store.get(f"nmt/answer-{word}").decode()
        store.set(f"{name}/came-{rank}", "")
        return name
    missing = set(range(1, size))
    while missing:
        for other in sorted(missing):
            if _has(store, f"nmt/hello-{other}"):
                store.set(f"nmt/answer-{store.get(f'nmt/hello-{other}').decode()}", word)
            if _has(store, f"{word}/came-{other}"):
                missing.discard(other)
        if missing and time.monotonic() > end:
            raise TimeoutError(f"rank {', '.join(map(str, sorted(missing)))} did not come")
        time.sleep(_POLL_SECONDS)
    return word


def _wait_for(store: "Store", key: str, end: float) -> None:
    """Wait until `store` has `key`. Raise OSError at `end`, a time of the monotonic clock."""
    while not _has(store, key):
        if time.monotonic() > end:
            raise TimeoutError("rank 0 did not come")
        time.sleep(_POLL_SECONDS)


def _has(store: "Store", key: str) -> bool:
    """Return whether `store` has `key`. Raise TimeoutError if it does not answer, because the network is cut."""
    return _answer_of(lambda: store.check([key]), _timeout().seconds)


def _answer_of(function: Callable[[], Value], seconds: float) -> Value:
    """Return the value of `function`, which uses the store. Raise TimeoutError after `seconds` without an answer.

    It is called in a thread, because an operation on a store that cannot be reached blocks for many minutes.
    """
    answers: SimpleQueue[tuple[Value | None, RuntimeError | None]] = SimpleQueue()

    def call() -> None:
        try:
            answers.put((function(), None))
        except RuntimeError as error:
            answers.put((None, error))

    threading.Thread(target=call, daemon=True).start()
    try:
        value, error = answers.get(timeout=seconds)
    except Empty:
        atexit.register(_end_soon)
        raise TimeoutError(f"no answer of the first rank for {seconds:.0f} s") from None
    if error is not None:
        raise error
    return value  # type: ignore[return-value]


def _leave() -> None:
    """Close the connections, without waiting for ranks that have ended."""
    if dist.is_initialized():
        with suppress(RuntimeError):
            dist.destroy_process_group()


def _end_soon() -> None:
    """End the process within seconds, although the store, closed at its end, waits for an answer for many minutes."""
    faulthandler.dump_traceback_later(_EXIT_SECONDS, exit=True, file=os.open(os.devnull, os.O_WRONLY))


def is_started_by_torchrun() -> bool:
    """Return whether this process is one of several ranks."""
    return os.environ.get("WORLD_SIZE", "") not in ("", "0", "1")


def local_rank() -> int | None:
    """Return the number of this process on its machine; None if it trains alone."""
    found = os.environ.get("LOCAL_RANK")
    return int(found) if found and is_started_by_torchrun() else None


def _timeout() -> timedelta:
    value = os.environ.get(TIMEOUT_VARIABLE) or str(DEFAULT_TIMEOUT)
    if not value.isdecimal() or int(value) == 0:
        raise NmtError(f"{TIMEOUT_VARIABLE}: {value!r} is not a number of seconds")
    return timedelta(seconds=int(value))


@contextmanager
def _converting_errors() -> Iterator[None]:
    """Raise `RankLost` in place of an error of torch.distributed."""
    try:
        yield
    except (RuntimeError, TimeoutError) as error:
        raise RankLost(
            f"lost the connection to another rank ({_first_line(error)}); its own message says why, if it has one. "
            "Checkpoints are intact: start all ranks again with --resume"
        ) from None


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0][:200]
