"""Run nmt commands in child processes, and train a model unless it is already trained; shared by all scripts."""

import os
import subprocess
import sys
from pathlib import Path

from nmt import config as schema
from nmt.errors import NmtError
from nmt.storage.run_folder import RUNS, Run
from scripts import ROOT

NMT = [sys.executable, "-m", "nmt"]
"""The start of every command line."""
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}
"""The environment in which `NMT` finds this repository from any folder."""


def nmt(*arguments: str) -> str:
    """Run an nmt command and return its standard output; its progress goes to stderr."""
    done = subprocess.run([*NMT, *arguments], env=ENVIRONMENT, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise NmtError(f"nmt {' '.join(arguments)} failed with status {done.returncode}")
    return done.stdout.decode()


def train_once(config: Path, name: str, seed: int, overrides: list[str]) -> Path:
    """Train the run `name` and return its folder; a finished run is kept, an interrupted run is resumed."""
    run = RUNS / name
    values = [*overrides, f"name={name}", f"seed={seed}"]
    if (run / "finished.json").exists():
        if schema.load_run_config(Run(run)) != schema.load(config, values):
            raise NmtError(f"{run}: trained with other settings; remove it, or change the name in {config}")
    else:
        last_value = {text.partition("=")[0]: text for text in values}
        resume = ["--resume"] if (run / "checkpoints" / "last").exists() else []
        nmt("train", "--config", str(config), *(f"--set={text}" for text in last_value.values()), *resume)
    return run
