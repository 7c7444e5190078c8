"""Give nmt less and less memory, and look at what it says and whether it goes on.

python scripts/fault_memory.py [--limits 6000 4500 ...] [--threads 1] [--json FILE]

Each limit, in MiB of address space (RLIMIT_AS, which is more than what is resident), is set on a training with batches
of 2,000 pairs and a wide network, and on a translation of the test set in one batch. Each must end
well, in more parts where that is needed, or with status 1 and one line that tells what to do; no checkpoint is ever
half there. Needs Linux or macOS.
"""

import argparse
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import console
import fault_kill

from nmt.errors import NmtError
from nmt.reports.table import table
from nmt.storage.run_folder import Run

LIMITS = (4000, 3000, 2600, 2300, 2000, 1700, 1400, 1000, 600)
WIDE: dict[str, Any] = {
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


def within(limit: int, folder: Path, threads: int, arguments: list[str], out: Path | None = None) -> tuple[int, str]:
    """Run a command of nmt with `limit` MiB and return its status and what it says."""

    def confine() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit << 20, limit << 20))

    environment = console.ENVIRONMENT | {"OMP_NUM_THREADS": str(threads)}
    with (out or folder / "unused").open("wb") as file:
        done = subprocess.run(
            [*console.NMT, *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.PIPE,
            preexec_fn=confine,
            check=False,
        )
    return done.returncode, done.stderr.decode(errors="replace").strip()


def judge(status: int, said: str) -> tuple[str, list[str]]:
    """Return what became of a command, and what was wrong with that."""
    if status == 0:
        parts = [int(number) for number in re.findall(r"in up to (\d+) parts", said)]
        return (f"done, in up to {max(parts)} parts" if parts else "done"), []
    line = said.split("\n")[-1]
    if status == 1 and line.startswith("nmt: error: ") and "Traceback" not in said:
        return line.removeprefix("nmt: error: "), []
    return f"status {status}", [said[-300:]]


def train(limit: int, folder: Path, threads: int) -> tuple[str, list[str]]:
    """Train within a limit."""
    shutil.rmtree(folder / "runs" / "small", ignore_errors=True)
    became, wrong = judge(*within(limit, folder, threads, fault_kill.training(WIDE, "small")))
    run = Run(folder / "runs" / "small")
    names = run.names() if run.checkpoints.is_dir() else []
    for name in names:
        status, said = within(
            8 << 10, folder, threads, ["translate", "--model", str(run.checkpoints / name), "--quiet"]
        )
        wrong += [f"{name} cannot be used: {said}"] if status else []
    return f"{became}; {names[-1] if names else 'no checkpoint yet'}", wrong


def translate(limit: int, folder: Path, threads: int) -> tuple[str, list[str]]:
    """Translate within a limit."""
    source, out = console.ROOT / "data" / "quickstart" / "test.en", folder / "out"
    line = ["translate", "--model", "runs/whole", "--input", str(source), "--tokens-per-batch", "1000000"]
    status, said = within(limit, folder, threads, line, out)
    became, wrong = judge(status, said)
    counts = [path.read_bytes().count(b"\n") for path in (source, out)]
    if status == 0 and counts[0] != counts[1]:
        wrong.append(f"{counts[1]} lines for {counts[0]}")
    return became, wrong


def work(given: argparse.Namespace, folder: Path) -> None:
    """Try every limit and print a table."""
    for name in ("data", "runs", "unused"):
        path = folder / name
        shutil.rmtree(path, ignore_errors=True) if not path.is_symlink() else path.unlink()
    (folder / "data").symlink_to(console.ROOT / "data")
    status, said = within(16 << 10, folder, given.threads, fault_kill.training(WIDE, "whole"))
    if status:
        raise NmtError(f"16 GiB do not suffice: {said[-300:]}")
    rows, bad = [["MiB", "nmt train", "nmt translate"]], []
    for limit in given.limits:
        console.say(f"{limit} MiB")
        found = [train(limit, folder, given.threads), translate(limit, folder, given.threads)]
        rows.append([f"{limit:,}", *(became for became, _ in found)])
        bad += [f"{limit} MiB: {line}" for _, wrong in found for line in wrong]
    print(table(rows, right=frozenset({0})))
    console.write_json(given.json, rows)
    if bad:
        raise NmtError("\n".join(bad))


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limits", nargs="+", type=int, default=list(LIMITS), metavar="MIB")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="work here (default: a temporary folder)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(console.compare("fault_memory", work, options()))
