"""`nmt.train` as a function of other programs: events, ways to stop it, and a process that it leaves as it was."""

import dataclasses
import json
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_training import logged, same_state, tiny, validate_as

import nmt
from nmt import config
from nmt.storage.json_text import dump_json
from nmt.storage.run_folder import Run, read_log
from nmt.training.training_log import log_entry

VALUES = {4: (2.0, 10.0), 8: (1.5, 20.0), 12: (3.0, 5.0)}
EVENTS = [
    ("TrainingStarted", 0),
    ("CheckpointSaved", 3),
    ("Validated", 4),
    ("CheckpointSaved", 4),
    ("StepLogged", 5),
    ("CheckpointSaved", 6),
    ("Validated", 8),
    ("CheckpointSaved", 8),
    ("CheckpointSaved", 9),
    ("StepLogged", 10),
    ("Validated", 12),
    ("CheckpointSaved", 12),
    ("CheckpointsAveraged", 12),
    ("TrainingEnded", 12),
]


def step_of(event):
    return event.run.step if isinstance(event, nmt.TrainingEnded) else event.step


def test_events_come_in_order_and_are_those_of_the_log(corpus_folder, monkeypatch):
    validate_as(monkeypatch, VALUES)
    events, checkpoints = [], []

    def on_event(event):
        events.append(event)
        if isinstance(event, nmt.CheckpointSaved):
            assert (event.folder / "training" / "state.json").is_file()
            checkpoints.append(event.is_best)

    run = nmt.train(tiny(average_last=2), on_event=on_event)
    assert [(type(event).__name__, step_of(event)) for event in events] == EVENTS
    assert [event.is_best for event in events if isinstance(event, nmt.Validated)] == [True, True, False]
    assert checkpoints == [True, True, False, True, False, False]
    entries = [log_entry(event) for event in events]
    assert [json.loads(dump_json(entry)) for entry in entries if entry is not None] == read_log(run.log)
    assert events[-1].run == run and run.is_finished
    assert (run.best_value, run.best_step, run.metric, run.step) == (20.0, 8, "bleu", 12)
    assert run.best_checkpoint.name == "step-8" and run.reason == "max_steps reached"
    with pytest.raises(dataclasses.FrozenInstanceError):
        events[0].step = 1


def test_the_caller_learns_how_much_is_done(corpus_folder):
    calls = []
    nmt.train(tiny(max_steps=3), on_progress=lambda *call: calls.append(call))
    assert [call[1:] for call in calls if call[0] == "training"] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert list(dict.fromkeys(action for action, *_ in calls)) == ["cleaning", "subwords", "encoding", "training"]
    for action, total in (("cleaning", 320), ("encoding", 320), ("subwords", 1)):
        done = [call[1:] for call in calls if call[0] == action]
        assert (done[0], done[-1]) == ((0, total), (total, total)) and done == sorted(done)
    calls.clear()
    nmt.train(tiny(max_steps=5), resume=True, on_progress=lambda *call: calls.append(call))
    assert calls == [("training", 3, 5), ("training", 4, 5), ("training", 5, 5)]


def test_a_file_a_mapping_and_a_config_give_the_same_run(corpus_folder):
    overrides = {"training.max_steps": 3, "data.train.0.weight": 1.5, "seed": 7}
    values = tiny().model_dump(mode="json")
    unchanged = json.loads(json.dumps(values))
    Path("c.yaml").write_text(config.dump(tiny()))
    runs = [
        nmt.train(given, {**overrides, "name": f"run-{number}"})
        for number, given in enumerate(("c.yaml", Path("c.yaml"), values, tiny()))
    ]
    assert values == unchanged and runs[0].folder == Path("runs/run-0")
    saved = config.load_run_config(runs[0])
    assert (saved.seed, saved.training.max_steps, saved.data.train[0].weight) == (7, 3, 1.5)
    assert all(same_state(runs[0], other) for other in runs[1:])


def global_state():
    """Return what `nmt.train` must leave as it was."""
    names = [name for name in signal.Signals if name not in (signal.SIGKILL, signal.SIGSTOP)]
    loggers = [logging.getLogger(name) for name in (None, "nmt", "nmt.training.session")]
    return {
        "torch": torch.get_rng_state().tolist(),
        "numpy": str(np.random.get_state()),
        "random": random.getstate(),
        "dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "gradients": torch.is_grad_enabled(),
        "tf32": torch.backends.cudnn.allow_tf32,
        "signals": [signal.getsignal(name) for name in names],
        "logging": [(logger.level, list(logger.handlers), logger.propagate) for logger in loggers],
        "warnings": list(warnings.filters),
        "environment": dict(os.environ),
        "folder": Path.cwd(),
        "running": [thread.name for thread in threading.enumerate()],
        "streams": (sys.stdout, sys.stderr, sys.excepthook),
    }


@pytest.mark.parametrize("is_failing", [False, True])
def test_the_state_of_the_process_is_restored_and_has_no_influence(
    corpus_folder, whole_run, capfd, monkeypatch, is_failing
):
    handlers = [logging.NullHandler()]  # another test may have called the command line, which adds one
    monkeypatch.setattr(logging.getLogger("nmt"), "handlers", handlers)

    def fail(event):
        if is_failing and isinstance(event, nmt.CheckpointSaved):
            raise KeyError("on_event")

    threads = torch.get_num_threads()
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(2)
    torch.manual_seed(3)
    try:
        with torch.inference_mode(), torch.no_grad():
            before = global_state()
            if is_failing:
                with pytest.raises(KeyError, match="on_event"):
                    nmt.train(tiny(), on_event=fail)
            else:
                assert same_state(whole_run, nmt.train(tiny()))
            after = global_state()
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_num_threads(threads)
    assert before == after
    assert capfd.readouterr() == ("", "")


def test_training_in_another_thread_is_the_same(corpus_folder, whole_run):
    with ThreadPoolExecutor(1) as pool:
        there = pool.submit(nmt.train, tiny("there")).result()
    assert same_state(whole_run, there)


SCRIPT = """
import pathlib, nmt
nmt.train("first.yaml")
nmt.train("second.yaml")
pathlib.Path("test.src").unlink()
nmt.train("second.yaml", {"training.max_steps": 13}, resume=True)  # logs a warning: nmt evaluate will miss a file
"""


def test_trainings_of_one_process_are_independent_and_print_nothing(corpus_folder):
    for number, name in enumerate(("first", "second", "alone"), 1):
        values = tiny(name).model_dump(mode="json") | {"seed": min(number, 2)}
        values["data"]["test"] = {"t": {"source": "test.src", "target": "valid.tgt"}}
        if name == "first":  # worker processes do not import the script, which has no guard
            values["data"] |= {"workers": 2, "prepared": "prepared-by-workers"}
        Path(f"{name}.yaml").write_text(json.dumps(values))
    Path("test.src").write_text(Path("valid.src").read_text())
    environment = {**os.environ, "PYTHONPATH": str(Path(nmt.__file__).parents[1])}

    nmt.train("alone.yaml")
    Path("script.py").write_text(SCRIPT)
    done = subprocess.run([sys.executable, "script.py"], check=True, capture_output=True, text=True, env=environment)
    assert (done.stdout, done.stderr) == ("", "")
    first, second, alone = (Run(Path("runs") / name) for name in ("first", "second", "alone"))
    assert logged(second, "valid", "loss")[:3] == logged(alone, "valid", "loss") != logged(first, "valid", "loss")
    for name in ("model.safetensors", "training/optimizer.safetensors"):
        assert (second.checkpoint("step-12") / name).read_bytes() == (alone.checkpoint("step-12") / name).read_bytes()


@pytest.mark.parametrize("error", [KeyError("mine"), RuntimeError("out of memory"), MemoryError(), KeyboardInterrupt()])
@pytest.mark.parametrize("kind", ["StepLogged", "Validated", "CheckpointSaved"])
def test_an_exception_of_on_event_ends_training_as_an_error_does(corpus_folder, judged_run, monkeypatch, error, kind):
    validate_as(monkeypatch, VALUES)

    def fail(event):
        if type(event).__name__ == kind and event.step > 4:
            raise error

    with pytest.raises(type(error)) as caught:
        nmt.train(tiny("parts"), on_event=fail)
    assert caught.value is error
    run = Run(Path("runs/parts"))
    saved = {"StepLogged": "step-4", "Validated": "step-6", "CheckpointSaved": "step-6"}[kind]
    assert run.checkpoint("last").name == saved and not run.finished.exists()
    last = read_log(run.log)[-1]
    message = str(error) or type(error).__name__
    assert last == {"event": "error", "message": message} or not isinstance(error, Exception)
    assert same_state(judged_run, nmt.train(tiny("parts"), resume=True))


@pytest.mark.parametrize(("kind", "step"), [("TrainingStarted", 1), ("StepLogged", 5), ("Validated", 4)])
def test_on_event_can_stop_training(corpus_folder, whole_run, kind, step):
    stop, events = nmt.StopRequest(), []

    def on_event(event):
        events.append(event)
        if type(event).__name__ == kind:
            stop.set()

    stopped = nmt.train(tiny("parts"), on_event=on_event, stop=stop)
    assert (stopped.is_finished, stopped.reason, stopped.step) == (False, "stopped", step)
    assert stopped.checkpoint("last").name == f"step-{step}" and not stopped.finished.exists()
    assert str(events[-1]) == f"stopped; step {step} is saved in runs/parts/checkpoints"
    assert same_state(whole_run, nmt.train(tiny("parts"), resume=True))


def test_a_request_in_the_last_step_comes_too_late(corpus_folder):
    stop = nmt.StopRequest()
    run = nmt.train(tiny(), on_event=lambda event: stop.set() if step_of(event) == 12 else None, stop=stop)
    assert run.is_finished and run.finished.exists()


def test_another_thread_can_stop_training(corpus_folder):
    stop, has_begun = nmt.StopRequest(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(
            nmt.train,
            tiny(max_steps=100_000, validate_every=100_000, save_every=100_000),
            on_event=lambda event: has_begun.set(),
            stop=stop,
        )
        assert has_begun.wait(60)
        stop.set()
        run = running.result(60)
    assert not run.is_finished and run.checkpoint("last").name == f"step-{run.step}"


def test_a_second_training_in_the_same_process_is_rejected(corpus_folder):
    def train_another(event):
        if isinstance(event, nmt.StepLogged):
            with pytest.raises(nmt.NmtError, match="this process trains already"):
                nmt.train(tiny("other", max_steps=1))
            raise KeyError("rejected")

    with pytest.raises(KeyError, match="rejected"):
        nmt.train(tiny(), on_event=train_another)
    assert nmt.train(tiny("other", max_steps=1)).is_finished


ERRORS = [
    ("missing.yaml", {}, {}, "missing.yaml: no such config file"),
    ({"name": "x"}, {}, {}, "config: data: this key is required"),
    (None, {"training.max_step": 3}, {}, r"^overrides\['training.max_step'\]: training: unknown key .*'max_steps'\?"),
    (None, {"training.max_steps": "x"}, {}, r"^overrides\['training.max_steps'\]: training.max_steps: .*not 'x'"),
    (None, {"seed.x": 3}, {}, r"^overrides\['seed.x'\]: seed is not a section"),
    (None, {}, {"checkpoint": "step-3"}, "add resume=True"),
    (None, {}, {"resume": True}, "nothing to resume"),
    (None, {"data.valid.source": "none.src"}, {}, "data.valid.source: no such file: none.src"),
]


@pytest.mark.parametrize(("given", "overrides", "more", "message"), ERRORS)
def test_mistakes_of_the_caller_are_errors_that_name_the_remedy(corpus_folder, given, overrides, more, message):
    with pytest.raises(nmt.NmtError, match=message):
        nmt.train(tiny() if given is None else given, overrides, **more)
    assert not Path("runs").exists()


def test_a_mapping_that_contains_itself_is_an_error(corpus_folder):
    values = {"name": "x"}
    values["data"] = values
    with pytest.raises(nmt.NmtError, match=r"^config: "):
        nmt.train(values)
