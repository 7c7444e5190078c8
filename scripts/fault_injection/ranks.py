"""Kill ranks of a training, cut the network between two hosts, and compare the result with an undisturbed run.

    python scripts/fault_injection/ranks.py [--kills 30] [--cuts 4] [--ranks 2] [--seed 1] [--work FOLDER] [--json FILE]

Kills: torchrun starts the ranks. At random times a random one gets SIGKILL; torchrun starts all of them again, and the
run continues by itself. Cuts: two network namespaces, which need root and `ip`, stand for two hosts with one rank each.
The link between them is cut in the middle of a step, or while rank 0 writes a checkpoint. Both must end with an error
within the time-out; then the link is restored and both are started again with the same --rdzv-id.

Final weights, optimizer state and log must be bit-identical to those of a run of the same number of ranks that was
never disturbed. Nothing may hang: every end must come within the stated time.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from nmt.errors import NmtError
from nmt.reports.table import table
from nmt.storage.run_folder import Run
from scripts import ROOT, commands, reporting
from scripts.fault_injection.kill import run_differences
from scripts.fault_injection.small_run import train_arguments

SETTINGS = {"training.precision": "fp32", "training.threads": 1, "training.max_steps": 400, "training.ema_decay": 0.9}
TORCHRUN = [sys.executable, "-m", "torch.distributed.run"]
HOSTS = {"nmt-host-0": "10.77.0.1", "nmt-host-1": "10.77.0.2"}
"""The namespaces and their addresses."""
LINKS = ("nmt-link-0", "nmt-link-1")
RANK_TIMEOUT = 15
MOST_SECONDS_TO_END = RANK_TIMEOUT + 15
"""In which all ranks must have ended after the link was cut. The torchrun of a host that does not reach the other one
waits for it for minutes more, and is then killed by this script."""
POLL_SECONDS = 0.02


@dataclass
class Outcome:
    """The result of one kind of disturbance."""

    kind: str
    disturbances: int = 0
    runs: int = 0
    slowest: float = 0.0
    """Longest time from a cut to the end of all ranks, in seconds."""
    differences: list[str] = field(default_factory=list)


class Trainings:
    """Starts trainings in a folder; their output goes to log files."""

    def __init__(self, folder: Path, ranks: int, seed: int) -> None:
        self.folder = folder
        self.ranks = ranks
        self.draw = random.Random(seed)
        self.environment = commands.ENVIRONMENT | {"OMP_NUM_THREADS": "1", "NMT_RANK_TIMEOUT": str(RANK_TIMEOUT)}

    def start(self, name: str, torchrun: list[str], before: list[str]) -> "subprocess.Popen[bytes]":
        """Start torchrun, after the command `before`, to train the run `name`."""
        line = [*before, *TORCHRUN, *torchrun, "-m", "nmt", *train_arguments(SETTINGS, name)]
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                line, cwd=self.folder, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def run_on_this_host(self, name: str, restarts: int) -> "subprocess.Popen[bytes]":
        """Start all ranks on this host."""
        count = f"--nproc-per-node={self.ranks}"
        return self.start(name, ["--standalone", count, f"--max-restarts={restarts}", "--monitor-interval=0.2"], [])

    def compare(self, one: str, other: str) -> list[str]:
        """Return the differences between two runs."""
        runs = self.folder / "runs"
        return [f"{other}: {line}" for line in run_differences(Run(runs / one), Run(runs / other))]


def workers_of(parent: int) -> list[int]:
    """Return the processes that torchrun has started and that have not ended."""
    command = ["ps", "-o", "pid=,state=", "--ppid", str(parent)]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    return [int(pid) for pid, state in zip(found[::2], found[1::2], strict=True) if state != "Z"]


def kill_ranks(trainings: Trainings, kills: int) -> Outcome:
    """Kill ranks until `kills` have been killed, in as many runs as that takes."""
    outcome = Outcome(f"SIGKILL of a rank, {trainings.ranks} ranks")
    started = time.monotonic()
    if trainings.run_on_this_host("whole", 0).wait():
        outcome.differences.append("the undisturbed run failed")
        return outcome
    duration = time.monotonic() - started
    while outcome.disturbances < kills and not outcome.differences:
        name = f"killed-{outcome.runs}"
        process = trainings.run_on_this_host(name, kills)
        outcome.runs += 1
        while process.poll() is None:
            time.sleep(trainings.draw.uniform(0, duration))
            workers = workers_of(process.pid)
            if outcome.disturbances < kills and workers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(trainings.draw.choice(workers), signal.SIGKILL)
                    outcome.disturbances += 1
                    reporting.progress(f"{name}: kill {outcome.disturbances} of {kills}")
        if process.returncode:
            outcome.differences.append(f"{name}: torchrun ended with status {process.returncode}")
        outcome.differences += trainings.compare("whole", name)
    return outcome


@contextlib.contextmanager
def two_hosts() -> Iterator[None]:
    """Make two network namespaces with a link between them; remove them at the end."""
    _remove_hosts()
    try:
        for host in HOSTS:
            _ip("netns", "add", host)
        _ip("link", "add", LINKS[0], "type", "veth", "peer", "name", LINKS[1])
        for (host, address), link in zip(HOSTS.items(), LINKS, strict=True):
            _ip("link", "set", link, "netns", host)
            _ip("-n", host, "addr", "add", f"{address}/24", "dev", link)
            _ip("-n", host, "link", "set", "lo", "up")
        set_link("up")
        yield
    finally:
        _remove_hosts()


def set_link(state: str) -> None:
    """Cut (`down`) or restore (`up`) the link between the hosts."""
    for host, link in zip(HOSTS, LINKS, strict=True):
        _ip("-n", host, "link", "set", link, state)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def _remove_hosts() -> None:
    for host in HOSTS:
        subprocess.run(["ip", "netns", "del", host], check=False, capture_output=True)


def start_on_two_hosts(trainings: Trainings, name: str) -> "list[subprocess.Popen[bytes]]":
    """Start one rank on each host."""
    processes = []
    for number, (host, link) in enumerate(zip(HOSTS, LINKS, strict=True)):
        meeting = [f"--rdzv-id={name}", "--rdzv-backend=c10d", f"--rdzv-endpoint={HOSTS['nmt-host-0']}:29400"]
        meeting += ["--nnodes=2", "--nproc-per-node=1", "--max-restarts=0", f"--local-addr={HOSTS[host]}"]
        meeting += [f"--rdzv-conf=is_host={1 - number},join_timeout=60,close_timeout=10,last_call_timeout=1"]
        before = ["ip", "netns", "exec", host, "env", f"GLOO_SOCKET_IFNAME={link}"]
        processes.append(trainings.start(name, meeting, before))
        if number == 0:
            time.sleep(1.0)
    return processes


def wait_for_checkpoint(run: Path, process: "subprocess.Popen[bytes]", seconds: float) -> None:
    """Wait `seconds`, and then until a checkpoint is being written."""
    time.sleep(seconds)
    while process.poll() is None and not any((run / "checkpoints").glob(".step-*.tmp")):
        time.sleep(POLL_SECONDS / 10)


def cut_link(trainings: Trainings, cuts: int) -> Outcome:
    """Cut the link between two hosts `cuts` times, half of them while a checkpoint is written."""
    outcome = Outcome("link between two hosts cut")
    started = time.monotonic()
    if any([*map(subprocess.Popen.wait, start_on_two_hosts(trainings, "hosts-whole"))]):
        outcome.differences.append("the undisturbed run on two hosts failed")
        return outcome
    duration = time.monotonic() - started
    while outcome.disturbances < cuts and not outcome.differences:
        name = f"hosts-cut-{outcome.runs}"
        outcome.runs += 1
        while not outcome.differences and _is_cut(trainings, name, cuts, duration, outcome):
            pass
        outcome.differences += trainings.compare("hosts-whole", name)
    return outcome


def _is_cut(trainings: Trainings, name: str, cuts: int, duration: float, outcome: Outcome) -> bool:
    """Start or continue the run `name`, and return whether the link was cut before its end."""
    processes = start_on_two_hosts(trainings, name)
    if outcome.disturbances < cuts:
        seconds = trainings.draw.uniform(duration * 0.4, duration * 0.8)
        if outcome.disturbances % 2:
            wait_for_checkpoint(trainings.folder / "runs" / name, processes[0], seconds)
        else:
            time.sleep(seconds)
        if all(process.poll() is None for process in processes):
            set_link("down")
            outcome.disturbances += 1
            cut = time.monotonic()
            _wait(processes, cut + MOST_SECONDS_TO_END, outcome)
            outcome.slowest = max(outcome.slowest, time.monotonic() - cut)
            set_link("up")
            reporting.progress(f"{name}: cut {outcome.disturbances} of {cuts}")
            return True
    if any([*map(subprocess.Popen.wait, processes)]):
        outcome.differences.append(f"{name}: failed without a cut")
    return False


def _wait(processes: "list[subprocess.Popen[bytes]]", end: float, outcome: Outcome) -> None:
    """Wait until the ranks of each torchrun have ended, which must be before `end`; then end torchrun."""
    while any(map(workers_of, [process.pid for process in processes])) and time.monotonic() < end:
        time.sleep(10 * POLL_SECONDS)
    if time.monotonic() >= end:
        outcome.differences.append("a rank did not end after the link was cut")
    for process in processes:
        if process.poll() == 0:
            outcome.differences.append("a rank that had lost the other one ended with status 0")
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def run(options: argparse.Namespace, folder: Path) -> None:
    """Disturb trainings as the options say, and print the outcomes."""
    (folder / "data").symlink_to(ROOT / "data")
    trainings = Trainings(folder, options.ranks, options.seed)
    outcomes = [kill_ranks(trainings, options.kills)] if options.kills else []
    if options.cuts and (os.geteuid() or not shutil.which("ip")):
        reporting.progress("no cuts: network namespaces need root and the command ip")
    elif options.cuts:
        with two_hosts():
            outcomes.append(cut_link(trainings, options.cuts))
    head = ["disturbance", "number", "runs", "slowest end", "differences"]
    rows = [
        [one.kind, str(one.disturbances), str(one.runs), f"{one.slowest:.1f} s" if one.slowest else "",
         "; ".join(one.differences) or "none"]
        for one in outcomes
    ]  # fmt: skip
    print(table([head, *rows], right=frozenset({1, 2, 3})))
    reporting.write_json(options.json, [vars(one) for one in outcomes])
    if any(one.differences for one in outcomes):
        raise NmtError("the disturbed runs differ")


def main() -> int:
    """Run the command line."""
    parser = reporting.parser(__doc__, "--json", "--work")
    add = parser.add_argument
    add("--kills", type=int, default=30, metavar="N", help="SIGKILLs (default %(default)s)")
    add("--cuts", type=int, default=4, metavar="N", help="cuts of the link (default %(default)s)")
    add("--ranks", type=int, default=2, metavar="N", help="ranks that are trained and killed (default %(default)s)")
    add("--seed", type=int, default=1, metavar="N", help="seed of the times and victims (default %(default)s)")
    return reporting.run_in_folder(run, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
