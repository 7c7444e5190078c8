"""Kill workers and a node of a Ray cluster while it prepares data and translates; compare with the undisturbed result.

    python scripts/fault_injection/ray_cluster.py [--kills 20] [--seed 1] [--pairs 100000] [--work FOLDER] [--json FILE]

A cluster of two nodes with one CPU each is started on this machine (`ray start`). `nmt preprocess --ray` and
`nmt translate --ray` run on it alternately, and random processes that work on a task get SIGKILL, until there were
enough. Then the second node is killed, once while data is prepared and once during a translation. Every command must
succeed, and its files must be those of the same command without Ray, byte by byte. Needs Linux and the extra `ray`.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from nmt.errors import NmtError
from scripts import ROOT, commands, reporting
from scripts.benchmarks.preprocess import write_corpus
from scripts.fault_injection.kill import file_differences
from scripts.fault_injection.ray_nodes import Node, cluster_environment
from scripts.fault_injection.small_run import train_arguments

LIMIT_SECONDS = 600.0
"""A command that takes longer hangs."""
MEAN_SECONDS = 4.0
"""Mean time between two kills."""
TRANSLATED_LINES = 6000
INPUT_FILES = 4


@dataclass
class Outcome:
    """What was done to one kind of work."""

    kind: str
    runs: int = 0
    kills: int = 0
    nodes_killed: int = 0
    differences: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counts = f"{self.runs} runs, {self.kills} workers and {self.nodes_killed} nodes killed"
        return f"{self.kind}: {counts}, {len(self.differences)} differences"


@dataclass
class Disturbed:
    """A cluster, and the work that is disturbed."""

    folder: Path
    environment: dict[str, str]
    head: Node
    second: Node
    draw: random.Random

    def start(self, arguments: list[str], log: str) -> "subprocess.Popen[bytes]":
        """Start an nmt command."""
        line = [*commands.NMT, *arguments]
        with (self.folder / log).open("wb") as output:
            return subprocess.Popen(line, cwd=self.folder, env=self.environment, stdout=output, stderr=output)

    def wait(self, process: "subprocess.Popen[bytes]", disturb: Callable[[], object], log: str) -> None:
        """Call `disturb` until a command ends. Raise NmtError if it fails or hangs."""
        end = time.monotonic() + LIMIT_SECONDS
        while process.poll() is None and time.monotonic() < end:
            disturb()
            time.sleep(0.1)
        if process.poll() is None:
            process.kill()
            raise NmtError(f"the command hangs; see {self.folder / log}")
        if process.returncode:
            raise NmtError(f"the command failed; see {self.folder / log}")

    def kill_worker(self) -> bool:
        """Kill one of the processes that work on a task. Return False if there is none."""
        workers = [*self.head.workers, *self.second.workers]
        if not workers:
            return False
        with suppress(ProcessLookupError):
            os.kill(self.draw.choice(workers), signal.SIGKILL)
            return True
        return False


def prepare_folder(folder: Path, pairs: int) -> dict[str, list[str]]:
    """Write the inputs, and return the arguments of `nmt` for each kind of work, without the name of the result."""
    (folder / "data").symlink_to(ROOT / "data")
    (folder / "corpus").mkdir()
    write_corpus(folder / "corpus", pairs)
    lines = (ROOT / "data" / "quickstart" / "train.en").read_bytes().split(b"\n")[:TRANSLATED_LINES]
    (folder / "in").mkdir()
    for number in range(INPUT_FILES):
        text = b"".join(line + b"\n" for line in lines[number::INPUT_FILES])
        (folder / "in" / f"{number}.txt").write_bytes(text)
    subprocess.run(
        [*commands.NMT, *train_arguments({"training.max_steps": 60}, "model")], cwd=folder, check=True,
        env=commands.ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    corpora = {f"data.{split}.{side}": f"corpus/{split}.{side}" for split in ("train", "valid")
               for side in ("source", "target")}  # fmt: skip
    corpora = {key.replace("data.train.", "data.train.0."): value for key, value in corpora.items()}
    values = {**corpora, "subword.vocab_size": "2000", "subword.training_sentences": "3000"}
    values |= {"data.filters.duplicates": "true", "data.workers": "2"}
    (folder / "config.yaml").write_text(
        "name: cluster\ndata: {train: [{source: a, target: b}], valid: {source: a, target: b}}\n", encoding="utf-8"
    )
    settings = [f"--set={key}={value}" for key, value in values.items()]
    return {
        "preprocess": ["preprocess", "--config", "config.yaml", *settings, "--set=data.prepared={}"],
        "translate": ["translate", "--model", "runs/model", "--input", "in/*.txt", "--part-lines", "100",
                      "--engine", "onnx", "--output-folder", "{}"],
    }  # fmt: skip


def run_killing_workers(work: Disturbed, arguments: list[str], outcome: Outcome, kills: int) -> None:
    """Run a command, and kill workers until `outcome` has `kills` of them."""
    due = [time.monotonic() + work.draw.uniform(0, 2 * MEAN_SECONDS)]

    def disturb() -> None:
        if outcome.kills < kills and time.monotonic() > due[0] and work.kill_worker():
            outcome.kills += 1
            due[0] = time.monotonic() + work.draw.uniform(0, 2 * MEAN_SECONDS)

    log = f"{outcome.kind}.log"
    work.wait(work.start(arguments, log), disturb, log)


def run_killing_node(work: Disturbed, arguments: list[str], outcome: Outcome) -> None:
    """Run a command and kill the second node as soon as a process works there; then start it again."""
    killed = [False]

    def disturb() -> None:
        if not killed[0] and work.second.workers:
            time.sleep(work.draw.uniform(0, MEAN_SECONDS))
            work.second.kill()
            killed[0] = True

    log = f"{outcome.kind}-node.log"
    work.wait(work.start(arguments, log), disturb, log)
    outcome.nodes_killed += killed[0]
    if killed[0]:
        work.second = Node(work.folder / "second.log", work.environment, work.head.address)


def measure(options: argparse.Namespace, folder: Path, arguments: dict[str, list[str]]) -> list[Outcome]:
    """Run every kind of work undisturbed without Ray, then disturbed on a cluster, and compare."""
    outcomes = {kind: Outcome(kind) for kind in arguments}
    for kind, line in arguments.items():
        done = subprocess.run(
            [*commands.NMT, *(word.format(f"{kind}-whole") for word in line)], cwd=folder, env=commands.ENVIRONMENT,
            stderr=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        if done.returncode:
            raise NmtError(f"nmt {kind} failed without Ray")
    environment = cluster_environment(folder)
    head = Node(folder / "head.log", environment)
    work = Disturbed(folder, environment, head, head, random.Random(options.seed))
    try:
        work.second = Node(folder / "second.log", environment, head.address)
        each = -(-options.kills // len(arguments))
        for is_node in (False, True):
            for kind, line in arguments.items():
                outcome = outcomes[kind]
                while outcome.nodes_killed < 1 if is_node else outcome.kills < each:
                    outcome.runs += 1
                    given = [word.format(f"{kind}-{outcome.runs}") for word in line] + ["--ray", head.address]
                    if is_node:
                        run_killing_node(work, given, outcome)
                    else:
                        run_killing_workers(work, given, outcome, each)
                    found = file_differences(folder, f"{kind}-whole", f"{kind}-{outcome.runs}")
                    outcome.differences += [f"{kind}, run {outcome.runs}: {each}" for each in found]
                    shutil.rmtree(folder / f"{kind}-{outcome.runs}")
                    reporting.progress(str(outcome))
    finally:
        work.second.kill()
        head.kill()
    return list(outcomes.values())


def run(options: argparse.Namespace, folder: Path) -> None:
    """Measure, and print a table."""
    outcomes = measure(options, folder, prepare_folder(folder, options.pairs))
    print("\n".join(map(str, outcomes)))
    lines = [line for outcome in outcomes for line in outcome.differences]
    print("\n".join(lines), file=sys.stderr)
    reporting.write_json(options.json, [vars(outcome) for outcome in outcomes])
    if lines:
        raise NmtError(f"{len(lines)} differences")


def main() -> int:
    """Run the command line."""
    parser = reporting.parser(__doc__, "--work", "--json")
    add = parser.add_argument
    add("--kills", type=int, default=20, metavar="N", help="workers to kill (default %(default)s)")
    add("--seed", type=int, default=1, metavar="N", help="seed of the times (default %(default)s)")
    add("--pairs", type=int, default=100_000, metavar="N", help="sentence pairs to prepare (default %(default)s)")
    return reporting.run_in_folder(run, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
