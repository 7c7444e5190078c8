"""Measure how fast nmt trains and translates while other programs use the same CPU cores.

    python scripts/benchmarks/contention.py [--config FILE] [--set KEY=VALUE ...] [--spin COUNT ...] [--steps 60]
                                            [--rounds 3] [--lines 400] [--only train translate] [--work FOLDER]
                                            [--json FILE]

Each command runs alone, beside a busy loop (a process that computes endlessly), and beside a second command of its
kind, once for each spin setting of OpenMP's waiting threads. `--spin` gives values of GOMP_SPINCOUNT (GNU OpenMP's
default is 300000); the setting `nmt` leaves the choice to nmt. The settings alternate within a round. A figure is the
median over the rounds, in target tokens per second; beside it is the ratio to the speed alone with the same setting.
The slower of two concurrent commands counts. Without --config the network of configs/benchmark/parallel.yaml is
trained on the embedded corpus. Needs GNU OpenMP (Linux).
"""

import argparse
import re
import shutil
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from nmt import config as schema
from nmt.data.preprocess import preprocess
from nmt.errors import NmtError
from nmt.kernels import openmp
from nmt.reports.table import table
from nmt.storage.run_folder import read_log
from scripts import ROOT, commands, reporting
from scripts.benchmarks import training_logs
from scripts.benchmarks.train import resolve

OWN = "nmt"
"""The setting that leaves the choice to nmt."""
SITUATIONS = ALONE, BUSY_LOOP, TWO = "alone", "beside a busy loop", "beside a second one"
COMMANDS = ("train", "translate")
TEXT = ROOT / "data" / "quickstart"
EMBEDDED_CORPUS = [
    *(f"data.{split}.{side}={TEXT / split}.{code}" for split in ("train", "valid") for side, code in
      (("source", "en"), ("target", "de"))),
    "data.test={}",
    "subword.vocab_size=2000",
]  # fmt: skip
Figures = dict[tuple[str, str, str], list[float]]
"""The speeds of all rounds, by command, situation and setting."""


def environment(setting: str) -> dict[str, str]:
    """Return the environment of a command with this spin setting."""
    kept = {key: value for key, value in commands.ENVIRONMENT.items() if key not in openmp.CHOSEN_BY_USER}
    return kept if setting == OWN else kept | {"GOMP_SPINCOUNT": setting}


@contextmanager
def busy_loop() -> Iterator[None]:
    """Keep one core busy in this context."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def run_concurrently(arguments: Sequence[Sequence[str | Path]], logs: Sequence[Path], setting: str, work: Path) -> None:
    """Run `nmt` once with each list of arguments, all at the same time; raise NmtError if one fails."""
    processes = []
    for each, path in zip(arguments, logs, strict=True):
        with path.open("wb") as log:
            line, stdout = [*commands.NMT, *each], subprocess.DEVNULL
            processes.append(subprocess.Popen(line, cwd=work, stdout=stdout, stderr=log, env=environment(setting)))
    statuses = [process.wait() for process in processes]
    if any(statuses):
        failed = logs[[bool(status) for status in statuses].index(True)]
        raise NmtError(f"nmt failed: {failed.read_text(encoding='utf-8')[-500:]}")


def train(config: Path, setting: str, count: int, steps: int, work: Path) -> float:
    """Return the speed of the slowest of `count` concurrent trainings, in target tokens per second."""
    names = [f"r{number}" for number in range(count)]
    for name in names:
        shutil.rmtree(work / "runs" / name, ignore_errors=True)
    arguments: list[list[str | Path]] = [["train", "--config", config, "--set", f"name={name}"] for name in names]
    run_concurrently(arguments, [work / f"{name}.log" for name in names], setting, work)
    logs = [read_log(work / "runs" / name / "log.jsonl") for name in names]
    return min(training_logs.speed(training_logs.nmt_windows(entries), steps) for entries in logs)


def translate(setting: str, count: int, work: Path) -> float:
    """Return the speed of the slowest of `count` concurrent translations, in target tokens per second."""
    logs = [work / f"translate-{number}.log" for number in range(count)]
    run_concurrently([["translate", "--model", "runs/r0", "--input", "lines"]] * count, logs, setting, work)
    found = [re.search(r"([\d,]+) target tokens/s", path.read_text(encoding="utf-8")) for path in logs]
    return min(float(match[1].replace(",", "")) for match in found if match)


def measure(options: argparse.Namespace, work: Path) -> None:
    """Prepare the data, measure every combination and print the table."""
    config_file, overrides = options.config, options.overrides
    if config_file is None:
        config_file, overrides = ROOT / "configs" / "benchmark" / "parallel.yaml", [*EMBEDDED_CORPUS, *overrides]
    config = resolve(config_file, overrides, work / "prepared", options.steps)
    path = work / "config.yaml"
    path.write_text(schema.dump(config), encoding="utf-8")
    sources = preprocess(config).valid.text[0]
    lines = [sources[number % len(sources)] for number in range(options.lines)]
    (work / "lines").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    settings = [*options.spin, OWN]
    found: Figures = defaultdict(list)
    for number in range(options.rounds):
        for command, situation, setting in [(c, s, t) for c in options.only for s in SITUATIONS for t in settings]:
            count = 2 if situation == TWO else 1
            with busy_loop() if situation == BUSY_LOOP else nullcontext():
                if command == "train":
                    speed = train(path, setting, count, options.steps, work)
                else:
                    speed = translate(setting, count, work)
            found[command, situation, setting].append(speed)
            case = f"{command} {situation}, spin {setting}"
            reporting.progress(f"round {number + 1}/{options.rounds}  {case}: {speed:,.0f} tokens/s")
    print(results(found, options.only, settings))
    reporting.write_json(options.json, {" | ".join(key): values for key, values in found.items()})


def results(found: Figures, names: Sequence[str], settings: Sequence[str]) -> str:
    """Return the table: a row for each command and situation, with speed and ratio for each setting."""
    rows = [["command", *(column for setting in settings for column in (f"spin {setting}", "of alone"))]]
    rows[0].append(f"{OWN} / {settings[0]}")
    for command in names:
        medians = {(each, s): statistics.median(found[command, each, s]) for each in SITUATIONS for s in settings}
        for situation in SITUATIONS:
            row = [f"{command} {situation}"]
            for setting in settings:
                speed = medians[situation, setting]
                row += [f"{speed:,.0f}", f"{speed / medians[ALONE, setting]:.2f}"]
            rows.append([*row, f"{medians[situation, OWN] / medians[situation, settings[0]]:.2f}"])
    return table(rows, right=frozenset(range(1, len(rows[0]))))


def main() -> int:
    """Run the command line."""
    parser = reporting.parser(__doc__, "--work", "--json")
    add = parser.add_argument
    add("--config", type=Path, metavar="FILE", help="configuration (default: configs/benchmark/parallel.yaml)")
    add("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="override a config key")
    add("--spin", nargs="+", default=["300000"], metavar="COUNT", help="GOMP_SPINCOUNT (default %(default)s)")
    add("--steps", type=int, default=60, help="training steps (default %(default)s)")
    add("--rounds", type=int, default=3, help="measurements of each combination (default %(default)s)")
    add("--lines", type=int, default=400, help="lines to translate (default %(default)s)")
    add("--only", nargs="+", choices=COMMANDS, default=COMMANDS, help="commands to measure (default: both)")
    return reporting.run_in_folder(measure, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
