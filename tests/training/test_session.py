"""A whole run on a tiny corpus: it learns, it can be stopped anywhere and goes on to the bit, it guards its folder."""

import dataclasses
import errno
import itertools
import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tiny_training import break_off, equal, run, stop_after, tiny, untimed, with_model, write_corpus

from nmt import config
from nmt.data.prepared_data import Prepared
from nmt.data.subword import Vocabularies
from nmt.decoding.translator import Settings, Translator
from nmt.errors import NmtError
from nmt.evaluation.metrics import DEFAULTS
from nmt.evaluation.test_sets import evaluate, read_split
from nmt.models.weights import load_model
from nmt.storage.run_folder import Run, find_run, read_log
from nmt.training import checkpoint, trainer
from nmt.training.session import train
from nmt.training.signals import Interrupted
from nmt.training.trainer import Trainer
from nmt.training.validation import Result

VARIANTS = {
    "plain": {},
    "fp32": {"precision": "fp32"},
    "ema, accumulated, plateau": {
        "ema_decay": 0.9,
        "accumulate": 3,
        "schedule": "plateau",
        "plateau_patience": 1,
        "metric": "loss",
    },
    "r-drop, scheduled sampling": {
        "r_drop": 1.0,
        "teacher_forcing": "linear",
        "teacher_decay": 20,
        "ema_decay": 0.9,
    },
    "sampled, adamw": {"subword": {"sampling": 0.2}, "optimizer": "adamw", "weight_decay": 0.01},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_stopped_and_resumed_equals_never_stopped(here, monkeypatch, variant):
    settings = VARIANTS[variant]
    whole = run(tiny("whole", **settings))
    for step in (0, 4, 8):
        name = f"stopped-{step}"
        with monkeypatch.context() as patch:
            stop_after(patch, step)
            with pytest.raises(Interrupted):
                run(tiny(name, **settings))
        parts = run(tiny(name, **settings), resume=True)
        assert equal(whole, parts)
        assert untimed(whole.log) == untimed(parts.log)
        assert whole.checkpoint("best").name == parts.checkpoint("best").name


@pytest.mark.parametrize("when", ["before", "meanwhile", "meanwhile, then killed"])
@pytest.mark.parametrize("step", [4, 12])
def test_a_validation_broken_off_is_made_up_for(here, monkeypatch, step, when):
    whole = run(tiny("whole", average_last=2))
    with monkeypatch.context() as patch:
        if when == "before":
            stop_after(patch, step - 1)
        else:
            break_off(patch, step)
        with pytest.raises(Interrupted):
            run(tiny("parts", average_last=2))
    judged = [entry["step"] for entry in read_log(here / "runs" / "parts" / "log.jsonl") if entry["event"] == "valid"]
    assert step not in judged and len(judged) == step // 4 - 1
    if "killed" in when:

        def killed(self, is_due):
            raise MemoryError

        with monkeypatch.context() as patch, pytest.raises(MemoryError):
            patch.setattr(Trainer, "_save", killed)
            run(tiny("parts", average_last=2), resume=True)
    parts = run(tiny("parts", average_last=2), resume=True)
    assert untimed(whole.log) == untimed(parts.log)
    for which in ("best", "last", "averaged"):
        a, b = (load_file(found.checkpoint(which) / "model.safetensors") for found in (whole, parts))
        assert all((a[key] == b[key]).all() for key in a)


def test_a_crash_between_saves_loses_only_what_was_not_saved(here, monkeypatch):
    whole = run(tiny("whole"))
    update = Trainer._update

    def crash(self, batch):
        if self.progress.step == 5:
            raise MemoryError
        update(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_update", crash)
        with pytest.raises(MemoryError):
            run(tiny("parts"))
    leftover = here / "runs" / "parts" / "checkpoints" / ".step-6.tmp"
    leftover.mkdir()
    parts = run(tiny("parts"), resume=True)
    assert untimed(whole.log) == untimed(parts.log)
    assert not leftover.exists()


def test_it_learns_and_is_found(here, monkeypatch):
    monkeypatch.delenv("NMT_MODEL", raising=False)
    with pytest.raises(NmtError, match="nmt train"):
        find_run(None)
    found = run(tiny(max_steps=60, learning_rate=0.02, validate_every=30, average_last=2))
    losses = [entry["loss"] for entry in read_log(found.log) if entry["event"] == "train"]
    assert losses[-1] < 0.8 * losses[0]
    assert find_run(None)[:2] == (Run(Path("runs/run")), "best")
    assert json.loads(found.finished.read_text())["step"] == 60
    assert found.names()[-3:] == ["step-57", "step-60", "averaged"]
    assert (found.folder / "report.html").is_file()
    assert found.lexicon.is_file()
    assert not [path for path in found.folder.rglob("*") if path.suffix in (".pt", ".pkl", ".bin")]


def test_accumulation_gives_the_same_weights(here):
    free = {"precision": "fp32", "max_steps": 6}
    settings = tiny("one", **free).model_dump(mode="json")
    settings["model"]["dropout"] = {"embedding": 0.0, "layer": 0.0, "output": 0.0}
    one = run(config.parse(settings, "test"))
    settings["name"], settings["training"]["accumulate"] = "four", 4
    four = run(config.parse(settings, "test"))
    a, b = (load_file(r.checkpoint("last") / "model.safetensors") for r in (one, four))
    for key, weight in a.items():
        assert abs(weight - b[key]).max() < 2e-4


@pytest.mark.parametrize("steps", [(7,), (4, 5), (10, 11)])
def test_checkpoints_of_signals_take_no_part(here, monkeypatch, steps):
    settings = {"average_last": 3, "keep_last": 3}
    whole = run(tiny("whole", **settings))
    for number, step in enumerate(steps):
        with monkeypatch.context() as patch:
            stop_after(patch, step - 1)
            with pytest.raises(Interrupted):
                run(tiny("parts", **settings), resume=number > 0)
        assert Run(here / "runs" / "parts").checkpoint("last").name == f"step-{step}"
    parts = run(tiny("parts", **settings), resume=True)
    assert parts.names() == whole.names()
    a, b = (load_file(found.checkpoint("averaged") / "model.safetensors") for found in (whole, parts))
    assert all((a[key] == b[key]).all() for key in a)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux")
def test_nothing_lies_in_the_files_that_were_resumed_from(here, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        stop_after(patch, 4)
        run(tiny())
    held = []
    update = Trainer._update

    def look(self, batch):
        held.append([line for line in Path("/proc/self/maps").read_text().split("\n") if "/checkpoints/" in line])
        update(self, batch)

    monkeypatch.setattr(Trainer, "_update", look)
    run(tiny(), resume=True)
    assert len(held) == 7 and not any(held)


def test_a_run_out_of_patience_has_ended(here, monkeypatch):
    settings = {"metric": "loss", "patience": 1, "max_steps": 100, "average_last": 1}
    monkeypatch.setattr(Trainer, "_validate", lambda self, _: Result(2.0, 1.0, []))
    whole = run(tiny("whole", **settings))

    def killed(self, journal):
        raise MemoryError

    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr(Trainer, "_average_last", killed)
        run(tiny("parts", **settings))
    parts = run(tiny("parts", **settings), resume=True)
    assert untimed(whole.log) == untimed(parts.log) and whole.names() == parts.names()
    assert json.loads(parts.finished.read_text())["reason"] == json.loads(whole.finished.read_text())["reason"]
    run(tiny("parts", **settings | {"patience": 2}), resume=True)
    assert (whole.checkpoint("last").name, parts.checkpoint("last").name) == ("step-8", "step-12")


def test_early_stopping_knows_the_direction(here, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_validate", lambda self, _: Result(float(self.progress.step), 1.0, []))
        found = run(tiny(metric="loss", patience=1, max_steps=100, clip_norm=0.0))
    finished = json.loads(found.finished.read_text())
    assert finished["step"] == 8
    better = run(tiny("better", metric="loss", learning_rate=0.01, patience=2, max_steps=24))
    values = [entry["loss"] for entry in read_log(better.log) if entry["event"] == "valid"]
    assert json.loads(better.finished.read_text())["loss"] == min(values)


@pytest.mark.parametrize(("metric", "best", "last_rate"), [("bleu", 8, 1e-3), ("loss", 12, 5e-4)])
def test_bleu_rises_loss_falls_and_a_plateau_acts(here, monkeypatch, metric, best, last_rate):
    values = {4: 2.0, 8: 3.0, 12: 1.0}
    monkeypatch.setattr(Trainer, "_validate", lambda self, _: Result(*[values[self.progress.step]] * 2, []))
    settings = {"schedule": "plateau", "plateau_patience": 1, "learning_rate": 1e-3, "warmup_steps": 4}
    found = run(tiny(metric=metric, log_every=1, **settings))
    finished = json.loads(found.finished.read_text())
    assert (finished["best_step"], finished[metric]) == (best, values[best])
    assert found.checkpoint("best").name == f"step-{best}"
    rates = [entry["learning_rate"] for entry in read_log(found.log) if entry["event"] == "train"]
    assert rates == pytest.approx([2.5e-4, 5e-4, 7.5e-4, *[1e-3] * 5, *[last_rate] * 4])


def test_scheduled_sampling_acts_in_training(here):
    def losses(name, **more):
        found = run(tiny(name, precision="fp32", max_steps=3, log_every=1, **more))
        return [entry["loss"] for entry in read_log(found.log) if entry["event"] == "train"]

    plain = losses("plain")
    assert losses("kept", teacher_forcing="linear", teacher_decay=1e9) == plain
    assert losses("drawn", teacher_forcing="linear", teacher_decay=1, teacher_floor=0.0)[0] != plain[0]


def test_what_is_validated_and_kept(here):
    """The moving average of the weights, and in the end the mean of the last checkpoints."""
    found = run(tiny(precision="fp32", ema_decay=0.9, average_last=2, keep_last=3))
    plain = load_file(run(tiny("plain", precision="fp32")).checkpoint("last") / "model.safetensors")
    last = found.checkpoint("last")
    raw, used = (load_file(last / name) for name in ("training/weights.safetensors", "model.safetensors"))
    assert all((raw[key] == plain[key]).all() for key in plain) and any(
        (used[key] != plain[key]).any() for key in plain
    )
    names = [name for name in found.names() if name != "averaged"]
    assert len(names) >= 3
    a, b, mean = (load_file(found.checkpoint(name) / "model.safetensors") for name in (*names[-2:], "averaged"))
    for key in mean:
        np.testing.assert_allclose(mean[key], (a[key] + b[key]) / 2, rtol=0, atol=1e-6)
    said = {entry["event"]: entry for entry in read_log(found.log)}
    for event, which in (("valid", "last"), ("averaged", "averaged")):
        translator = Translator.load([(found, found.checkpoint(which))], "cpu", "fp32")
        greedy = Settings.of(found.config).changed(method="greedy")
        result = evaluate(translator, greedy, read_split(found.config, "valid"), DEFAULTS)
        assert result.loss == pytest.approx(said[event]["loss"], rel=1e-4)
        assert result.scores[0].value == pytest.approx(said[event]["bleu"], abs=1e-6)


def test_a_run_is_never_overwritten_unasked(here):
    found = run(tiny(max_steps=3))
    before = {path: path.read_bytes() for path in found.folder.rglob("*") if path.is_file()}
    with pytest.raises(NmtError, match="--resume"):
        run(tiny(max_steps=3))
    with pytest.raises(NmtError, match="'seed' differs"):
        run(config.parse({**tiny(max_steps=3).model_dump(mode="json"), "seed": 2}, "test"), resume=True)
    assert before == {path: path.read_bytes() for path in found.folder.rglob("*") if path.is_file()}


def test_a_run_can_be_made_longer_without_the_corpora(here):
    run(tiny(max_steps=3))
    for path in here.glob("train.*"):
        path.unlink()
    assert run(tiny(max_steps=6), resume=True).checkpoint("last").name == "step-6"


def test_changed_data_is_refused(here):
    run(tiny(max_steps=3))
    Path("train.src").write_text(Path("train.src").read_text().replace("ba", "be"))
    from nmt.data.preprocess import preprocess

    preprocess(tiny(max_steps=6), lambda line: None)
    with pytest.raises(NmtError, match=r"step-3 was not trained on the data in prepared-False"):
        run(tiny(max_steps=6), resume=True)


def test_a_resume_that_fails_leaves_the_run_finished(here):
    found = run(tiny(max_steps=6))
    damaged = found.checkpoint("last") / "training" / "optimizer.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    before = found.config_file.read_bytes()
    with pytest.raises(NmtError, match="damaged"):
        run(tiny(max_steps=9), resume=True)
    assert found.finished.is_file() and found.config_file.read_bytes() == before


def test_a_checkpoint_caught_between_two_names_is_found(here):
    found = run(tiny(max_steps=6))
    last = found.checkpoint("last")
    last.rename(last.with_name(f".{last.name}.old.tmp"))
    assert run(tiny(max_steps=9), resume=True).checkpoint("last").name == "step-9"
    assert not list(found.checkpoints.glob(".*"))


def test_nothing_to_resume(here):
    with pytest.raises(NmtError, match="nothing to resume"):
        run(tiny(), resume=True)


def test_a_second_process_is_refused(here, monkeypatch):
    def second(self, batch):
        with pytest.raises(NmtError, match=f"in use by process {os.getpid()}"):
            run(tiny(max_steps=1))
        raise KeyError("the second was refused")

    monkeypatch.setattr(Trainer, "_update", second)
    with pytest.raises(KeyError, match="refused"):
        run(tiny(max_steps=1))


def break_losses(monkeypatch, is_broken):
    """Make the training losses of some calls, counted from 1, not a number."""
    real, calls = trainer.likelihood_loss, itertools.count(1)

    def broken(*given):
        loss = real(*given)
        factor = float("nan") if is_broken(next(calls)) else 1.0
        return dataclasses.replace(loss, minimised=loss.minimised * factor, nll=loss.nll * factor)

    monkeypatch.setattr(trainer, "likelihood_loss", broken)


def test_what_comes_after_the_last_step_is_logged_once(here):
    settings = tiny(max_steps=12, average_last=2)
    found = run(settings)
    found.finished.unlink()  # as if killed before that was written
    run(settings, resume=True)
    events = [entry["event"] for entry in read_log(found.log)]
    assert events.count("averaged") == events.count("end") == 1


def test_a_run_that_never_saved_leaves_nothing_in_the_log(here):
    settings = tiny(max_steps=4)
    first = run(settings)
    log = read_log(first.log)
    shutil.rmtree(first.checkpoints)
    first.finished.unlink()
    run(settings)
    assert [entry["event"] for entry in read_log(first.log)] == [entry["event"] for entry in log]


def test_gradients_that_are_not_finite_are_skipped_then_named(here, monkeypatch):
    monkeypatch.setattr(trainer, "MOST_SKIPPED", 3)
    settings = tiny(precision="fp32", max_steps=30)
    break_losses(monkeypatch, lambda call: True)
    with pytest.raises(NmtError, match=r"no finite gradient in 3 steps.*fp32$"):
        run(settings)


def test_what_a_gpu_skips_is_counted_over_lines_of_the_log(here):
    found = run(tiny(max_steps=4))
    prepared = Prepared.open(found.config.prepared)
    made = Trainer(found.config, found, prepared, torch.device("cpu"), "fp32")
    made.device = SimpleNamespace(type="cuda")
    journal = SimpleNamespace(say=lambda line: None, write=lambda event, **values: None)
    with pytest.raises(NmtError, match="no finite gradient in 20 steps, up to step 20"):
        while made.progress.step < 30:
            made.progress.step += 5
            made.progress.since = [100, 5]
            made._log(journal, (0.0, 0, 0))


def test_a_step_that_is_skipped_leaves_no_trace_in_the_loss(here, monkeypatch):
    break_losses(monkeypatch, lambda call: call == 2)
    found = run(tiny(precision="fp32", max_steps=4, validate_every=4, log_every=4))
    [entry] = [entry for entry in read_log(found.log) if entry["event"] == "train"]
    assert entry["skipped"] == 1 and 1.0 < entry["loss"] < 5.0


def limit_memory(monkeypatch, fails):
    """Make the training loss of some calls, counted from 1, fail as it does where memory does not suffice."""
    real, calls = trainer.likelihood_loss, itertools.count(1)

    def limited(model, batch, settings, step):
        if fails(next(calls), len(batch.source)):
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes.")
        return real(model, batch, settings, step)

    monkeypatch.setattr(trainer, "likelihood_loss", limited)


def test_batches_that_do_not_fit_are_taken_in_parts(here, monkeypatch, capsys):
    def settings(name):
        values = tiny(name, precision="fp32", max_steps=4, validate_every=4, log_every=4)
        return with_model(values, dropout={"embedding": 0.0, "layer": 0.0, "output": 0.0})

    whole = run(settings("whole"))
    # Not the whole batch, and of its halves not the second one, whose sister's gradients are there already.
    limit_memory(monkeypatch, lambda call, pairs: pairs > 20 or call == 3)
    parts = run(settings("parts"))
    assert "4 of 4 steps before step 4 were taken in up to 4 parts" in capsys.readouterr().err
    weights = [load_file(found.checkpoint("last") / "model.safetensors") for found in (whole, parts)]
    for name, weight in weights[0].items():
        np.testing.assert_allclose(weight, weights[1][name], rtol=1e-3, atol=1e-4)


def test_a_pair_that_never_fits_is_named(here, monkeypatch):
    limit_memory(monkeypatch, lambda call, pairs: True)
    with pytest.raises(NmtError, match=r"step 1: out of memory for one pair at a time, of up to \d+ source"):
        run(tiny(precision="fp32", max_steps=4))


def test_freed_memory_is_returned_now_and_then(here, monkeypatch):
    returned = []
    monkeypatch.setattr(trainer, "return_freed_memory", lambda: returned.append(1))
    run(tiny(precision="fp32", max_steps=2 * trainer.RETURN_EVERY + 1, validate_every=50))
    assert len(returned) == 2


FILES = ["model.safetensors", "meta.json", "training/state.json", "training/optimizer.safetensors"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a folder with a run of 9 steps and one of the first 6, which cases take a copy of."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_corpus()
        run(tiny("whole", max_steps=9))
        run(tiny(max_steps=6))
    return folder


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("harm", ["cut", "flipped", "removed"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_offered(trained, tmp_path, monkeypatch, name, harm):
    monkeypatch.chdir(shutil.copytree(trained, tmp_path / "copy", symlinks=True))
    whole, found = (Run(Path("runs") / one) for one in ("whole", "run"))
    path = found.checkpoint("last") / name
    content = path.read_bytes()
    if harm == "removed":
        path.unlink()
    else:
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        path.write_bytes(content[:middle] if harm == "cut" else flipped)
    with pytest.raises(
        NmtError, match=rf"step-6/{name}: damaged or missing: .* --resume --checkpoint step-4\)|no check"
    ):
        run(tiny(max_steps=9), resume=True)
    again = train(tiny(max_steps=9), True, lambda line: None, "step-4")
    a, b = (load_file(r.checkpoint("last") / "model.safetensors") for r in (whole, again))
    assert all((a[key] == b[key]).all() for key in a)
    assert untimed(whole.log) == untimed(again.log)
    assert whole.checkpoint("best").name == again.checkpoint("best").name


def test_beginning_with_another_run(here):
    first = run(tiny("first", precision="fp32", max_steps=20, ema_decay=0.9))
    heard = []
    settings = tiny("second", precision="fp32", max_steps=1, learning_rate=1e-9, init_from=str(first.folder))
    second = train(settings, False, heard.append)
    a, b = (load_file(r.checkpoint() / "model.safetensors") for r in (first, second))
    assert all(abs(a[key] - b[key]).max() < 1e-6 for key in a)
    assert f"beginning with the weights of {first.checkpoint()}" in heard
    third = tiny("third", subword={"vocab_size": 70}, init_from=str(first.folder))
    with pytest.raises(
        NmtError, match=r"init_from: the network of .*config\.yaml is not that of this config: "
    ) as said:
        run(with_model(third, decoder={"size": 16}, encoder={"merge": "sum"}))
    differing = 'model.encoder.merge is "concat" there and "sum" here, model.decoder.size is 12 there and 16 here;'
    assert differing in str(said.value)
    assert not third.prepared.exists()
    Path("other.src").write_text(Path("train.src").read_text() + "new words\n" * 40)
    Path("other.tgt").write_text(Path("train.tgt").read_text() + "NEUE WORTE\n" * 40)
    values = tiny("fourth", max_steps=2, init_from=str(first.folder)).model_dump(mode="json")
    values["data"] |= {"train": {"source": "other.src", "target": "other.tgt"}, "prepared": "prepared-other"}
    with pytest.raises(NmtError, match=r"another subword model than prepared-other; set subword\.reuse: runs/first"):
        run(config.parse(values, "test"))
    values["data"]["prepared"] = "prepared-none"
    values["subword"]["reuse"] = "prepared-other"
    with pytest.raises(NmtError, match=r"another subword model than prepared-other; set subword\.reuse: runs/first"):
        run(config.parse(values, "test"))
    assert not Path("prepared-none").exists()
    values["data"]["prepared"] = "prepared-other"
    values["subword"]["reuse"] = "runs/first"
    values["name"] = "fifth"
    fifth = run(config.parse(values, "test"))
    assert (fifth.subword / "joint.model").read_bytes() == (first.subword / "joint.model").read_bytes()


def test_coverage_can_be_added_to_another_run(here):
    network = {"decoder": {"context_to": "next_input"}, "attention": {"score": "additive", "size": 8}}
    first = run(with_model(tiny("first", max_steps=3), **network))
    begun = {"init_from": str(first.folder), "precision": "fp32", "max_steps": 1, "log_every": 1}
    same = run(with_model(tiny("same", **begun), **network))
    network["attention"]["coverage"] = True
    values = with_model(tiny("covered", **begun), **network).model_dump(mode="json")
    values["training"]["coverage_loss"] = 0.0
    covered = run(config.parse(values, "test"))
    a, b = ([e["loss"] for e in read_log(r.log) if e["event"] == "train"] for r in (same, covered))
    assert a == b and len(a) == 1
    learnt = load_file(covered.checkpoint("last") / "model.safetensors")["decoder.attention.score.covered.weight"]
    assert 0 < abs(learnt).max() < 0.01
    network["attention"]["coverage"] = False
    with pytest.raises(NmtError, match=r"model\.attention\.coverage is true there and false here"):
        run(with_model(tiny("third", init_from=str(covered.folder)), **network))


def test_coverage_is_paid_for_after_its_share_of_the_steps(here):
    network = {"decoder": {"context_to": "next_input"}, "attention": {"score": "additive", "coverage": True}}

    def losses(name, **more):
        settings = with_model(tiny(name, precision="fp32", max_steps=4, log_every=1), **network)
        values = settings.model_dump(mode="json")
        values["training"] |= more
        found = run(config.parse(values, "test"))
        return [entry["smoothed_loss"] for entry in read_log(found.log) if entry["event"] == "train"]

    late, never = losses("late", coverage_after=0.5), losses("never", coverage_loss=0.0)
    assert late[:2] == never[:2] and late[2] > never[2]


def test_subwords_to_reuse_must_be_there(here):
    with pytest.raises(NmtError, match=r"subword\.reuse: nowhere has no joint\.model"):
        run(tiny(subword={"reuse": "nowhere"}))


def test_beginning_with_word_vectors(here):
    words = {"kind": "word", "byte_fallback": False, "vocab_size": 60}
    Path("vectors.txt").write_text("ba " + " ".join(["0.5"] * 12) + "\nunheard " + " ".join(["1"] * 12) + "\n")
    values = with_model(
        tiny(subword=words, max_steps=1, precision="fp32", learning_rate=1e-9),
        embedding={"source_vectors": "vectors.txt", "tie": "none"},
    )
    heard = []
    found = train(values, False, heard.append)
    weights = load_file(found.checkpoint() / "model.safetensors")["source_embedding.table.weight"]
    assert (abs(weights * 12**0.25 - 0.5).max(1) < 1e-6).sum() == 1  # what the network reads
    assert any(line.startswith("vectors.txt: vectors for 1 of") for line in heard)
    Path("wide.txt").write_text("1 13\nba " + " ".join(["0.5"] * 13) + "\n")
    values = with_model(tiny("wide", subword=words), embedding={"source_vectors": "wide.txt", "tie": "none"})
    wide = values.model_dump(mode="json")
    wide["data"]["prepared"] = "prepared-wide"
    with pytest.raises(NmtError, match=r"wide\.txt: line 2 has 13 numbers after its word"):
        run(config.parse(wide, "test"))
    assert not Path("prepared-wide").exists()


def directions(name="both", valid_tag="<up>", **training):
    """Return the settings of a model of two directions from the same text: upper case, reversed, and as it is."""
    values = tiny(name, {"user_symbols": ["<up>", "<down>"]}, **training).model_dump(mode="json")
    pairs = {"source": "train.src", "target": "train.tgt"}, {"source": "train.src", "target": "train.src"}
    values["data"]["train"] = [{**pair, "tag": tag} for pair, tag in zip(pairs, ("<up>", "<down>"), strict=True)]
    values["data"]["valid"]["tag"] = valid_tag
    return config.parse(values, "test")


def test_one_model_learns_several_directions(here):
    """The tag alone decides: here it is the case of what comes out."""
    found = run(directions(max_steps=120, learning_rate=0.02, validate_every=120))
    translator = Translator.load([(found, found.checkpoint())], "cpu", "fp32")
    lines = ["ba be bi", "do fu"]
    for tag, is_right in (("<up>", str.isupper), ("<down>", str.islower)):
        texts = [line.targets[0].text for line in translator.translate(lines, Settings(tag=tag))]
        assert all(map(is_right, texts)), texts


@pytest.mark.parametrize("more", [{}, {"validation_bleu": False, "metric": "loss"}])
def test_validation_text_of_several_directions_needs_a_tag(here, more):
    with pytest.raises(NmtError, match=r"data\.valid, line 1: .*: set data\.valid\.tag, or begin the line with it"):
        run(directions(valid_tag=None, **more))


@pytest.mark.parametrize(("side", "tie"), [("source", "all"), ("target", "none"), ("target", "target")])
def test_word_vectors_of_either_side_and_of_shared_tables(here, side, tie):
    """Of words of the target, upper case, which a joint vocabulary holds too."""
    words = {"kind": "word", "byte_fallback": False, "vocab_size": 60}
    Path("vectors.txt").write_text("BA " + " ".join(["0.5"] * 12) + "\n")
    values = with_model(
        tiny(subword=words, max_steps=1, precision="fp32", learning_rate=1e-9),
        embedding={f"{side}_vectors": "vectors.txt", "tie": tie},
    )
    found = train(values, False, lambda line: None)
    vocabularies = Vocabularies.load(found.subword)
    size = vocabularies.target.size
    model = load_model(found.checkpoint(), values, size, size, torch.device("cpu"))
    heard = getattr(model, f"{side}_embedding")(torch.arange(size).unsqueeze(0))[0]  # (V, 12)
    [token] = vocabularies.target.encode(["BA"])[0]
    assert (heard[token] - 0.5).abs().max() < 1e-6
    assert ((heard - 0.5).abs().amax(1) < 1e-6).sum() == 1


def test_minimum_risk_training_goes_on_from_a_trained_model(here):
    first = run(tiny("first", metric="loss", max_steps=30, learning_rate=0.02))
    second = run(
        tiny("second", objective="risk", init_from=str(first.folder), risk_samples=3, max_steps=4, log_every=1)
    )
    log = read_log(second.log)
    before, after = [entry["loss"] for entry in log if entry["event"] == "valid"]
    assert before == pytest.approx(json.loads(first.finished.read_text())["loss"], rel=1e-4)
    assert abs(after - json.loads(first.finished.read_text())["loss"]) < 0.5
    risks = [entry["smoothed_loss"] for entry in log if entry["event"] == "train"]  # expected 1 - BLEU of a sentence
    assert len(risks) == 4 and all(0 < risk <= 1 + 1e-6 for risk in risks)


OTHERS = {
    "copying, coverage": {
        "decoder": {"copy_source": True, "context_to": "next_input"},
        "attention": {"score": "additive", "coverage": True},
    },
    "no attention, no feedback": {
        "decoder": {"context_to": "every_step", "feedback": False},
        "attention": {"score": "none"},
    },
    "transformer": {
        "encoder": {"kind": "transformer", "heads": 2, "feed_forward": 16},
        "decoder": {"kind": "transformer", "heads": 2, "feed_forward": 16},
    },
}


@pytest.mark.parametrize("sections", OTHERS.values(), ids=OTHERS)
def test_other_networks_learn(here, sections):
    found = run(with_model(tiny(max_steps=60, learning_rate=0.02, validate_every=60, log_every=10), **sections))
    losses = [entry["loss"] for entry in read_log(found.log) if entry["event"] == "train"]
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("sections", [*OTHERS.values(), None], ids=[*OTHERS, "minimum risk"])
def test_other_networks_go_on_to_the_bit(here, monkeypatch, sections):
    more = {}
    if sections is None:
        sections = {}
        first = run(tiny("first"))
        more = {"objective": "risk", "init_from": str(first.folder), "risk_samples": 3}
    whole, parts = (with_model(tiny(name, **more), **sections) for name in ("whole", "parts"))
    expected = run(whole)
    with monkeypatch.context() as patch:
        stop_after(patch, 7)
        with pytest.raises(Interrupted):
            run(parts)
    assert equal(expected, run(parts, resume=True))


def test_a_disk_that_fills_up_costs_nothing_that_was_saved(here, monkeypatch):
    whole = run(tiny("whole", max_steps=6, save_every=3, validate_every=6))
    real, calls = checkpoint.save_file, itertools.count(1)

    def full(tensors, path):
        if next(calls) == 2:
            path.write_bytes(b"half of it")
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        real(tensors, path)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_file", full)
        with pytest.raises(NmtError, match=r"optimizer\.safetensors: cannot be written: No space left.* --resume"):
            run(tiny("parts", max_steps=6, save_every=3, validate_every=6))
    parts = Run(here / "runs" / "parts")
    assert [path.name for path in parts.checkpoints.iterdir() if path.is_dir()] == ["step-3"]
    again = run(tiny("parts", max_steps=6, save_every=3, validate_every=6), resume=True)
    assert untimed(whole.log) == untimed(again.log)
