"""A run folder from an untrusted source executes no code, reads no other folder and cannot exhaust the memory."""

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
import torch
import yaml
from tiny_run import make_run

from nmt.data.subword import Vocabularies
from nmt.runtime.checkpoint_graphs import graphs_of_checkpoint
from nmt.storage.run_folder import Run

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
MEMORY = 4 << 30
CODE = f"""
import os, resource, sys
import torch, nmt.cli.translate, nmt.config.loading
import nmt.decoding.translate_lines, nmt.runtime.network, nmt.runtime.onnx_engine
from nmt.__main__ import main
for number, run in enumerate(sys.argv[1:]):
    if os.fork() == 0:  # a process for each run, without importing torch in each
        for descriptor, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{{number}}.{{name}}", os.O_WRONLY | os.O_CREAT), descriptor)
        used = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + {MEMORY},) * 2)
        sys.argv = ["nmt", "translate", "--model", run, "--input", "input.txt", "--greedy", "--device", "cpu"]
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # Python's own end copies and frees the memory of all imports, which takes a second
    print(os.waitstatus_to_exitcode(os.wait()[1]))
"""


SIZES = [
    (("encoder", "size"), 90_000),
    (("encoder", "size"), 2_000_000_000),
    (("encoder", "layers"), 5_000_000),
    (("decoder", "layers"), 100),
    (("embedding", "size"), 2_000_000_000),
]
POINTERS = ["../../../elsewhere", "/etc", "..", "step-1/../../..", ""]


class Attack:
    """Creates a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def make_runs(folder):
    """Return a run that is valid, and manipulated ones, by name."""
    names = ["valid", "yaml", "pickle", "graphs", *(f"size {n}" for n in range(len(SIZES))), *map(repr, POINTERS)]
    made = make_run(folder / "made")
    runs = {name: folder / str(number) / "runs" / made.name for number, name in enumerate(names)}
    for run in runs.values():
        shutil.copytree(made, run)
    for number, ((section, key), value) in enumerate(SIZES):
        path = runs[f"size {number}"] / "config.yaml"
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        values["model"][section][key] = value
        path.write_text(yaml.safe_dump(values), encoding="utf-8")
    for name in POINTERS:
        run = runs[repr(name)]
        shutil.copytree(run / "checkpoints" / "step-1", run.parent.parent / "elsewhere")
        (run / "checkpoints" / "best").write_text(name + "\n")
    with (runs["yaml"] / "config.yaml").open("a", encoding="utf-8") as file:
        file.write(f"\nseed: !!python/object/apply:os.mkdir [{folder / 'executed'}]\n")
    for path in [*runs["pickle"].rglob("*.safetensors"), *runs["pickle"].rglob("*.model")]:
        torch.save(Attack(folder / "executed"), path)
    make_hostile_graphs(runs["graphs"])
    return runs


def make_hostile_graphs(run):
    """Write graphs to a run which read another file."""
    vocabularies = Vocabularies.load(run / "subword")
    graphs = graphs_of_checkpoint(Run(run), run / "checkpoints" / "step-1", vocabularies, "int8")
    model = onnx.ModelProto()
    model.ParseFromString(graphs.decoder)
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="/etc/passwd")
    kept = run / "checkpoints" / "step-1" / "graphs-int8"
    for path in kept.iterdir():
        path.unlink()
    dataclasses.replace(graphs, decoder=model.SerializeToString()).save(kept)


def files_of(run):
    """Return the files of a run without its graphs, each with its time."""
    paths = [path for path in run.rglob("*") if path.is_file() and not path.parent.name.startswith("graphs-")]
    return {path: path.stat().st_mtime_ns for path in paths}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder for all runs."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def results(folder):
    """Translate a line with each run in little memory; return exit status, stdout and stderr of each by its name."""
    runs = make_runs(folder)
    before = files_of(runs["valid"])
    (folder / "input.txt").write_text("a dog\n")
    line = [sys.executable, "-c", CODE, *map(str, runs.values())]
    done = subprocess.run(line, capture_output=True, text=True, cwd=folder, timeout=300, check=True)
    assert files_of(runs["valid"]) == before, "nothing but graphs is written"
    outputs = (
        tuple((folder / f"{number}.{name}").read_text(encoding="utf-8") for name in ("out", "err"))
        for number in range(len(runs))
    )
    return dict(zip(runs, zip(map(int, done.stdout.split()), outputs, strict=True), strict=True))


def test_a_valid_run_translates_and_is_not_changed(results):
    status, (out, _) = results["valid"]
    assert status == 0 and out.count("\n") == 1


@pytest.mark.parametrize("number", range(len(SIZES)))
def test_a_network_larger_than_its_file_is_not_allocated(results, number):
    status, (out, err) = results[f"size {number}"]
    assert (status, out) == (1, "") and "Traceback" not in err
    assert "do not fit the configuration" in err or "less than or equal to 100" in err  # or to 100000


@pytest.mark.parametrize("name", ["yaml", "pickle"])
def test_code_in_yaml_or_pickle_is_not_executed(results, folder, name):
    status, (out, err) = results[name]
    assert (status, out) == (1, "") and "Traceback" not in err and not (folder / "executed").exists()


def test_graphs_that_read_other_files_are_not_used(results):
    status, (out, err) = results["graphs"]
    assert (status, out) == (0, results["valid"][1][0])
    assert "decoder.onnx: not a graph that nmt has written: a tensor has the field 1" in err
    assert "made int8 graphs of step-1" in err


@pytest.mark.parametrize("name", POINTERS)
def test_a_checkpoint_pointer_cannot_name_another_folder(results, name):
    status, (out, err) = results[repr(name)]
    assert (status, out) == (1, "") and "Traceback" not in err and "no checkpoint" in err
