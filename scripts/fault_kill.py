"""Kill nmt at random instants, let it go on, and compare what comes out with what it makes when left alone.

python scripts/fault_kill.py [--kills 100] [--signal KILL|INT|TERM] [--seed 1] [--only KIND ...] [--work FOLDER]
                             [--json FILE]

Every kind of training runs once untouched; then again and again under SIGKILL, at instants drawn evenly over the time
that it takes, preparing the data and writing the report included, each time with --resume once there is something to
go on with. Final weights, optimizer state, log and best checkpoint must be equal to the bit. `nmt preprocess` and
`nmt translate --output` are killed likewise: they begin anew, and what they write must be whole, or not be there.

SIGINT and SIGTERM let it save: it must end within 10 seconds, with the documented status and without a traceback.
"""

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import console
import numpy as np
from safetensors.numpy import load_file

from nmt.errors import NmtError
from nmt.reports.table import table
from nmt.storage.run_folder import Run, read_log

ROOT = console.ROOT
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
    "two corpora, two workers": {
        "data.train": "[{source: data/quickstart/train.en, target: data/quickstart/train.de, weight: 0.5}, "
        "{source: data/quickstart/valid.en, target: data/quickstart/valid.de, weight: 3}]",
        "data.workers": 2,
    },
}
PREPROCESS, TRANSLATE = "preprocess", "translate --output"
LINES = 8000
"""Lines that are translated."""
SIGNALS = {"KILL": {-9}, "INT": {130, -2}, "TERM": {143, -15}}
"""Statuses after a signal: as documented, or of a process that had hardly begun."""
EARLY = re.compile(r"Fatal Python error: init_import_site.*?\nKeyboardInterrupt\n", re.DOTALL)
"""What Python itself says of SIGINT before it has begun a program."""
PATIENCE = 10.0
"""Seconds that saving may take."""
VOLATILE = ("seconds", "tokens_per_second", "time")


@dataclass
class Outcome:
    """What became of one kind of work."""

    kind: str
    kills: int = 0
    runs: int = 0
    seconds: float = 0.0
    """Time of the run that was left alone."""
    slowest: float = 0.0
    """Longest time from a signal to the end, in seconds."""
    differences: list[str] = field(default_factory=list)


@dataclass
class Victim:
    """What is killed, in a folder of its own."""

    folder: Path
    line: Callable[[str], list[str]]
    """What follows `nmt` in the command line, for results of a given name."""
    compare: Callable[[str, str], list[str]]
    """In what the results of two names differ."""

    def start(self, name: str) -> "subprocess.Popen[bytes]":
        """Start, or go on with what was killed."""
        with (self.folder / f"{name}.log").open("ab") as log:
            line = [*console.NMT, *self.line(name)]
            return subprocess.Popen(line, cwd=self.folder, stderr=log, env=console.ENVIRONMENT, start_new_session=True)

    def leave_alone(self, name: str) -> float:
        """Run without interruption and return the seconds it takes."""
        began = time.monotonic()
        if self.start(name).wait() != 0:
            raise NmtError(f"{name}: failed without a kill; see {self.folder / name}.log")
        return time.monotonic() - began

    def kill(self, name: str, longest: float, outcome: Outcome, most: int, which: str, draw: random.Random) -> None:
        """Run to the end under signals, each after up to `longest` seconds, until `outcome` has had `most`."""
        title, log = f"{outcome.kind}, {name}", self.folder / f"{name}.log"
        while True:
            process = self.start(name)
            try:
                code = process.wait(draw.uniform(0.0, longest) if outcome.kills < most else None)
            except subprocess.TimeoutExpired:
                code, seconds = self.end(process, which)
                outcome.kills += 1
                outcome.slowest = max(outcome.slowest, seconds)
                if seconds > PATIENCE:
                    outcome.differences.append(f"{title}: {seconds:.1f} s to end")
                if code != 0:  # 0: it was done all the same
                    if code not in SIGNALS[which] and not (code == 1 and python_had_not_begun(log)):
                        outcome.differences.append(f"{title}: status {code}; see {log}")
                    continue
            if code != 0:
                raise NmtError(f"{name}: went on and failed with status {code}; see {log}")
            if "Traceback" in EARLY.sub("", log.read_text(encoding="utf-8", errors="replace")):
                outcome.differences.append(f"{title}: a traceback; see {log}")
            return

    @staticmethod
    def end(process: "subprocess.Popen[bytes]", which: str) -> tuple[int, float]:
        """Send a signal to a process and to those that it has begun; return its status and the seconds it took."""
        began = time.monotonic()
        os.killpg(process.pid, signal.Signals[f"SIG{which}"])
        try:
            code = process.wait(6 * PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
        return code, time.monotonic() - began


def python_had_not_begun(log: Path) -> bool:
    """Whether the last that a log holds is that Python itself was interrupted."""
    text = log.read_text(encoding="utf-8", errors="replace")
    return any(found.end() == len(text) for found in EARLY.finditer(text))


def training(changes: dict[str, Any], name: str) -> list[str]:
    """Return the arguments of a small training."""
    values = {**SMALL, **changes, "name": name}
    settings = [f"--set={key}={value}" for key, value in values.items()]
    return ["train", "--config", str(ROOT / "configs" / "quickstart.yaml"), *settings]


def victim(kind: str, folder: Path) -> Victim:
    """Return what a kind of work runs and leaves; `folder` is made, with what that needs."""
    (folder / "runs").mkdir(parents=True)
    (folder / "data").symlink_to(ROOT / "data")
    if kind == PREPROCESS:
        config = str(ROOT / "configs" / "quickstart.yaml")

        def preprocess(name: str) -> list[str]:
            return ["preprocess", "--config", config, f"--set=data.prepared={name}"]

        return Victim(folder, preprocess, lambda one, other: unlike(folder, one, other))
    if kind == TRANSLATE:
        Victim(folder, lambda name: training({}, name), lambda one, other: []).leave_alone("model")
        lines = (ROOT / "data" / "quickstart" / "train.en").read_bytes().split(b"\n")[:LINES]
        (folder / "input.txt").write_bytes(b"".join(line + b"\n" for line in lines))

        def translate(name: str) -> list[str]:
            return ["translate", "--model", "runs/model", "--input", "input.txt", "--output", name, "--resume"]

        return Victim(folder, translate, lambda one, other: unlike(folder, one, other))

    def train(name: str) -> list[str]:
        resume = ["--resume"] if (folder / "runs" / name / "checkpoints" / "last").exists() else []
        return [*training(KINDS[kind], name), *resume]

    return Victim(
        folder, train, lambda one, other: differences(Run(folder / "runs" / one), Run(folder / "runs" / other))
    )


def unlike(folder: Path, one: str, other: str) -> list[str]:
    """Return in what the files, or the folders of files, `one` and `other` of `folder` differ."""

    def content(name: str) -> dict[str, bytes]:
        top = folder / name
        files = [top] if top.is_file() else [path for path in top.rglob("*") if path.is_file()]
        return {str(path.relative_to(top)): path.read_bytes() for path in files}

    a, b = content(one), content(other)
    further = [*folder.glob(f".{other}*"), *folder.glob(f"{other}.partial*")]
    left = [f"left behind: {path.name}" for path in further]
    return left + [f"{name}: differs" for name in a.keys() | b.keys() if a.get(name) != b.get(name)]


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


def measure(kind: str, folder: Path, kills: int, which: str, seed: int) -> Outcome:
    """Kill work of one kind with a signal until there were enough kills."""
    shutil.rmtree(folder, ignore_errors=True)
    killed = victim(kind, folder)
    outcome = Outcome(kind)
    draw = random.Random(f"{seed} {kind}")
    outcome.seconds = killed.leave_alone("whole")
    while outcome.kills < kills:
        outcome.runs += 1
        name = f"killed-{outcome.runs}"
        if outcome.runs % 2 == 0:
            shutil.rmtree(folder / "prepared", ignore_errors=True)  # so that preparing is killed too
        killed.kill(name, outcome.seconds, outcome, kills, which, draw)
        outcome.differences += [f"{kind}, {name}: {line}" for line in killed.compare("whole", name)]
        console.say(f"{kind}: {outcome.kills}/{kills} kills, {len(outcome.differences)} differences")
    return outcome


def work(given: argparse.Namespace, folder: Path) -> None:
    """Measure every kind and print a table."""
    every = [*KINDS, PREPROCESS, TRANSLATE]
    kinds = given.only or every
    if unknown := [kind for kind in kinds if kind not in every]:
        raise NmtError(f"--only {unknown[0]!r}: no such kind; there are: {', '.join(map(repr, every))}")
    each = -(-given.kills // len(kinds))
    outcomes = [
        measure(kind, folder / f"kind-{number}", each, given.signal, given.seed) for number, kind in enumerate(kinds)
    ]
    rows = [["what was killed", f"SIG{given.signal}s", "runs", "seconds untouched", "slowest end, s", "differences"]]
    for outcome in outcomes:
        seconds = [f"{outcome.seconds:.1f}", f"{outcome.slowest:.2f}"]
        rows.append([outcome.kind, str(outcome.kills), str(outcome.runs), *seconds, str(len(outcome.differences))])
    print(table(rows, right=frozenset(range(1, 6))))
    lines = [line for outcome in outcomes for line in outcome.differences]
    print("\n".join(lines), file=sys.stderr)
    console.write_json(given.json, [vars(outcome) for outcome in outcomes])
    if lines:
        raise NmtError(f"{len(lines)} differences")


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, metavar="N", help="over all kinds (default 100)")
    parser.add_argument("--signal", choices=list(SIGNALS), default="KILL")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the instants")
    parser.add_argument("--only", nargs="+", metavar="KIND")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="keep all files here (default: a temporary folder)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(console.compare("fault_kill", work, options()))
