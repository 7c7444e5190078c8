"""The run and the checkpoint of a command are found by their names."""

import os
from pathlib import Path

import pytest

from nmt.errors import NmtError
from nmt.storage.run_folder import Run, find_run, read_log


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the finished runs `old` and `new`, each with two checkpoints, in `runs/` of the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NMT_MODEL", raising=False)
    for number, name in enumerate(("old", "new")):
        run = tmp_path / "runs" / name
        for checkpoint in ("step-9", "step-10"):
            (run / "checkpoints" / checkpoint).mkdir(parents=True)
            (run / "checkpoints" / checkpoint / "model.safetensors").touch()
        (run / "checkpoints" / "best").write_text("step-9\n", encoding="utf-8")
        for file in ("config.yaml", "finished.json"):
            (run / file).touch()
        os.utime(run / "finished.json", (number, number))
    return tmp_path / "runs"


def test_the_newest_finished_run_is_the_default(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_run(None) == (Run(Path("runs/new")), "best", "the newest finished run")
    monkeypatch.setenv("NMT_MODEL", "runs/old")
    assert find_run(None) == (Run(Path("runs/old")), "best", "from $NMT_MODEL")
    assert find_run(runs / "new/checkpoints/step-9") == (Run(runs / "new"), "step-9", "as requested")


def test_without_a_finished_run_the_message_says_how_to_train_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NMT_MODEL", raising=False)
    with pytest.raises(NmtError, match=r"no finished run in .*/runs; train one with 'nmt train --config CONFIG'"):
        find_run(None)
    Path("runs/begun/checkpoints").mkdir(parents=True)
    for name in ("config.yaml", "checkpoints/last"):
        Path("runs/begun", name).touch()
    with pytest.raises(NmtError, match=r"no finished run in .*/runs; to use the unfinished runs/begun, name it with -"):
        find_run(None)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("runs/none", "runs/none: no such run folder; train one with"),
        ("runs", r"runs: not a run folder \(no config.yaml or checkpoints/\)"),
        ("file", r"file: is a file; name the folder of a run \(runs/NAME\)"),
        ("runs/old/config.yaml", "config.yaml: is a file; name the run folder, runs/old, or .*/step-10$"),
        ("runs/old/checkpoints", "is not a run folder; name the run folder, runs/old, or a checkpoint folder"),
        ("runs/old/checkpoints/step-9/model.safetensors", "is a file; .* such as runs/old/checkpoints/step-9$"),
        ("runs/old/none", "no such file or folder; name the run folder, runs/old"),
    ],
)
def test_a_path_that_is_no_run_is_named_with_the_run_folder(runs: Path, name: str, message: str) -> None:
    Path("file").touch()
    with pytest.raises(NmtError, match=message):
        find_run(Path(name))


def test_checkpoints_have_names(runs: Path) -> None:
    run = Run.open(runs / "old")
    assert run.names() == ["step-9", "step-10"]
    assert run.checkpoint("best") == run.checkpoint("step-9") == run.checkpoints / "step-9"
    with pytest.raises(NmtError, match="no checkpoint 'last' yet; train one with"):
        run.checkpoint("last")
    for name in ("step-8", "..", "old/step-9"):
        with pytest.raises(NmtError, match=f"no checkpoint '{name}'; there are: step-9, step-10"):
            run.checkpoint(name)


def test_incomplete_lines_of_a_log_are_skipped(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(b'{"step": 1, "loss": NaN}\n[1]\n{"st')
    assert read_log(log) == [{"step": 1, "loss": None}]
    with pytest.raises(NmtError, match=r"log.jsonl: No such file"):
        read_log(tmp_path / "none" / "log.jsonl")
