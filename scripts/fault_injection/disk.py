"""Fill the disk, or make it read-only, while nmt works, and check its error message and the files that it leaves.

    sudo python scripts/fault_injection/disk.py [--work FOLDER] [--json FILE]

Mounts a small file system in memory (Linux, root). In each case nmt must end with status 1 and one line on stderr that
names a file and a remedy, must keep what it saved before, and must resume when there is space again.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from nmt.errors import NmtError
from nmt.reports.table import table
from nmt.storage.run_folder import Run
from scripts import ROOT, commands, reporting
from scripts.fault_injection.small_run import train_arguments

MANY_CHECKPOINTS = {"training.keep_last": 30, "training.max_steps": 90}


@contextmanager
def file_system(folder: Path, options: str) -> Iterator[Path]:
    """Mount a file system in memory at `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], capture_output=True, check=False)
    if done.returncode:
        raise NmtError(f"{folder}: cannot mount a file system ({done.stderr.decode().strip()}); run this as root")
    try:
        (folder / "data").symlink_to(ROOT / "data")
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=False)


def nmt(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run an nmt command in `folder` and return its status and its last line on stderr."""
    line = [*commands.NMT, *arguments]
    done = subprocess.run(line, cwd=folder, env=commands.ENVIRONMENT, capture_output=True, check=False)
    message = done.stderr.decode(errors="replace").strip()
    return done.returncode, f"Traceback: {message[-300:]}" if "Traceback" in message else message.split("\n")[-1]


def train(folder: Path, *more: str, **changes: Any) -> tuple[int, str]:
    """Train in `folder`."""
    return nmt(folder, *train_arguments({**MANY_CHECKPOINTS, **changes}, "run"), *more)


def fill(folder: Path) -> Path:
    """Write a file that takes all free space, and return its path."""
    path = folder / "fill"
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * 4096):
                pass
        except OSError:
            return path
    return path


def cases(work: Path) -> Iterator[tuple[str, tuple[int, str], list[str]]]:
    """Yield the name of each case, the status and message of nmt, and what it left behind or lost."""
    with file_system(work / "train", "size=7m") as folder:
        answer = train(folder)
        run = Run(folder / "runs" / "run")
        wrong = [path.name for path in run.checkpoints.glob(".*") if path.is_dir()]
        last = run.checkpoint("last").name
        for name in run.names()[:2]:  # free some space
            if name not in (last, run.checkpoint("best").name):
                shutil.rmtree(run.checkpoints / name)
        status, message = train(folder, "--resume", **{"training.keep_last": 1})
        wrong += [] if status == 0 else [f"cannot resume from {last}: {message}"]
        yield "disk full while a checkpoint is written", answer, wrong
        filled = fill(folder)
        lines = str(ROOT / "data" / "quickstart" / "test.en")
        translate = ["translate", "--greedy", "--input", lines, "--output", "out.txt"]
        answer = nmt(folder, *translate)
        filled.unlink()
        status, message = nmt(folder, *translate, "--resume")
        wrong = [] if status == 0 else [f"cannot resume: {message}"]
        wrong += [path.name for path in folder.glob("*out.txt?*")]
        yield "disk full while a translation is written", answer, wrong
    with file_system(work / "prepare", "size=1m") as folder:
        answer = train(folder)
        yield "disk full while data is prepared", answer, [p.name for p in folder.glob("prepared/*") if p.is_dir()]
    with file_system(work / "export", "size=9m") as folder:
        status, message = train(folder, **{"training.max_steps": 30})
        wrong = [] if status == 0 else [message]
        for graphs in folder.glob("runs/run/checkpoints/*/graphs-*"):
            shutil.rmtree(graphs)
        filled = fill(folder)
        translate = ["translate", "--greedy", "--engine", "onnx", "--input", str(ROOT / "README.md")]
        wrong += [] if nmt(folder, *translate)[0] == 0 else ["cannot translate with a full disk"]
        answer = nmt(folder, "export", "runs/run", "--output", "exported")
        wrong += [path.name for path in (*folder.glob("*exported*"), *folder.glob("runs/run/checkpoints/*/*graphs-*"))]
        filled.unlink()
        yield "disk full while a model is exported", answer, wrong
    with file_system(work / "read-only", "size=9m") as folder:
        status, message = train(folder, **{"training.max_steps": 30})
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        yield "folder of the run is read-only", train(folder, "--resume"), [] if status == 0 else [message]


def run(options: argparse.Namespace, work: Path) -> None:
    """Run every case and print a table."""
    rows = [["case", "status", "message", "left behind, or lost"]]
    failed = 0
    for name, (status, message), wrong in cases(work):
        failed += not (status == 1 and message.startswith("nmt: error: ") and not wrong)
        message = message.removeprefix("nmt: error: ").replace(str(work), "")
        rows.append([name, str(status), message, ", ".join(wrong) or "-"])
    print(table(rows))
    reporting.write_json(options.json, rows)
    if failed:
        raise NmtError(f"{failed} of {len(rows) - 1} cases failed")


if __name__ == "__main__":
    sys.exit(reporting.run_in_folder(run, reporting.parser(__doc__, "--work", "--json").parse_args()))
