"""`nmt average`: the mean of checkpoints as a checkpoint that all commands accept and training never removes."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import load_file
from tiny_training import logged, tiny, write_corpus

from nmt.cli.average import command
from nmt.decoding.loading import load
from nmt.errors import NmtError
from nmt.storage.run_folder import Run
from nmt.training.session import train


def average(run, *arguments):
    return CliRunner().invoke(command, [str(run.folder), *arguments], catch_exceptions=False, standalone_mode=False)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A folder with the finished run `run`, which has the checkpoints step-8, step-9, step-12 and `averaged`."""
    folder = tmp_path_factory.mktemp("averaging")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_corpus()
        train(tiny(average_last=2))
    return folder


@pytest.fixture
def run(base, tmp_path, monkeypatch):
    """A copy of the run of `base`, in its working directory."""
    shutil.copytree(base, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return Run(Path("runs/run"))


def test_the_mean_is_that_of_training_with_the_same_validation(run):
    (run.checkpoints / "best").write_text("step-9\n")
    result = average(run, "--last", "2", "--name", "again")
    again, averaged = (load_file(run.checkpoint(name) / "model.safetensors") for name in ("again", "averaged"))
    assert all((again[key] == averaged[key]).all() for key in averaged) and again.keys() == averaged.keys()
    head, *rows = [line.split("  ") for line in result.stdout.split("\n")[:-1]]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in (head, *rows)]
    assert cells[0] == ["checkpoint", "loss", "BLEU"]
    (loss,), (bleu,) = logged(run, "averaged", "loss"), logged(run, "averaged", "bleu")
    assert cells[1] == ["again", f"{loss:.4f}", f"{bleu:.2f}"]
    assert [row[0] for row in cells[2:]] == ["best (step-9)", "last (step-12)"]
    assert cells[-1][1] == f"{logged(run, 'valid', 'loss')[-1]:.4f}"


def test_the_mean_of_named_steps_can_be_used_like_any_checkpoint(run, messages):
    average(run, "--steps", "12,9", "--name", "mean.of-2")
    found = load_file(run.checkpoint("mean.of-2") / "model.safetensors")
    parts = [load_file(run.checkpoint(f"step-{step}") / "model.safetensors") for step in (9, 12)]
    for key, weight in found.items():
        np.testing.assert_allclose(weight, (parts[0][key] + parts[1][key]) / 2, atol=1e-7)
    assert any("--checkpoint mean.of-2" in message for message in messages)
    assert any("mean of step-9, step-12; by bleu it is" in message for message in messages)
    assert load(run.folder, "mean.of-2", engine="onnx", precision="fp32").translate("ba").text is not None
    assert "mean.of-2" in run.names()
    with pytest.raises(NmtError, match=r"no checkpoint 'x'; there are: .*step-12, averaged, mean\.of-2"):
        run.checkpoint("x")


def test_resuming_keeps_a_mean_and_cannot_start_from_it(run):
    average(run, "--last", "2", "--name", "kept")
    before = (run.checkpoint("kept") / "model.safetensors").read_bytes()
    train(tiny(max_steps=10, keep_last=1), resume=True, checkpoint="step-9")
    assert "step-12" not in run.names()  # of which the mean is made
    assert (run.checkpoint("kept") / "model.safetensors").read_bytes() == before
    with pytest.raises(NmtError, match="training cannot resume from it"):
        train(tiny(max_steps=20), resume=True, checkpoint="kept")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", "9,11", "--name", "x"], r"no checkpoint 'step-11'; there are: .*step-9, step-12"),
        (["--last", "9", "--name", "x"], r"has \d checkpoints of training \(.*step-12\), not 9; .*training\.keep_last"),
        (["--last", "2"], r"averaged: exists already; choose another name"),
        (["--last", "2", "--name", "step-99"], "names of the checkpoints of training"),
        (["--last", "2", "--name", "Best"], "names of the checkpoints of training"),
        (["--last", "2", "--name", "../x"], "use letters, digits"),
        (["--last", "2", "--name", ".x.tmp"], "use letters, digits"),
    ],
)
def test_mistakes_leave_the_run_as_it_is(base, monkeypatch, arguments, message):
    monkeypatch.chdir(base)
    run = Run(Path("runs/run"))
    names = sorted(path.name for path in run.checkpoints.iterdir())
    with pytest.raises(NmtError, match=message):
        average(run, *arguments)
    assert sorted(path.name for path in run.checkpoints.iterdir()) == names


@pytest.mark.parametrize("arguments", [[], ["--last", "1"], ["--steps", "9"], ["--steps", "9,9"], ["--steps", "a,b"]])
def test_one_checkpoint_is_no_mean(run, arguments):
    result = CliRunner().invoke(command, [str(run.folder), *arguments])
    assert result.exit_code == 2 and result.stdout == ""


def test_a_run_in_use_an_exported_and_a_damaged_one_are_refused(run):
    with run.lock("-"), pytest.raises(NmtError, match="in use by process"):
        average(run, "--last", "2", "--name", "x")
    weights = run.checkpoint("step-9") / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\1")
    with pytest.raises(NmtError, match="step-9"):
        average(run, "--last", "2", "--name", "x")
    assert "x" not in run.names()
    (run.folder / "graphs.json").write_text("{}")
    with pytest.raises(NmtError, match="is an exported model"):
        average(run, "--last", "2")
