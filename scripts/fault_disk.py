"""Fill the disk, or take the right to write away, while nmt works, and look at what it says and leaves behind.

sudo python scripts/fault_disk.py [--json FILE]

Needs the right to mount a small file system in memory (Linux, root). Each case must end with status 1 and one line on
stderr that names a file and a remedy, leave what was saved before whole, and be gone on with once there is room.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import console
import fault_kill

from nmt.errors import NmtError
from nmt.reports.table import table
from nmt.storage.run_folder import Run

LONGER = {"training.keep_last": 30, "training.max_steps": 90}


@contextmanager
def file_system(place: Path, options: str) -> Iterator[Path]:
    """Mount a file system in memory at `place`."""
    place.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", place], capture_output=True, check=False)
    if done.returncode:
        raise NmtError(f"{place}: cannot mount a file system ({done.stderr.decode().strip()}); run this as root")
    try:
        (place / "data").symlink_to(console.ROOT / "data")
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=False)


def nmt(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run a command of nmt in `folder` and return its status and the last line that it says."""
    command = [*console.NMT, *arguments]
    done = subprocess.run(command, cwd=folder, env=console.ENVIRONMENT, capture_output=True, check=False)
    said = done.stderr.decode(errors="replace").strip()
    return done.returncode, "Traceback: " + said[-300:] if "Traceback" in said else said.split("\n")[-1]


def train(folder: Path, *more: str, **changes: Any) -> tuple[int, str]:
    """Train in `folder`."""
    return nmt(folder, *fault_kill.training({**LONGER, **changes}, "run"), *more)


def fill(folder: Path) -> Path:
    """Take all the room that is left."""
    path = folder / "fill"
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * 4096):
                pass
        except OSError:
            return path
    return path


def cases(work: Path) -> Iterator[tuple[str, tuple[int, str], list[str]]]:
    """Yield each case: what was done, what nmt answered, and what is wrong with what it left."""
    with file_system(work / "train", "size=7m") as place:
        answer = train(place)
        run = Run(place / "runs" / "run")
        wrong = [path.name for path in run.checkpoints.glob(".*") if path.is_dir()]
        before = run.checkpoint("last").name
        for name in run.names()[:2]:  # make room
            if name not in (before, run.checkpoint("best").name):
                shutil.rmtree(run.checkpoints / name)
        code, said = train(place, "--resume", **{"training.keep_last": 1})
        wrong += [] if code == 0 else [f"cannot go on from {before}: {said}"]
        yield "disk full while a checkpoint is written", answer, wrong
        filled = fill(place)
        lines = str(console.ROOT / "data" / "quickstart" / "test.en")
        answer = nmt(place, "translate", "--greedy", "--input", lines, "--output", "out.txt")
        yield "disk full while a translation is written", answer, [path.name for path in place.glob("*out.txt*")]
        filled.unlink()
    with file_system(work / "prepare", "size=1m") as place:
        yield "disk full while data is prepared", train(place), [p.name for p in place.glob("prepared/*") if p.is_dir()]
    with file_system(work / "read-only", "size=9m") as place:
        code, said = train(place, **{"training.max_steps": 30})
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        wrong = [] if code == 0 else [said]
        yield "folder of the run is read-only", train(place, "--resume"), wrong


def work(given: argparse.Namespace, folder: Path) -> None:
    """Try every case and print a table."""
    rows = [["case", "status", "what it says", "left behind, or lost"]]
    bad = 0
    for name, (code, said), wrong in cases(folder):
        is_good = code == 1 and said.startswith("nmt: error: ") and not wrong
        bad += not is_good
        rows.append(
            [name, str(code), said.removeprefix("nmt: error: ").replace(str(folder), ""), ", ".join(wrong) or "-"]
        )
    print(table(rows))
    console.write_json(given.json, rows)
    if bad:
        raise NmtError(f"{bad} of {len(rows) - 1} cases went wrong")


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="mount below this (default: a temporary folder)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(console.compare("fault_disk", work, options()))
