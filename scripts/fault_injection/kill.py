"""Kill nmt at random times, resume it, and compare the result with that of an uninterrupted run.

    python scripts/fault_injection/kill.py [--kills 100] [--signal KILL|INT|TERM] [--seed 1] [--only KIND ...]
                                           [--work FOLDER] [--json FILE]

Every kind of training runs once without interruption. Then it runs repeatedly and is killed at times drawn uniformly
over its duration, including the preparation of data and the report. It continues with --resume as soon as there is a
checkpoint. Final weights, optimizer state, log and best checkpoint must be bit-identical. `nmt preprocess` and
`nmt translate --output --resume`, `nmt export` and the first translation with a run, which keeps graphs beside its
checkpoint, are killed in the same way; what they write must be complete or absent. The corpora and the three models of
`nmt augment` must be bit-identical.

After SIGINT and SIGTERM nmt saves its state. It must end within 10 seconds, with the documented status and without a
traceback.
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

import numpy as np
from safetensors.numpy import load_file

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from nmt.errors import NmtError
from nmt.reports.table import table
from nmt.storage.run_folder import Run, read_log
from scripts import ROOT, commands, reporting
from scripts.fault_injection.small_run import CONFIG, SMALL, train_arguments

TRAININGS: dict[str, dict[str, Any]] = {
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
EXPORT, GRAPHS = "export", "graphs of a checkpoint"
AUGMENT = "augment"
KINDS = [*TRAININGS, PREPROCESS, TRANSLATE, EXPORT, GRAPHS, AUGMENT]
AUGMENTATION = {
    "data.train.source": "data/quickstart/valid.en",
    "data.train.target": "data/quickstart/valid.de",
    "training.max_steps": 40,
    "training.validate_every": 20,
    "decoding.window": 50,
}
"""What differs from `SMALL` in `nmt augment`: few steps, and many places where a translation continues."""
LINES = 8000
"""Lines to translate."""
SIGNALS = {"KILL": {-9}, "INT": {130, -2}, "TERM": {143, -15}}
"""Allowed statuses after a signal: the documented one, or that of a process that had hardly started."""
PYTHON_START = re.compile(r"Fatal Python error: init_import_site.*?\nKeyboardInterrupt\n", re.DOTALL)
"""What Python prints if SIGINT arrives while it starts."""
GRACE_SECONDS = 10.0
"""Time in which nmt must end after a signal."""
TIME_KEYS = ("seconds", "tokens_per_second", "time")


@dataclass
class Outcome:
    """The results of one kind of work."""

    kind: str
    kills: int = 0
    runs: int = 0
    seconds: float = 0.0
    """Duration without interruption."""
    slowest: float = 0.0
    """Longest time between a signal and the end of the process, in seconds."""
    differences: list[str] = field(default_factory=list)


@dataclass
class Target:
    """The work to kill, in its own folder."""

    folder: Path
    arguments: Callable[[str], list[str]]
    """The arguments of `nmt` for a result of a given name."""
    compare: Callable[[str, str], list[str]]
    """Returns the differences between the results of two names."""

    def start(self, name: str) -> "subprocess.Popen[bytes]":
        """Start the work, or continue it after a kill."""
        with (self.folder / f"{name}.log").open("ab") as log:
            line, environment = [*commands.NMT, *self.arguments(name)], commands.ENVIRONMENT
            return subprocess.Popen(
                line, cwd=self.folder, stdout=log, stderr=log, env=environment, start_new_session=True
            )

    def run_uninterrupted(self, name: str) -> float:
        """Run the work to its end and return the seconds that it takes."""
        start = time.monotonic()
        if self.start(name).wait() != 0:
            raise NmtError(f"{name}: failed without a kill; see {self.folder / name}.log")
        return time.monotonic() - start

    def kill_repeatedly(
        self, name: str, longest: float, outcome: Outcome, kills: int, signal_name: str, draw: random.Random
    ) -> None:
        """Run the work to its end, with a signal after up to `longest` seconds until `outcome` has `kills` of them."""
        title, log = f"{outcome.kind}, {name}", self.folder / f"{name}.log"
        while True:
            process = self.start(name)
            try:
                status = process.wait(draw.uniform(0.0, longest) if outcome.kills < kills else None)
            except subprocess.TimeoutExpired:
                status, seconds = self.send_signal(process, signal_name)
                outcome.kills += 1
                outcome.slowest = max(outcome.slowest, seconds)
                if seconds > GRACE_SECONDS:
                    outcome.differences.append(f"{title}: took {seconds:.1f} s to end")
                if status != 0:  # 0: the work was finished when the signal arrived
                    if status not in SIGNALS[signal_name] and not (status == 1 and ended_in_python_start(log)):
                        outcome.differences.append(f"{title}: status {status}; see {log}")
                    continue
            if status != 0:
                raise NmtError(f"{name}: resumed and failed with status {status}; see {log}")
            if "Traceback" in PYTHON_START.sub("", log.read_text(encoding="utf-8", errors="replace")):
                outcome.differences.append(f"{title}: a traceback; see {log}")
            return

    @staticmethod
    def send_signal(process: "subprocess.Popen[bytes]", signal_name: str) -> tuple[int, float]:
        """Send a signal to a process and its children; return its status and the seconds until it ended."""
        start = time.monotonic()
        os.killpg(process.pid, signal.Signals[f"SIG{signal_name}"])
        try:
            status = process.wait(6 * GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            status = process.wait()
        return status, time.monotonic() - start


def ended_in_python_start(log: Path) -> bool:
    """Return whether the log ends with the message of a Python that was interrupted while it started."""
    text = log.read_text(encoding="utf-8", errors="replace")
    return any(found.end() == len(text) for found in PYTHON_START.finditer(text))


def prepare_target(kind: str, folder: Path) -> Target:
    """Return the work of this kind; create `folder` with the files that it needs."""
    (folder / "runs").mkdir(parents=True)
    if kind == AUGMENT:
        return prepare_augmentation(folder)
    (folder / "data").symlink_to(ROOT / "data")
    if kind == PREPROCESS:
        return Target(
            folder,
            lambda name: ["preprocess", "--config", CONFIG, f"--set=data.prepared={name}"],
            lambda one, other: file_differences(folder, one, other),
        )
    if kind in (TRANSLATE, EXPORT, GRAPHS):
        Target(folder, lambda name: train_arguments({}, name), lambda one, other: []).run_uninterrupted("model")
    if kind == EXPORT:
        export = ["export", "runs/model", "--output"]
        return Target(folder, lambda name: [*export, name], lambda one, other: file_differences(folder, one, other))
    if kind == GRAPHS:
        return prepare_graphs(folder)
    if kind == TRANSLATE:
        lines = (ROOT / "data" / "quickstart" / "train.en").read_bytes().split(b"\n")[:LINES]
        (folder / "input.txt").write_bytes(b"".join(line + b"\n" for line in lines))
        line = ["translate", "--model", "runs/model", "--input", "input.txt", "--resume", "--output"]
        return Target(folder, lambda name: [*line, name], lambda one, other: file_differences(folder, one, other))

    def train(name: str) -> list[str]:
        resume = ["--resume"] if (folder / "runs" / name / "checkpoints" / "last").exists() else []
        return [*train_arguments(TRAININGS[kind], name), *resume]

    runs = folder / "runs"
    return Target(folder, train, lambda one, other: run_differences(Run(runs / one), Run(runs / other)))


def prepare_graphs(folder: Path) -> Target:
    """Return translations of one line, each with a run of its own, to whose best checkpoint it adds the graphs."""
    (folder / "line.txt").write_text("Anna is a teacher.\n", encoding="utf-8")

    def translate(name: str) -> list[str]:
        if not (folder / "runs" / name).exists():
            shutil.copytree(folder / "runs" / "model", folder / "runs" / name)
        options = ["--engine", "onnx", "--precision", "int8", "--input", "line.txt", "--output", f"{name}.txt"]
        return ["translate", "--model", f"runs/{name}", *options]

    def compare(one: str, other: str) -> list[str]:
        found = [Run(folder / "runs" / name).checkpoint() / "graphs-int8" for name in (one, other)]
        names = [str(path.relative_to(folder)) for path in found]
        left = [path.name for path in found[1].parent.glob(".graphs-*")]
        return [*file_differences(folder, *names), *left, *file_differences(folder, f"{one}.txt", f"{other}.txt")]

    return Target(folder, translate, compare)


def prepare_augmentation(folder: Path) -> Target:
    """Return an augmentation, which trains two models, translates with both, and trains a third one."""
    (folder / "data").mkdir()
    (folder / "data" / "quickstart").symlink_to(ROOT / "data" / "quickstart")
    values = {key: value for key, value in {**SMALL, **AUGMENTATION}.items() if key != "data.prepared"}

    def augment(name: str) -> list[str]:
        settings = (f"--set={key}={value}" for key, value in {**values, "name": name}.items())
        return ["augment", "--config", CONFIG, *settings, "--n-best", "2"]

    def compare(one: str, other: str) -> list[str]:
        found = []
        for part in ("text", "hypotheses", "corpora", "subword"):
            found += file_differences(folder, *(f"data/{name}-augmented/{part}" for name in (one, other)))
        for part in ("seed1", "backward-seed1", "augmented"):
            runs = (Run(folder / "runs" / f"{name}-{part}") for name in (one, other))
            found += [f"{part}: {line}" for line in run_differences(*runs)]
        return found

    return Target(folder, augment, compare)


def file_differences(folder: Path, one: str, other: str) -> list[str]:
    """Return the differences between two files or folders of `folder`, and temporary files of the second."""

    def content(name: str) -> dict[str, bytes]:
        top = folder / name
        files = [top] if top.is_file() else [path for path in top.rglob("*") if path.is_file()]
        return {str(path.relative_to(top)): path.read_bytes() for path in files}

    a, b = content(one), content(other)
    left = [*folder.glob(f".{other}*"), *folder.glob(f"{other}.partial*")]
    differing = [f"{name}: differs" for name in a.keys() | b.keys() if a.get(name) != b.get(name)]
    return [f"left behind: {path.name}" for path in left] + differing


def run_differences(one: Run, other: Run) -> list[str]:
    """Return the differences between two finished runs."""
    found = []
    for name in ("model.safetensors", "training/optimizer.safetensors"):
        for which in ("last", "best"):
            a, b = (load_file(run.checkpoint(which) / name) for run in (one, other))
            if a.keys() != b.keys() or any(not np.array_equal(a[key], b[key]) for key in a):
                found.append(f"{which}/{name}")
    if one.names() != other.names() or one.checkpoint().name != other.checkpoint().name:
        found.append(f"checkpoints {one.names()} and {other.names()}")
    if timeless_log(one) != timeless_log(other):
        found.append("log.jsonl")
    left = [path.name for path in other.folder.rglob("*") if path.name.endswith(".tmp")]
    missing = [path.name for path in (other.finished, other.folder / "report.html") if not path.is_file()]
    return found + [f"left behind: {name}" for name in left] + [f"missing: {name}" for name in missing]


def timeless_log(run: Run) -> list[dict[str, Any]]:
    """Return the log without times and without the lines about resuming."""
    entries = [entry for entry in read_log(run.log) if entry["event"] != "resume"]
    return [{key: value for key, value in entry.items() if key not in TIME_KEYS} for entry in entries]


def measure(kind: str, folder: Path, kills: int, signal_name: str, seed: int) -> Outcome:
    """Kill work of one kind until there were enough kills."""
    shutil.rmtree(folder, ignore_errors=True)
    target = prepare_target(kind, folder)
    outcome = Outcome(kind)
    draw = random.Random(f"{seed} {kind}")
    outcome.seconds = target.run_uninterrupted("whole")
    while outcome.kills < kills:
        outcome.runs += 1
        name = f"killed-{outcome.runs}"
        if outcome.runs % 2 == 0:
            shutil.rmtree(folder / "prepared", ignore_errors=True)  # kill the preparation of data too
        target.kill_repeatedly(name, outcome.seconds, outcome, kills, signal_name, draw)
        outcome.differences += [f"{kind}, {name}: {line}" for line in target.compare("whole", name)]
        reporting.progress(f"{kind}: {outcome.kills}/{kills} kills, {len(outcome.differences)} differences")
    return outcome


def run(options: argparse.Namespace, work: Path) -> None:
    """Measure every kind of work and print a table."""
    kinds = options.only or KINDS
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise NmtError(f"--only {unknown[0]!r}: no such kind; there are: {', '.join(map(repr, KINDS))}")
    each = -(-options.kills // len(kinds))
    outcomes = [
        measure(kind, work / f"kind-{number}", each, options.signal, options.seed) for number, kind in enumerate(kinds)
    ]
    rows = [["kind of work", f"SIG{options.signal}s", "runs", "uninterrupted, s", "slowest end, s", "differences"]]
    for outcome in outcomes:
        seconds = [f"{outcome.seconds:.1f}", f"{outcome.slowest:.2f}"]
        rows.append([outcome.kind, str(outcome.kills), str(outcome.runs), *seconds, str(len(outcome.differences))])
    print(table(rows, right=frozenset(range(1, 6))))
    lines = [line for outcome in outcomes for line in outcome.differences]
    print("\n".join(lines), file=sys.stderr)
    reporting.write_json(options.json, [vars(outcome) for outcome in outcomes])
    if lines:
        raise NmtError(f"{len(lines)} differences")


def main() -> int:
    """Run the command line."""
    parser = reporting.parser(__doc__, "--work", "--json")
    add = parser.add_argument
    add("--kills", type=int, default=100, metavar="N", help="kills of all kinds together (default %(default)s)")
    add("--signal", choices=list(SIGNALS), default="KILL", help="signal to send (default %(default)s)")
    add("--seed", type=int, default=1, metavar="N", help="seed of the times (default %(default)s)")
    add("--only", nargs="+", metavar="KIND", help=f"kinds of work, of: {'; '.join(KINDS)}")
    return reporting.run_in_folder(run, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
