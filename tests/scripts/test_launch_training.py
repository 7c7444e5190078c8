"""The scripts in scripts/launch that start training: dry runs with a false torchrun, srun and scontrol."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hidden_packages import ROOT

FOLDER = ROOT / "scripts" / "launch"
PROGRAMS = {
    "torchrun": 'printf "%s\\n" "$@" "threads ${OMP_NUM_THREADS:-}" "rank ${RANK:-}"',
    "srun": 'exec "$@"',
    "scontrol": 'printf "%s\\n" node7 node8',
}
SLURM = {"SLURM_JOB_ID": "12", "SLURM_NNODES": "2", "SLURM_JOB_NODELIST": "node[7-8]", "SLURM_CPUS_PER_TASK": "8"}
KUBERNETES = {"MASTER_ADDR": "mine-master-0", "MASTER_PORT": "23456", "WORLD_SIZE": "3", "RANK": "1"}
SEVERAL = {"HEAD": "node1", "NODES": "2", "JOB": "mine"}
pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="bash")


def start(name: str, folder: Path, variables: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a script with these variables; the false torchrun prints its arguments."""
    for program, text in PROGRAMS.items():
        (folder / program).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (folder / program).chmod(0o755)
    removed = ("SLURM", "MASTER_", "WORLD_SIZE", "RANK", "PROCESSES", "RESTARTS", "HEAD", "NODES", "JOB", "PORT")
    known = {key: value for key, value in os.environ.items() if not key.startswith(removed)}
    environment = {**known, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", **variables}
    return subprocess.run([FOLDER / name, *arguments], env=environment, capture_output=True, text=True, check=False)


CASES = [
    ("train-one-node.sh", {}, ["--standalone", "--nproc-per-node=gpu", "--max-restarts=3"]),
    ("train-one-node.sh", {"PROCESSES": "2", "RESTARTS": "0"}, ["--nproc-per-node=2", "--max-restarts=0"]),
    ("train-several-nodes.sh", SEVERAL, ["--nnodes=2", "--rdzv-id=mine", "--rdzv-endpoint=node1:29400"]),
    ("train-several-nodes.sh", SEVERAL | {"PORT": "5", "PROCESSES": "4"}, ["--rdzv-endpoint=node1:5"]),
    ("slurm-train.sh", SLURM, ["--nnodes=2", "--nproc-per-node=gpu", "--rdzv-id=12", "--rdzv-endpoint=node7:29400"]),
    ("slurm-train.sh", SLURM | {"PROCESSES": "4"}, ["--nproc-per-node=4", "threads 2"]),
    ("train-kubernetes.sh", KUBERNETES, ["--nnodes=3", "--node-rank=1", "--master-addr=mine-master-0", "rank "]),
]


@pytest.mark.parametrize(("name", "variables", "expected"), CASES)
def test_a_script_starts_torchrun(tmp_path: Path, name: str, variables: dict[str, str], expected: list[str]) -> None:
    done = start(name, tmp_path, variables, "--config", "my config.yaml", "--resume")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert set(expected) <= set(lines)
    assert lines[lines.index("-m") : lines.index("--resume") + 1] == [
        "-m", "nmt", "train", "--config", "my config.yaml", "--resume"
    ]  # fmt: skip
    from torch.distributed.run import get_args_parser

    given = get_args_parser().parse_args(lines[: lines.index("-m") + 2])  # torchrun knows these options
    assert given.module and given.training_script == "nmt"


@pytest.mark.parametrize(
    ("name", "variables", "message"),
    [
        ("train-one-node.sh", {}, "give the arguments of nmt train"),
        ("train-several-nodes.sh", {"HEAD": "node1"}, "set NODES"),
        ("slurm-train.sh", {}, "submit this script"),
        ("slurm-train.sh", SLURM, "give the arguments"),
        ("train-kubernetes.sh", {"RANK": "0"}, "MASTER_ADDR is not set"),
    ],
)
def test_a_script_that_is_started_wrongly_says_how(
    tmp_path: Path, name: str, variables: dict[str, str], message: str
) -> None:
    done = start(name, tmp_path, variables)
    assert done.returncode == 2 and message in done.stderr and not done.stdout
