"""Compare the training speed of several ranks with that of uncoupled processes and of one process with threads.

    python scripts/benchmarks/ranks.py [CONFIG] [--ranks 2] [--steps 60] [--rounds 3] [--set KEY=VALUE ...]
                                       [--work FOLDER] [--json FILE]

N ranks of one thread each train CONFIG under torchrun. N uncoupled processes of one thread each train it at the same
time with an N-th of the batch. One process trains it with N threads. The three alternate. The speed of each is measured
after the first third of the steps, in target tokens per second, that of the uncoupled processes as their sum. For the
ranks, the script also reports the bytes that one rank sends in a step, and the time that it waits in sums and other
exchanges, which includes waiting for a slower rank.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from nmt import config as schema
from nmt.errors import NmtError
from nmt.reports.table import table
from nmt.storage.run_folder import read_log
from scripts import ROOT, commands, reporting
from scripts.benchmarks import training_logs
from scripts.benchmarks.train import resolve

CONFIG = ROOT / "configs" / "multi30k-en-de.yaml"
WAITS = "NMT_BENCHMARK_WAITS"
"""Environment variable of the ranks: the folder to which they write how long they waited."""


def start(command: list[str], log: Path, threads: int, **environment: str) -> "subprocess.Popen[bytes]":
    """Start a process whose output goes to `log`."""
    variables = commands.ENVIRONMENT | {"OMP_NUM_THREADS": str(threads)} | environment
    with log.open("wb") as file:
        return subprocess.Popen(command, cwd=log.parent, env=variables, stdout=file, stderr=file)


def write(values: schema.Config, folder: Path, name: str, **training: Any) -> Path:
    """Write a configuration to `folder` and return its path."""
    settings = values.model_dump(mode="json") | {"name": name}
    settings["training"] |= training
    path = folder / f"{name}.yaml"
    path.write_text(schema.dump(schema.parse(settings, str(path))), encoding="utf-8")
    return path


def speed(folder: Path, name: str, steps: int) -> float:
    """Return the target tokens per second of a run."""
    return training_logs.speed(training_logs.nmt_windows(read_log(folder / "runs" / name / "log.jsonl")), steps)


def wait_for(processes: "list[subprocess.Popen[bytes]]", folder: Path) -> None:
    """Wait for the end of processes, none of which may fail."""
    if any([*map(subprocess.Popen.wait, processes)]):
        raise NmtError(f"a training failed; see the logs in {folder}")


def sent_bytes() -> int:
    """Return the bytes that this machine has sent to itself."""
    lines = Path("/proc/net/dev").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[9]) for line in lines if line.strip().startswith("lo:"))


def measure_round(config: schema.Config, folder: Path, ranks: int) -> dict[str, float]:
    """Train each way once, and return the figures."""
    folder.mkdir()
    steps, tokens = config.training.max_steps, config.training.tokens_per_batch
    sentences = config.training.sentences_per_batch
    half = {"tokens_per_batch": tokens and tokens // ranks, "sentences_per_batch": sentences and sentences // ranks}
    paths = [write(config, folder, f"alone-{number}", **half) for number in range(ranks)]
    train = [*commands.NMT, "train", "--config"]
    wait_for([start([*train, str(path)], path.with_suffix(".log"), 1) for path in paths], folder)
    path = write(config, folder, "threads")
    wait_for([start([*train, str(path)], path.with_suffix(".log"), ranks)], folder)
    path = write(config, folder, "ranks")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    worker = [str(Path(__file__)), "--worker", str(path)]
    before = sent_bytes()
    wait_for([start([*torchrun, *worker], path.with_suffix(".log"), 1, **{WAITS: str(folder)})], folder)
    waits = [json.loads(each.read_text(encoding="utf-8")) for each in sorted(folder.glob("waits-*.json"))]
    return {
        "ranks": speed(folder, "ranks", steps),
        "uncoupled": sum(speed(folder, f"alone-{number}", steps) for number in range(ranks)),
        "threads": speed(folder, "threads", steps),
        "bytes_per_step": (sent_bytes() - before) / ranks / steps,
        "waiting": statistics.fmean(each["waiting"] / each["training"] for each in waits),
    }


def train_and_measure_waits(path: Path) -> None:
    """Train as one of the ranks, and write down how much of the time it waited for the others."""
    from nmt.__main__ import main as nmt
    from nmt.training.ranks import Ranks
    from nmt.training.trainer import Trainer

    seconds = {"waiting": 0.0, "training": 0.0}

    def timed(owner: Any, name: str, key: str) -> None:
        original = getattr(owner, name)

        def measured(*arguments: Any) -> Any:
            began = time.perf_counter()
            try:
                return original(*arguments)
            finally:
                seconds[key] += time.perf_counter() - began

        setattr(owner, name, measured)

    timed(Trainer, "train", "training")
    timed(Ranks, "wait", "waiting")
    timed(Ranks, "max", "waiting")
    sys.argv = ["nmt", "train", "--config", str(path)]
    nmt()  # not nmt.train, which leaves the allocator of the process as it is
    found = Path(os.environ[WAITS]) / f"waits-{os.environ['RANK']}.json"
    found.write_text(json.dumps(seconds), encoding="utf-8")


def run(options: argparse.Namespace, work: Path) -> None:
    """Measure all rounds, and print the medians."""
    config = resolve(options.config, options.overrides, work / "prepared", options.steps)
    commands.nmt("preprocess", "--config", str(write(config, work, "prepare")))
    rounds = []
    for number in range(options.rounds):
        rounds.append(measure_round(config, work / f"round-{number}", options.ranks))
        reporting.progress(f"round {number + 1}/{options.rounds}: {json.dumps(rounds[-1])}")
    medians = {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
    names = {
        "uncoupled": f"{options.ranks} uncoupled processes, sum",
        "ranks": f"{options.ranks} ranks",
        "threads": f"1 process, {options.ranks} threads",
    }
    rows = [["", "target tokens/s", "ratio"]]
    rows += [
        [name, f"{medians[key]:,.0f}", f"{medians[key] / medians['uncoupled']:.3f}"] for key, name in names.items()
    ]
    print(f"{options.config.name}, {reporting.cpu_name()}, median of {options.rounds} rounds of {options.steps} steps")
    print(table(rows, right=frozenset({1, 2})))
    print(
        f"a rank sends {medians['bytes_per_step'] / 1e6:.1f} MB a step, and waits {medians['waiting']:.1%} of the time"
    )
    reporting.write_json(options.json, rounds)


def main() -> int:
    """Run the command line."""
    parser = reporting.parser(__doc__, "--work", "--json")
    add = parser.add_argument
    add("config", nargs="?", type=Path, default=CONFIG, metavar="CONFIG", help="configuration (default %(default)s)")
    add("--ranks", type=int, default=2, metavar="N", help="ranks, processes or threads (default %(default)s)")
    add("--steps", type=int, default=60, metavar="N", help="steps of each training (default %(default)s)")
    add("--rounds", type=int, default=3, metavar="N", help="rounds (default %(default)s)")
    add("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="change the configuration")
    add("--worker", type=Path, metavar="CONFIG", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker is not None:
        return reporting.exit_status(lambda: train_and_measure_waits(options.worker))
    return reporting.run_in_folder(run, options)


if __name__ == "__main__":
    sys.exit(main())
