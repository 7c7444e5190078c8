"""Kill processes that translate many files, start them again, and compare the result with that of one undisturbed run.

    python scripts/fault_injection/translate_files.py [--kills 20] [--shards 2] [--seed 1] [--work FOLDER] [--json FILE]

The processes `nmt translate --output-folder FOLDER --shard I/N` work in one folder at the same time. One of them, drawn
at random, gets SIGKILL after a time that is drawn uniformly over the duration of a process, and is started again at
once. This is repeated in new folders until there were enough kills. At the end all bytes of the folder must be those of
one process without --shard, `nmt shards` must find nothing to do, and no part that was finished may have been written
again.
"""

import argparse
import gzip
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from nmt.errors import NmtError
from nmt.reports.table import table
from scripts import ROOT, commands, reporting
from scripts.fault_injection.kill import file_differences
from scripts.fault_injection.small_run import train_arguments

FILES = {"a.en": 1300, "b.en.gz": 900, "empty.en": 0, "news/c.en": 500, "news/d.en.gz": 1500, "news/e.en": 60}
"""Input files and their numbers of lines."""
PART_LINES = 100
POLL_SECONDS = 0.02


@dataclass
class Outcome:
    """What happened in all folders together."""

    kills: int = 0
    folders: int = 0
    seconds: float = 0.0
    """Duration of one process that translates everything."""
    kills_with_parts: int = 0
    """Kills after the first part was finished."""
    parts: int = 0
    """Parts of a folder."""
    lost: int = 0
    """Parts that a killed process had begun."""
    differences: list[str] = field(default_factory=list)


def write_inputs(folder: Path) -> None:
    """Write the input files."""
    lines = (ROOT / "data" / "quickstart" / "train.en").read_bytes().split(b"\n")
    first = 0
    for name, count in FILES.items():
        path = folder / "corpus" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = b"".join(line + b"\n" for line in lines[first : first + count])
        path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
        first += count


def start(folder: Path, output: str, *more: str) -> "subprocess.Popen[bytes]":
    """Start a process that translates the input files to the folder `output`."""
    line = ["translate", "--model", "runs/model", "--greedy", "--max-length-ratio", "1"]
    line += ["--input", "corpus/**", "--output-folder", output, "--part-lines", str(PART_LINES), *more]
    with (folder / f"{output}.log").open("ab") as log:
        return subprocess.Popen([*commands.NMT, *line], cwd=folder, stderr=log, env=commands.ENVIRONMENT)


def finished_parts(output: Path) -> dict[Path, int]:
    """Return the files of finished parts, and when they were written."""
    found = {}
    for path in output.glob(".parts/**/[0-9]*"):
        try:
            found[path] = path.stat().st_mtime_ns
        except FileNotFoundError:  # joined at this moment
            continue
    return found


def rewritten(before: dict[Path, int], now: dict[Path, int]) -> list[Path]:
    """Return the parts that were finished before and have been written again; joined parts are not there now."""
    return [path for path, when in before.items() if now.get(path, when) != when]


class Round:
    """Processes that work in one folder, one for each shard."""

    def __init__(self, folder: Path, output: str, shards: int, draw: random.Random) -> None:
        self._folder, self._output, self._shards, self._draw = folder, output, shards, draw
        self._processes = {number: self._start(number) for number in range(1, shards + 1)}
        self._parts: dict[Path, int] = {}

    def _start(self, number: int) -> "subprocess.Popen[bytes]":
        return start(self._folder, self._output, "--shard", f"{number}/{self._shards}")

    def run(self, outcome: Outcome, kills: int) -> None:
        """Kill and restart processes until all are finished; from `kills` kills on let them finish."""
        while True:
            end = time.monotonic() + self._draw.uniform(0, outcome.seconds)
            while time.monotonic() < end and self._running():
                time.sleep(POLL_SECONDS)
                self._look(outcome)
            if not self._running():
                return
            if outcome.kills < kills:
                self._kill(self._draw.choice(self._running()), outcome)

    def _running(self) -> list[int]:
        for number, process in self._processes.items():
            if process.poll() not in (None, 0):
                raise NmtError(f"shard {number} failed; see {self._folder / self._output}.log")
        return [number for number, process in self._processes.items() if process.poll() is None]

    def _kill(self, number: int, outcome: Outcome) -> None:
        process = self._processes[number]
        os.kill(process.pid, signal.SIGKILL)
        if process.wait() == -signal.SIGKILL:  # else it was finished
            outcome.kills += 1
            outcome.lost += len(list((self._folder / self._output).glob(f".parts/**/.*:{process.pid}.*.tmp")))
            outcome.kills_with_parts += bool(self._parts)
            self._processes[number] = self._start(number)

    def _look(self, outcome: Outcome) -> None:
        """Record a difference for each finished part that was written again."""
        now = finished_parts(self._folder / self._output)
        outcome.differences += [f"{path}: was finished and written again" for path in rewritten(self._parts, now)]
        self._parts |= now


def run(options: argparse.Namespace, work: Path) -> None:
    """Translate the files without interruption, then with kills, and print a table."""
    outcome = Outcome()
    work = work / "translate-files"
    shutil.rmtree(work, ignore_errors=True)
    write_inputs(work)
    (work / "data").symlink_to(ROOT / "data")
    reporting.progress("training a small model")
    line = [*commands.NMT, *train_arguments({}, "model")]
    with (work / "train.log").open("wb") as log:
        status = subprocess.run(line, cwd=work, stderr=log, env=commands.ENVIRONMENT, check=False).returncode
    if status or start(work, "first").wait():  # the first process also makes the graphs of the model
        raise NmtError(f"training or translating failed without a kill; see {work}")
    begin = time.monotonic()
    if start(work, "whole").wait():
        raise NmtError(f"translating failed without a kill; see {work / 'whole.log'}")
    outcome.seconds = time.monotonic() - begin
    outcome.parts = sum(-(-count // PART_LINES) for count in FILES.values())
    draw = random.Random(options.seed)
    while outcome.kills < options.kills:
        outcome.folders += 1
        output = f"killed-{outcome.folders}"
        Round(work, output, options.shards, draw).run(outcome, options.kills)
        line = [*commands.NMT, "shards", "--check", output]
        checked = subprocess.run(line, cwd=work, capture_output=True, env=commands.ENVIRONMENT, check=False)
        if checked.returncode:
            outcome.differences.append(f"{output}: nmt shards: {checked.stderr.decode().strip()}")
        outcome.differences += [f"{output}/{line}" for line in file_differences(work, "whole", output)]
        reporting.progress(f"{outcome.kills}/{options.kills} kills, {len(outcome.differences)} differences")
    figures = [outcome.kills, outcome.kills_with_parts, outcome.folders, outcome.parts, outcome.lost]
    rows = [
        ["SIGKILLs", "with finished parts", "folders", "parts of a folder", "parts lost", "differences"],
        [*map(str, figures), str(len(outcome.differences))],
    ]
    print(table(rows, right=frozenset(range(6))))
    print("\n".join(outcome.differences), file=sys.stderr)
    reporting.write_json(options.json, vars(outcome))
    if outcome.differences:
        raise NmtError(f"{len(outcome.differences)} differences")


def main() -> int:
    """Run the command line."""
    parser = reporting.parser(__doc__, "--work", "--json")
    add = parser.add_argument
    add("--kills", type=int, default=20, metavar="N", help="kills in all folders together (default %(default)s)")
    add("--shards", type=int, default=2, metavar="N", help="processes at the same time (default %(default)s)")
    add("--seed", type=int, default=1, metavar="N", help="seed of the times (default %(default)s)")
    return reporting.run_in_folder(run, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
