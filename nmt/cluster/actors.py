"""Keep actors on a Ray cluster, each with what is expensive to load, and give them tasks as long as there are any.

An actor runs where its CPUs or its share of a GPU are free. If its process or node is lost, another actor gets its
tasks, and a new actor is started where there is room. (Ray can restart actors itself, but a task then stays with its
actor, and waits for ever if the cluster has become smaller.) A task must give the same result if it runs twice.
"""

import logging
import os
import socket
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from nmt.cluster.connection import RETRIES, Cluster, one_line, translated_errors
from nmt.errors import NmtError

Task = TypeVar("Task")
Result = TypeVar("Result")
_QUEUED = 2
"""Tasks that an actor has: one that it does, and the next one."""

logger = logging.getLogger(__name__)


class Worker(Protocol):
    """What an actor holds."""

    @property
    def identity(self) -> dict[str, Any]:
        """What the results depend on; it must be the same in all actors."""

    def __call__(self, task: Any, /) -> Any:
        """Return the result of a task."""


@dataclass(frozen=True)
class ActorSize:
    """What an actor needs of its node."""

    cpus: float = 1.0
    """Also its number of threads."""
    gpus: float = 0.0
    """A share of one GPU, or a number of GPUs."""

    def count(self, node: dict[str, Any]) -> int:
        """Return how many actors fit on a node."""
        free = node["Resources"]
        rooms = [free.get(name, 0.0) / each for name, each in (("CPU", self.cpus), ("GPU", self.gpus)) if each]
        return int(min(rooms, default=0.0) + 1e-6)


@dataclass
class _Running:
    """An actor and its tasks by reference."""

    handle: Any
    loading: Any
    """The reference of its identity; None when it is loaded."""
    tasks: dict[Any, Any] = field(default_factory=dict)

    def references(self) -> list[Any]:
        return list(self.tasks) if self.loading is None else [self.loading]


class _Tasks(Generic[Task]):
    """The tasks that no actor has."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._rest = iter(tasks)
        self._next = deque(islice(self._rest, 1))
        """Lost tasks to repeat, then one task of `_rest`; empty if no task is left."""
        self._attempts: Counter[Task] = Counter()

    @property
    def is_empty(self) -> bool:
        """Whether there are no tasks."""
        return not self._next

    def take(self) -> Task:
        """Return a task and remove it."""
        task = self._next.popleft()
        if not self._next:
            self._next.extend(islice(self._rest, 1))
        return task

    def repeat(self, lost: Iterable[Task]) -> None:
        """Add tasks that were lost with their actors. Raise NmtError if one was lost too often."""
        for task in lost:
            self._attempts[task] += 1
            if self._attempts[task] > RETRIES:
                raise NmtError(f"a task failed {RETRIES + 1} times as its process was lost: {task}")
            self._next.appendleft(task)


class RayActors(Generic[Task, Result]):
    """Actors that are made by `make`, on all nodes that have room for one of this `size`; used in a `with` block."""

    def __init__(self, cluster: Cluster, make: Callable[[], Worker], size: ActorSize) -> None:
        self._cluster, self._make, self._size = cluster, make, size
        cluster.rooms = size.count
        self._actors: list[_Running] = []
        self._losses = 0
        """Actors that were lost since the last result."""
        self._identity: dict[str, Any] | None = None
        options = {"num_cpus": size.cpus, "num_gpus": size.gpus, "max_restarts": 0, "max_task_retries": 0}
        self._class = cluster.ray.remote(**options)(_Actor)

    def __enter__(self) -> "RayActors[Task, Result]":
        return self

    def __exit__(self, *error: object) -> None:
        for actor in self._actors:
            self._kill(actor)

    def identity(self) -> dict[str, Any]:
        """Start the first actor and return the identity of what it holds. Raise NmtError if it cannot be loaded."""
        while self._identity is None:
            self._start(1)
            for actor in list(self._actors):
                self._cluster.wait(actor.references())
                self._take_results(actor)
        return self._identity

    def map(self, tasks: Iterable[Task], most: int) -> Iterator[Result]:
        """Yield the result of every task, in any order; use at most `most` actors.

        Raise what the worker raises, and NmtError if a task fails `RETRIES` times because its process is lost.
        """
        rest = _Tasks(tasks)
        while True:
            self._hand_out(rest)
            if rest.is_empty and not any(actor.tasks for actor in self._actors):
                return
            if not rest.is_empty:
                self._start(max(1, min(self._cluster.room, most)))
            self._cluster.wait([reference for actor in self._actors for reference in actor.references()])
            for actor in list(self._actors):
                results, lost = self._take_results(actor)
                rest.repeat(lost)
                yield from results

    def _hand_out(self, rest: "_Tasks[Task]") -> None:
        """Give a task to each actor that has too few, first to those that have none."""
        waiting = [actor for actor in self._actors if actor.loading is None and len(actor.tasks) < _QUEUED]
        for actor in sorted(waiting, key=lambda actor: len(actor.tasks)):
            if not rest.is_empty:
                task = rest.take()
                actor.tasks[actor.handle.do.remote(task)] = task

    def _start(self, count: int) -> None:
        """Start actors until there are `count`."""
        while len(self._actors) < count:
            handle = self._class.remote(self._make, Path.cwd(), self._size.cpus)
            self._actors.append(_Running(handle, handle.load.remote()))

    def _kill(self, actor: _Running) -> None:
        with suppress(Exception):  # the cluster may be gone
            self._cluster.ray.kill(actor.handle)

    def _take_results(self, actor: _Running) -> tuple[list[Any], list[Any]]:
        """Return the results that an actor has, and the tasks that are lost with it if it is lost."""
        ray, references = self._cluster.ray, actor.references()
        if not references:
            return [], []
        results: list[Any] = []
        ready, _ = ray.wait(references, num_returns=len(references), timeout=0)
        for reference in ready:
            try:
                with translated_errors(passed=ray.exceptions.RayActorError):
                    result, error, trace = ray.get(reference)
            except ray.exceptions.RayActorError as died:
                self._actors.remove(actor)
                self._kill(actor)  # perhaps it only cannot be reached
                self._count_loss(died)
                return results, list(actor.tasks.values())
            if error is not None:
                raise error from RuntimeError(f"on a node of the Ray cluster:\n{trace}")
            self._losses = 0
            if actor.loading is None:
                del actor.tasks[reference]
                results.append(result)
            else:
                actor.loading = None
                self._check_identity(*result)
        return results, []

    def _count_loss(self, error: Exception) -> None:
        if "creation task" in str(error):  # not lost: it raised an error before it could return one
            raise NmtError(f"a node of the Ray cluster cannot run nmt: {one_line(error)}")
        self._losses += 1
        if self._losses > RETRIES:
            raise NmtError(
                f"{self._losses} processes of the Ray cluster were lost without a result, perhaps because memory ran "
                f"out: {one_line(error)}"
            )
        logger.info(f"a process of the Ray cluster was lost; its work is done again ({one_line(error)})")

    def _check_identity(self, identity: dict[str, Any], node: str) -> None:
        """Raise NmtError if the results of an actor would differ from those of the first one."""
        if self._identity is None:
            self._identity = identity
        for key, value in identity.items():
            if self._identity.get(key) != value:
                raise NmtError(
                    f"the node {node} of the Ray cluster would give other results ({key}: {value}, and on other nodes "
                    f"{self._identity.get(key)}); use nodes of one kind, or name what computes with --engine, --device "
                    "and --precision"
                )


class _Actor:
    """Runs in a process of a node; it returns errors as values, as Ray wraps those that are raised."""

    def __init__(self, make: Callable[[], Worker], folder: Path, threads: float) -> None:
        with suppress(OSError):
            os.chdir(folder)
        os.environ["OMP_NUM_THREADS"] = str(max(1, int(threads)))  # before the libraries that read it are imported
        self._make = make
        self._worker: Worker

    def load(self) -> tuple[Any, Exception | None, str]:
        """Return the identity of the worker and the name of this node."""
        try:
            self._worker = self._make()
            return (self._worker.identity, socket.gethostname()), None, ""
        except Exception as error:
            return None, error, traceback.format_exc()

    def do(self, task: Any) -> tuple[Any, Exception | None, str]:
        """Return the result of a task."""
        try:
            return self._worker(task), None, ""
        except Exception as error:
            return None, error, traceback.format_exc()
