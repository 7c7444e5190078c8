"""Give nmt bad input through every door, thousands of times, and tell what it did wrong.

python scripts/fault_input.py [--cases 20000] [--seed 1] [--only DOOR ...] [--keep FOLDER] [--json FILE]

Each case runs a command of nmt in a process of its own, forked from one that has everything loaded. It is wrong where
there is a traceback, a crash, no end within three minutes of a processor or thirty by the clock, more than 4 GiB of
memory, a status other than 0, 1 or 2, a failure without one clear line, or success with a wrong number of lines or with
damaged files. Cases that went wrong are kept in --keep. Needs Linux.
"""

import argparse
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import console
import fault_kill
from fault_doors import DOORS, MODEL, ROOT, Case, writers, wrong_count

from nmt.errors import NmtError
from nmt.reports.table import table

SECONDS, CLOCK = 180, 1800
"""Of a processor, and by the clock, that a case has."""
ENOUGH = 100
"""Cases among which there are some that nmt takes."""
MEMORY = 4 << 30


@dataclass
class Tally:
    """What became of the cases of a door."""

    cases: int = 0
    successes: int = 0
    refusals: int = 0
    wrong: list[str] = field(default_factory=list)


def run_case(case: Case, folder: Path) -> tuple[int, bytes, bytes]:
    """Run a case in a forked process; return its status (negative: the signal that ended it), stdout and stderr."""
    (folder / "stdin").write_bytes(case.stdin)
    child = os.fork()
    if child == 0:
        status = 70
        try:
            status = _within(case, folder)
        finally:
            os._exit(status)
    deadline = time.monotonic() + CLOCK
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return -signal.SIGALRM, b"", b"no end"
        time.sleep(0.001)
    return os.waitstatus_to_exitcode(status), (folder / "stdout").read_bytes(), (folder / "stderr").read_bytes()


def _within(case: Case, folder: Path) -> int:
    """Be `nmt` with the arguments of the case, and return its status."""
    import traceback

    from nmt.__main__ import main

    os.setsid()
    os.chdir(folder)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    names = (("stdin", os.O_RDONLY), ("stdout", os.O_WRONLY | os.O_CREAT), ("stderr", os.O_WRONLY | os.O_CREAT))
    for number, (name, mode) in enumerate(names):
        handle = os.open(name, mode, 0o600)
        if case.closed == name:
            ends = os.pipe()
            os.close(ends[0] if name == "stdout" else ends[1])
            handle = ends[1] if name == "stdout" else ends[0]
        os.dup2(handle, number)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    sys.stdin, sys.stdout = open(0), open(1, "w")  # noqa: SIM115
    sys.stderr = open(2, "w", errors="backslashreplace")  # noqa: SIM115  # as Python begins with it
    sys.argv = ["nmt", *case.arguments]
    status = 0
    try:
        main()
    except SystemExit as leave:
        status = leave.code if isinstance(leave.code, int) else 1
    except BaseException:
        traceback.print_exc()
        status = 70
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            status = status or 1
    return status


def judge(case: Case, status: int, out: bytes, err: bytes) -> list[str]:
    """Return what was wrong."""
    if status < 0:
        return [f"ended by {signal.Signals(-status).name}"]
    if b"Traceback" in err or status not in (0, 1, 2):
        return [f"status {status}: {err.decode('utf-8', 'replace').strip()[-300:]}"]
    if b"out of memory" in err:
        return ["took more memory than there was"]
    if case.closed == "stdout":
        return []
    if status == 0:
        if case.must_fail:
            return ["a damaged file was taken for whole"]
        try:
            expected = case.check if case.closed != "stdin" else (lambda out: wrong_count(out, 0))
            return expected(out)
        except Exception as error:
            return [f"cannot be checked: {error!r}"]
    if status == 1 and not any(line.startswith(b"nmt: error: ") for line in err.split(b"\n")):
        return [f"status 1 without a clear line: {err.decode('utf-8', 'replace')[-200:]}"]
    if status == 2 and not any(line.startswith(b"Error: ") for line in err.split(b"\n")):
        return [f"status 2 without a clear line: {err.decode('utf-8', 'replace')[-200:]}"]
    return []


def prepare(setting: Path) -> None:
    """Train the model that the cases use, and load what they need."""
    shutil.rmtree(setting, ignore_errors=True)
    setting.mkdir(parents=True)
    (setting / "data").symlink_to(ROOT / "data")
    line = [*console.NMT, *fault_kill.training(MODEL, "model")]
    subprocess.run(line, cwd=setting, check=True, env=console.ENVIRONMENT, stderr=subprocess.DEVNULL)
    load()


def load() -> None:
    """Load what `nmt` does, for the processes that are forked."""
    import torch

    import nmt.cli.config
    import nmt.cli.logprob
    import nmt.cli.score
    import nmt.cli.translate
    import nmt.decoding.loading
    import nmt.decoding.translate_lines
    import nmt.evaluation.metrics
    import nmt.reports.learning_curves
    import nmt.reports.report_page
    import nmt.training.session  # noqa: F401

    torch.set_num_threads(1)


def work(given: argparse.Namespace, folder: Path) -> None:
    """Try every door and print a table."""
    names = given.only or list(DOORS)
    if unknown := [name for name in names if name not in DOORS]:
        raise NmtError(f"--only {unknown[0]!r}: no such door; there are: {', '.join(map(repr, DOORS))}")
    os.environ["OMP_NUM_THREADS"] = "1"
    setting = folder / "setting"
    prepare(setting)
    parts = sum(DOORS[name].share for name in names)
    tallies = {}
    for name in names:
        tally = tallies[name] = Tally()
        began = time.monotonic()
        count = max(1, round(given.cases * DOORS[name].share / parts))
        for number in range(count):
            place = folder / "case"
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            case = DOORS[name].make(random.Random(f"{given.seed} {name} {number}"), place, setting)
            status, out, err = run_case(case, place)
            while writers:
                writers[-1].kill()
                writers.pop().wait()
            tally.cases += 1
            tally.successes += status == 0
            tally.refusals += status in (1, 2)
            for line in judge(case, status, out, err):
                tally.wrong.append(f"{name}, case {number}: {line}")
                console.say(tally.wrong[-1])
                for pipe in (path for path in place.iterdir() if path.is_fifo()):
                    pipe.unlink()
                if given.keep is not None:
                    shutil.copytree(
                        place, given.keep / f"{name.replace(' ', '-')}-{number}", dirs_exist_ok=True, symlinks=True
                    )
        if tally.cases >= ENOUGH and not tally.successes and DOORS[name].may_pass:
            tally.wrong.append(f"{name}: none of the cases got through, so they tried nothing")
            console.say(tally.wrong[-1])
        console.say(f"{name}: {tally.cases:,} cases, {len(tally.wrong)} wrong, {time.monotonic() - began:.0f} s")
    rows = [["door", "inputs", "taken", "refused", "wrong"]]
    for name, tally in tallies.items():
        rows.append([name, *(f"{n:,}" for n in (tally.cases, tally.successes, tally.refusals, len(tally.wrong)))])
    print(table(rows, right=frozenset(range(1, 5))))
    console.write_json(given.json, {name: vars(tally) for name, tally in tallies.items()})
    if wrong := sum(len(tally.wrong) for tally in tallies.values()):
        raise NmtError(f"{wrong} cases went wrong")


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20_000, metavar="N", help="over all doors (default 20,000)")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--only", nargs="+", metavar="DOOR")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the cases that went wrong here")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="work here (default: a temporary folder)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(console.compare("fault_input", work, options()))
