"""Kill trainings at random instants, let each go on, and compare what comes out with a run that was left alone.

python scripts/fault_kill.py [--kills 100] [--seed 1] [--only KIND ...] [--work FOLDER] [--json FILE]

Every kind of training runs once untouched; then again and again under SIGKILL, at instants drawn evenly over the time
that it takes, preparing the data and writing the report included, each time with --resume once there is something to
go on with. Final weights, optimizer state, log and best checkpoint must be equal to the bit.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import console
import numpy as np
from safetensors.numpy import load_file

from nmt.errors import NmtError
from nmt.reports.table import table
from nmt.runs import Run, read_log

ROOT = Path(__file__).resolve().parent.parent
SMALL = {
    "subword.vocab_size": 400,
    "model.embedding.size": 24,
    "model.encoder.size": 32,
    "model.decoder.size": 32,
    "training.max_steps": 120,
    "training.validate_every": 40,
    "training.validation_sentences": 40,
    "training.save_every": 9,
    "training.log_every": 7,
    "training.warmup_steps": 20,
    "data.prepared": "prepared",
}
KINDS: dict[str, dict[str, Any]] = {
    "bf16": {"training.precision": "bf16"},
    "fp32, averaging of checkpoints": {
        "training.precision": "fp32",
        "training.average_last": 2,
        "training.keep_last": 2,
    },
    "EMA, accumulation, plateau": {
        "training.ema_decay": 0.9,
        "training.accumulate": 3,
        "training.schedule": "plateau",
        "training.plateau_patience": 1,
    },
    "sampled subwords, word dropout, input feeding": {
        "subword.sampling": 0.1,
        "model.dropout.word": 0.1,
        "model.decoder.context_to": "next_input",
    },
    "scheduled sampling, R-Drop": {
        "training.teacher_forcing": "linear",
        "training.teacher_decay": 200,
        "training.r_drop": 1.0,
    },
}
VOLATILE = ("seconds", "tokens_per_second", "time")


@dataclass
class Outcome:
    """What became of one kind of training."""

    kind: str
    kills: int = 0
    runs: int = 0
    seconds: float = 0.0
    """Time of the run that was left alone."""
    differences: list[str] = field(default_factory=list)


def command(changes: dict[str, Any], name: str) -> list[str]:
    """Return what follows `nmt` in the command line of a small training."""
    values = {**SMALL, **changes, "name": name}
    settings = [f"--set={key}={value}" for key, value in values.items()]
    return ["train", "--config", str(ROOT / "configs" / "quickstart.yaml"), *settings]


def start(changes: dict[str, Any], name: str, folder: Path) -> "subprocess.Popen[bytes]":
    """Start or go on with a training in `folder`."""
    resume = ["--resume"] if (folder / "runs" / name / "checkpoints" / "last").exists() else []
    line = [sys.executable, "-m", "nmt", *command(changes, name), *resume]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with (folder / f"{name}.log").open("ab") as log:
        return subprocess.Popen(line, cwd=folder, stderr=log, env=environment, start_new_session=True)


def untouched(changes: dict[str, Any], folder: Path) -> float:
    """Train without interruption and return the seconds it takes."""
    began = time.monotonic()
    if start(changes, "whole", folder).wait() != 0:
        raise NmtError(f"the untouched run failed; see {folder / 'whole.log'}")
    return time.monotonic() - began


def killed(changes: dict[str, Any], name: str, folder: Path, longest: float, most: int, draw: random.Random) -> int:
    """Train under at most `most` kills, each after a time up to `longest` seconds, and return how many there were."""
    kills = 0
    while True:
        process = start(changes, name, folder)
        try:
            code = process.wait(draw.uniform(0.0, longest) if kills < most else None)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
            continue
        if code != 0:
            raise NmtError(f"a run went on and failed with status {code}; see {folder / name}.log")
        return kills


def differences(one: Run, other: Run) -> list[str]:
    """Return in what two finished runs differ."""
    found = []
    for name in ("model.safetensors", "training/optimizer.safetensors"):
        for which in ("last", "best"):
            a, b = (load_file(run.checkpoint(which) / name) for run in (one, other))
            if a.keys() != b.keys() or any(not np.array_equal(a[key], b[key]) for key in a):
                found.append(f"{which}/{name}")
    if one.names() != other.names() or one.checkpoint().name != other.checkpoint().name:
        found.append(f"checkpoints {one.names()} and {other.names()}")
    if history(one) != history(other):
        found.append("log.jsonl")
    left = [path.name for path in other.folder.rglob("*") if path.name.endswith(".tmp")]
    missing = [path.name for path in (other.finished, other.folder / "report.html") if not path.is_file()]
    return found + [f"left behind: {name}" for name in left] + [f"missing: {name}" for name in missing]


def history(run: Run) -> list[dict[str, Any]]:
    """Return the log without times, and without the lines that say that it went on."""
    entries = [entry for entry in read_log(run.log) if entry["event"] != "resume"]
    return [{key: value for key, value in entry.items() if key not in VOLATILE} for entry in entries]


def measure(kind: str, folder: Path, kills: int, seed: int) -> Outcome:
    """Kill trainings of one kind until there were enough kills."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "data").symlink_to(ROOT / "data")
    outcome = Outcome(kind)
    draw = random.Random(f"{seed} {kind}")
    outcome.seconds = untouched(KINDS[kind], folder)
    while outcome.kills < kills:
        outcome.runs += 1
        name = f"killed-{outcome.runs}"
        if outcome.runs % 2 == 0:
            shutil.rmtree(folder / "prepared")  # so that preparing is killed too
        outcome.kills += killed(KINDS[kind], name, folder, outcome.seconds, kills - outcome.kills, draw)
        found = differences(Run(folder / "runs" / "whole"), Run(folder / "runs" / name))
        outcome.differences += [f"{name}: {difference}" for difference in found]
        console.say(f"{kind}: {outcome.kills}/{kills} kills, {len(outcome.differences)} differences")
    return outcome


def work(given: argparse.Namespace, folder: Path) -> None:
    """Measure every kind and print a table."""
    kinds = given.only or list(KINDS)
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise NmtError(f"--only {unknown[0]!r}: no such kind; there are: {', '.join(map(repr, KINDS))}")
    each = -(-given.kills // len(kinds))
    outcomes = [measure(kind, folder / f"kind-{number}", each, given.seed) for number, kind in enumerate(kinds)]
    rows = [["training", "SIGKILLs", "runs", "seconds untouched", "differences"]]
    for outcome in outcomes:
        figures = [outcome.kills, outcome.runs, round(outcome.seconds, 1), len(outcome.differences)]
        rows.append([outcome.kind, *map(str, figures)])
    print(table(rows, right=frozenset(range(1, 5))))
    lines = [line for outcome in outcomes for line in outcome.differences]
    print("\n".join(lines), file=sys.stderr)
    console.write_json(given.json, [vars(outcome) for outcome in outcomes])
    if lines:
        raise NmtError(f"{len(lines)} differences")


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, metavar="N", help="over all kinds (default 100)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the instants")
    parser.add_argument("--only", nargs="+", metavar="KIND")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="keep all files here (default: a temporary folder)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(console.compare("fault_kill", work, options()))
