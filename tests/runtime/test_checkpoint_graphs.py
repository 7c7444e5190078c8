"""The graphs beside a checkpoint: made once, made again if they do not belong to it, and never in the way of a run."""

import errno
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from cli.tiny_run import make_run
from hidden_packages import environment_without

from nmt.data.subword import Vocabularies
from nmt.decoding.loading import find_checkpoints, load_translator
from nmt.errors import NmtError
from nmt.runtime import checkpoint_graphs, graph_files
from nmt.runtime.checkpoint_graphs import graphs_of_checkpoint, make_graphs_of_best
from nmt.runtime.graph_files import Graphs
from nmt.storage import checksums
from nmt.storage.run_folder import Run
from nmt.training import checkpoint

NAMES = ["decoder.onnx", "encoder.onnx", "graphs.json"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = make_run(tmp_path_factory.mktemp("graphs"))
    for name in ("step-1", "step-2"):
        checksums.write(run / "checkpoints" / name)
    return run


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """A run without graphs."""
    shutil.copytree(made, tmp_path / "tiny")
    return tmp_path / "tiny"


def graphs_of(run: Path, name: str = "step-1") -> Graphs:
    return graphs_of_checkpoint(Run(run), run / "checkpoints" / name, Vocabularies.load(run / "subword"), "int8")


def is_complete(run: Path) -> bool:
    """Return whether there are graphs of step-1 and nothing else."""
    folder = run / "checkpoints" / "step-1"
    names = {"checksums.json", "graphs-int8", "meta.json", "model.safetensors"}
    is_only = {path.name for path in folder.iterdir()} == names
    return is_only and sorted(path.name for path in (folder / "graphs-int8").iterdir()) == NAMES


def test_graphs_are_made_once(run: Path, messages: list[str]) -> None:
    first = graphs_of(run)
    assert len(messages) == 1 and messages[0].startswith("made int8 graphs of step-1 in ")
    assert messages[0].endswith(f"kept in {run / 'checkpoints' / 'step-1' / 'graphs-int8'}")
    assert is_complete(run)
    again = graphs_of(run)
    assert (again.encoder, again.decoder) == (first.encoder, first.decoder) and len(messages) == 1
    assert again.description.weights == checksums.digest(run / "checkpoints" / "step-1" / "model.safetensors")
    assert graphs_of(run, "step-2").decoder != first.decoder


def change_description(kept: Path, **values: object) -> None:
    found = json.loads((kept / "graphs.json").read_text(encoding="utf-8"))
    (kept / "graphs.json").write_text(json.dumps(found | values), encoding="utf-8")


def cut_off(kept: Path) -> None:
    (kept / "decoder.onnx").write_bytes((kept / "decoder.onnx").read_bytes()[:-5])


def replace_by_a_file(kept: Path) -> None:
    shutil.rmtree(kept)
    kept.write_text("text", encoding="utf-8")


USELESS = {
    "older format": (lambda kept: change_description(kept, format=0), "graphs.json: has format 0"),
    "newer format": (lambda kept: change_description(kept, format=99), "graphs.json: has format 99"),
    "another exporter": (lambda kept: change_description(kept, exporter=0), ""),
    "other weights": (lambda kept: change_description(kept, weights="0" * 64), ""),
    "damaged": (cut_off, "decoder.onnx: damaged: it has "),
    "damaged description": (lambda kept: (kept / "graphs.json").write_text("{"), "graphs.json: damaged"),
    "missing file": (lambda kept: (kept / "encoder.onnx").unlink(), "encoder.onnx: cannot be read: No such file"),
    "no description": (lambda kept: (kept / "graphs.json").unlink(), ""),
    "empty": (lambda kept: [path.unlink() for path in kept.iterdir()], ""),
    "a file": (replace_by_a_file, ""),
}


@pytest.mark.parametrize(("damage", "message"), USELESS.values(), ids=USELESS)
def test_useless_graphs_are_made_again(run: Path, messages: list[str], damage: Any, message: str) -> None:
    expected = graphs_of(run).decoder
    damage(run / "checkpoints" / "step-1" / "graphs-int8")
    messages.clear()
    assert graphs_of(run).decoder == expected
    assert messages[-1].startswith("made int8 graphs of step-1") and "kept in" in messages[-1]
    assert len(messages) == 1 + bool(message)
    if message:
        assert message in messages[0] and messages[0].endswith("; the graphs are made again")
    messages.clear()
    assert graphs_of(run).decoder == expected and messages == []
    assert is_complete(run)


def test_graphs_of_an_older_exporter_are_made_again(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graphs_of(run)
    monkeypatch.setattr(checkpoint_graphs, "EXPORTER", graph_files.EXPORTER + 1)
    assert checkpoint_graphs._load(run / "checkpoints" / "step-1" / "graphs-int8") is None


def test_changed_weights_are_noticed(run: Path) -> None:
    first = graphs_of(run).decoder
    one, two = (run / "checkpoints" / name for name in ("step-1", "step-2"))
    shutil.copyfile(two / "model.safetensors", one / "model.safetensors")
    with pytest.raises(NmtError, match=r"step-1/model.safetensors: damaged or missing: its checksum is wrong"):
        graphs_of(run)
    checksums.write(one)
    changed = graphs_of(run).decoder
    assert changed != first and changed == graphs_of(run, "step-2").decoder


def test_graphs_of_the_best_checkpoint_are_made(
    run: Path, monkeypatch: pytest.MonkeyPatch, messages: list[str]
) -> None:
    make_graphs_of_best(Run(run))
    assert is_complete(run) and not (run / "checkpoints" / "step-2" / "graphs-int8").exists()
    (run / "checkpoints" / "best").write_text("step-2\n", encoding="utf-8")
    (run / "checkpoints" / "step-2" / "model.safetensors").write_bytes(b"damaged")
    make_graphs_of_best(Run(run))
    assert messages[-1].startswith("no graphs for translation: ") and "step-2/model.safetensors" in messages[-1]

    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(checkpoint_graphs, "graphs_of_checkpoint", fail)
    make_graphs_of_best(Run(run))
    assert messages[-1] == "no graphs for translation: out of memory"


def test_a_copied_run_keeps_its_graphs(run: Path, messages: list[str]) -> None:
    graphs_of(run)
    copy = run.parent / "copy"
    shutil.copytree(run, copy, copy_function=shutil.copyfile)
    for path in copy.rglob("*"):  # a copy may have any times
        os.utime(path, (1, 1))
    messages.clear()
    graphs_of(copy)
    assert messages == []


@pytest.mark.parametrize(
    ("target", "error", "reason"),
    [
        ("nmt.storage.locks.try_lock_file", errno.EROFS, "Read-only file system"),
        ("nmt.storage.locks.try_lock_file", errno.EACCES, "Permission denied"),
        ("nmt.runtime.graph_files.Graphs.save", errno.ENOSPC, "No space left on device"),
        ("nmt.storage.atomic_folder.Path.rename", errno.EACCES, "Permission denied"),
    ],
)
def test_what_cannot_be_kept_is_made_in_memory(
    run: Path, monkeypatch: pytest.MonkeyPatch, messages: list[str], target: str, error: int, reason: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    before = sorted(run.rglob("*"))
    expected = graphs_of(shutil.copytree(run, run.parent / "other")).decoder
    monkeypatch.setattr(target, fail)
    messages.clear()
    assert graphs_of(run).decoder == expected
    assert len(messages) == 1 and messages[0].endswith(f"not kept: {run / 'checkpoints' / 'step-1'}: {reason}")
    assert sorted(run.rglob("*")) == before


def test_a_checkpoint_that_is_removed_meanwhile_stays_removed(
    run: Path, monkeypatch: pytest.MonkeyPatch, messages: list[str]
) -> None:
    make = checkpoint_graphs.make_graphs

    def make_and_remove(*given: Any) -> Graphs:
        graphs = make(*given)
        checkpoint.prune(Run(run), ["step-2"])
        return graphs

    monkeypatch.setattr(checkpoint_graphs, "make_graphs", make_and_remove)
    assert graphs_of(run).decoder
    assert "not kept: " in messages[-1]
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["best", "last", "step-2"]


def test_a_checkpoint_can_be_removed_while_graphs_are_written(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that appear while `prune` removes the folder do not keep it from being removed."""
    graphs_of(run)
    folder, rmtree = run / "checkpoints" / "step-1", shutil.rmtree

    def write_and_remove(path: Path, *given: Any, **named: Any) -> None:
        with pytest.raises(FileNotFoundError):
            (folder / ".graphs-fp32.lock").touch()
        rmtree(path, *given, **named)

    monkeypatch.setattr(checkpoint.shutil, "rmtree", write_and_remove)
    checkpoint.prune(Run(run), ["step-2"])
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["best", "last", "step-2"]


def test_a_replaced_checkpoint_gets_new_graphs(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training writes step-1 again while graphs of the old weights are made."""
    make, folder = checkpoint_graphs.make_graphs, run / "checkpoints" / "step-1"

    def make_and_replace(*given: Any) -> Graphs:
        graphs = make(*given)
        shutil.rmtree(folder)
        shutil.copytree(run / "checkpoints" / "step-2", folder)
        return graphs

    monkeypatch.setattr(checkpoint_graphs, "make_graphs", make_and_replace)
    old = graphs_of(run).decoder
    monkeypatch.undo()
    new = graphs_of(run).decoder
    assert new == graphs_of(run, "step-2").decoder != old
    assert is_complete(run)


def test_graphs_are_not_part_of_the_checkpoint(run: Path) -> None:
    before = Run(run).names(), Run(run).checkpoint("best")
    graphs_of(run)
    assert (Run(run).names(), Run(run).checkpoint("best")) == before
    checksums.verify_folder(run / "checkpoints" / "step-1", "")
    with pytest.raises(NmtError, match=r"graphs-int8: is not a run folder; name the run folder, "):
        find_checkpoints([run / "checkpoints" / "step-1" / "graphs-int8"], None)


MAKE = """
import sys
from pathlib import Path
from nmt.data.subword import Vocabularies
from nmt.runtime import checkpoint_graphs
from nmt.storage.run_folder import Run
run = Path(sys.argv[1])
vocabularies = Vocabularies.load(run / "subword")
print("ready", flush=True)
input()
graphs = checkpoint_graphs.graphs_of_checkpoint(Run(run), run / "checkpoints" / "step-1", vocabularies, "int8")
print(len(graphs.decoder))
"""


def start(run: Path) -> "subprocess.Popen[str]":
    """Start a process that makes graphs when it reads a line."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", MAKE, run], **pipes)


def test_two_processes_make_the_same_graphs(run: Path) -> None:
    processes = [start(run) for _ in range(3)]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    found = [process.communicate("\n")[0] for process in processes]
    assert len(set(found)) == 1 and int(found[0]) == len(graphs_of(run).decoder)
    assert is_complete(run)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals")
def test_a_killed_process_leaves_nothing_that_matters(run: Path, messages: list[str]) -> None:
    def work() -> None:
        checkpoint_graphs.graphs_of_checkpoint.__globals__["build_folder"] = build
        graphs_of(run)

    from nmt.storage.atomic_folder import build_folder

    def build(*given: Any) -> Any:
        context = build_folder(*given)
        partial = context.__enter__()
        assert partial is not None
        (partial / "encoder.onnx").write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    left = {path.name for path in (run / "checkpoints" / "step-1").iterdir()}
    assert left >= {".graphs-int8.partial", ".graphs-int8.lock"} and "graphs-int8" not in left
    graphs_of(run)
    assert is_complete(run) and len(messages) == 1


def test_the_default_engine_is_torch_if_graphs_cannot_be_made(
    run: Path, monkeypatch: pytest.MonkeyPatch, messages: list[str]
) -> None:
    monkeypatch.setattr("nmt.runtime.network.MAX_BYTES", 1000)
    found = find_checkpoints([run], None)
    translator = load_translator(found, "auto", "cpu", "fp32").translator
    assert translator.machine.engine == "torch"
    expected = "at most 2 GiB; torch translates instead"
    assert [line for line in messages if line.endswith(expected)] == messages[1:2]
    with pytest.raises(NmtError, match=r"at most 2 GiB; use --engine torch$"):
        load_translator(found, "onnx", "cpu", "fp32")


def translate(run: Path, tmp_path: Path, *missing: str) -> "subprocess.CompletedProcess[str]":
    """Translate a line where the packages are missing."""
    tmp_path.mkdir()
    command = [sys.executable, "-m", "nmt", "translate", "--model", run, "--device", "cpu"]
    variables = environment_without(tmp_path, *missing)
    return subprocess.run(command, input="a dog\n", env=variables, capture_output=True, text=True, check=False)


def test_without_onnx(run: Path, tmp_path: Path) -> None:
    done = translate(run, tmp_path / "torch", "onnx")
    assert done.returncode == 0 and done.stdout.count("\n") == 1
    folder = run / "checkpoints" / "step-1"
    reason = f"{folder} has no int8 graphs yet, and the package onnx, which makes them, is not installed"
    assert f"{reason}; torch translates instead\n" in done.stderr
    assert not (folder / "graphs-int8").exists()
    done = translate(run, tmp_path / "neither", "onnx", "torch")
    export = "give a folder that 'nmt export' has written elsewhere"
    remedies = f"install onnx (pip install onnx), or {export}, or install torch (pip install torch)"
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.split("\n")[1:] == [f"nmt: error: {reason}; {remedies}", ""]
    graphs_of(run)
    done = translate(run, tmp_path / "made", "onnx", "torch")
    assert done.returncode == 0 and done.stdout.count("\n") == 1


def test_the_time_of_weights_decides_whether_they_are_read(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graphs_of(run)
    read = []
    monkeypatch.setattr(checksums, "verify_file", read.append)
    graphs_of(run)
    assert read == []
    weights = run / "checkpoints" / "step-1" / "model.safetensors"
    os.utime(weights, (time.time() + 9, time.time() + 9))
    graphs_of(run)
    assert read == [weights]
