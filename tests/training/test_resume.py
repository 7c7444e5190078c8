"""A run that is interrupted or killed at any time and resumed gives the same result, to the bit."""

import errno
import itertools
import json
import shutil
from pathlib import Path

import pytest
from tiny_training import (
    Killed,
    before_step,
    interrupt,
    interrupt_validation,
    interrupted,
    logged,
    same_state,
    same_weights,
    tiny,
    untimed,
    validate_as,
    with_model,
    write_corpus,
)

from nmt.errors import NmtError
from nmt.storage.run_folder import Run, read_log
from nmt.training import checkpoint, trainer
from nmt.training.checkpoint import Progress
from nmt.training.session import train

VARIANTS = {
    "plain": ({}, {}, (1, 5, 9)),
    "fp32": ({"precision": "fp32"}, {}, (5,)),
    "moving average, accumulation, plateau": (
        {"ema_decay": 0.9, "accumulate": 3, "schedule": "plateau", "plateau_patience": 1, "metric": "loss"},
        {},
        (5, 9),
    ),
    "R-Drop, scheduled sampling": (
        {"r_drop": 1.0, "teacher_forcing": "linear", "teacher_decay": 20, "ema_decay": 0.9},
        {},
        (5,),
    ),
    "sampled subwords, AdamW": (
        {"subword": {"sampling": 0.2}, "optimizer": "adamw", "weight_decay": 0.01},
        {},
        (9,),
    ),
    "copying, coverage": (
        {},
        {
            "decoder": {"copy_source": True, "context_to": "next_input"},
            "attention": {"score": "additive", "coverage": True},
        },
        (8,),
    ),
    "transformer": (
        {},
        {
            "encoder": {"kind": "transformer", "heads": 2, "feed_forward": 16},
            "decoder": {"kind": "transformer", "heads": 2, "feed_forward": 16},
        },
        (8,),
    ),
    "minimum risk": ({"objective": "risk", "risk_samples": 3, "init_from": "first"}, {}, (8,)),
}
"""Settings of training and of the model, and the steps in which training is interrupted."""


@pytest.mark.parametrize("variant", VARIANTS)
def test_interrupted_and_resumed_equals_never_interrupted(corpus_folder, whole_run, monkeypatch, variant):
    training, model, steps = VARIANTS[variant]
    if "init_from" in training:
        Path(training["init_from"]).symlink_to(whole_run.folder)
    is_plain = not training and not model
    whole = whole_run if is_plain else train(with_model(tiny("whole", **training), **model))
    for step in steps:
        settings = with_model(tiny(f"interrupted-{step}", **training), **model)
        interrupted(monkeypatch, settings, step)
        parts = train(settings, resume=True)
        assert same_state(whole, parts)
        assert whole.checkpoint("best").name == parts.checkpoint("best").name


@pytest.mark.parametrize(("step", "when"), [(4, "during"), (12, "before"), (12, "during"), (12, "during, then killed")])
def test_an_interrupted_validation_is_repeated(corpus_folder, monkeypatch, step, when):
    settings = {name: tiny(name, average_last=2) for name in ("whole", "parts")}
    whole = train(settings["whole"])
    during = interrupt if when == "before" else interrupt_validation
    stopped = interrupted(monkeypatch, settings["parts"], step, during=during)
    validated = logged(stopped, "valid", "step")
    assert step not in validated and len(validated) == step // 4 - 1
    if "killed" in when:
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(checkpoint, "save", kill)
            train(settings["parts"], resume=True)
    parts = train(settings["parts"], resume=True)
    assert untimed(whole.log) == untimed(parts.log)
    assert all(same_weights(whole, parts, which) for which in ("best", "last", "averaged"))


def kill(*_):
    raise Killed


def test_a_killed_run_loses_only_the_steps_since_its_last_checkpoint(corpus_folder, whole_run, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(Killed):
        before_step(patch, 6, kill)
        train(tiny("parts"))
    unfinished = corpus_folder / "runs" / "parts" / "checkpoints" / ".step-6.tmp"
    unfinished.mkdir()
    assert Run(corpus_folder / "runs" / "parts").checkpoint("last").name == "step-4"
    assert same_state(whole_run, train(tiny("parts"), resume=True))
    assert not unfinished.exists()


@pytest.mark.parametrize("steps", [(7,), (4, 5), (10, 11)])
def test_a_checkpoint_saved_because_of_a_signal_is_temporary(corpus_folder, monkeypatch, steps):
    settings = {"average_last": 3, "keep_last": 3}
    whole = train(tiny("whole", **settings))
    for number, step in enumerate(steps):
        run = interrupted(monkeypatch, tiny("parts", **settings), step, resume=number > 0)
        assert run.checkpoint("last").name == f"step-{step}"
    parts = train(tiny("parts", **settings), resume=True)
    assert parts.names() == whole.names() and same_weights(whole, parts, "averaged")


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux")
def test_no_checkpoint_file_is_kept_open_after_resuming(corpus_folder, monkeypatch):
    interrupted(monkeypatch, tiny(), step=5)
    maps = []
    before_step(monkeypatch, 6, lambda: maps.append(Path("/proc/self/maps").read_text()))
    train(tiny(), resume=True)
    assert len(maps) == 1 and "/checkpoints/" not in maps[0]


def test_a_run_that_has_run_out_of_patience_is_not_continued(corpus_folder, monkeypatch):
    settings = {"metric": "loss", "patience": 1, "max_steps": 100, "average_last": 1}
    validate_as(monkeypatch, dict.fromkeys(range(100), (2.0, 1.0)))
    whole = train(tiny("whole", **settings))
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(trainer, "load_mean", kill)
        train(tiny("parts", **settings))
    parts = train(tiny("parts", **settings), resume=True)
    assert untimed(whole.log) == untimed(parts.log) and whole.names() == parts.names()
    assert json.loads(parts.finished.read_text())["reason"] == json.loads(whole.finished.read_text())["reason"]
    train(tiny("parts", **settings | {"patience": 2}), resume=True)
    assert (whole.checkpoint("last").name, parts.checkpoint("last").name) == ("step-8", "step-12")


def test_events_after_the_last_step_are_logged_once(corpus_folder):
    settings = tiny(average_last=2)
    run = train(settings)
    run.finished.unlink()  # as if the process had been killed before it was written
    train(settings, resume=True)
    events = [entry["event"] for entry in read_log(run.log)]
    assert events.count("averaged") == events.count("end") == 1


def test_a_failed_attempt_to_resume_leaves_the_run_unchanged(corpus_folder):
    run = train(tiny(max_steps=6))
    damaged = run.checkpoint("last") / "training" / "optimizer.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    before = run.config_file.read_bytes()
    with pytest.raises(NmtError, match="damaged"):
        train(tiny(max_steps=9), resume=True)
    assert run.finished.is_file() and run.config_file.read_bytes() == before


def test_a_checkpoint_that_was_being_replaced_is_found(corpus_folder):
    run = train(tiny(max_steps=6))
    last = run.checkpoint("last")
    last.rename(last.with_name(f".{last.name}.old.tmp"))
    assert train(tiny(max_steps=9), resume=True).checkpoint("last").name == "step-9"
    assert not list(run.checkpoints.glob(".*"))


FILES = ["model.safetensors", "meta.json", "training/state.json", "training/optimizer.safetensors"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a folder with a run of 9 steps and one of the first 6."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_corpus()
        train(tiny("whole", max_steps=9))
        train(tiny(max_steps=6))
    return folder


@pytest.mark.parametrize("harm", ["cut", "flipped", "removed"])
def test_a_damaged_checkpoint_is_reported_and_the_one_before_suggested(trained, tmp_path, monkeypatch, harm):
    for name in FILES:
        monkeypatch.chdir(shutil.copytree(trained, tmp_path / name.replace("/", "-"), symlinks=True))
        path = Run(Path("runs/run")).checkpoint("last") / name
        content = path.read_bytes()
        if harm == "removed":
            path.unlink()
        else:
            middle = len(content) // 2
            flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
            path.write_bytes(content[:middle] if harm == "cut" else flipped)
        expected = rf"step-6/{name}: damaged or missing: .* --resume --checkpoint step-4\)|no check"
        with pytest.raises(NmtError, match=expected):
            train(tiny(max_steps=9), resume=True)
    whole, again = Run(Path("runs/whole")), train(tiny(max_steps=9), resume=True, checkpoint="step-4")
    assert same_state(whole, again) and whole.checkpoint("best").name == again.checkpoint("best").name


def test_a_full_disk_destroys_no_checkpoint(corpus_folder, monkeypatch):
    settings = {name: tiny(name, max_steps=6, save_every=3, validate_every=6) for name in ("whole", "parts")}
    whole = train(settings["whole"])
    original, calls = checkpoint.save_file, itertools.count(1)

    def full(tensors, path):
        if next(calls) == 2:
            path.write_bytes(b"half of it")
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        original(tensors, path)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_file", full)
        with pytest.raises(NmtError, match=r"optimizer\.safetensors: cannot be written: No space left.* --resume"):
            train(settings["parts"])
    run = Run(corpus_folder / "runs" / "parts")
    assert [path.name for path in run.checkpoints.iterdir() if path.is_dir()] == ["step-3"]
    assert same_state(whole, train(settings["parts"], resume=True))


STATE_KEYS = {
    *("step", "position", "best", "best_loss", "best_step", "misses", "plateaus", "plateau_misses", "seconds", "sums"),
    *("since", "is_unjudged", "passing", "skipped"),
}


def test_the_keys_of_a_saved_state_are_those_of_earlier_versions():
    progress = Progress(step=7, stalled_validations=2, log_sums=[1.0], tokens_since_log=5, steps_since_log=3)
    progress.needs_validation, progress.interim_step, progress.skipped_steps = True, 7, 1
    values = progress.to_json()
    assert values.keys() == STATE_KEYS
    expected = {"misses": 2, "sums": [1.0], "since": [5, 3], "is_unjudged": True, "passing": 7, "skipped": 1}
    assert {key: values[key] for key in expected} == expected
    assert Progress.from_json(json.loads(json.dumps(values))) == progress
