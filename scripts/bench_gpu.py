"""Measure training and search at the size of GNMT, on made-up text; meant for a GPU.

python scripts/bench_gpu.py [CONFIG] [--device cuda] [--steps 60] [--lines 4096] [--batch 512] [--set KEY=VALUE ...]
                            [--work FOLDER] [--json FILE]

Training: source and target tokens a second, ends of sentences counted, padding not, of `nmt train`'s own steps, after
as many steps to warm up. Search: target tokens a second of `nmt translate`'s own search, in batches of about --batch
sentences; as the network is untrained, every translation is cut at the length of its source.
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

import console
import peers
import torch

from nmt import config as schema
from nmt.config import Config
from nmt.data.batching import Position
from nmt.data.preprocess import preprocess
from nmt.decoding.search_options import SearchOptions
from nmt.decoding.translator import Translator
from nmt.kernels.allocator import keep_freed_memory
from nmt.kernels.device import Arithmetic, choose_arithmetic, choose_device
from nmt.models.inference import prepare_for_search
from nmt.reports.table import table
from nmt.storage.run_folder import Run
from nmt.training.trainer import Trainer

CONFIG = peers.ROOT / "configs" / "benchmark" / "gnmt.yaml"
SEARCHES: dict[str, dict[str, Any]] = {"greedy": {"method": "greedy"}, "beam 5": {"beam_size": 5}}
MEAN_LENGTH, SHORTEST, LONGEST = 25, 4, 50
"""Words of a sentence, about as WMT's English and German have them."""


def sentences(words: int, count: int, seed: int) -> Iterator[str]:
    """Make up `count` sentences of so many different words."""
    draw = random.Random(seed)
    for _ in range(count):
        length = min(LONGEST, max(SHORTEST, round(draw.gauss(MEAN_LENGTH, 10))))
        yield " ".join(f"w{draw.randrange(words)}" for _ in range(length))


def write_text(folder: Path, words: int, pairs: int) -> dict[str, Any]:
    """Write a training corpus and a small valid one into `folder`; return them as a config names them."""
    corpora = {}
    for number, (name, count) in enumerate({"train": pairs, "valid": 64}.items()):
        sides = {side: folder / f"{name}.{side}" for side in ("source", "target")}
        for side, path in enumerate(sides.values()):
            lines = sentences(words, count, 2 * number + side)
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        corpora[name] = {side: str(path) for side, path in sides.items()}
    return corpora


def resolve(path: Path, overrides: list[str], folder: Path, steps: int) -> Config:
    """Read the config, its text made up in `folder`: enough for twice so many `steps`."""
    config = schema.load(path, overrides)
    pairs = 2 * (steps + 1) * (config.training.sentences_per_batch or 512)
    values = config.model_dump(mode="json")
    values["data"] |= write_text(folder, config.subword.vocab_size, pairs) | {"prepared": str(folder / "prepared")}
    return schema.parse(values, str(path))


def wait(device: torch.device) -> float:
    """Return the time when the device has done all it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def measure_training(trainer: Trainer, steps: int) -> dict[str, Any]:
    """Return speed, peak memory, and how often a step waited for the device."""
    stream = trainer.batches.iterate_from(Position())
    batches = [batch for batch, _ in itertools.islice(stream, 2 * steps)]
    for batch in batches[:steps]:
        trainer.step(batch)
    began = wait(trainer.device)
    for batch in batches[steps:]:
        trainer.step(batch)
    seconds = wait(trainer.device) - began
    source, target = (sum(int(sizes.sum()) for sizes in side) for side in zip(
        *((batch.source_lengths, batch.target_lengths) for batch in batches[steps:]), strict=True))  # fmt: skip
    waits = None
    if trainer.device.type == "cuda":
        torch.cuda.set_sync_debug_mode("warn")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            trainer.step(batches[-1])
        torch.cuda.set_sync_debug_mode("default")
        waits = len(caught)
    return {
        "tokens_per_second": (source + target) / seconds,
        "target_tokens_per_second": target / seconds,
        "step_ms": 1e3 * seconds / (len(batches) - steps),
        "peak_mib": torch.cuda.max_memory_allocated() / (1 << 20) if trainer.device.type == "cuda" else None,
        "waits_in_a_step": waits,
        "parameters": sum(weight.numel() for weight in trainer.model.parameters()),
    }


def measure_search(translator: Translator, config: Config, lines: list[str], batch: int) -> dict[str, float]:
    """Return target tokens a second of each search."""
    speeds = {}
    for name, search in SEARCHES.items():
        options = SearchOptions.of(config).changed(
            **search,
            max_length_ratio=1.0,
            max_length_extra=0,
            tokens_per_batch=batch * MEAN_LENGTH,
            window=len(lines),
        )
        list(translator.translate(lines[:batch], options))
        began = wait(translator.device)
        tokens = sum(len(t.targets[0].token_log_probs) for t in translator.translate(lines, options))
        speeds[name] = tokens / (wait(translator.device) - began)
    return speeds


def measure(given: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Train, then translate."""
    device = choose_device(given.device)
    config = resolve(given.config, given.overrides, work, given.steps)
    arithmetic: Arithmetic = choose_arithmetic(config.training.precision, device)
    keep_freed_memory()
    prepared = preprocess(config)
    trainer = Trainer(config, Run(work / "run"), prepared, device, arithmetic)
    training = measure_training(trainer, given.steps)
    translator = Translator(
        prepare_for_search(trainer.model, arithmetic), prepared.vocabularies, config.data, device, arithmetic
    )
    lines = list(sentences(config.subword.vocab_size, given.lines, 9))
    return {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "arithmetic": arithmetic,
        "torch": torch.__version__,
        "training": training,
        "search": measure_search(translator, config, lines, given.batch),
    }


def results(found: dict[str, Any]) -> str:
    """Return the table."""
    training = found["training"]
    rows = [["work", "tokens/s"], ["training, source + target", f"{training['tokens_per_second']:,.0f}"]]
    rows += [["training, target", f"{training['target_tokens_per_second']:,.0f}"]]
    rows += [[f"search, {name}, target", f"{speed:,.0f}"] for name, speed in found["search"].items()]
    notes = [f"{found['device']}, {found['arithmetic']}, torch {found['torch']}, {training['parameters']:,} parameters"]
    if training["peak_mib"] is not None:
        waits = training["waits_in_a_step"]
        notes.append(f"peak {training['peak_mib']:,.0f} MiB in training; a step waits {waits} times for the device")
    return "\n".join([*notes, table(rows, right=frozenset([1]))])


def report(given: argparse.Namespace, work: Path) -> None:
    """Measure, and print and keep what was found."""
    found = measure(given, work)
    print(results(found))
    console.write_json(given.json, found)


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", nargs="?", type=Path, default=CONFIG)
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="cuda")
    parser.add_argument("--steps", type=int, default=60, help="timed, after as many more (default 60)")
    parser.add_argument("--lines", type=int, default=4096, help="to translate (default 4096)")
    parser.add_argument("--batch", type=int, default=512, help="sentences translated at once (default 512)")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="keep all files here (default: a temporary folder)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(console.compare("bench_gpu", report, options()))
