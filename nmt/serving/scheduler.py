"""Translate the lines of several requests together: queue, batches, threads.

A request is a `Job`. Parts of the lines of all jobs with the same model and options form batches of similar length.
Jobs take turns: each gives one part after another to the parts that are considered for a batch, and a batch always has
the part whose turn it is. So a large job delays a small one by no more than a few batches.
"""

import itertools
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from nmt.decoding.hypothesis import Hypothesis
from nmt.decoding.line_search import LineSearch, size_of
from nmt.decoding.memory_budget import cut_batches, halve_after_shortage
from nmt.decoding.search_options import SearchOptions
from nmt.decoding.side_by_side import share_out
from nmt.decoding.source_lines import EncodedLine, Part
from nmt.decoding.translation import Translation
from nmt.serving.limits import OverloadedError

MAX_DELAY = 0.02
"""Seconds for which a free thread waits for the next requests of the clients that were answered last."""
QUIET = 0.004
"""Seconds without a new request after which a free thread waits no longer."""
LOOKAHEAD = 3
"""How many times the tokens of a batch are considered for it, to find parts of similar length."""

Result: TypeAlias = "list[Translation] | Exception"
"""The translations of the lines of a job, or its error."""


@dataclass(eq=False)
class Job:
    """The lines of a request. The scheduler owns the fields that begin with an underscore."""

    search: LineSearch
    options: SearchOptions
    lines: Sequence[EncodedLine]
    submitted: float = field(default_factory=time.perf_counter)
    started: float | None = None
    """When the first batch with a part of it began."""
    tokens: int = 0
    """Target tokens that were generated."""
    _parts: list[Part] = field(default_factory=list)
    _waiting: deque[int] = field(default_factory=deque)
    """Numbers of the parts that are in no batch yet, the longest first."""
    _found: list[list[Hypothesis]] = field(default_factory=list)
    _missing: int = 0
    _taken: int = 0
    """Parts that were taken into batches: jobs with fewer come first."""
    _is_over: bool = False

    def __post_init__(self) -> None:
        """List the parts of all lines."""
        self._parts = [part for line in self.lines for part in line.parts]
        sizes = [len(part.ids) for part in self._parts]
        self._waiting = deque(sorted(range(len(sizes)), key=sizes.__getitem__, reverse=True))
        self._found = [[] for _ in sizes]
        self._missing = len(sizes)

    @property
    def size(self) -> int:
        """The number of parts; 0 if all lines are empty."""
        return len(self._parts)

    def build(self) -> list[Translation]:
        """Return the translations of the lines, when all parts are translated."""
        rest = iter(self._found)
        return [
            self.search.build(line, list(itertools.islice(rest, len(line.parts))), self.options) for line in self.lines
        ]


@dataclass(frozen=True)
class _Item:
    """A part of a job in a batch."""

    job: Job
    index: int

    @property
    def part(self) -> Part:
        return self.job._parts[self.index]


@dataclass(eq=False)
class _Group:
    """The jobs with the same model and options, which can share batches."""

    search: LineSearch
    options: SearchOptions
    jobs: list[Job] = field(default_factory=list)
    """Jobs with waiting parts."""
    planned: deque[list[_Item]] = field(default_factory=deque)
    """Batches that are cut and not begun."""


class Scheduler:
    """Threads that translate the jobs."""

    def __init__(
        self,
        threads: int,
        max_queue: int,
        on_done: Callable[[list[tuple[Job, Result]]], None],
        on_batch: Callable[[int, int, float], None] = lambda sentences, tokens, seconds: None,
    ) -> None:
        """Start `threads`. They call `on_done` with jobs and their translations, or the error of a job.

        `on_batch` gets the sentences, the target tokens and the seconds of each batch.
        """
        self._max_queue = max_queue
        self._on_done, self._on_batch = on_done, on_batch
        self._changed = threading.Condition()
        self._groups: dict[tuple[int, SearchOptions], _Group] = {}
        """The groups with work, that which was served last at the end."""
        self._running: Counter[int] = Counter()
        """The number of batches that each engine works on."""
        self._idle = 0
        self._last_arrival = self._last_delivery = 0.0
        self._expected = 0
        """Jobs of the batch that was delivered last: as many clients may send their next request now."""
        self._is_closed = False
        self.waiting = 0
        """Sentences that are in no batch yet."""
        self._threads = [
            threading.Thread(target=self._work, name=f"nmt-serve-{i}", daemon=True) for i in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job) -> None:
        """Queue a job with at least one part. Raise `OverloadedError` if the queue is full."""
        with self._changed:
            if self.waiting and self.waiting + job.size > self._max_queue:
                raise OverloadedError
            key = id(job.search), job.options
            if key not in self._groups:
                self._groups[key] = _Group(job.search, job.options)
            self._groups[key].jobs.append(job)
            self.waiting += job.size
            self._last_arrival = time.perf_counter()
            self._changed.notify()

    def cancel(self, job: Job) -> None:
        """Drop the parts of a job that are in no batch yet. No result of it is delivered any more."""
        with self._changed:
            self._end(job)

    def close(self) -> None:
        """Finish the batches that have begun, and end the threads. Jobs that wait get no result."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _end(self, job: Job) -> None:
        """Drop what is left of a job. The lock is held."""
        job._is_over = True
        self.waiting -= len(job._waiting)
        job._waiting.clear()
        key = id(job.search), job.options
        group = self._groups.get(key)
        if group is not None and job in group.jobs:
            group.jobs.remove(job)
            if not group.jobs and not group.planned:
                del self._groups[key]

    def _work(self) -> None:
        while (batch := self._next_batch()) is not None:
            try:
                self._translate(batch)
            finally:
                with self._changed:
                    self._running[id(batch[0].job.search.engine)] -= 1
                    self._running += Counter()  # removes zeros
                    self._changed.notify()

    def _next_batch(self) -> list[_Item] | None:
        """Wait for the next batch and return it; None if the scheduler is closed."""
        with self._changed:
            self._idle += 1
            try:
                while not self._is_closed:
                    key = self._next_group()
                    if key is None:
                        self._changed.wait()
                    elif (delay := self._delay(self._groups[key])) > 0:
                        self._changed.wait(delay)
                    else:
                        batch = self._take(key)
                        self._running[id(batch[0].job.search.engine)] += 1
                        return batch
                return None
            finally:
                self._idle -= 1

    def _next_group(self) -> tuple[int, SearchOptions] | None:
        """Return the key of the group that was not served for the longest time, if its engine is free."""
        for key, group in self._groups.items():
            if self._running[id(group.search.engine)] < group.search.engine.batches_at_once:
                return key
        return None

    def _delay(self, group: _Group) -> float:
        """Return the seconds to wait for further requests: clients that were just answered send the next ones."""
        now = time.perf_counter()
        if group.planned or len(group.jobs) >= self._expected or now > self._last_delivery + 10 * MAX_DELAY:
            return 0.0
        return min(self._last_arrival + QUIET, max(self._last_delivery, group.jobs[0].submitted) + MAX_DELAY) - now

    def _take(self, key: tuple[int, SearchOptions]) -> list[_Item]:
        """Return the next batch of a group; batches for the other free threads are left planned."""
        group = self._groups.pop(key)
        if not group.planned:
            self._plan(group)
        batch = group.planned.popleft()
        if group.jobs or group.planned:
            self._groups[key] = group
        if self._groups:
            self._changed.notify()
        return batch

    def _plan(self, group: _Group) -> None:
        """Plan a batch for each free thread: parts of similar length out of those whose turn is next.

        The first batch has the part whose turn it is.
        """
        free = min(self._idle, group.search.engine.batches_at_once - self._running[id(group.search.engine)])
        budget = group.search.batch_tokens(group.options)
        items = self._next_items(group, LOOKAHEAD * free * budget)
        sizes = [size_of(item.part, group.options) for item in items]
        order = sorted(range(len(items)), key=sizes.__getitem__, reverse=True)
        batches = sorted(share_out(list(cut_batches(order, sizes, budget)), free), key=min)[:free]
        group.planned.extend([items[i] for i in batch] for batch in batches)
        chosen = {i for batch in batches for i in batch}
        self.waiting -= len(chosen)
        for i in reversed(range(len(items))):
            if i in chosen:
                items[i].job._taken += 1
            else:
                items[i].job._waiting.appendleft(items[i].index)
        group.jobs = [job for job in group.jobs if job._waiting]

    def _next_items(self, group: _Group, budget: int) -> list[_Item]:
        """Take waiting parts of about `budget` tokens from the jobs, one from each in turn, and return them."""
        items: list[_Item] = []
        tokens = 0
        turns = deque(sorted(group.jobs, key=lambda job: (job._taken, job.submitted)))
        while turns and (tokens < budget or not items):
            job = turns.popleft()
            items.append(_Item(job, job._waiting.popleft()))
            tokens += size_of(items[-1].part, group.options)
            if job._waiting:
                turns.append(job)
        return items

    def _translate(self, batch: list[_Item]) -> None:
        """Translate a batch and deliver the jobs that it completes.

        If it fails, its halves are tried, or its jobs one by one, so that a request does not spoil those of others.
        """
        search, options = batch[0].job.search, batch[0].job.options
        rest = [batch]
        while rest:
            items = [item for item in rest.pop() if not item.job._is_over]
            if not items:
                continue
            start = time.perf_counter()
            for item in items:
                item.job.started = item.job.started or start
            try:
                found = search.search([item.part for item in items], options)
            except Exception as error:
                rest += self._after_error(items, error)
                continue
            tokens = [len(of_part[0].token_log_probs) if of_part else 0 for of_part in found]
            self._on_batch(len(items), sum(tokens), time.perf_counter() - start)
            self._deliver(items, found, tokens)

    def _deliver(self, items: list[_Item], found: list[list[Hypothesis]], tokens: list[int]) -> None:
        completed = []
        with self._changed:
            for item, of_part, count in zip(items, found, tokens, strict=True):
                job = item.job
                job._found[item.index] = of_part
                job.tokens += count
                job._missing -= 1
                if not job._missing and not job._is_over:
                    completed.append(job)
                    job._is_over = True
        results: list[tuple[Job, Result]] = []
        for job in completed:
            try:
                results.append((job, job.build()))
            except Exception as error:
                results.append((job, error))
        if results:
            with self._changed:
                self._expected, self._last_delivery = len(results), time.perf_counter()
            self._on_done(results)

    def _after_error(self, items: list[_Item], error: Exception) -> list[list[_Item]]:
        """Return the batches to try after a batch has failed; end the job if it is the only one."""
        try:
            if isinstance(error, (MemoryError, RuntimeError)):
                name, remedy = "the text", "shorten it, or lower beam_size or n_best"
                halves = halve_after_shortage(list(range(len(items))), error, name, remedy)
                return [[items[i] for i in half] for half in halves]
        except Exception as reason:
            error = reason
        jobs = list(dict.fromkeys(item.job for item in items))
        if len(jobs) > 1:
            return [[item for item in items if item.job is job] for job in jobs]
        with self._changed:
            self._end(jobs[0])
        self._on_done([(jobs[0], error)])
        return []
