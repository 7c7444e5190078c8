"""Run nmt for a long time on large inputs, and watch its memory and its open files.

    python scripts/fault_injection/load.py [--lines 1000000] [--pairs 5000000] [--minutes 60]
                                           [--only translate preprocess train] [--model RUN] [--work FOLDER]
                                           [--json FILE]

The memory of all processes together (resident pages; shared pages count for each process) is read every second. It is
flat if its peak in the second half of the time is at most 10 % above that in the first half. Needs Linux.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from nmt.errors import NmtError
from nmt.reports.table import table
from nmt.storage.run_folder import Run, find_run
from scripts import ROOT, commands, reporting
from scripts.benchmarks.preprocess import write_corpus
from scripts.fault_injection.small_run import CONFIG

PAGE = os.sysconf("SC_PAGE_SIZE")
LOADED = 0.1
"""Share of the time after which everything is loaded."""
OVERTIME_LIMIT = 60
"""Seconds after SIGINT until a program that does not end is killed."""


@dataclass
class Watched:
    """Memory and open files of a program, and its result."""

    name: str
    status: int = 0
    seconds: float = 0.0
    mebibytes: list[float] = field(default_factory=list)
    """Resident memory, each second."""
    files: list[int] = field(default_factory=list)
    """Open files, each second."""
    note: str = ""
    """The result as text."""
    is_good: bool = True

    def peak(self, begin: float, end: float) -> float:
        """Return the peak memory between two shares of the time."""
        count = len(self.mebibytes)
        return max(self.mebibytes[int(begin * count) : max(int(begin * count) + 1, int(end * count))], default=0.0)

    @property
    def is_flat(self) -> bool:
        """Whether the peak of the second half is at most 10 % above that of the first half."""
        return self.peak(0.5, 1.0) <= 1.1 * self.peak(0.0, 0.5)


def session_processes(session: int) -> list[Path]:
    """Return the folders in /proc of the processes of a session."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int((folder / "stat").read_text().rpartition(")")[2].split()[3]) == session:
                found.append(folder)
        except (OSError, IndexError, ValueError):
            continue
    return found


def watch(
    name: str, arguments: list[str], folder: Path, out: BinaryIO | None = None, minutes: float | None = None
) -> Watched:
    """Run `nmt` with `arguments` in `folder`, interrupted by SIGINT after `minutes` if they are given."""
    found = Watched(name)
    start = time.monotonic()
    with (folder / f"{name}.log").open("wb") as log:
        line, environment = [*commands.NMT, *arguments], commands.ENVIRONMENT
        process = subprocess.Popen(line, cwd=folder, stdout=out, stderr=log, env=environment, start_new_session=True)
        is_interrupted = False
        while process.poll() is None:
            pages = files = 0
            for each in session_processes(process.pid):
                try:
                    pages += int((each / "statm").read_text().split()[1])
                    files += len(list((each / "fd").iterdir()))
                except OSError:
                    continue
            if pages:
                found.mebibytes.append(pages * PAGE / (1 << 20))
                found.files.append(files)
            overtime = -1.0 if minutes is None else time.monotonic() - start - 60 * minutes
            if overtime > 0 and not is_interrupted:
                process.send_signal(signal.SIGINT)
                is_interrupted = True
            if overtime > OVERTIME_LIMIT:
                process.kill()
            time.sleep(1)
    found.status = process.returncode
    found.seconds = time.monotonic() - start
    return found


def translate(options: argparse.Namespace, folder: Path) -> Watched:
    """Translate the sentences of the embedded test set repeatedly."""
    model = find_run(options.model)[0].folder.absolute()
    lines = (ROOT / "data" / "quickstart" / "test.en").read_bytes().splitlines(keepends=True)
    with (folder / "input").open("wb") as file:
        for start in range(0, options.lines, len(lines)):
            file.writelines(lines[: options.lines - start])
    with (folder / "output").open("wb") as out:
        found = watch("translate", ["translate", "--model", str(model), "--greedy", "--input", "input"], folder, out)
    with (folder / "output").open("rb") as file:
        count = sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    found.note = f"{count:,} lines for {options.lines:,}, {options.lines / found.seconds:,.0f} per second"
    found.is_good = found.status == 0 and count == options.lines
    return found


def preprocess(options: argparse.Namespace, folder: Path) -> Watched:
    """Prepare a synthetic corpus."""
    write_corpus(folder, options.pairs)
    data = {part: {side: f"{part}.{side}" for side in ("source", "target")} for part in ("train", "valid")}
    (folder / "config.yaml").write_text(yaml.safe_dump({"name": "load", "data": data}), encoding="utf-8")
    found = watch("preprocess", ["preprocess", "--config", "config.yaml"], folder)
    found.note = f"{options.pairs:,} pairs, {options.pairs / found.seconds:,.0f} per second"
    found.is_good = found.status == 0
    return found


def train(options: argparse.Namespace, folder: Path) -> Watched:
    """Train on the embedded corpus until the training is interrupted."""
    (folder / "data").symlink_to(ROOT / "data")
    line = ["train", "--config", CONFIG, "--set=training.max_steps=1000000000", "--set=training.patience=0"]
    found = watch("train", line, folder, minutes=options.minutes)
    names = Run(folder / "runs" / "quickstart").names()
    last = names[-1] if names else "no checkpoint"
    seconds = found.seconds - 60 * options.minutes
    found.note = f"interrupted after {options.minutes:g} minutes, ended {seconds:.1f} s later; {last}"
    found.is_good = found.status == 130 and bool(names) and seconds < 12
    return found


PARTS: dict[str, Callable[[argparse.Namespace, Path], Watched]] = {
    "translate": translate,
    "preprocess": preprocess,
    "train": train,
}


def run(options: argparse.Namespace, work: Path) -> None:
    """Run each part and print a table."""
    found = []
    for name in options.only:
        folder = work / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        found.append(PARTS[name](options, folder))
        reporting.progress(f"{name}: {found[-1].note}")
    rows = [["part", "status", "seconds", "MiB after 10 %", "first half", "second half", "files", "flat", "note"]]
    for each in found:
        memory = [each.peak(LOADED, LOADED), each.peak(0.0, 0.5), each.peak(0.5, 1.0)]
        half = len(each.files) // 2
        files = f"{max(each.files[:half], default=0)}, {max(each.files[half:], default=0)}"
        figures = [str(each.status), f"{each.seconds:.0f}", *(f"{value:,.0f}" for value in memory)]
        rows.append([each.name, *figures, files, "yes" if each.is_flat else "NO", each.note])
    print(table(rows, right=frozenset(range(1, 7))))
    reporting.write_json(options.json, [vars(each) for each in found])
    if failed := [each.name for each in found if not (each.is_good and each.is_flat)]:
        raise NmtError(f"failed: {', '.join(failed)}")


def main() -> int:
    """Run the command line."""
    parser = reporting.parser(__doc__, "--work", "--json")
    add = parser.add_argument
    add("--lines", type=int, default=1_000_000, metavar="N", help="lines to translate (default 1,000,000)")
    add("--pairs", type=int, default=5_000_000, metavar="N", help="pairs to prepare (default 5,000,000)")
    add("--minutes", type=float, default=60, metavar="N", help="minutes of training (default %(default)s)")
    add("--only", nargs="+", choices=list(PARTS), default=list(PARTS), help="parts to run (default: all)")
    add("--model", type=Path, metavar="RUN", help="run to translate with (default: the newest finished run)")
    return reporting.run_in_folder(run, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
