"""A translator may be used by several threads and after a fork, reads its input window by window, and changes nothing
in its process but the work it is asked for."""

import itertools
import logging
import os
import random
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from cli.tiny_run import SOURCE, make_run

from nmt.decoding.loading import load

THREADS = 4


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("threads"))


@pytest.fixture(scope="module")
def lines():
    words = " ".join(SOURCE).split()
    draw = random.Random(0)
    return [" ".join(draw.choices(words, k=draw.randrange(1, 12))) for _ in range(36)]


@pytest.fixture(scope="module", params=["onnx int8", "onnx fp32", "torch fp32"])
def translator(request, run):
    engine, precision = request.param.split()
    return load(run, engine=engine, device="cpu", precision=precision)


def translate(translator, lines, **options):
    """Return the texts and the scores of translations."""
    found = list(translator.translate(lines, **options))
    return [t.text for t in found], [t.score for t in found]


OPTIONS = [{}, {"method": "greedy"}, {"method": "sample", "seed": 3}, {"beam_size": 4, "n_best": 2}]


def test_threads_that_share_a_translator_get_what_each_would_get_alone(translator, lines):
    parts = [lines[number::THREADS] for number in range(THREADS)]
    alone = [translate(translator, part, **more) for part, more in zip(parts, OPTIONS, strict=True)]
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in range(3):
            jobs = [pool.submit(translate, translator, part, **more) for part, more in zip(parts, OPTIONS, strict=True)]
            for job, (texts, scores) in zip(jobs, alone, strict=True):
                assert job.result(60)[0] == texts
                assert job.result(60)[1] == pytest.approx(scores, abs=1e-5)


def test_iterators_of_one_translator_can_alternate(translator, lines):
    alone = [translate(translator, lines, window=7, **more)[0] for more in OPTIONS[:2]]
    first, second = (translator.translate(lines, window=7, **more) for more in OPTIONS[:2])
    pairs = [(one.text, other.text) for one, other in zip(first, second, strict=True)]
    assert [list(texts) for texts in zip(*pairs, strict=True)] == alone


def test_an_endless_input_is_read_one_window_ahead(translator, lines):
    taken = []
    endless = (taken.append(line) or line for line in itertools.cycle(lines))
    found = translator.translate(endless, window=5)
    assert taken == []
    for number, translation in enumerate(itertools.islice(found, 23)):
        assert translation.number == number and len(taken) == 5 * (number // 5 + 1)


def process_state():
    """Return the state of the process that a library must not change."""
    loggers = [logging.getLogger(name) for name in (None, "nmt")]
    return {
        "torch threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "torch dtype": (torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_float32_matmul_precision()),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "torch seed": torch.get_rng_state().tolist(),
        "seeds": (random.getstate(), np.random.get_state()[1].tolist()),
        "errors of numpy": np.geterr(),
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "logging": [(list(each.handlers), each.level, each.propagate) for each in loggers],
        "working directory": Path.cwd(),
        "environment": dict(os.environ),
        "streams": (sys.stdout, sys.stderr, sys.excepthook),
    }


@pytest.mark.parametrize("engine", ["onnx", "torch"])
def test_loading_and_translating_change_no_global_state(run, lines, engine):
    before = process_state()
    translator = load(run, engine=engine, device="cpu", precision="fp32")
    assert len(list(translator.translate(lines))) == len(lines)
    assert len(list(translator.log_prob([("a dog", "ein Hund")]))) == 1
    after = process_state()
    assert [name for name in before if before[name] != after[name]] == []


def test_the_working_directory_may_change_after_loading(run, lines, tmp_path, monkeypatch):
    monkeypatch.chdir(run.parent)
    expected = translate(load(run), lines[:5], shortlist=4)
    translator = load(run.name)
    monkeypatch.chdir(tmp_path)
    assert translate(translator, lines[:5], shortlist=4) == expected
    assert list(tmp_path.iterdir()) == []


FORK = """
import os, sys, threading
from nmt.decoding.loading import load
run, engine = sys.argv[1:]
lines = ["a dog runs", "the cat sleeps here", "two women see the dog"] * 4
translator = load(run, engine=engine, device="cpu", precision="fp32")
options = {"tokens_per_batch": 40}  # several batches, side by side in threads
expected = [t.text for t in translator.translate(lines, **options)]
assert threading.active_count() == 1, "threads are left over for the process that is forked"
children = []
for _ in range(2):
    if not (child := os.fork()):
        found = [t.text for t in translator.translate(lines, **options)]
        sys.exit(0 if found == expected else 3)  # the usual end, with what libraries do at exit
    children.append(child)
assert [t.text for t in translator.translate(lines, **options)] == expected
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("engine", ["onnx", "torch"])
def test_a_process_may_fork_after_it_has_translated(run, engine):
    """Two children and the parent translate with the translator that was loaded before the forks.

    torch computes with one thread here: GNU OpenMP, which it may be built with, does not work in a forked process after
    its threads have been started.
    """
    variables = {**os.environ, "OMP_NUM_THREADS": "1" if engine == "torch" else "2"}
    command = [sys.executable, "-W", "error", "-c", FORK, str(run), engine]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.returncode) == ("[0, 0]\n", 0), done.stderr
