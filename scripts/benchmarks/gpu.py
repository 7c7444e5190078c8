"""Measure training and search at the size of GNMT on synthetic text; meant for a GPU.

    python scripts/benchmarks/gpu.py [CONFIG] [--device cuda] [--steps 60] [--lines 4096] [--batch 512]
                                     [--set KEY=VALUE ...] [--work FOLDER] [--json FILE]

Training: source and target tokens per second of the steps of `nmt train`, after the same number of warm-up steps. The
ends of sentences are counted, padding is not. Search: target tokens per second of the search of `nmt translate`, in
batches of about --batch sentences. The network is untrained, so every translation ends at the length of its source.
"""

import argparse
import itertools
import random
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from nmt import config as schema
from nmt.config import Config
from nmt.config.model_settings import ModelSettings
from nmt.data.batching import Position
from nmt.data.preprocess import preprocess
from nmt.decoding.engines import Machine
from nmt.decoding.translator import Translator
from nmt.engine import Arithmetic
from nmt.kernels.allocator import keep_freed_memory
from nmt.kernels.device import choose_arithmetic, choose_device
from nmt.models.inference import prepare_for_search
from nmt.models.torch_engine import TorchEngine
from nmt.reports.table import table
from nmt.storage.run_folder import Run
from nmt.training.trainer import Trainer
from scripts import ROOT, reporting

CONFIG = ROOT / "configs" / "benchmark" / "gnmt.yaml"
SEARCHES: dict[str, dict[str, Any]] = {"greedy": {"method": "greedy"}, "beam 5": {"beam_size": 5}}
MEAN_LENGTH, SHORTEST, LONGEST = 25, 4, 50
"""Words per sentence, about as in the English and German text of WMT."""


def sentences(vocabulary: int, count: int, seed: int) -> Iterator[str]:
    """Generate `count` sentences over a vocabulary of this many words."""
    draw = random.Random(seed)
    for _ in range(count):
        length = min(LONGEST, max(SHORTEST, round(draw.gauss(MEAN_LENGTH, 10))))
        yield " ".join(f"w{draw.randrange(vocabulary)}" for _ in range(length))


def write_text(folder: Path, vocabulary: int, pairs: int) -> dict[str, Any]:
    """Write a training and a small validation corpus to `folder`; return their paths as in a config."""
    corpora = {}
    for number, (name, count) in enumerate({"train": pairs, "valid": 64}.items()):
        sides = {side: folder / f"{name}.{side}" for side in ("source", "target")}
        for side, path in enumerate(sides.values()):
            lines = sentences(vocabulary, count, 2 * number + side)
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        corpora[name] = {side: str(path) for side, path in sides.items()}
    return corpora


def resolve(path: Path, overrides: list[str], folder: Path, steps: int) -> Config:
    """Read the config and generate enough text in `folder` for `steps` warm-up steps and `steps` timed steps."""
    config = schema.load(path, overrides)
    pairs = 2 * (steps + 1) * (config.training.sentences_per_batch or 512)
    values = config.model_dump(mode="json")
    values["data"] |= write_text(folder, config.subword.vocab_size, pairs) | {"prepared": str(folder / "prepared")}
    return schema.parse(values, str(path))


def synchronized_time(device: torch.device) -> float:
    """Return the time after the device has finished all queued work."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def measure_training(trainer: Trainer, steps: int) -> dict[str, Any]:
    """Return speed, peak memory, and how often a step synchronises with the device."""
    stream = trainer.batches.iterate_from(Position())
    batches = [batch for batch, _ in itertools.islice(stream, 2 * steps)]
    for batch in batches[:steps]:
        trainer.step(batch)
    start = synchronized_time(trainer.device)
    for batch in batches[steps:]:
        trainer.step(batch)
    seconds = synchronized_time(trainer.device) - start
    source = sum(int(batch.source_lengths.sum()) for batch in batches[steps:])
    target = sum(int(batch.target_lengths.sum()) for batch in batches[steps:])
    peak_mib = synchronizations = None
    if trainer.device.type == "cuda":
        peak_mib = torch.cuda.max_memory_allocated() / (1 << 20)
        torch.cuda.set_sync_debug_mode("warn")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            trainer.step(batches[-1])
        torch.cuda.set_sync_debug_mode("default")
        synchronizations = len(caught)
    return {
        "tokens_per_second": (source + target) / seconds,
        "target_tokens_per_second": target / seconds,
        "step_ms": 1e3 * seconds / (len(batches) - steps),
        "peak_mib": peak_mib,
        "synchronizations_per_step": synchronizations,
        "parameters": sum(weight.numel() for weight in trainer.model.parameters()),
    }


def measure_search(translator: Translator, device: torch.device, lines: list[str], batch: int) -> dict[str, float]:
    """Return target tokens per second of each search."""
    speeds = {}
    for name, search in SEARCHES.items():
        settings = translator.options.changed(
            **search,
            max_length_ratio=1.0,
            max_length_extra=0,
            tokens_per_batch=batch * MEAN_LENGTH,
            window=len(lines),
        )
        list(translator.translate(lines[:batch], options=settings))
        start = synchronized_time(device)
        tokens = sum(len(each.targets[0].token_log_probs) for each in translator.translate(lines, options=settings))
        speeds[name] = tokens / (synchronized_time(device) - start)
    return speeds


def measure(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Train, then translate."""
    device = choose_device(options.device)
    config = resolve(options.config, options.overrides, work, options.steps)
    arithmetic: Arithmetic = choose_arithmetic(config.training.precision, device)
    keep_freed_memory()
    prepared = preprocess(config)
    trainer = Trainer(config, Run(work / "run"), prepared, device, arithmetic)
    training = measure_training(trainer, options.steps)
    engine = TorchEngine(prepare_for_search(trainer.model, arithmetic))
    translator = Translator(
        engine, prepared.vocabularies, [ModelSettings.of(config)], Machine("torch", device.type, arithmetic)
    )
    lines = list(sentences(config.subword.vocab_size, options.lines, 9))
    return {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "arithmetic": arithmetic,
        "torch": torch.__version__,
        "training": training,
        "search": measure_search(translator, device, lines, options.batch),
    }


def results(found: dict[str, Any]) -> str:
    """Return the table."""
    training = found["training"]
    rows = [["work", "tokens/s"], ["training, source + target", f"{training['tokens_per_second']:,.0f}"]]
    rows += [["training, target", f"{training['target_tokens_per_second']:,.0f}"]]
    rows += [[f"search, {name}, target", f"{speed:,.0f}"] for name, speed in found["search"].items()]
    notes = [f"{found['device']}, {found['arithmetic']}, torch {found['torch']}, {training['parameters']:,} parameters"]
    if training["peak_mib"] is not None:
        count = training["synchronizations_per_step"]
        notes.append(f"peak {training['peak_mib']:,.0f} MiB in training; {count} synchronizations in a step")
    return "\n".join([*notes, table(rows, right=frozenset([1]))])


def run(options: argparse.Namespace, work: Path) -> None:
    """Measure, print the table and write the figures."""
    found = measure(options, work)
    print(results(found))
    reporting.write_json(options.json, found)


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = reporting.parser(__doc__, "--work", "--json")
    add = parser.add_argument
    add("config", nargs="?", type=Path, default=CONFIG, help="configuration (default: configs/benchmark/gnmt.yaml)")
    add("--device", choices=["auto", "cpu", "cuda"], default="cuda", help="device (default %(default)s)")
    add("--steps", type=int, default=60, help="timed steps, after as many warm-up steps (default %(default)s)")
    add("--lines", type=int, default=4096, help="lines to translate (default %(default)s)")
    add("--batch", type=int, default=512, help="sentences translated at once (default %(default)s)")
    add("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="override a config key")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(reporting.run_in_folder(run, read_options()))
