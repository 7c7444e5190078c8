"""`nmt runs` lists runs in every state, exported models and damaged folders."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from nmt import config
from nmt.cli.runs import command
from nmt.errors import NmtError
from nmt.reports.run_list import list_runs
from nmt.storage.run_folder import Run

LOG = [
    {"event": "start", "step": 0},
    {"event": "train", "step": 50, "loss": 3.0},
    {"event": "valid", "step": 50, "loss": 2.5, "bleu": 31.5, "samples": []},
    {"event": "train", "step": 100, "loss": 2.0},
    {"event": "valid", "step": 100, "loss": 2.25, "bleu": 30.0, "samples": []},
]
CORPUS = {"source": "a", "target": "b"}


def make(name: str, *more: dict[str, object], files: tuple[str, ...] = (), log: bool = True) -> Path:
    """Make runs/NAME with a checkpoint, a log with `more` entries and further empty files."""
    run = Run(Path("runs", name))
    (run.checkpoints / "step-100").mkdir(parents=True)
    (run.checkpoints / "last").write_text("step-100\n", encoding="utf-8")
    data = {"source_language": "en", "target_language": "zh_Hans", "train": CORPUS, "valid": CORPUS}
    settings = config.parse({"name": name, "data": data, "training": {"max_steps": 400}}, "test")
    run.config_file.write_text(config.dump(settings), encoding="utf-8")
    if log:
        text = "".join(json.dumps(entry) + "\n" for entry in (*LOG, *more))
        run.log.write_text(text, encoding="utf-8")
    for file in files:
        (run.folder / file).parent.mkdir(exist_ok=True)
        (run.folder / file).touch()
    return run.folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a run in each state."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        result = {"split": "flickr", "scores": [{"name": "BLEU", "score": 36.21}, {"name": "TER", "score": 50.0}]}
        done = make("finished", {"event": "end", "step": 400}, files=("finished.json", "evaluations/flickr.json"))
        (done / "evaluations/flickr.json").write_text(json.dumps(result), encoding="utf-8")
        for name in ("valid-step-100", "broken"):
            (done / f"evaluations/{name}.json").write_text("{", encoding="utf-8")
        make("training", files=(".lock",))
        make("interrupted", files=(".lock",))
        make("moved", {"event": "tr", "step": None})
        make("failed", {"event": "error", "message": "runs/failed: no finite gradient"})
        new = make("new", log=False)
        shutil.rmtree(new / "checkpoints" / "step-100")
        (new / "checkpoints" / "last").unlink()
        exported = Path("runs/exported")
        shutil.copytree(make("copied"), exported)
        shutil.rmtree(exported / "checkpoints")
        (exported / "log.jsonl").unlink()
        (exported / "graphs.json").write_text('{"checkpoint": "step-300"}', encoding="utf-8")
        damages = {"no-config": "config.yaml", "no-checkpoints": "checkpoints", "no-last": "checkpoints/step-100"}
        for name, lost in damages.items():
            path = make(name) / lost
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        (make("binary") / "config.yaml").write_bytes(b"\xff\x00")
        Path("runs/moved").rename("runs/renamed")
        Path("runs/no-run").mkdir()
        Path("runs/file").touch()
        for number, path in enumerate(("failed", "finished")):
            os.utime(f"runs/{path}/log.jsonl", (2e9 - number, 2e9 - number))
        for name in ("aborted", "preparing"):
            Path("runs", name, "checkpoints").mkdir(parents=True)
        with Run(Path("runs/training")).lock(""), Run(Path("runs/preparing")).lock(""):
            yield folder


@pytest.fixture
def listed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, object]]:
    """The runs by name, as JSON."""
    monkeypatch.chdir(folder)
    found = json.loads(CliRunner().invoke(command, ["--json"], catch_exceptions=False).stdout)
    return {Path(run["folder"]).name: run for run in found}


TRAIN = "nmt train --config runs/{}/config.yaml"


@pytest.mark.parametrize(
    ("name", "state", "step", "continuation", "note"),
    [
        ("finished", "finished", 400, "nmt translate --model runs/finished", ""),
        ("training", "training", 100, None, ""),
        ("interrupted", "interrupted", 100, f"{TRAIN} --resume", ""),
        ("renamed", "interrupted", 100, f"{TRAIN} --set name=renamed --resume", ""),
        ("failed", "failed", 100, f"{TRAIN} --resume", "no finite gradient"),
        ("new", "interrupted", None, TRAIN, "no checkpoint was saved"),
        ("aborted", "interrupted", None, None, "training had not begun"),
        ("preparing", "training", None, None, "the data is being prepared"),
        ("exported", "exported", 300, "nmt translate --model runs/exported", ""),
        ("no-config", "damaged", None, None, "config.yaml is missing"),
        ("binary", "damaged", None, None, "config.yaml is missing or unreadable"),
        ("no-checkpoints", "damaged", 100, None, "checkpoints/ is missing"),
        ("no-last", "damaged", 100, None, "the last checkpoint is missing"),
    ],
)
def test_each_state(
    listed: dict[str, dict[str, object]], name: str, state: str, step: int | None, continuation: str | None, note: str
) -> None:
    run = listed[name]
    assert (run["state"], run["step"]) == (state, step)
    assert run["command"] == (continuation and continuation.format(name)) and note in str(run["note"])
    assert (run["note"] == "") == (note == "")
    if name not in ("no-config", "binary", "aborted", "preparing"):
        assert (run["source_language"], run["target_language"], run["max_steps"]) == ("en", "zh_Hans", 400)


def test_scores_sizes_and_order(listed: dict[str, dict[str, object]], folder: Path) -> None:
    assert list(listed)[:2] == ["failed", "finished"], "the newest first"
    assert not {"no-run", "file"} & set(listed)
    done = listed["finished"]
    assert (done["valid_bleu"], done["valid_loss"]) == (31.5, 2.25)
    assert (done["test_bleu"], done["test_set"], listed["failed"]["test_bleu"]) == (36.21, "flickr", None)
    files = [path for path in (folder / "runs/finished").rglob("*") if path.is_file()]
    assert done["size"] == sum(path.stat().st_size for path in files) > 0


def test_the_table(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    text = CliRunner().invoke(command, [], catch_exceptions=False).stdout
    rows = {line.split()[0]: line for line in text.split("\n\n")[0].split("\n")}
    for part in ("finished", "en-zh_Hans", " 400 ", "31.50", "36.21 flickr", "1 MB", "just now", "nmt translate"):
        assert part in rows["runs/finished"], part
    assert "100/400" in rows["runs/interrupted"] and "damaged" in rows["runs/no-config"]
    assert "\nruns/failed: runs/failed: no finite gradient\n" in text


def test_other_folders(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    [one] = list_runs(folder / "runs" / "interrupted")
    assert one.command == f"cd {folder} && {TRAIN.format('interrupted')} --resume"
    shutil.copytree(folder / "runs" / "interrupted", tmp_path / "kept" / "interrupted")
    [kept] = list_runs(Path("kept"))
    assert kept.command is None and kept.note == "to resume it, move it to a folder runs/"
    with pytest.raises(NmtError, match="runs: no such folder; train one with"):
        CliRunner().invoke(command, [], catch_exceptions=False, standalone_mode=False)
    Path("runs").mkdir()
    with pytest.raises(NmtError, match=r"no run in .*runs; train one"):
        CliRunner().invoke(command, [], catch_exceptions=False, standalone_mode=False)
