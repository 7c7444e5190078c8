"""A run folder from a stranger executes nothing, reaches nothing outside it, and takes no more memory than it holds."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from tiny_run import make_run

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
MEMORY = 4 << 30
CODE = f"""
import os, resource, sys
import torch, nmt.decoding.translate_lines
from nmt.cli.main import main
used = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
resource.setrlimit(resource.RLIMIT_AS, (used + {MEMORY},) * 2)
sys.argv = ["nmt", "translate", "--model", sys.argv[1], "--greedy", "--device", "cpu"]
main()
"""


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path)


def translate(run):
    """Return status, stdout and stderr of translating a line with `run`, in little memory."""
    line = [sys.executable, "-c", CODE, str(run)]
    done = subprocess.run(line, input=b"a dog\n", capture_output=True, cwd=run, timeout=120, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def changed(run, *keys, to):
    """Set a key of the run's configuration."""
    path = run / "config.yaml"
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    place = values
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = to
    path.write_text(yaml.safe_dump(values), encoding="utf-8")


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("encoder", "size"), 90_000),
        (("encoder", "size"), 2_000_000_000),
        (("encoder", "layers"), 5_000_000),
        (("decoder", "layers"), 100),
        (("embedding", "size"), 2_000_000_000),
    ],
)
def test_a_network_larger_than_its_file_is_never_made(run, keys, value):
    changed(run, "model", *keys, to=value)
    status, out, err = translate(run)
    assert (status, out) == (1, "") and "Traceback" not in err
    assert "does not fit the configuration" in err or "less than or equal to 100" in err  # or to 100000


def test_tags_of_python_are_not_executed(run, tmp_path):
    path = run / "config.yaml"
    victim = tmp_path / "executed"
    path.write_text(path.read_text() + f"\nseed: !!python/object/apply:os.mkdir [{victim}]\n")
    status, out, err = translate(run)
    assert (status, out) == (1, "") and "Traceback" not in err and not victim.exists()


def test_pickle_is_not_executed(run, tmp_path):
    victim = tmp_path / "executed"

    class Attack:
        def __reduce__(self):
            return os.mkdir, (str(victim),)

    for path in [*run.rglob("*.safetensors"), *run.rglob("*.model")]:
        torch.save(Attack(), path)
    status, out, err = translate(run)
    assert (status, out) == (1, "") and "Traceback" not in err and not victim.exists()


@pytest.mark.parametrize("name", ["../../../elsewhere", "/etc", "..", "step-1/../../..", ""])
def test_a_pointer_leads_nowhere_else(run, name):
    shutil.copytree(run / "checkpoints" / "step-1", run.parent.parent / "elsewhere")
    (run / "checkpoints" / "best").write_text(name + "\n")
    status, out, err = translate(run)
    assert (status, out) == (1, "") and "Traceback" not in err and "no checkpoint" in err


def test_nothing_is_written(run, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert translate(run)[0] == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
