"""Which checkpoint becomes the best, and when training ends because no validation improves."""

import json
import math
import shutil
from pathlib import Path

import pytest
from tiny_training import (
    interrupt_validation,
    interrupted,
    logged,
    same_state,
    same_weights,
    tiny,
    untimed,
    validate_as,
)

from nmt.config import Training
from nmt.reports.report_page import write_report
from nmt.storage import checksums
from nmt.storage.history import read_history
from nmt.storage.run_folder import Run
from nmt.training.best_checkpoint import update_best
from nmt.training.checkpoint import Progress
from nmt.training.session import train

NAN = math.nan


def judged(validations, **settings):
    """Return the progress after validations (loss, BLEU) at steps 10, 20, ..., and which steps were the best so far."""
    progress, best = Progress(), []
    for number, (loss, bleu) in enumerate(validations, 1):
        progress.step = 10 * number
        if update_best(progress, Training(**{"warmup_steps": 0, **settings}), loss, bleu):
            best.append(progress.step)
    return progress, best


def test_of_equal_bleu_the_lower_loss_is_better():
    progress, best = judged([(3.0, 0.0), (2.0, 0.0), (2.5, 0.0), (1.0, 0.004), (9.0, 7.0), (8.0, 7.0), (8.5, 7.0)])
    assert best == [10, 20, 40, 50, 60]
    assert (progress.best, progress.best_step, progress.best_loss, progress.stalled_validations) == (7.0, 60, 8.0, 1)


def test_a_value_that_is_not_finite_is_never_the_best_and_counts_for_patience():
    losses = [NAN, math.inf, 5.0, NAN, -math.inf, 6.0]
    progress, best = judged([(loss, 1.0) for loss in losses], metric="loss")
    assert best == [30] and (progress.best, progress.stalled_validations) == (5.0, 3)
    progress, best = judged([(1.0, NAN), (NAN, 3.0), (1.0, NAN), (1.0, 3.0)])
    assert best == [20, 40] and progress.stalled_validations == 0
    progress, _ = judged([(NAN, None), (NAN, None)], metric="loss", validation_bleu=False)
    assert (progress.best, progress.best_step, progress.stalled_validations) == (None, None, 2)


@pytest.mark.parametrize(
    ("validations", "settings", "stalled"),
    [
        ([(1.0, 0.0), (1.0, 0.0), (1.0, 0.0)], {}, 0),
        ([(1.0, 0.001), (2.0, 0.002), (3.0, 0.003)], {}, 0),
        ([(1.0, 0.0), (1.0, 0.0), (1.0, 0.0)], {"metric": "loss"}, 2),
        ([(1.0, 5.0), (1.0, 4.0), (1.0, 3.0)], {}, 2),
        ([(1.0, 5.0), (1.0, 4.0), (1.0, 3.0)], {"warmup_steps": 20}, 1),
        ([(1.0, 5.0), (1.0, 4.0), (1.0, 3.0)], {"warmup_steps": 30}, 0),
        ([(1.0, 5.0), (1.0, 4.0), (1.0, 3.0)], {"metric": "loss", "warmup_steps": 20}, 1),
    ],
)
def test_patience_and_plateaus_count_after_warm_up_and_once_bleu_is_above_zero(validations, settings, stalled):
    assert judged(validations, **settings)[0].stalled_validations == stalled
    progress, _ = judged(validations, **settings, schedule="plateau", plateau_patience=1)
    assert progress.plateaus == stalled


def test_a_run_whose_bleu_stays_zero_does_not_run_out_of_patience(corpus_folder, monkeypatch):
    validate_as(monkeypatch, {step: (9.0 - step / 4, 0.0) for step in range(4, 24, 4)})
    run = train(tiny(patience=1, max_steps=20))
    assert json.loads(run.finished.read_text())["step"] == 20
    assert run.checkpoint("best").name == "step-20"


VALUES = {4: (3.0, 9.0), 8: (1.0, 2.0), 12: (2.0, 8.0), 16: (1.5, 7.0), 20: (0.5, 1.0)}


@pytest.mark.parametrize(("old", "new", "best"), [("bleu", "loss", 8), ("loss", "bleu", 4)])
def test_with_another_metric_the_log_decides_which_checkpoint_is_the_best(
    corpus_folder, monkeypatch, messages, old, new, best
):
    validate_as(monkeypatch, VALUES)
    settings = {"keep_last": 9, "save_every": 4, "patience": 9}
    train(tiny(max_steps=16, metric=old, **settings))
    messages.clear()
    run = train(tiny(max_steps=16, metric=new, **settings), resume=True)
    value = VALUES[best][new == "bleu"]
    assert (
        f"training.metric was {old} and is {new}: by the validations in the log, step-{best} is the best checkpoint "
        f"({new} {value:.4g})"
    ) in messages
    finished = json.loads(run.finished.read_text())
    assert (finished["best_step"], finished[new]) == (best, value)
    assert run.checkpoint("best").name == f"step-{best}"
    stalled = (16 - best) // 4
    run = train(tiny(max_steps=20, metric=new, **settings | {"patience": stalled}), resume=True)
    assert f"has not improved for {stalled} validations" in json.loads(run.finished.read_text())["reason"]


def test_only_checkpoints_that_exist_are_compared_with_another_metric(corpus_folder, monkeypatch):
    validate_as(monkeypatch, VALUES)
    run = train(tiny(max_steps=12, metric="bleu", save_every=4, keep_last=1))
    assert run.names() == ["step-4", "step-12"]
    run = train(tiny(max_steps=16, metric="loss", save_every=4, keep_last=1), resume=True)
    assert run.checkpoint("best").name == "step-16", "step-8 with loss 1.0 is gone, and 1.5 is less than 2.0"
    run = train(tiny(max_steps=20, metric="loss", save_every=4, keep_last=1), resume=True)
    assert json.loads(run.finished.read_text())["loss"] == 0.5


def test_without_values_of_the_new_metric_the_best_checkpoint_stays_until_there_is_one(
    corpus_folder, monkeypatch, messages
):
    validate_as(monkeypatch, {step: (loss, None) for step, (loss, _) in VALUES.items()})
    settings = {"save_every": 4, "keep_last": 1}
    train(tiny(max_steps=12, metric="loss", validation_bleu=False, **settings))
    run = interrupted(monkeypatch, tiny(max_steps=20, metric="bleu", **settings), step=14, resume=True)
    assert (
        "training.metric was loss and is bleu: the log has no comparable value, so the next validation decides, and "
        "step-8 stays the best checkpoint until then"
    ) in messages
    assert run.names() == ["step-8", "step-12", "step-14"] and run.checkpoint("best").name == "step-8"
    validate_as(monkeypatch, VALUES)
    assert train(tiny(max_steps=20, metric="bleu", **settings), resume=True).checkpoint("best").name == "step-16"


def test_bleu_of_other_sentences_is_not_compared(corpus_folder, monkeypatch, messages):
    validate_as(monkeypatch, VALUES)
    train(tiny(max_steps=12))
    run = train(tiny(max_steps=16, validation_sentences=5), resume=True)
    assert any(
        "training.validation_sentences was 0 and is 5: the log has no comparable value" in line for line in messages
    )
    assert run.checkpoint("best").name == "step-16"


def rewrite_state(run, name, **values):
    path = run.checkpoints / name / "training" / "state.json"
    state = json.loads(path.read_text())
    path.write_text(json.dumps({key: value for key, value in (state | values).items() if value != "removed"}))
    checksums.write(run.checkpoints / name)


def test_if_the_best_checkpoint_was_removed_the_next_best_replaces_it(corpus_folder, monkeypatch, messages):
    validate_as(monkeypatch, VALUES)
    run = train(tiny(max_steps=12, save_every=4, keep_last=9))
    shutil.rmtree(run.checkpoints / "step-4")
    train(tiny(max_steps=16, save_every=4, keep_last=9), resume=True)
    expected = "step-4, the best checkpoint, does not exist: by the validations in the log, step-12 is"
    assert any(expected in line for line in messages)
    assert run.checkpoint("best").name == "step-12"


@pytest.mark.parametrize(("best", "step"), [(9.0, 4), (None, 0), ("NaN", 4)])
def test_a_checkpoint_of_an_older_version_is_resumed(corpus_folder, monkeypatch, best, step):
    validate_as(monkeypatch, VALUES)
    run = train(tiny(max_steps=12, save_every=4, keep_last=9))
    state = {"best": best, "best_step": step, "best_loss": "removed", "misses": 7}
    state["position"] = {"epoch": 1, "window": 0, "batch": 4}
    rewrite_state(run, "step-12", **state)
    path = run.checkpoints / "step-12" / "training" / "state.json"
    path.write_text(path.read_text().replace('"NaN"', "NaN"))
    meta = run.checkpoints / "step-12" / "meta.json"
    meta.write_text(json.dumps({k: v for k, v in json.loads(meta.read_text()).items() if k != "measure"}))
    checksums.write(run.checkpoints / "step-12")
    train(tiny(max_steps=16, save_every=4, keep_last=9), resume=True)
    expected = 4 if best == 9.0 else 16
    assert run.checkpoint("best").name == f"step-{expected}"
    assert json.loads(run.finished.read_text())["best_step"] == expected


def test_a_validation_that_is_not_a_number_leaves_valid_json(corpus_folder, monkeypatch):
    validate_as(monkeypatch, {4: (NAN, NAN), 8: (2.0, 1.0), 12: (math.inf, NAN), 16: (3.0, 1.0)})
    run = train(tiny(max_steps=12, metric="loss", patience=9))
    assert run.checkpoint("best").name == "step-8"
    written = [*run.log.read_text().split("\n")[:-1], run.finished.read_text()]
    written += [path.read_text() for path in run.checkpoints.rglob("*.json")]
    for text in written:
        json.loads(text, parse_constant=pytest.fail)
    assert logged(run, "valid", "loss") == [None, 2.0, None]
    assert [perplexity is None for perplexity in logged(run, "valid", "perplexity")] == [True, False, True]
    write_report(run.folder)
    assert read_history(run.folder).best("loss", highest=False) == (8, 2.0)
    # Sums that are not numbers are read back, too.
    rewrite_state(run, "step-12", sums=[None, 1.0, 1.0, 1.0, 1.0, 1.0], since=[1, 1])
    train(tiny(max_steps=16, metric="loss", patience=9), resume=True)
    assert logged(run, "train", "smoothed_loss")[-1] is None


def never_better(monkeypatch, better=()):
    """Let each validation after that of step 0 be worse, except at the steps `better`."""
    values = dict.fromkeys(range(1, 99), (2.0, 50.0)) | dict.fromkeys(better, (0.5, 99.0)) | {0: (1.0, 96.4)}
    validate_as(monkeypatch, values)


def fine_tuned(first, **settings):
    return tiny("second", init_from=str(first.folder), save_every=4, keep_last=1, **settings)


@pytest.mark.parametrize("objective", ["likelihood", "risk"])
def test_nothing_worse_than_the_initial_weights_becomes_the_best(corpus_folder, whole_run, monkeypatch, objective):
    events = []
    never_better(monkeypatch)
    run = train(fine_tuned(whole_run, objective=objective, average_last=1), on_event=events.append)
    shown = "\n".join(map(str, events))
    expected = "validation before the first step: loss 1.000, perplexity 2.72, BLEU 96.40 (greedy), the best so far"
    assert expected in shown and shown.count("the best so far") == 1
    assert "no improvement: no validation was better" in shown
    assert run.names() == ["step-0", "step-12", "averaged"] and run.checkpoint("best").name == "step-0"
    finished = json.loads(run.finished.read_text())
    assert (finished["best_step"], finished["bleu"]) == (0, 96.4)
    assert logged(run, "valid", "step") == [0, 4, 8, 12]
    assert same_weights(whole_run, run, "best")
    assert read_history(run.folder).best("bleu", highest=True) == (0, 96.4)
    assert "96.40 at step 0" in write_report(run.folder).read_text()


def test_a_checkpoint_better_than_the_initial_weights_becomes_the_best(corpus_folder, whole_run, monkeypatch):
    events = []
    never_better(monkeypatch, better=[8])
    run = train(fine_tuned(whole_run, average_last=1), on_event=events.append)
    assert run.names() == ["step-8", "step-12", "averaged"] and run.checkpoint("best").name == "step-8"
    assert "no improvement" not in str(events[-1])


@pytest.mark.parametrize("step", [1, 6, "first validation"])
def test_a_fine_tuning_run_interrupted_at_its_start_is_resumed_to_the_bit(corpus_folder, whole_run, monkeypatch, step):
    settings = {"init_from": str(whole_run.folder), "precision": "fp32"}
    whole, parts = train(tiny("whole", **settings)), tiny("parts", **settings)
    if step == "first validation":
        interrupted(monkeypatch, parts, 0, during=interrupt_validation)
    else:
        interrupted(monkeypatch, parts, step)
    assert Run(Path("runs/parts")).can_resume
    resumed = train(parts, resume=True)
    assert same_state(whole, resumed)
    assert whole.names() == resumed.names() and whole.checkpoint().name == resumed.checkpoint().name


def test_a_run_is_resumed_from_step_0(corpus_folder, whole_run, monkeypatch):
    never_better(monkeypatch)
    settings = fine_tuned(whole_run, max_steps=4)
    before = untimed(train(settings).log)
    again = train(settings, resume=True, checkpoint="step-0")
    assert untimed(again.log) == before and [entry["event"] for entry in before[:2]] == ["start", "valid"]
