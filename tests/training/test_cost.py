"""The cost of a run is estimated before its first step, and the estimate leaves no trace."""

import dataclasses
import time
from itertools import chain
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from tiny_training import interrupted, same_state, tiny

import nmt
from nmt import config
from nmt.cli import training_display
from nmt.cli.train import command
from nmt.errors import NmtError
from nmt.storage.history import History
from nmt.training import cost, session
from nmt.training.cost import times_of
from nmt.training.restored_state import restored
from nmt.training.trainer import Trainer

EVERYTHING = {
    "ema_decay": 0.9, "accumulate": 2, "schedule": "plateau", "plateau_patience": 1, "metric": "loss", "r_drop": 1.0,
    "subword": {"sampling": 0.2}, "optimizer": "adamw", "max_steps": 6,
}  # fmt: skip
"""Settings with all the state that an estimate must restore."""
MIDDAY = time.mktime((2026, 3, 5, 12, 0, 0, 0, 0, -1))
COST = nmt.CostEstimated(
    step=0, max_steps=3000, seconds_per_step=0.2, tokens_per_second=4200.0, validations=6, seconds_per_validation=30.0,
    device="cpu", memory=641_000_000, checkpoint_size=21_740_000, run_size=1_250_000_000, time=MIDDAY,
)  # fmt: skip


@pytest.fixture
def estimated(monkeypatch):
    """Let short runs be estimated, too, with few steps."""
    monkeypatch.setattr(session, "SHORT_RUN", 0)
    monkeypatch.setattr(cost, "MOST_BATCHES", 2)


def estimates(events):
    return [event for event in events if isinstance(event, nmt.CostEstimated)]


def test_a_run_gives_the_same_weights_with_and_without_an_estimate(corpus_folder, monkeypatch):
    plain = nmt.train(tiny("plain", **EVERYTHING))
    interrupted(monkeypatch, tiny("parts", **EVERYTHING), 3)
    monkeypatch.setattr(session, "SHORT_RUN", 0)
    monkeypatch.setattr(cost, "MOST_BATCHES", 1)
    events = []
    assert same_state(plain, nmt.train(tiny("estimated", **EVERYTHING), on_event=events.append))
    assert [type(event).__name__ for event in events[:2]] == ["TrainingStarted", "CostEstimated"]
    # Before step 5 there is no line in the log, so the resumed run is measured, too.
    assert same_state(plain, nmt.train(tiny("parts", **EVERYTHING), resume=True, on_event=events.append))
    assert [(event.step, event.memory is None) for event in estimates(events)] == [(0, False), (3, False)]


def test_the_state_is_restored_after_an_error():
    def state(values):
        return [value.clone() for value in values]

    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for steps in (0, 1):  # without and with a state of the optimizer
        before, random = state(model.parameters()), torch.get_rng_state()
        moments = [state(values.values()) for values in optimizer.state.values()]
        with pytest.raises(ZeroDivisionError), restored(model, None, optimizer, torch.device("cpu")) as size:
            assert size == 4 * 6 + steps * 2 * (4 + 4 * 6)
            take_step(model, optimizer)
            optimizer.param_groups[0]["lr"] = 7.0
            1 / 0  # noqa: B018
        assert all(map(torch.equal, before, model.parameters())) and torch.equal(random, torch.get_rng_state())
        after = [state(values.values()) for values in optimizer.state.values()]
        assert len(after) == 2 * steps and optimizer.param_groups[0]["lr"] == 0.1
        assert all(map(torch.equal, chain(*moments), chain(*after)))
        assert all(weight.grad is None for weight in model.parameters())
        take_step(model, optimizer)


def take_step(model, optimizer):
    model(torch.rand(3, 2)).sum().backward()
    optimizer.step()


def test_only_runs_of_some_length_are_estimated(corpus_folder, monkeypatch):
    monkeypatch.setattr(session, "estimate", lambda *_: COST)
    for steps, count in ((199, 0), (200, 1)):
        events, stop = [], nmt.StopRequest()
        stop.set()
        nmt.train(tiny(f"run-{steps}", max_steps=steps), on_event=events.append, stop=stop)
        assert estimates(events) == [COST] * count


def test_a_dry_run_estimates_the_run_and_keeps_only_the_prepared_data(corpus_folder, estimated):
    settings, events = tiny(ema_decay=0.9, average_last=1, max_steps=8), []
    found = nmt.estimate_cost(settings, on_event=events.append)
    assert not Path("runs").exists() and settings.prepared.is_dir()
    assert [type(event).__name__ for event in events] == ["TrainingStarted"]
    assert (found.step, found.max_steps, found.validations, found.device) == (0, 8, 2, "cpu")
    assert found.seconds > found.seconds_of_steps > 0 and found.memory > 10_000_000
    run = nmt.train(settings)
    tensors = sum(path.stat().st_size for path in run.checkpoint("last").rglob("*.safetensors"))
    assert found.checkpoint_size == pytest.approx(tensors, rel=0.15)  # each file has a header
    on_disk = sum(path.stat().st_size for path in run.checkpoints.rglob("*.safetensors"))
    assert on_disk < found.run_size < 4 * on_disk


def test_a_resumed_run_goes_by_the_speed_in_its_log(corpus_folder, estimated, monkeypatch):
    interrupted(monkeypatch, tiny(log_every=2), 9)
    before = sorted(Path("runs/run").rglob("*"))
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", lambda *_: pytest.fail("a step was taken"))
        found = nmt.estimate_cost(tiny(log_every=2), resume=True)
    assert (found.step, found.validations, found.memory) == (9, 1, None)
    assert sorted(Path("runs/run").rglob("*")) == before
    monkeypatch.setattr(cost, "MACHINE", ("device", "seed"))
    other = config.parse(tiny(log_every=2).model_dump(mode="json"), "test")
    assert nmt.estimate_cost(other, resume=True).memory is None
    monkeypatch.setattr(nmt.TrainingStarted, "facts", lambda self: {"device": "cuda", "seed": 1})
    events = []  # another machine: measured
    nmt.train(other, resume=True, on_event=events.append)
    assert [event.memory is not None for event in estimates(events)] == [True]


def test_a_stop_request_ends_the_measurement(corpus_folder, estimated):
    events, stop = [], nmt.StopRequest()
    stop.set()
    assert nmt.train(tiny(), on_event=events.append, stop=stop).step == 1
    assert [type(event).__name__ for event in events[:2]] == ["TrainingStarted", "CheckpointSaved"]


def test_the_times_in_a_log() -> None:
    def line(step, seconds, speed=100.0):
        return {"event": "train", "step": step, "tokens": 1000, "tokens_per_second": speed, "seconds": seconds}

    valid = [{"event": "valid", "step": 20, "loss": 1.0}]
    train = [line(10, 10.0), line(20, 20.0), line(30, 37.0), line(40, 47.0)]
    assert times_of(History("x", train, valid)) == (1.0, 100.0, pytest.approx(7.0))
    assert times_of(History("x", train, [])) == (1.0, 100.0, None)
    assert times_of(History("x", [line(10, 20.0, speed=50.0)])) == (2.0, 100.0, None)
    assert times_of(History("x")) is None


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({}, "1,000 steps in 0:03:20, 4,200 target tokens/s; step 3,000 at 12:10 without validations"),
        ({}, "validations, at 12:13 with 6 validations of 0:00:30"),
        ({}, "memory about 641 MB, checkpoint 22 MB, run folder up to 1.2 GB"),
        ({"device": "cuda"}, "GPU memory about 641 MB"),
        ({"step": 1500, "validations": 1}, "step 3,000 at 12:05 without validations, at 12:05 with 1 validation of"),
        ({"seconds_per_validation": None}, "step 3,000 at 12:10 without validations\n"),
        ({"seconds_per_step": 30.0}, "step 3,000 at 2026-03-06 13:00 without validations"),
        ({"memory": None, "checkpoint_size": 90_000}, "estimated size: checkpoint 90 kB, run folder"),
    ],
)  # fmt: skip
def test_the_text_of_an_estimate(changes, part):
    assert part in str(dataclasses.replace(COST, **changes))


def test_too_little_disk_space_is_reported(corpus_folder, estimated, monkeypatch, messages):
    monkeypatch.setattr(cost.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 20_000})())
    nmt.estimate_cost(tiny())
    [warning] = [message for message in messages if message.startswith("warning")]
    assert "20 kB of disk space are free, but the run may need" in warning and "training.keep_last" in warning


def test_the_option_dry_run_prints_the_estimate(corpus_folder, estimated, monkeypatch):
    for name in ("keep_freed_memory", "share_cores"):
        monkeypatch.setattr(training_display, name, lambda *_: None)
    Path("c.yaml").write_text(config.dump(tiny()))
    result = CliRunner().invoke(command, ["--config", "c.yaml", "--dry-run"], catch_exceptions=False)
    assert result.exit_code == 0 and result.stdout.startswith("estimated time: 1,000 steps in ")
    assert not Path("runs").exists()
    wrong = CliRunner().invoke(command, ["--config", "c.yaml", "--dry-run", "--resume", "--checkpoint", "best"])
    assert wrong.exit_code == 2 and "leave out --checkpoint" in wrong.stderr
    Path("runs/run/checkpoints").mkdir(parents=True)
    Path("runs/run/checkpoints/last").touch()
    with pytest.raises(NmtError, match="holds a run already"):
        CliRunner().invoke(command, ["--config", "c.yaml", "--dry-run"], catch_exceptions=False, standalone_mode=False)
