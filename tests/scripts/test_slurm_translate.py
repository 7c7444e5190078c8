"""scripts/launch/slurm-translate.sh: a dry run with a false srun and the variables of a Slurm array."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hidden_packages import ROOT

from nmt.cli import translate
from nmt.decoding.files_job import Shard

SCRIPT = ROOT / "scripts" / "launch" / "slurm-translate.sh"
SRUN = '#!/bin/sh\nprintf "%s\\n" "$OMP_NUM_THREADS" "$@"\n'
pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="bash")


def submit(folder: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run the script as a job of an array; the false srun prints the number of threads and its arguments."""
    srun = folder / "srun"
    srun.write_text(SRUN, encoding="utf-8")
    srun.chmod(0o755)
    known = {name: value for name, value in os.environ.items() if not name.startswith("SLURM") and name != "SHARDS"}
    environment = {**known, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", **variables}
    return subprocess.run([SCRIPT, *arguments], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("variables", "threads", "shard"),
    [
        ({"SLURM_ARRAY_TASK_ID": "2", "SLURM_ARRAY_TASK_COUNT": "3"}, "1", Shard(2, 3)),
        ({"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_COUNT": "2", "SHARDS": "8"}, "1", Shard(5, 8)),
        ({"SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_COUNT": "1", "SLURM_CPUS_PER_TASK": "4"}, "4", Shard(1, 1)),
    ],
)
def test_a_job_of_an_array_translates_its_shard(
    tmp_path: Path, variables: dict[str, str], threads: str, shard: Shard
) -> None:
    arguments = ["--model", "a run", "--input", "corpus/*.gz", "--output-folder", "OUT"]
    done = submit(tmp_path, *arguments, **variables)
    words = done.stdout.split("\n")[:-1]
    assert done.returncode == 0 and words[:9] == [threads, "nmt", "translate", *arguments]
    given = translate.command.make_context("translate", words[3:]).params
    assert given["shard"] == shard and list(map(str, given["source"])) == ["corpus/*.gz"]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    done = submit(tmp_path, "--input", "a")
    assert done.returncode == 2 and "sbatch --array=1-8" in done.stderr
    done = submit(tmp_path, SLURM_ARRAY_TASK_ID="1", SLURM_ARRAY_TASK_COUNT="1")
    assert done.returncode == 2 and "give the arguments of nmt translate" in done.stderr
