"""Which checkpoint becomes the best, and when training ends because none is better."""

import json
import math
import shutil
from pathlib import Path

import pytest
from tiny_training import break_off, equal, run, stop_after, tiny, untimed

from nmt.config import Training
from nmt.reports.history import read_history
from nmt.reports.learning_curves import draw
from nmt.reports.report_page import write_report
from nmt.storage import checksums
from nmt.storage.run_folder import Run, read_log
from nmt.training.best_checkpoint import update_best
from nmt.training.checkpoint import Progress
from nmt.training.session import train
from nmt.training.signals import Interrupted
from nmt.training.trainer import Trainer
from nmt.training.validation import Result

NAN = math.nan


def judged(validations, **settings):
    """Return the progress after validations (loss, BLEU) at steps 10, 20, ..., and which steps were the best so far."""
    progress, best = Progress(), []
    for number, (loss, bleu) in enumerate(validations, 1):
        progress.step = 10 * number
        if update_best(progress, Training(**{"warmup_steps": 0, **settings}), loss, bleu):
            best.append(progress.step)
    return progress, best


def test_equal_bleu_is_decided_by_the_loss():
    progress, best = judged([(3.0, 0.0), (2.0, 0.0), (2.5, 0.0), (1.0, 0.004), (9.0, 7.0), (8.0, 7.0), (8.5, 7.0)])
    assert best == [10, 20, 40, 50, 60]
    assert (progress.best, progress.best_step, progress.best_loss, progress.misses) == (7.0, 60, 8.0, 1)


def test_a_value_that_is_not_finite_is_never_the_best_and_counts_as_a_miss():
    losses = [NAN, math.inf, 5.0, NAN, -math.inf, 6.0]
    progress, best = judged([(loss, 1.0) for loss in losses], metric="loss")
    assert best == [30] and (progress.best, progress.misses) == (5.0, 3)
    progress, best = judged([(1.0, NAN), (NAN, 3.0), (1.0, NAN), (1.0, 3.0)])
    assert best == [20, 40] and progress.misses == 0
    progress, _ = judged([(NAN, None), (NAN, None)], metric="loss", validation_bleu=False)
    assert (progress.best, progress.best_step, progress.misses) == (None, None, 2)


@pytest.mark.parametrize(
    ("validations", "settings", "misses"),
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
def test_patience_and_plateaus_begin_after_warm_up_and_once_bleu_has_left_zero(validations, settings, misses):
    assert judged(validations, **settings)[0].misses == misses
    progress, _ = judged(validations, **settings, schedule="plateau", plateau_patience=1)
    assert progress.plateaus == misses


def test_a_run_whose_bleu_stays_zero_is_not_stopped_and_its_best_moves_on(here, monkeypatch):
    monkeypatch.setattr(Trainer, "_validate", lambda self, _: Result(9.0 - self.progress.step / 4, 0.0, []))
    found = run(tiny(patience=1, max_steps=20))
    assert json.loads(found.finished.read_text())["step"] == 20
    assert found.checkpoint("best").name == "step-20"


def validate_as(monkeypatch, values):
    """Let validations give what `values` has for the step: loss and BLEU."""
    monkeypatch.setattr(Trainer, "_validate", lambda self, _: Result(*values[self.progress.step], []))


VALUES = {4: (3.0, 9.0), 8: (1.0, 2.0), 12: (2.0, 8.0), 16: (1.5, 7.0), 20: (0.5, 1.0)}


@pytest.mark.parametrize(("old", "new", "best"), [("bleu", "loss", 8), ("loss", "bleu", 4)])
def test_another_metric_judges_anew_by_the_log(here, monkeypatch, old, new, best):
    validate_as(monkeypatch, VALUES)
    settings = {"keep_last": 9, "save_every": 4, "patience": 9}
    found = run(tiny(max_steps=16, metric=old, **settings))
    heard = []
    monkeypatch.setattr(Trainer, "train", lambda self, journal: heard.append(self.progress) or "looked at")
    found = train(tiny(max_steps=20, metric=new, **settings), True, heard.append)
    value = VALUES[best][new == "bleu"]
    assert heard[1:2] == [
        f"training.metric was {old} and is {new}: by the validations in the log, step-{best} is the best checkpoint "
        f"({new} {value:.4g})"
    ]
    progress = next(one for one in heard if isinstance(one, Progress))
    assert (progress.best, progress.best_step, progress.best_loss) == (value, best, VALUES[best][0])
    assert progress.misses == (16 - best) // 4
    assert found.checkpoint("best").name == f"step-{best}"


def test_only_checkpoints_that_are_there_are_judged_anew(here, monkeypatch):
    validate_as(monkeypatch, VALUES)
    found = run(tiny(max_steps=12, metric="bleu", save_every=4, keep_last=1))
    assert found.names() == ["step-4", "step-12"]
    found = run(tiny(max_steps=16, metric="loss", save_every=4, keep_last=1), resume=True)
    assert found.checkpoint("best").name == "step-16", "step-8 with loss 1.0 is gone, and 1.5 is less than 2.0"
    found = run(tiny(max_steps=20, metric="loss", save_every=4, keep_last=1), resume=True)
    assert json.loads(found.finished.read_text())["loss"] == 0.5


def test_without_values_of_the_new_metric_the_best_checkpoint_stays_until_there_is_one(here, monkeypatch):
    validate_as(monkeypatch, {step: (loss, None) for step, (loss, _) in VALUES.items()})
    settings = {"save_every": 4, "keep_last": 1}
    found = run(tiny(max_steps=12, metric="loss", validation_bleu=False, **settings))
    heard = []
    with monkeypatch.context() as patch:
        stop_after(patch, 13)
        with pytest.raises(Interrupted):
            train(tiny(max_steps=20, metric="bleu", **settings), True, heard.append)
    assert (
        "training.metric was loss and is bleu: the log has no value to compare, so the next validation decides, and "
        "step-8 stays the best checkpoint until then" in heard
    )
    assert found.names() == ["step-8", "step-12", "step-14"] and found.checkpoint("best").name == "step-8"
    validate_as(monkeypatch, VALUES)
    assert run(tiny(max_steps=20, metric="bleu", **settings), resume=True).checkpoint("best").name == "step-16"


def test_bleu_of_other_sentences_is_not_compared(here, monkeypatch):
    validate_as(monkeypatch, VALUES)
    found = run(tiny(max_steps=12))
    heard = []
    train(tiny(max_steps=16, validation_sentences=5), True, heard.append)
    assert any(
        "training.validation_sentences was 0 and is 5: the log has no value to compare" in line for line in heard
    )
    assert found.checkpoint("best").name == "step-16"


def rewrite_state(found, name, **values):
    path = found.checkpoints / name / "training" / "state.json"
    state = json.loads(path.read_text())
    path.write_text(json.dumps({key: value for key, value in (state | values).items() if value != "gone"}))
    checksums.write(found.checkpoints / name)


def test_a_best_checkpoint_that_is_gone_is_replaced_by_the_next_one(here, monkeypatch):
    validate_as(monkeypatch, VALUES)
    found = run(tiny(max_steps=12, save_every=4, keep_last=9))
    shutil.rmtree(found.checkpoints / "step-4")
    heard = []
    train(tiny(max_steps=16, save_every=4, keep_last=9), True, heard.append)
    assert any("step-4, the best checkpoint, is gone: by the validations in the log, step-12 is" in s for s in heard)
    assert found.checkpoint("best").name == "step-12"


@pytest.mark.parametrize(("best", "step"), [(9.0, 4), (None, 0), ("NaN", 4)])
def test_what_an_older_version_saved_is_understood(here, monkeypatch, best, step):
    validate_as(monkeypatch, VALUES)
    found = run(tiny(max_steps=12, save_every=4, keep_last=9))
    state = {"best": best, "best_step": step, "best_loss": "gone", "misses": 7}
    state["position"] = {"epoch": 1, "window": 0, "batch": 4}
    rewrite_state(found, "step-12", **state)
    path = found.checkpoints / "step-12" / "training" / "state.json"
    path.write_text(path.read_text().replace('"NaN"', "NaN"))
    meta = found.checkpoints / "step-12" / "meta.json"
    meta.write_text(json.dumps({k: v for k, v in json.loads(meta.read_text()).items() if k != "measure"}))
    checksums.write(found.checkpoints / "step-12")
    run(tiny(max_steps=16, save_every=4, keep_last=9), resume=True)
    expected = 4 if best == 9.0 else 16
    assert found.checkpoint("best").name == f"step-{expected}"
    assert json.loads(found.finished.read_text())["best_step"] == expected


def test_a_validation_that_is_not_a_number_leaves_valid_json(here, monkeypatch):
    values = {4: (NAN, NAN), 8: (2.0, 1.0), 12: (math.inf, NAN), 16: (3.0, 1.0)}
    validate_as(monkeypatch, values)
    found = run(tiny(max_steps=12, metric="loss", patience=9))
    assert found.checkpoint("best").name == "step-8"
    written = [*found.log.read_text().split("\n")[:-1], found.finished.read_text()]
    written += [path.read_text() for path in found.checkpoints.rglob("*.json")]
    for text in written:
        json.loads(text, parse_constant=pytest.fail)
    valid = [entry for entry in read_log(found.log) if entry["event"] == "valid"]
    assert [entry["loss"] for entry in valid] == [None, 2.0, None]
    assert [entry["perplexity"] is None for entry in valid] == [True, False, True]
    write_report(found.folder)
    assert read_history(found.folder).best("loss", highest=False) == (8, 2.0)
    # Sums that are not numbers are read back too.
    rewrite_state(found, "step-12", sums=[None, 1.0, 1.0, 1.0, 1.0], since=[1, 1])
    run(tiny(max_steps=16, metric="loss", patience=9), resume=True)
    assert [entry["smoothed_loss"] for entry in read_log(found.log) if entry.get("step") == 15] == [None]


def worse(monkeypatch, better=()):
    """Let each validation after step 0 be worse than that, but those of the steps `better`."""
    values = dict.fromkeys(range(1, 99), (2.0, 50.0)) | dict.fromkeys(better, (0.5, 99.0)) | {0: (1.0, 96.4)}
    validate_as(monkeypatch, values)


def fine_tuned(first, **settings):
    return tiny("second", init_from=str(first.folder), save_every=4, keep_last=1, **settings)


@pytest.mark.parametrize("objective", ["likelihood", "risk"])
def test_nothing_worse_than_the_weights_it_began_with_becomes_the_best(here, monkeypatch, capsys, objective):
    first = run(tiny("first"))
    capsys.readouterr()
    worse(monkeypatch)
    heard = []
    found = train(fine_tuned(first, objective=objective, average_last=1), False, heard.append)
    said = capsys.readouterr().err
    assert "validation before the first step: loss 1.000, perplexity 2.72, BLEU 96.40 (greedy), the best so far" in said
    assert said.count("the best so far") == 1
    assert found.names() == ["step-0", "step-12", "averaged"] and found.checkpoint("best").name == "step-0"
    finished = json.loads(found.finished.read_text())
    assert (finished["best_step"], finished["bleu"]) == (0, 96.4)
    assert any("nothing was gained: no validation was better" in line for line in heard)
    log = [entry for entry in read_log(found.log) if entry["event"] == "valid"]
    assert [entry["step"] for entry in log] == [0, 4, 8, 12]
    a, b = ((r.checkpoint() / "model.safetensors").read_bytes() for r in (first, found))
    assert a == b
    history = read_history(found.folder)
    assert history.best("bleu", highest=True) == (0, 96.4)
    draw([history])
    assert "96.40 at step 0" in (found.folder / "report.html").read_text()


def test_what_is_better_than_the_beginning_takes_its_place(here, monkeypatch):
    first = run(tiny("first"))
    worse(monkeypatch, better=[8])
    heard = []
    found = train(fine_tuned(first, average_last=1), False, heard.append)
    assert found.names() == ["step-8", "step-12", "averaged"] and found.checkpoint("best").name == "step-8"
    assert not any("nothing was gained" in line for line in heard)


@pytest.mark.parametrize("when", [0, 1, 5, "in the validation"])
def test_a_fine_tuning_run_stopped_at_once_goes_on_to_the_bit(here, monkeypatch, when):
    first = run(tiny("first"))
    settings = {"init_from": str(first.folder), "precision": "fp32"}
    whole = run(tiny("whole", **settings))
    with monkeypatch.context() as patch:
        if when == "in the validation":
            break_off(patch, 0)
        else:
            stop_after(patch, when)
        with pytest.raises(Interrupted):
            run(tiny("parts", **settings))
    assert Run(Path("runs/parts")).can_resume
    parts = run(tiny("parts", **settings), resume=True)
    assert equal(whole, parts) and untimed(whole.log) == untimed(parts.log)
    assert whole.names() == parts.names() and whole.checkpoint().name == parts.checkpoint().name


def test_a_run_goes_on_from_step_0(here, monkeypatch):
    first = run(tiny("first"))
    worse(monkeypatch)
    settings = fine_tuned(first, max_steps=4)
    whole = run(settings)
    before = untimed(whole.log)
    again = train(settings, True, lambda line: None, "step-0")
    assert untimed(again.log) == before and [entry["event"] for entry in before[:2]] == ["start", "valid"]
