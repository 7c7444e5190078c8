"""The scheduler: jobs get their own translations, share batches fairly, and keep their errors to themselves."""

import queue
import threading
import time

import pytest
from decoding_toys import EchoModel, ToyModel, make

from nmt.decoding.search_options import SearchOptions
from nmt.decoding.source_lines import InputLine
from nmt.kernels.out_of_memory import OutOfMemory
from nmt.serving import scheduler as scheduler_module
from nmt.serving.limits import OverloadedError
from nmt.serving.scheduler import Job, Scheduler

GREEDY = SearchOptions(method="greedy")


class Results:
    """Collects what a scheduler delivers."""

    def __init__(self):
        self.by_job = {}
        self.order = []
        self._arrived = threading.Condition()

    def __call__(self, results):
        with self._arrived:
            for job, result in results:
                assert job not in self.by_job, "a job was delivered twice"
                self.by_job[job] = result
                self.order.append(job)
            self._arrived.notify_all()

    def wait(self, jobs):
        with self._arrived:
            assert self._arrived.wait_for(lambda: all(job in self.by_job for job in jobs), 30)
        return [self.by_job[job] for job in jobs]


class Held:
    """An engine that waits in `encode` until it is released, and counts the sentences of each batch."""

    def __init__(self, engine, batches_at_once=1):
        self._engine = engine
        self.gate = threading.Event()
        self.begun = queue.Queue()
        self.batches = []
        self.batches_at_once = batches_at_once
        self.fail = lambda source: None

    batch_tokens = 60
    rounds_rows = False

    def __getattr__(self, name):
        return getattr(self._engine, name)

    def encode(self, source, lengths):
        self.batches.append(sorted(map(int, lengths)))
        self.begun.put(len(source))
        assert self.gate.wait(30)
        self.fail(source)
        return self._engine.encode(source, lengths)


@pytest.fixture
def results():
    return Results()


@pytest.fixture
def started():
    """Start schedulers, and close them at the end."""
    found = []

    def start(threads, results, max_queue=10_000):
        found.append(Scheduler(threads, max_queue, results))
        return found[-1]

    yield start
    for scheduler in found:
        scheduler.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("nmt-serve")]


def job(translator, lines, options=GREEDY):
    search = translator.lines
    return Job(search, options, search.encode([InputLine(line) for line in lines], options))


def texts(result):
    assert not isinstance(result, Exception), result
    return [translation.text for translation in result]


def test_jobs_of_many_threads_get_what_the_translator_gives(bpe, results, started):
    translator = make(bpe, ToyModel(bpe.size, end=2.0))
    scheduler = started(3, results)
    options = [GREEDY, SearchOptions(beam_size=2, n_best=2), SearchOptions(method="sample", seed=5)]
    words = ["the", "cat", "sat", "on", "a", "mat", "and"]
    requests = [
        ([" ".join(words[: 1 + (i + j) % 7]) + "." for j in range(1 + i % 5)] + [""] * (i % 2), options[i % 3])
        for i in range(60)
    ]
    jobs = [job(translator, lines, chosen) for lines, chosen in requests]

    def submit(part):
        for each in part:
            scheduler.submit(each)

    threads = [threading.Thread(target=submit, args=(jobs[i::4],)) for i in range(4)]
    for thread in threads:
        thread.start()
    for (lines, chosen), result in zip(requests, results.wait(jobs), strict=True):
        assert texts(result) == [each.text for each in translator.translate(lines, chosen)]
    for thread in threads:
        thread.join()
    assert scheduler.waiting == 0


def test_waiting_jobs_share_batches(bpe, results, started):
    engine = Held(EchoModel(bpe.size))
    translator = make(bpe, engine)
    scheduler = started(2, results)
    first = job(translator, ["the"])
    scheduler.submit(first)
    assert engine.begun.get(timeout=30) == 1
    others = [job(translator, [word]) for word in ("cat", "sat", "on", "a", "mat")]
    for each in others:
        scheduler.submit(each)
    engine.gate.set()
    found = [texts(each) for each in results.wait([first, *others])]
    assert found == [["the"], ["cat"], ["sat"], ["on"], ["a"], ["mat"]]
    assert list(map(len, engine.batches)) == [1, 5]


def test_a_batch_has_parts_of_similar_length_and_a_limited_size(bpe, results, started):
    engine = Held(EchoModel(bpe.size))
    translator = make(bpe, engine)
    scheduler = started(1, results)
    scheduler.submit(job(translator, ["the"]))
    engine.begun.get(timeout=30)
    lines = ["the cat sat on a mat"[: 3 + 4 * (i % 5)] for i in range(40)]
    jobs = [job(translator, [line]) for line in lines]
    for each in jobs:
        scheduler.submit(each)
    engine.gate.set()
    results.wait(jobs)
    for lengths in engine.batches:
        assert len(lengths) * max(lengths) <= engine.batch_tokens


def test_a_large_job_lets_small_ones_pass(bpe, results, started):
    engine = Held(EchoModel(bpe.size))
    translator = make(bpe, engine)
    scheduler = started(1, results)
    large = job(translator, ["the cat sat on a mat"] * 200)
    scheduler.submit(large)
    engine.begun.get(timeout=30)
    small = [job(translator, ["the cat"]), job(translator, ["a mat"])]
    for each in small:
        scheduler.submit(each)
    engine.gate.set()
    results.wait([large, *small])
    assert results.order[-1] is large
    assert len(engine.batches) > 10
    assert all(each.started - each.submitted < large.started - large.submitted + 5 for each in small)
    of_small = [i for i, lengths in enumerate(engine.batches) if min(lengths) < max(lengths)]
    assert of_small == [1], "the small jobs are in the first batch after the one that was running"


def test_an_engine_works_on_no_more_batches_than_it_allows(bpe, results, started):
    engine = Held(EchoModel(bpe.size), batches_at_once=2)
    other = Held(EchoModel(bpe.size), batches_at_once=1)
    scheduler = started(4, results)
    jobs = [job(make(bpe, engine), ["the cat sat on a mat"] * 30), job(make(bpe, other), ["the cat sat on a mat"] * 30)]
    for each in jobs:
        scheduler.submit(each)
    for held, count in ((engine, 2), (other, 1)):
        for _ in range(count):
            held.begun.get(timeout=30)
        with pytest.raises(queue.Empty):
            held.begun.get(timeout=0.05)
        held.gate.set()
    results.wait(jobs)


def test_a_full_queue_refuses_jobs_but_not_a_single_large_one(bpe, results, started):
    engine = Held(EchoModel(bpe.size))
    translator = make(bpe, engine)
    scheduler = started(1, results, max_queue=10)
    scheduler.submit(job(translator, ["the cat sat on a mat"] * 30))
    engine.begun.get(timeout=30)
    assert scheduler.waiting > 10
    with pytest.raises(OverloadedError) as refused:
        scheduler.submit(job(translator, ["the"]))
    assert refused.value.status == 503 and refused.value.retry_after
    engine.gate.set()


def test_a_cancelled_job_leaves_the_queue_and_is_not_delivered(bpe, results, started):
    engine = Held(EchoModel(bpe.size))
    translator = make(bpe, engine)
    scheduler = started(1, results)
    running, waiting = job(translator, ["the cat sat on a mat"] * 30), job(translator, ["cat"])
    scheduler.submit(running)
    engine.begun.get(timeout=30)
    scheduler.submit(waiting)
    scheduler.cancel(running)
    engine.gate.set()
    assert texts(results.wait([waiting])[0]) == ["cat"]
    assert scheduler.waiting == 0
    assert results.order == [waiting]
    assert len(engine.batches) == 2


def test_an_error_ends_only_the_job_that_causes_it(bpe, results, started):
    engine = Held(EchoModel(bpe.size))
    translator = make(bpe, engine)
    scheduler = started(1, results)
    first = job(translator, ["the"])
    scheduler.submit(first)
    engine.begun.get(timeout=30)
    bad = job(translator, ["Katze"])
    wrong = translator.lines.encode([InputLine("Katze")], GREEDY)[0].parts[0].ids[0]

    def fail(source):
        if wrong in source:
            raise ZeroDivisionError("a bug")

    engine.fail = fail
    good = [job(translator, [word]) for word in ("cat", "mat")]
    for each in (good[0], bad, good[1]):
        scheduler.submit(each)
    engine.gate.set()
    found = results.wait([*good, bad])
    assert [texts(each) for each in found[:2]] == [["cat"], ["mat"]]
    assert isinstance(found[2], ZeroDivisionError)


def test_a_batch_that_needs_too_much_memory_is_halved(bpe, results, started):
    engine = Held(EchoModel(bpe.size))
    translator = make(bpe, engine)
    scheduler = started(1, results)
    engine.gate.set()

    def fail(source):
        if len(source) > 2 or source.shape[1] > 12:
            raise MemoryError

    engine.fail = fail
    jobs = [job(translator, ["the cat sat on a mat"] * 9), job(translator, ["the cat sat on a mat " * 4])]
    for each in jobs:
        scheduler.submit(each)
    found = results.wait(jobs)
    assert texts(found[0]) == ["the cat sat on a mat"] * 9
    assert isinstance(found[1], OutOfMemory)


def test_an_idle_scheduler_begins_at_once(bpe, results, started, monkeypatch):
    """Only after a batch of several jobs it waits for the next requests."""
    monkeypatch.setattr(scheduler_module, "MAX_DELAY", 30.0)
    monkeypatch.setattr(scheduler_module, "QUIET", 30.0)
    translator = make(bpe)
    scheduler = started(2, results)
    for _ in range(3):
        each = job(translator, ["the cat"])
        begin = time.perf_counter()
        scheduler.submit(each)
        results.wait([each])
        assert time.perf_counter() - begin < 10
