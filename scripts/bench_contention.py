"""Measure how fast nmt trains and translates while other programs want the same cores.

python scripts/bench_contention.py [--config FILE] [--set KEY=VALUE ...] [--spin COUNT ...] [--steps 60] [--rounds 3]
                                   [--lines 400] [--only train translate] [--work FOLDER] [--json FILE]

Each command is run alone, beside a busy loop (a process that computes without end), and beside a second one of its
kind, once for each way in which OpenMP's threads wait: `--spin` counts turns of their waiting loop, 300000 is GNU
OpenMP's default, and `nmt` what nmt sets by itself. Settings alternate within a round; a figure is the median over the
rounds, in target tokens a second, and beside it the share of the same setting's speed alone. Of two commands at once
the slower counts. Without --config the network of configs/benchmark/parallel.yaml learns the embedded corpus. Needs GNU
OpenMP (Linux).
"""

import argparse
import re
import shutil
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import bench_train
import console
import peer_logs
from console import ROOT, say

from nmt import config as schema
from nmt.config import Config
from nmt.data.preprocess import preprocess
from nmt.errors import NmtError
from nmt.kernels import openmp
from nmt.reports.table import table
from nmt.storage.run_folder import read_log

OWN = "nmt"
"""The setting that leaves the choice to nmt."""
SITUATIONS = ALONE, LOOP, TWO = "alone", "beside a busy loop", "beside a second one"
COMMANDS = ("train", "translate")
TEXT = ROOT / "data" / "quickstart"
EMBEDDED = [
    *(f"data.{split}.{side}={TEXT / split}.{code}" for split in ("train", "valid") for side, code in
      (("source", "en"), ("target", "de"))),
    "data.test={}",
    "subword.vocab_size=2000",
]  # fmt: skip


def environment(setting: str) -> dict[str, str]:
    """Return the environment in which a command waits as the setting says."""
    kept = {key: value for key, value in console.ENVIRONMENT.items() if key not in openmp.CHOSEN_BY_USER}
    return kept if setting == OWN else kept | {"GOMP_SPINCOUNT": setting}


@contextmanager
def busy_loop() -> Iterator[None]:
    """Keep one core busy in this context."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def run_at_once(arguments: Sequence[Sequence[str | Path]], logs: Sequence[Path], setting: str, folder: Path) -> None:
    """Run `nmt` once with each list of arguments, all at the same time; raises `NmtError` where one fails."""
    processes = []
    for each, path in zip(arguments, logs, strict=True):
        with path.open("wb") as log:
            processes.append(
                subprocess.Popen(
                    [*console.NMT, *each], cwd=folder, stdout=subprocess.DEVNULL, stderr=log, env=environment(setting)
                )
            )
    statuses = [process.wait() for process in processes]
    if any(statuses):
        failed = logs[[bool(status) for status in statuses].index(True)]
        raise NmtError(f"nmt failed: {failed.read_text(encoding='utf-8')[-500:]}")


def train(config: Path, setting: str, count: int, steps: int, folder: Path) -> float:
    """Return the speed of the slowest of `count` trainings at once, in target tokens a second."""
    names = [f"r{number}" for number in range(count)]
    for name in names:
        shutil.rmtree(folder / "runs" / name, ignore_errors=True)
    arguments: list[list[str | Path]] = [["train", "--config", config, "--set", f"name={name}"] for name in names]
    run_at_once(arguments, [folder / f"{name}.log" for name in names], setting, folder)
    logs = [read_log(folder / "runs" / name / "log.jsonl") for name in names]
    return min(peer_logs.speed(peer_logs.own_windows(entries), steps) for entries in logs)


def translate(setting: str, count: int, folder: Path) -> float:
    """Return the speed of the slowest of `count` translations at once, in target tokens a second."""
    logs = [folder / f"translate-{number}.log" for number in range(count)]
    run_at_once([["translate", "--model", "runs/r0", "--input", "lines"]] * count, logs, setting, folder)
    found = [re.search(r"([\d,]+) target tokens/s", path.read_text(encoding="utf-8")) for path in logs]
    return min(float(match[1].replace(",", "")) for match in found if match)


def measure(given: argparse.Namespace, work: Path) -> None:
    """Prepare, take all figures, and print the table."""
    own = given.config is not None
    base = given.config if own else ROOT / "configs" / "benchmark" / "parallel.yaml"
    overrides = [*([] if own else EMBEDDED), *given.set]
    config: Config = bench_train.resolve(base, overrides, work / "prepared", given.steps)
    path = work / "config.yaml"
    path.write_text(schema.dump(config), encoding="utf-8")
    prepared = preprocess(config)
    sources = prepared.valid_text[0]
    lines = [sources[number % len(sources)] for number in range(given.lines)]
    (work / "lines").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    settings = [*given.spin, OWN]
    found: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for number in range(given.rounds):
        for command in given.only:
            for situation in SITUATIONS:
                for setting in settings:
                    count = 2 if situation == TWO else 1
                    with busy_loop() if situation == LOOP else nullcontext():
                        speed = (
                            train(path, setting, count, given.steps, work)
                            if command == "train"
                            else translate(setting, count, work)
                        )
                    found[command, situation, setting].append(speed)
                    what = f"{command} {situation}, spin {setting}"
                    say(f"round {number + 1}/{given.rounds}  {what}: {speed:,.0f} tokens/s")
    print(report(found, given.only, settings))
    console.write_json(given.json, {" | ".join(key): values for key, values in found.items()})


def report(found: dict[tuple[str, str, str], list[float]], commands: Sequence[str], settings: Sequence[str]) -> str:
    """Return the table: a row for each command and situation, and for each setting speed and share of that alone."""
    rows = [["command", *(column for setting in settings for column in (f"spin {setting}", "of alone"))]]
    rows[0].append(f"{OWN} / {settings[0]}")
    for command in commands:
        medians = {(each, s): statistics.median(found[command, each, s]) for each in SITUATIONS for s in settings}
        for situation in SITUATIONS:
            row = [f"{command} {situation}"]
            for setting in settings:
                speed = medians[situation, setting]
                row += [f"{speed:,.0f}", f"{speed / medians[ALONE, setting]:.2f}"]
            rows.append([*row, f"{medians[situation, OWN] / medians[situation, settings[0]]:.2f}"])
    return table(rows, right=frozenset(range(1, len(rows[0]))))


def main() -> int:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--spin", nargs="+", default=["300000"])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lines", type=int, default=400)
    parser.add_argument("--only", nargs="+", choices=COMMANDS, default=COMMANDS)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--json", type=Path)
    return console.compare("bench_contention.py", measure, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
