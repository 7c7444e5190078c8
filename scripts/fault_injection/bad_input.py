"""Give nmt thousands of invalid inputs of every kind, and report what it did wrong.

    python scripts/fault_injection/bad_input.py [--cases 20000] [--seed 1] [--only KIND ...] [--keep FOLDER]
                                                [--work FOLDER] [--json FILE]

Each case runs an nmt command in its own process, which is forked from one that has loaded everything. A case fails
after a traceback, a crash, more than three minutes of CPU time or thirty minutes of elapsed time, more than 4 GiB of
memory, a status other than 0, 1 or 2, an error without one clear message, or success with a wrong number of lines or
with damaged files. Failed cases are copied to --keep. Needs Linux.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from nmt.errors import NmtError
from nmt.reports.table import table
from scripts import ROOT, commands, reporting
from scripts.fault_injection.cases import preload, problems, run_case
from scripts.fault_injection.input_cases import KINDS, MODEL_SETTINGS, Kind, pipe_writers
from scripts.fault_injection.small_run import train_arguments

ENOUGH = 100
"""A kind with this many cases must have some that nmt accepts."""


@dataclass
class Tally:
    """The results of the cases of a kind."""

    cases: int = 0
    successes: int = 0
    refusals: int = 0
    wrong: list[str] = field(default_factory=list)

    def add(self, problem: str) -> None:
        """Record and report a problem."""
        self.wrong.append(problem)
        reporting.progress(problem)


def prepare(model_folder: Path) -> None:
    """Train and export the model that the cases use, and load what they need."""
    shutil.rmtree(model_folder, ignore_errors=True)
    model_folder.mkdir(parents=True)
    (model_folder / "data").symlink_to(ROOT / "data")
    run, export = "runs/model", ["export", "runs/model", "--output", "exported"]
    translate = ["translate", "--model", run, "--engine", "onnx", "--precision", "int8"]  # makes graphs
    for arguments in (train_arguments(MODEL_SETTINGS, "model"), export, translate):
        options: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        line = [*commands.NMT, *arguments]
        subprocess.run(line, cwd=model_folder, check=True, env=commands.ENVIRONMENT, **options)
    preload()


def run_kind(name: str, kind: Kind, count: int, options: argparse.Namespace, work: Path) -> Tally:
    """Run `count` cases of a kind."""
    tally, start, folder = Tally(), time.monotonic(), work / "case"
    for number in range(count):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        case = kind.make(random.Random(f"{options.seed} {name} {number}"), folder, work / "model")
        status, out, err = run_case(case, folder)
        while pipe_writers:
            pipe_writers[-1].kill()
            pipe_writers.pop().wait()
        tally.cases += 1
        tally.successes += status == 0
        tally.refusals += status in (1, 2)
        if found := problems(case, status, out, err):
            for problem in found:
                tally.add(f"{name}, case {number}: {problem}")
            for pipe in (path for path in folder.iterdir() if path.is_fifo()):
                pipe.unlink()
            if options.keep is not None:
                kept = options.keep / f"{name.replace(' ', '-')}-{number}"
                shutil.copytree(folder, kept, dirs_exist_ok=True, symlinks=True)
    if tally.cases >= ENOUGH and not tally.successes and kind.may_succeed:
        tally.add(f"{name}: nmt accepted none of the cases, so they tested little")
    seconds = time.monotonic() - start
    reporting.progress(f"{name}: {tally.cases:,} cases, {len(tally.wrong)} wrong, {seconds:.0f} s")
    return tally


def run(options: argparse.Namespace, work: Path) -> None:
    """Run the cases of every kind and print a table."""
    names = options.only or list(KINDS)
    if unknown := [name for name in names if name not in KINDS]:
        raise NmtError(f"--only {unknown[0]!r}: no such kind; there are: {', '.join(map(repr, KINDS))}")
    os.environ["OMP_NUM_THREADS"] = "1"
    prepare(work / "model")
    total = sum(KINDS[name].share for name in names)
    rows = [["kind", "inputs", "accepted", "refused", "wrong"]]
    tallies = {}
    for name in names:
        count = max(1, round(options.cases * KINDS[name].share / total))
        tally = tallies[name] = run_kind(name, KINDS[name], count, options, work)
        rows.append([name, *(f"{n:,}" for n in (tally.cases, tally.successes, tally.refusals, len(tally.wrong)))])
    print(table(rows, right=frozenset(range(1, 5))))
    reporting.write_json(options.json, {name: vars(tally) for name, tally in tallies.items()})
    if wrong := sum(len(tally.wrong) for tally in tallies.values()):
        raise NmtError(f"{wrong} cases failed")


def main() -> int:
    """Run the command line."""
    parser = reporting.parser(__doc__, "--work", "--json")
    add = parser.add_argument
    add("--cases", type=int, default=20_000, metavar="N", help="cases of all kinds together (default 20,000)")
    add("--seed", type=int, default=1, metavar="N", help="seed of the cases (default %(default)s)")
    add("--only", nargs="+", metavar="KIND", help=f"kinds of input, of: {', '.join(KINDS)}")
    add("--keep", type=Path, metavar="FOLDER", help="copy failed cases to this folder")
    return reporting.run_in_folder(run, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
