"""The training loop: accumulation, averages, early stopping, plateaus, skipped steps, and running out of memory."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tiny_training import (
    changed,
    logged,
    same_state,
    same_weights,
    tiny,
    validate_as,
    with_model,
    without_dropout,
)

from nmt.config import load_run_config
from nmt.config.model_settings import ModelSettings
from nmt.decoding.loading import load
from nmt.decoding.search_options import SearchOptions
from nmt.errors import NmtError
from nmt.evaluation.metrics import DEFAULTS
from nmt.evaluation.test_sets import evaluate, read_split
from nmt.kernels.out_of_memory import OutOfMemory
from nmt.storage.run_folder import Run, read_log
from nmt.training import session, step_statistics, trainer, validation
from nmt.training.checkpoint import Progress
from nmt.training.session import train
from nmt.training.step_statistics import StepStatistics


def test_gradient_accumulation_gives_the_same_weights(corpus_folder):
    settings = {"precision": "fp32", "max_steps": 6}
    one, four = (train(without_dropout(tiny(f"by-{n}", accumulate=n, **settings))) for n in (1, 4))
    a, b = (load_file(run.checkpoint("last") / "model.safetensors") for run in (one, four))
    for key, weight in a.items():
        assert abs(weight - b[key]).max() < 2e-4


def test_training_stops_when_the_loss_does_not_improve_for_patience_validations(corpus_folder, monkeypatch):
    with monkeypatch.context() as patch:
        validate_as(patch, {step: (float(step), 1.0) for step in range(4, 100, 4)})
        run = train(tiny(metric="loss", patience=1, max_steps=100, clip_norm=0.0))
    assert json.loads(run.finished.read_text())["step"] == 8
    better = train(tiny("better", metric="loss", learning_rate=0.01, patience=2, max_steps=24))
    assert json.loads(better.finished.read_text())["loss"] == min(logged(better, "valid", "loss"))


@pytest.mark.parametrize(("metric", "best", "last_rate"), [("bleu", 8, 1e-3), ("loss", 12, 5e-4)])
def test_higher_bleu_or_lower_loss_is_better_and_a_plateau_lowers_the_learning_rate(
    corpus_folder, monkeypatch, metric, best, last_rate
):
    values = {4: 2.0, 8: 3.0, 12: 1.0}
    validate_as(monkeypatch, {step: (value, value) for step, value in values.items()})
    settings = {"schedule": "plateau", "plateau_patience": 1, "learning_rate": 1e-3, "warmup_steps": 4}
    run = train(tiny(metric=metric, log_every=1, **settings))
    finished = json.loads(run.finished.read_text())
    assert (finished["best_step"], finished[metric]) == (best, values[best])
    assert run.checkpoint("best").name == f"step-{best}"
    rates = logged(run, "train", "learning_rate")
    assert rates == pytest.approx([2.5e-4, 5e-4, 7.5e-4, *[1e-3] * 5, *[last_rate] * 4])


def test_scheduled_sampling_is_used_in_training(corpus_folder):
    def losses(name, **more):
        return logged(train(tiny(name, precision="fp32", max_steps=3, log_every=1, **more)), "train", "loss")

    plain = losses("plain")
    assert losses("kept", teacher_forcing="linear", teacher_decay=1e9) == plain
    assert losses("drawn", teacher_forcing="linear", teacher_decay=1, teacher_floor=0.0)[0] != plain[0]


def test_the_coverage_loss_is_added_after_its_share_of_the_steps(corpus_folder):
    network = {"decoder": {"context_to": "next_input"}, "attention": {"score": "additive", "coverage": True}}

    def losses(name, **more):
        settings = with_model(tiny(name, precision="fp32", max_steps=4, log_every=1), **network)
        return logged(train(changed(settings, training=more)), "train", "smoothed_loss")

    late, never = losses("late", coverage_after=0.5), losses("never", coverage_loss=0.0)
    assert late[:2] == never[:2] and late[2] > never[2]


def test_the_moving_average_and_the_mean_of_the_last_checkpoints_are_validated_and_saved(corpus_folder):
    run = train(tiny(precision="fp32", ema_decay=0.9, average_last=2, keep_last=3))
    plain = load_file(train(tiny("plain", precision="fp32")).checkpoint("last") / "model.safetensors")
    last = run.checkpoint("last")
    raw, used = (load_file(last / name) for name in ("training/weights.safetensors", "model.safetensors"))
    assert all((raw[key] == plain[key]).all() for key in plain)
    assert any((used[key] != plain[key]).any() for key in plain)
    names = [name for name in run.names() if name != "averaged"]
    assert len(names) >= 3
    a, b, mean = (load_file(run.checkpoint(name) / "model.safetensors") for name in (*names[-2:], "averaged"))
    for key in mean:
        np.testing.assert_allclose(mean[key], (a[key] + b[key]) / 2, rtol=0, atol=1e-6)
    entries = {entry["event"]: entry for entry in read_log(run.log)}
    settings = load_run_config(run)
    for event, which in (("valid", "last"), ("averaged", "averaged")):
        translator = load(run.folder, which, engine="torch", precision="fp32")
        greedy = SearchOptions.of(ModelSettings.of(settings)).changed(method="greedy")
        result = evaluate(translator, greedy, read_split(settings, "valid"), DEFAULTS)
        assert result.loss == pytest.approx(entries[event]["loss"], rel=1e-4)
        assert result.scores[0].value == pytest.approx(entries[event]["bleu"], abs=1e-6)


def break_losses(monkeypatch, is_broken):
    """Make the training losses of some calls, counted from 1, not a number."""
    original, calls = trainer.likelihood_loss, itertools.count(1)

    def broken(*arguments):
        loss = original(*arguments)
        factor = float("nan") if is_broken(next(calls)) else 1.0
        return dataclasses.replace(loss, minimised=loss.minimised * factor, nll=loss.nll * factor)

    monkeypatch.setattr(trainer, "likelihood_loss", broken)


def test_training_ends_with_an_error_after_too_many_gradients_that_are_not_finite(corpus_folder, monkeypatch):
    monkeypatch.setattr(step_statistics, "MOST_SKIPPED", 3)
    break_losses(monkeypatch, lambda call: True)
    with pytest.raises(NmtError, match=r"no finite gradient in 3 steps.*fp32$"):
        train(tiny(precision="fp32", max_steps=30))


def test_steps_that_a_gpu_skips_are_counted_over_lines_of_the_log(tmp_path):
    progress = Progress()
    statistics = StepStatistics(Run(tmp_path), progress, torch.device("cpu"))
    statistics.is_on_cpu = False  # as on a GPU, whose norms are not examined one by one
    with pytest.raises(NmtError, match="no finite gradient in 20 steps, up to step 20"):
        while progress.step < 30:
            for _ in range(5):
                assert statistics.add(torch.zeros(3, dtype=torch.float64), torch.tensor(torch.nan), 100)
                progress.step += 1
            statistics.finish_interval(0.1, 30)


def test_a_skipped_step_is_not_in_the_logged_loss(corpus_folder, monkeypatch):
    break_losses(monkeypatch, lambda call: call == 2)
    run = train(tiny(precision="fp32", max_steps=4, validate_every=4, log_every=4))
    [entry] = [entry for entry in read_log(run.log) if entry["event"] == "train"]
    assert entry["skipped"] == 1 and 1.0 < entry["loss"] < 5.0


def test_freed_memory_is_returned_at_intervals(corpus_folder, monkeypatch):
    calls = []
    monkeypatch.setattr(trainer, "return_freed_memory", lambda: calls.append(1))
    monkeypatch.setattr(trainer, "RETURN_EVERY", 2)
    train(tiny(precision="fp32", max_steps=5, validate_every=5))
    assert len(calls) == 2


def test_fp16_scales_the_loss_and_a_resumed_run_keeps_the_scale(corpus_folder, monkeypatch):
    """On a CPU, which has no fp16 in oneDNN, and of which users get an error."""
    with pytest.raises(NmtError, match="fp16 is for GPUs"):
        train(tiny("half", precision="fp16"))
    monkeypatch.setattr(session, "check_trainable", lambda *_: None)
    values = {"validation_bleu": False, "metric": "loss", "validate_every": 4, "log_every": 4, "save_every": 4}
    torch._C._set_mkldnn_enabled(False)  # torch.backends.mkldnn.flags warns about other settings
    try:
        half, whole = (
            train(without_dropout(tiny(name, precision=name, max_steps=4, **values))) for name in ("fp16", "fp32")
        )
        states = [json.loads((half.checkpoint("last") / "training" / "state.json").read_text())["loss_scale"]]
        resumed = train(without_dropout(tiny("fp16", precision="fp16", max_steps=6, **values)), resume=True)
    finally:
        torch._C._set_mkldnn_enabled(True)
    np.testing.assert_allclose(logged(half, "train", "loss"), logged(whole, "train", "loss"), rtol=1e-3)
    states.append(json.loads((resumed.checkpoint("last") / "training" / "state.json").read_text())["loss_scale"])
    assert [(state["scale"], state["_growth_tracker"]) for state in states] == [(65536.0, 4), (65536.0, 6)]
    assert "loss_scale" not in json.loads((whole.checkpoint("last") / "training" / "state.json").read_text())


ALLOCATION_FAILED = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes.")
NO_PRIMITIVE = RuntimeError("could not create a primitive")


def limit_memory(monkeypatch, fails, error=ALLOCATION_FAILED):
    """Let the training loss raise `error` if `fails` of the number of the call, counted from 1, and the batch size."""
    original, calls = trainer.likelihood_loss, itertools.count(1)

    def limited(model, batch, settings, step):
        if fails(next(calls), len(batch.source)):
            raise error
        return original(model, batch, settings, step)

    monkeypatch.setattr(trainer, "likelihood_loss", limited)


def test_if_memory_runs_out_a_step_is_taken_with_more_microbatches(corpus_folder, monkeypatch, messages):
    def settings(name):
        return without_dropout(tiny(name, precision="fp32", max_steps=4, validate_every=4, log_every=4))

    whole = train(settings("whole"))
    # The whole batch does not fit, and the second of its halves fails when the gradients of the first are computed.
    limit_memory(monkeypatch, lambda call, pairs: pairs > 20 or call == 3)
    parts = train(settings("parts"))
    assert any("4 of 4 steps before step 4 were taken in up to 4 parts" in line for line in messages)
    weights = [load_file(run.checkpoint("last") / "model.safetensors") for run in (whole, parts)]
    for name, weight in weights[0].items():
        np.testing.assert_allclose(weight, weights[1][name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ALLOCATION_FAILED, r"step 6: out of memory for one pair at a time, of up to \d+ source"),
        (NO_PRIMITIVE, r"after step 5: out of memory \(could not create a primitive\); use smaller batches"),
        (MemoryError(), "step 6: out of memory for one pair at a time"),
    ],
)
def test_if_memory_runs_out_for_good_the_last_finished_step_is_saved(
    corpus_folder, whole_run, monkeypatch, error, message
):
    with monkeypatch.context() as patch, pytest.raises(OutOfMemory, match=message) as caught:
        limit_memory(patch, lambda call, pairs: call > 5, error)
        train(tiny("parts"))
    assert str(caught.value).endswith("; step 5 is saved: resume with --resume")
    assert Run(corpus_folder / "runs" / "parts").checkpoint("last").name == "step-5"
    resumed = train(tiny("parts"), resume=True)
    assert same_state(whole_run, resumed) and whole_run.names() == resumed.names()


def test_if_memory_runs_out_in_the_first_step_nothing_is_saved(corpus_folder, monkeypatch):
    limit_memory(monkeypatch, lambda call, pairs: True)
    with pytest.raises(OutOfMemory, match=r"step 1: out of memory for one pair .*; no checkpoint is saved yet$"):
        train(tiny())
    assert not Run(corpus_folder / "runs" / "run").can_resume


def test_a_checkpoint_that_is_saved_already_is_not_saved_again_if_memory_runs_out(corpus_folder, monkeypatch):
    whole = train(tiny("whole", average_last=3, keep_last=3))
    with monkeypatch.context() as patch, pytest.raises(OutOfMemory, match="step 6 is saved"):
        limit_memory(patch, lambda call, pairs: call > 6)
        train(tiny("parts", average_last=3, keep_last=3))
    resumed = train(tiny("parts", average_last=3, keep_last=3), resume=True)
    assert whole.names() == resumed.names() and same_weights(whole, resumed, "averaged")


@pytest.mark.parametrize("function", ["cross_entropy", "validation_bleu"])
def test_if_memory_runs_out_in_validation_the_step_is_saved_and_validated_on_resuming(
    corpus_folder, whole_run, monkeypatch, function
):
    def fail(*_):
        raise NO_PRIMITIVE

    with monkeypatch.context() as patch, pytest.raises(OutOfMemory, match="step 4 is saved: resume with --resume"):
        patch.setattr(validation, function, fail)
        train(tiny("parts"))
    resumed = train(tiny("parts"), resume=True)
    assert same_state(whole_run, resumed)


def test_the_validation_loss_is_the_same_if_memory_runs_out_for_whole_batches(corpus_folder, monkeypatch):
    whole = train(tiny("whole", precision="fp32", max_steps=4))
    original = validation.cross_entropy

    def limited(model, unrolled, batch):
        if len(batch.source) > 6:
            raise ALLOCATION_FAILED
        return original(model, unrolled, batch)

    monkeypatch.setattr(validation, "cross_entropy", limited)
    parts = train(tiny("parts", precision="fp32", max_steps=4))
    assert logged(whole, "valid", "loss") == pytest.approx(logged(parts, "valid", "loss"), rel=1e-5)
