"""Give nmt much to do, and watch its memory and its open files.

python scripts/fault_load.py [--lines 1000000] [--pairs 5000000] [--minutes 60] [--only translate preprocess train]
                             [--model RUN] [--json FILE]

Memory is what all its processes together hold (resident pages, of which shared ones count for each), read every
second. It is flat where the second half of the time needs no more than the first, but a tenth. Needs Linux.
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

import bench_preprocess
import console
import yaml

from nmt.errors import NmtError
from nmt.reports.table import table
from nmt.storage.run_folder import Run, find_run

ROOT = console.ROOT
PAGE = os.sysconf("SC_PAGE_SIZE")
SETTLED = 0.1
"""Share of the time after which the program has loaded what it needs."""


@dataclass
class Watched:
    """What a program took while it ran."""

    what: str
    status: int = 0
    seconds: float = 0.0
    mebibytes: list[float] = field(default_factory=list)
    """Resident memory, each second."""
    files: list[int] = field(default_factory=list)
    """Open files, each second."""
    note: str = ""
    """What it did, or what was wrong."""
    is_good: bool = True

    def most(self, begin: float, end: float) -> float:
        """Return the largest memory between two shares of the time."""
        count = len(self.mebibytes)
        return max(self.mebibytes[int(begin * count) : max(int(begin * count) + 1, int(end * count))], default=0.0)

    @property
    def is_flat(self) -> bool:
        """Whether the second half of the time needs no more than the first, but a tenth."""
        return self.most(0.5, 1.0) <= 1.1 * self.most(0.0, 0.5)


def processes(session: int) -> list[Path]:
    """Return the folders in /proc of the processes of a session."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if int((place / "stat").read_text().rpartition(")")[2].split()[3]) == session:
                found.append(place)
        except (OSError, IndexError, ValueError):
            continue
    return found


def watch(
    what: str, arguments: list[str], folder: Path, out: BinaryIO | None = None, minutes: float | None = None
) -> Watched:
    """Run `nmt` with `arguments` in `folder`, interrupted after some minutes where they are given."""
    found = Watched(what)
    began = time.monotonic()
    with (folder / f"{what}.log").open("wb") as log:
        line = [*console.NMT, *arguments]
        process = subprocess.Popen(
            line, cwd=folder, stdout=out, stderr=log, env=console.ENVIRONMENT, start_new_session=True
        )
        is_interrupted = False
        while process.poll() is None:
            pages = files = 0
            for place in processes(process.pid):
                try:
                    pages += int((place / "statm").read_text().split()[1])
                    files += len(list((place / "fd").iterdir()))
                except OSError:
                    continue
            if pages:
                found.mebibytes.append(pages * PAGE / (1 << 20))
                found.files.append(files)
            if minutes is not None and not is_interrupted and time.monotonic() - began > 60 * minutes:
                process.send_signal(signal.SIGINT)
                is_interrupted = True
            time.sleep(1)
    found.status = process.returncode
    found.seconds = time.monotonic() - began
    return found


def translate(given: argparse.Namespace, folder: Path) -> Watched:
    """Translate the sentences of the embedded test set over and over."""
    model = find_run(given.model)[0].folder.absolute()
    lines = (ROOT / "data" / "quickstart" / "test.en").read_bytes().splitlines(keepends=True)
    with (folder / "input").open("wb") as file:
        for start in range(0, given.lines, len(lines)):
            file.writelines(lines[: given.lines - start])
    with (folder / "output").open("wb") as out:
        found = watch("translate", ["translate", "--model", str(model), "--greedy", "--input", "input"], folder, out)
    with (folder / "output").open("rb") as file:
        count = sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    found.note = f"{count:,} lines for {given.lines:,}, {given.lines / found.seconds:,.0f} a second"
    found.is_good = found.status == 0 and count == given.lines
    return found


def preprocess(given: argparse.Namespace, folder: Path) -> Watched:
    """Prepare a synthetic corpus."""
    bench_preprocess.write_corpus(folder, given.pairs)
    data = {part: {side: f"{part}.{side}" for side in ("source", "target")} for part in ("train", "valid")}
    (folder / "config.yaml").write_text(yaml.safe_dump({"name": "load", "data": data}), encoding="utf-8")
    found = watch("preprocess", ["preprocess", "--config", "config.yaml"], folder)
    found.note = f"{given.pairs:,} pairs, {given.pairs / found.seconds:,.0f} a second"
    found.is_good = found.status == 0
    return found


def train(given: argparse.Namespace, folder: Path) -> Watched:
    """Train on the embedded corpus, to be interrupted."""
    (folder / "data").symlink_to(ROOT / "data")
    config = str(ROOT / "configs" / "quickstart.yaml")
    line = ["train", "--config", config, "--set=training.max_steps=1000000000", "--set=training.patience=0"]
    found = watch("train", line, folder, minutes=given.minutes)
    names = Run(folder / "runs" / "quickstart").names()
    late = found.seconds - 60 * given.minutes
    found.note = (
        f"interrupted after {given.minutes:g} minutes, ended {late:.1f} s later; {names[-1] if names else 'lost'}"
    )
    found.is_good = found.status == 130 and bool(names) and late < 12
    return found


PARTS: dict[str, Callable[[argparse.Namespace, Path], Watched]] = {
    "translate": translate,
    "preprocess": preprocess,
    "train": train,
}


def work(given: argparse.Namespace, folder: Path) -> None:
    """Do what is asked for and print a table."""
    found = []
    for name in given.only:
        place = folder / name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        found.append(PARTS[name](given, place))
        console.say(f"{name}: {found[-1].note}")
    head = ["what", "status", "seconds", "MiB after 10 %", "first half", "second half", "files", "flat", "note"]
    rows = [head]
    for one in found:
        memory = [one.most(SETTLED, SETTLED), one.most(0.0, 0.5), one.most(0.5, 1.0)]
        half = len(one.files) // 2
        files = f"{max(one.files[:half], default=0)}, {max(one.files[half:], default=0)}"
        flat = "yes" if one.is_flat else "NO"
        figures = [str(one.status), f"{one.seconds:.0f}", *(f"{value:,.0f}" for value in memory)]
        rows.append([one.what, *figures, files, flat, one.note])
    print(table(rows, right=frozenset(range(1, 7))))
    console.write_json(given.json, [vars(one) for one in found])
    if bad := [one.what for one in found if not (one.is_good and one.is_flat)]:
        raise NmtError(f"not as it should be: {', '.join(bad)}")


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1_000_000, metavar="N", help="to translate")
    parser.add_argument("--pairs", type=int, default=5_000_000, metavar="N", help="to prepare")
    parser.add_argument("--minutes", type=float, default=60, metavar="N", help="of training")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument(
        "--model", type=Path, metavar="RUN", help="to translate with (default: the newest finished run)"
    )
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="keep all files here (default: a temporary folder)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(console.compare("fault_load", work, options()))
