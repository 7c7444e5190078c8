"""Compare the training speed of nmt, OpenNMT-py and JoeyNMT on the processor: same text, batches and network.

python scripts/bench_train.py [CONFIG ...] [--opennmt PYTHON] [--joeynmt PYTHON] [--steps 120] [--rounds 3]
                              [--set KEY=VALUE ...] [--roofline] [--profile] [--work FOLDER] [--json FILE]

Each system trains `--steps` steps in a process of its own, in turns (A B C A B C ...); its speed is that after the
first third of the steps, without validation. The first CONFIG says what the peers build, and is also timed with
training.precision fp32. Peers are named by the Python of their virtual environments; docs/benchmarks.md says how to
make these. --work keeps all files and logs, and prepares the text only once.
"""

import argparse
import functools
import shutil
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import console
import peer_logs
import peers
import roofline
from console import say

from nmt import config as schema
from nmt.config import Config
from nmt.data import manifest
from nmt.data.prepared_data import Prepared
from nmt.errors import NmtError
from nmt.reports.table import table
from nmt.storage.run_folder import read_log

CONFIGS = [peers.ROOT / "configs" / "benchmark" / name for name in ("input-feeding.yaml", "parallel.yaml")]
PROFILED = 20
"""Steps that --profile looks at."""


# --- one run of one system -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """One run."""

    tokens_per_second: float
    """Target tokens, ends of sentences counted, padding not."""
    peak_mib: float
    parameters: int
    precision: str
    """fp32 or bf16."""


@dataclass(frozen=True)
class System:
    """One row of the table."""

    name: str
    run: Callable[[Path], Measured]
    """Trains in an empty folder."""
    config: Config | None = None
    """What it trains, where it is ours."""
    measured: list[Measured] = field(default_factory=list)
    """One for each round."""

    @property
    def label(self) -> str:
        """Its name and arithmetic."""
        return f"{self.name}, {self.measured[0].precision}"

    @property
    def speed(self) -> float:
        """Median target tokens per second."""
        return statistics.median(run.tokens_per_second for run in self.measured)


def resolve(path: Path, overrides: Sequence[str], prepared: Path, steps: int) -> Config:
    """Read a config, with absolute paths, to be trained for `steps` steps; it validates and saves only at the end."""
    config = schema.load(path, overrides)
    values = config.model_dump(mode="json")
    for corpus in (*values["data"]["train"], values["data"]["valid"]):
        corpus.update({key: str(Path(corpus[key]).absolute()) for key in ("source", "target", "tsv") if corpus[key]})
    values["data"]["prepared"] = str(prepared)
    values["training"] |= {"max_steps": steps, "validate_every": steps, "save_every": steps, "log_every": every(steps)}
    values["training"] |= {"validation_bleu": False, "metric": "loss"}
    return schema.parse(values, str(path))


def every(steps: int) -> int:
    """Return the number of steps between lines of the logs."""
    return max(1, steps // 12)


def train_nmt(config: Config, folder: Path) -> Measured:
    """Train with `nmt train`."""
    path = folder / "config.yaml"
    path.write_text(schema.dump(config), encoding="utf-8")
    usage = peers.run("nmt train", [*console.NMT, "train", "--config", path], folder / "nmt.log")
    entries = read_log(folder / config.run / "log.jsonl")
    speed = peer_logs.speed(peer_logs.own_windows(entries), config.training.max_steps)
    return Measured(speed, usage.peak_mib, int(entries[0]["parameters"].replace(",", "")), entries[0]["precision"])


def train_opennmt(python: Path, config: Config, text: peers.Text, folder: Path) -> Measured:
    """Train with OpenNMT-py."""
    steps, log = config.training.max_steps, folder / "opennmt.log"
    settings = peers.opennmt_settings(config, text, folder, steps, every(steps))
    path = peers.write_yaml(folder / "opennmt.yaml", settings)
    usage = peers.run("OpenNMT-py", [python, "-m", "onmt.bin.train", "-config", path], log)
    said = log.read_text(encoding="utf-8")
    speed = peer_logs.speed(peer_logs.opennmt_windows(said, every(steps)), steps)
    return Measured(speed, usage.peak_mib, peer_logs.parameters(said), "fp32")


def train_joeynmt(python: Path, config: Config, text: peers.Text, folder: Path) -> Measured:
    """Train with JoeyNMT."""
    steps, log = config.training.max_steps, folder / "joeynmt.log"
    settings = peers.joeynmt_settings(config, text, folder, steps, every(steps))
    path = peers.write_yaml(folder / "joeynmt.yaml", settings)
    usage = peers.run("JoeyNMT", [python, "-m", "joeynmt", "train", path, "--skip-test"], log)
    said = log.read_text(encoding="utf-8")
    return Measured(
        peer_logs.speed(peer_logs.joeynmt_windows(said), steps), usage.peak_mib, peer_logs.parameters(said), "fp32"
    )


def measure(systems: Sequence[System], rounds: int, work: Path) -> None:
    """Train every system in every round, in turns."""
    for number in range(rounds):
        for position, system in enumerate(systems):
            folder = work / f"system-{position}"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            system.measured.append(system.run(folder))
            say(f"round {number + 1}/{rounds}  {system.label}: {system.measured[-1].tokens_per_second:,.0f} tokens/s")


def results(systems: Sequence[System]) -> str:
    """Return the table; the first system is what the others are compared with."""
    rows = [["system", "target tokens/s", "ratio", "peak MiB", "parameters"]]
    for system in systems:
        runs = system.measured
        rows.append(
            [
                system.label,
                peer_logs.spread([run.tokens_per_second for run in runs]),
                f"{system.speed / systems[0].speed:.2f}",
                f"{statistics.median(run.peak_mib for run in runs):,.0f}",
                f"{runs[0].parameters:,}",
            ]
        )
    return table(rows, right=frozenset(range(1, len(rows[0]))))


# --- where the time goes ---------------------------------------------------------------------------------------------


def profile(request: dict[str, Any]) -> dict[str, Any]:
    """Return milliseconds a step of the parts, and [name, milliseconds, calls] a step of torch's operators."""
    import torch
    from torch.profiler import ProfilerActivity

    from nmt.data.batching import Position
    from nmt.kernels.allocator import keep_freed_memory
    from nmt.kernels.device import choose_arithmetic, choose_device
    from nmt.storage.run_folder import Run
    from nmt.training import trainer as module

    keep_freed_memory()
    config = schema.load(Path(request["config"]))
    device = choose_device("cpu")
    arithmetic = choose_arithmetic(config.training.precision, device)
    trainer = module.Trainer(config, Run(Path(request["folder"])), Prepared.open(config.prepared), device, arithmetic)
    spent: dict[str, float] = defaultdict(float)

    def timed(owner: Any, name: str, part: str) -> None:
        inner = getattr(owner, name)

        @functools.wraps(inner)
        def outer(*arguments: Any, **rest: Any) -> Any:
            began = time.perf_counter()
            try:
                return inner(*arguments, **rest)
            finally:
                spent[part] += time.perf_counter() - began

        setattr(owner, name, outer)

    timed(trainer.model, "encode", "encoder")
    timed(trainer.model.decoder, "unroll", "decoder")
    timed(module, "cross_entropy", "output, loss")
    timed(torch.Tensor, "backward", "backward")
    timed(torch.nn.utils, "get_total_norm", "clip, optimizer")
    timed(trainer.optimizer, "step", "clip, optimizer")

    stream = trainer.batches.iterate_from(Position())
    batches = [next(stream)[0] for _ in range(PROFILED)]
    for batch in batches:  # every shape once
        trainer.step(batch)
    spent.clear()
    began = time.perf_counter()
    for batch in batches:
        trainer.step(batch)
    total = time.perf_counter() - began
    parts = {**spent, "rest": total - sum(spent.values()), "together": total}
    with torch.profiler.profile(activities=[ProfilerActivity.CPU]) as record:
        for batch in batches:
            trainer.step(batch)
    costs = sorted(record.key_averages(), key=lambda event: -event.self_cpu_time_total)[:10]
    return {
        "system": f"{config.name}, {arithmetic}",
        "parts": {name: seconds / PROFILED * 1e3 for name, seconds in parts.items()},
        "operators": [[c.key, c.self_cpu_time_total / PROFILED / 1e3, c.count / PROFILED] for c in costs],
    }


def profile_tables(found: dict[str, Any]) -> str:
    """Return `profile` as two tables."""
    total = found["parts"]["together"]
    parts = [[f"{found['system']}: part", "ms a step", "share"]]
    parts += [[name, f"{ms:.1f}", f"{ms / total:.0%}"] for name, ms in found["parts"].items()]
    operators = [["operator", "ms a step", "calls a step"]]
    operators += [[name, f"{ms:.1f}", f"{calls:,.0f}"] for name, ms, calls in found["operators"]]
    return "\n\n".join(table(rows, right=frozenset((1, 2))) for rows in (parts, operators))


# --- the command line ------------------------------------------------------------------------------------------------


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="*", type=Path, metavar="CONFIG", help="default: those of configs/benchmark")
    parser.add_argument("--opennmt", type=Path, metavar="PYTHON", help="bin/python of a virtual environment")
    parser.add_argument("--joeynmt", type=Path, metavar="PYTHON", help="bin/python of a virtual environment")
    parser.add_argument("--steps", type=int, default=120, help="of each run (default 120)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each system (default 3)")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--roofline", action="store_true", help="tell what share of the machine's arithmetic is used")
    parser.add_argument("--profile", action="store_true", help="tell where the time of a step goes")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="keep all files here (default: a temporary folder)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here")
    given = parser.parse_args()
    if given.steps < 3 or given.rounds < 1:
        parser.error("--steps must be at least 3, --rounds at least 1")
    return given


def compare(given: argparse.Namespace, work: Path) -> None:
    """Measure what is asked for and print it."""
    opennmt, joeynmt = peers.peer_python(given.opennmt), peers.peer_python(given.joeynmt)
    paths = given.configs or CONFIGS
    configs = [resolve(path, given.overrides, work / "prepared", given.steps) for path in paths]
    for path, config in zip(paths, configs, strict=True):
        if manifest.preparation_settings(config) != manifest.preparation_settings(configs[0]) or manifest.input_files(
            config
        ) != manifest.input_files(configs[0]):
            raise NmtError(f"{path}: 'data' and 'subword' must be those of {paths[0]}; all systems read the same text")
    if opennmt or joeynmt:
        peers.check_shared(configs[0], str(paths[0]))
        if configs[0].training.sentences_per_batch is None:
            raise NmtError(f"{paths[0]}: set training.sentences_per_batch, which the peers know too")
    preparing = work / "prepare.yaml"
    preparing.write_text(schema.dump(configs[0]), encoding="utf-8")
    peers.run(
        "nmt preprocess",
        [*console.NMT, "preprocess", "--config", preparing],
        work / "prepare.log",
    )
    prepared = Prepared.open(work / "prepared")
    text = peers.write_text(prepared, work / "text")

    systems = []
    if opennmt is not None:
        systems.append(System("OpenNMT-py", functools.partial(train_opennmt, opennmt, configs[0], text)))
    if joeynmt is not None:
        systems.append(System("JoeyNMT", functools.partial(train_joeynmt, joeynmt, configs[0], text)))
    exact = configs[0].model_copy(update={"training": configs[0].training.model_copy(update={"precision": "fp32"})})
    for config in (exact, *configs):
        systems.append(System(f"nmt {config.name}", functools.partial(train_nmt, config), config))
    measure(systems, given.rounds, work)
    print(results(systems))
    record: dict[str, Any] = {
        "systems": [{"system": s.label, "runs": [asdict(run) for run in s.measured]} for s in systems]
    }

    if given.roofline:
        ours = [system for system in systems if system.config is not None]
        rates = {
            precision: peers.ask(
                "matrix rate", Path(sys.executable), roofline.__file__, "matrix_rate", precision, work
            )[0]
            for precision in {system.measured[0].precision for system in ours}
        }
        counts = roofline.Counts.of(prepared)
        record["roofline"] = [
            roofline.roofline(
                system.label,
                system.config.model,
                system.speed,
                counts,
                prepared.vocabularies.target.size,
                rates[system.measured[0].precision],
            )
            for system in ours
            if system.config is not None
        ]
        print("", *map(roofline.roofline_line, record["roofline"]), sep="\n")
    if given.profile:
        record["profile"] = []
        for config in configs:
            path = work / "profile.yaml"
            path.write_text(schema.dump(config), encoding="utf-8")
            request = {"config": str(path), "folder": str(work / "profile")}
            found, _ = peers.ask("profile", Path(sys.executable), __file__, "profile", request, work)
            record["profile"].append(found)
            print(f"\n{profile_tables(found)}")
    console.write_json(given.json, record)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        peers.answer({"profile": profile})
    else:
        sys.exit(console.compare("bench_train", compare, options()))
