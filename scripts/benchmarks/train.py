"""Compare the training speed of nmt, OpenNMT-py and JoeyNMT on the CPU: same text, same batches, same network.

    python scripts/benchmarks/train.py [CONFIG ...] [--opennmt PYTHON] [--joeynmt PYTHON] [--steps 120] [--rounds 3]
                                       [--set KEY=VALUE ...] [--roofline] [--profile] [--work FOLDER] [--json FILE]

Each system trains `--steps` steps in its own process; the systems alternate (A B C A B C ...). Its speed is measured
after the first third of the steps, without validation. The other toolkits build the network of the first CONFIG, which
nmt also trains with training.precision fp32. PYTHON is bin/python of a toolkit's virtual environment;
docs/benchmarks.md says how to create it. With --work all files and logs are kept, and the text is prepared only once.
"""

import argparse
import functools
import shutil
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from nmt import config as schema
from nmt.config import Config
from nmt.data import manifest
from nmt.data.prepared_data import Prepared
from nmt.errors import NmtError
from nmt.reports.table import table
from nmt.storage.run_folder import read_log
from scripts import ROOT, commands, reporting
from scripts.benchmarks import processes, roofline, toolkits, training_logs, training_profile

CONFIGS = [ROOT / "configs" / "benchmark" / name for name in ("input-feeding.yaml", "parallel.yaml")]


# --- one run of one system -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """The measurements of one run."""

    tokens_per_second: float
    """Target tokens, including the end of each sentence, without padding."""
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
    """The configuration of an nmt system."""
    measured: list[Measured] = field(default_factory=list)
    """One for each round."""

    @property
    def label(self) -> str:
        """The name and the precision."""
        return f"{self.name}, {self.measured[0].precision}"

    @property
    def speed(self) -> float:
        """Median target tokens per second."""
        return statistics.median(run.tokens_per_second for run in self.measured)


def resolve(path: Path, overrides: Sequence[str], prepared: Path, steps: int) -> Config:
    """Read a config for `steps` steps, with absolute paths; it validates and saves only at the end."""
    config = schema.load(path, overrides)
    values = config.model_dump(mode="json")
    for corpus in (*values["data"]["train"], values["data"]["valid"]):
        corpus.update({key: str(Path(corpus[key]).absolute()) for key in ("source", "target", "tsv") if corpus[key]})
    values["data"]["prepared"] = str(prepared)
    values["training"] |= {"max_steps": steps, "validate_every": steps, "save_every": steps}
    values["training"] |= {"log_every": log_interval(steps), "validation_bleu": False, "metric": "loss"}
    return schema.parse(values, str(path))


def log_interval(steps: int) -> int:
    """Return the number of steps between lines of the logs."""
    return max(1, steps // 12)


def train_nmt(config: Config, folder: Path) -> Measured:
    """Train with `nmt train`."""
    path = folder / "config.yaml"
    path.write_text(schema.dump(config), encoding="utf-8")
    usage = processes.run("nmt train", [*commands.NMT, "train", "--config", path], folder / "nmt.log")
    entries = read_log(folder / config.run / "log.jsonl")
    speed = training_logs.speed(training_logs.nmt_windows(entries), config.training.max_steps)
    return Measured(speed, usage.peak_mib, int(entries[0]["parameters"].replace(",", "")), entries[0]["precision"])


def train_opennmt(python: Path, config: Config, text: toolkits.Text, folder: Path) -> Measured:
    """Train with OpenNMT-py."""
    steps, log = config.training.max_steps, folder / "opennmt.log"
    settings = toolkits.opennmt_settings(config, text, folder, steps, log_interval(steps))
    path = toolkits.write_yaml(folder / "opennmt.yaml", settings)
    usage = processes.run("OpenNMT-py", [python, "-m", "onmt.bin.train", "-config", path], log)
    output = log.read_text(encoding="utf-8")
    speed = training_logs.speed(training_logs.opennmt_windows(output, log_interval(steps)), steps)
    return Measured(speed, usage.peak_mib, training_logs.parameters(output), "fp32")


def train_joeynmt(python: Path, config: Config, text: toolkits.Text, folder: Path) -> Measured:
    """Train with JoeyNMT."""
    steps, log = config.training.max_steps, folder / "joeynmt.log"
    settings = toolkits.joeynmt_settings(config, text, folder, steps, log_interval(steps))
    path = toolkits.write_yaml(folder / "joeynmt.yaml", settings)
    usage = processes.run("JoeyNMT", [python, "-m", "joeynmt", "train", path, "--skip-test"], log)
    output = log.read_text(encoding="utf-8")
    speed = training_logs.speed(training_logs.joeynmt_windows(output), steps)
    return Measured(speed, usage.peak_mib, training_logs.parameters(output), "fp32")


def measure(systems: Sequence[System], rounds: int, work: Path) -> None:
    """Train every system once in every round."""
    for number in range(rounds):
        for position, system in enumerate(systems):
            folder = work / f"system-{position}"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            system.measured.append(system.run(folder))
            speed = system.measured[-1].tokens_per_second
            reporting.progress(f"round {number + 1}/{rounds}  {system.label}: {speed:,.0f} tokens/s")


def results(systems: Sequence[System]) -> str:
    """Return the table; the ratios are relative to the first system."""
    rows = [["system", "target tokens/s", "ratio", "peak MiB", "parameters"]]
    for system in systems:
        runs = system.measured
        rows.append(
            [
                system.label,
                training_logs.spread([run.tokens_per_second for run in runs]),
                f"{system.speed / systems[0].speed:.2f}",
                f"{statistics.median(run.peak_mib for run in runs):,.0f}",
                f"{runs[0].parameters:,}",
            ]
        )
    return table(rows, right=frozenset(range(1, len(rows[0]))))


# --- the command line ------------------------------------------------------------------------------------------------


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = reporting.parser(__doc__, "--work", "--json")
    add = parser.add_argument
    add("configs", nargs="*", type=Path, metavar="CONFIG", help="configurations (default: two of configs/benchmark)")
    add("--opennmt", type=Path, metavar="PYTHON", help="bin/python of the virtual environment of OpenNMT-py")
    add("--joeynmt", type=Path, metavar="PYTHON", help="bin/python of the virtual environment of JoeyNMT")
    add("--steps", type=int, default=120, help="training steps of each run (default %(default)s)")
    add("--rounds", type=int, default=3, help="runs of each system (default %(default)s)")
    add("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="override a config key")
    add("--roofline", action="store_true", help="print the share of the CPU's arithmetic rate that training reaches")
    add("--profile", action="store_true", help="print the time of each part of a training step")
    options = parser.parse_args()
    if options.steps < 3 or options.rounds < 1:
        parser.error("--steps must be at least 3, --rounds at least 1")
    return options


def read_configs(options: argparse.Namespace, work: Path) -> list[Config]:
    """Read all configurations; raise NmtError if they do not share their text, or the toolkits cannot build one."""
    paths = options.configs or CONFIGS
    configs = [resolve(path, options.overrides, work / "prepared", options.steps) for path in paths]
    first = manifest.preparation_settings(configs[0]), manifest.input_files(configs[0])
    for path, config in zip(paths, configs, strict=True):
        if (manifest.preparation_settings(config), manifest.input_files(config)) != first:
            raise NmtError(f"{path}: 'data' and 'subword' must be those of {paths[0]}; all systems read the same text")
    if options.opennmt or options.joeynmt:
        toolkits.check_supported(configs[0], str(paths[0]))
        if configs[0].training.sentences_per_batch is None:
            raise NmtError(f"{paths[0]}: set training.sentences_per_batch, which all toolkits support")
    return configs


def measure_roofline(systems: Sequence[System], prepared: Prepared, work: Path) -> list[dict[str, Any]]:
    """Return `roofline.roofline` of each nmt system."""
    models = [(system, system.config.model) for system in systems if system.config is not None]
    python, counts, vocabulary = Path(sys.executable), roofline.Counts.of(prepared), prepared.vocabularies.target.size
    rates = {
        precision: processes.call("matrix rate", python, "roofline.matrix_rate", precision, work)[0]
        for precision in {system.measured[0].precision for system, _ in models}
    }
    return [
        roofline.roofline(system.label, model, system.speed, counts, vocabulary, rates[system.measured[0].precision])
        for system, model in models
    ]


def compare(options: argparse.Namespace, work: Path) -> None:
    """Measure and print what the command line asks for."""
    opennmt, joeynmt = processes.checked_python(options.opennmt), processes.checked_python(options.joeynmt)
    configs = read_configs(options, work)
    path = work / "prepare.yaml"
    path.write_text(schema.dump(configs[0]), encoding="utf-8")
    processes.run("nmt preprocess", [*commands.NMT, "preprocess", "--config", path], work / "prepare.log")
    prepared = Prepared.open(work / "prepared")
    text = toolkits.write_text(prepared, work / "text")

    systems = []
    if opennmt is not None:
        systems.append(System("OpenNMT-py", functools.partial(train_opennmt, opennmt, configs[0], text)))
    if joeynmt is not None:
        systems.append(System("JoeyNMT", functools.partial(train_joeynmt, joeynmt, configs[0], text)))
    fp32 = configs[0].model_copy(update={"training": configs[0].training.model_copy(update={"precision": "fp32"})})
    for config in (fp32, *configs):
        systems.append(System(f"nmt {config.name}", functools.partial(train_nmt, config), config))
    measure(systems, options.rounds, work)
    print(results(systems))
    figures: dict[str, Any] = {
        "systems": [{"system": each.label, "runs": [asdict(run) for run in each.measured]} for each in systems]
    }
    if options.roofline:
        figures["roofline"] = measure_roofline(systems, prepared, work)
        print("", *map(roofline.roofline_line, figures["roofline"]), sep="\n")
    if options.profile:
        figures["profile"] = [training_profile.profile(config, work) for config in configs]
        print(*(f"\n{training_profile.tables(found)}" for found in figures["profile"]), sep="\n")
    reporting.write_json(options.json, figures)


if __name__ == "__main__":
    sys.exit(reporting.run_in_folder(compare, read_options()))
