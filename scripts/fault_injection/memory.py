"""Limit the memory of nmt more and more, and check that it adapts its batches or reports a clear error.

    python scripts/fault_injection/memory.py [--limits 4000 3000 ...] [--threads 1] [--work FOLDER] [--json FILE]

Each limit is in MiB of address space (RLIMIT_AS, which is larger than resident memory). Under each limit a wide
network is trained with batches of 2,000 pairs, and the test set is translated in one batch. Each command must succeed,
with more micro-batches if necessary, or end with status 1 and one line that names a remedy; every checkpoint must be
usable. Needs Linux or macOS.
"""

import argparse
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from nmt.errors import NmtError
from nmt.reports.table import table
from nmt.storage.run_folder import Run
from scripts import ROOT, commands, reporting
from scripts.fault_injection.small_run import train_arguments

LIMITS = (4000, 3000, 2600, 2300, 2000, 1700, 1400, 1000, 600)
WIDE_NETWORK: dict[str, Any] = {
    "data.workers": 1,
    "subword.vocab_size": 2000,
    "model.encoder.size": 512,
    "model.decoder.size": 512,
    "training.max_steps": 2,
    "training.validate_every": 2,
    "training.save_every": 1,
    "training.log_every": 1,
    "training.sentences_per_batch": 2000,
}


def run_limited(
    limit: int, folder: Path, threads: int, arguments: list[str], out: Path | None = None
) -> tuple[int, str]:
    """Run an nmt command with `limit` MiB; return its status and its stderr."""

    def set_limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit << 20, limit << 20))

    with (out or folder / "unused").open("wb") as file:
        done = subprocess.run(
            [*commands.NMT, *arguments],
            cwd=folder,
            env=commands.ENVIRONMENT | {"OMP_NUM_THREADS": str(threads)},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.PIPE,
            preexec_fn=set_limit,
            check=False,
        )
    return done.returncode, done.stderr.decode(errors="replace").strip()


def describe(status: int, message: str) -> tuple[str, list[str]]:
    """Return a description of the result of a command, and what was wrong with it."""
    if status == 0:
        parts = [int(number) for number in re.findall(r"in up to (\d+) (?:parts|micro-batches)", message)]
        return (f"done, in up to {max(parts)} micro-batches" if parts else "done"), []
    line = message.split("\n")[-1]
    if status == 1 and line.startswith("nmt: error: ") and "Traceback" not in message:
        return line.removeprefix("nmt: error: "), []
    return f"status {status}", [message[-300:]]


def train(limit: int, folder: Path, threads: int) -> tuple[str, list[str]]:
    """Train with a limit."""
    shutil.rmtree(folder / "runs" / "small", ignore_errors=True)
    result, wrong = describe(*run_limited(limit, folder, threads, train_arguments(WIDE_NETWORK, "small")))
    run = Run(folder / "runs" / "small")
    names = run.names() if run.checkpoints.is_dir() else []
    for name in names:
        line = ["translate", "--model", str(run.checkpoints / name), "--quiet"]
        status, message = run_limited(8 << 10, folder, threads, line)
        wrong += [f"{name} cannot be used: {message}"] if status else []
    return f"{result}; {names[-1] if names else 'no checkpoint yet'}", wrong


def translate(limit: int, folder: Path, threads: int) -> tuple[str, list[str]]:
    """Translate with a limit."""
    source, out = ROOT / "data" / "quickstart" / "test.en", folder / "out"
    line = ["translate", "--model", "runs/whole", "--input", str(source), "--tokens-per-batch", "1000000"]
    status, message = run_limited(limit, folder, threads, line, out)
    result, wrong = describe(status, message)
    counts = [path.read_bytes().count(b"\n") for path in (source, out)]
    if status == 0 and counts[0] != counts[1]:
        wrong.append(f"{counts[1]} lines for {counts[0]}")
    return result, wrong


def run(options: argparse.Namespace, work: Path) -> None:
    """Run both commands with every limit and print a table."""
    for name in ("data", "runs", "unused"):
        path = work / name
        shutil.rmtree(path, ignore_errors=True) if not path.is_symlink() else path.unlink()
    (work / "data").symlink_to(ROOT / "data")
    status, message = run_limited(16 << 10, work, options.threads, train_arguments(WIDE_NETWORK, "whole"))
    if status:
        raise NmtError(f"16 GiB are not enough: {message[-300:]}")
    rows, problems = [["MiB", "nmt train", "nmt translate"]], []
    for limit in options.limits:
        reporting.progress(f"{limit} MiB")
        found = [train(limit, work, options.threads), translate(limit, work, options.threads)]
        rows.append([f"{limit:,}", *(result for result, _ in found)])
        problems += [f"{limit} MiB: {line}" for _, wrong in found for line in wrong]
    print(table(rows, right=frozenset({0})))
    reporting.write_json(options.json, rows)
    if problems:
        raise NmtError("\n".join(problems))


def main() -> int:
    """Run the command line."""
    parser = reporting.parser(__doc__, "--work", "--json")
    limits = f"limits (default: {' '.join(map(str, LIMITS))})"
    parser.add_argument("--limits", nargs="+", type=int, default=list(LIMITS), metavar="MIB", help=limits)
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="OpenMP threads (default %(default)s)")
    return reporting.run_in_folder(run, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
