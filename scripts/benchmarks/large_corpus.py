"""Measure how nmt handles a corpus that is larger than memory should be: preprocess, open, train, resume.

    python scripts/benchmarks/large_corpus.py [--pairs 2000000 20000000] [--set data.workers=2 ...] [--steps 3]
                                              [--batches 200] [--ids] [--work FOLDER] [--json FILE]

The text is invented; its words have the frequencies of Zipf's law. For each number of pairs `nmt preprocess` runs
first. Then fresh processes open the prepared data and take the first batch; resume in the middle of an epoch and take
--batches batches; and train a tiny network for --steps steps and, resumed, as many more. "RssAnon" is memory that the
process has for itself; the page cache, which holds what was read last of mapped files, is not counted. Peaks are the
largest of the values that are read every 100 ms. "files" are open descriptors of prepared data at the end, "maps"
memory maps. With --ids a small text is preprocessed, and then its training pairs are replaced by so many pairs of
random token ids, which takes a minute for 20 million. With --work, text and prepared data that are there already are
used again, and nmt preprocess then only finds that they are up to date. Needs Linux. 20 million pairs take about 10
GB of disk space, and 3 GB with --ids.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from nmt import config as schema
from nmt.config import Config
from nmt.data.batching import Batches, Position
from nmt.data.corpus import corpus_paths
from nmt.data.prepared_data import Prepared
from nmt.data.store import SIDES, Column, Store, StoreWriter, id_type
from nmt.data.subword import Vocabularies
from nmt.data.token_ids import EOS
from nmt.errors import NmtError
from nmt.reports.table import table
from nmt.storage import checksums
from scripts import reporting
from scripts.commands import ENVIRONMENT, NMT

WORDS, WORD_BYTES, MEAN_LENGTH = 30_000, 8, 12
TEXT_PAIRS = 20_000
"""Pairs of text with --ids."""
CHUNK = 100_000
"""Pairs that are made at a time."""
BATCH_TOKENS = 4096
TINY = {"embedding": {"size": 16}, "encoder": {"size": 16}, "decoder": {"size": 16}}
ROWS = {
    "text, MB": "text", "prepared data, MB": "prepared",
    "nmt preprocess, s": "preprocess.seconds", "its largest process, RssAnon peak, MiB": "preprocess.peak",
    "open, s": "first.open", "open and first batch, s": "first.seconds", "RssAnon then, MiB": "first.anonymous",
    "files, maps then": "first.handles",
    "open and resume in the middle of an epoch, s": "middle.seconds", "further batches, s": "middle.more",
    "RssAnon then, MiB ": "middle.anonymous", "files, maps then ": "middle.handles",
    "nmt train until its first step, s": "train.until_step", "its RssAnon peak, MiB": "train.peak",
    "nmt train --resume until its first step, s": "resume.until_step", "its RssAnon peak, MiB ": "resume.peak",
}  # fmt: skip
"""The rows of the table and the figures in them."""


def word_table(seed: int) -> npt.NDArray[np.uint8]:
    """Return invented words (WORDS, WORD_BYTES + 1) with zeros after them; the first ones are short."""
    draw = np.random.default_rng(seed)
    letters = np.frombuffer(b"etaoinshrdlucmfwyp", np.uint8)
    table = letters[draw.integers(0, len(letters), (WORDS, WORD_BYTES + 1))]
    lengths = np.clip(2 + np.log2(1 + np.arange(WORDS)) / 2.5 + draw.integers(0, 2, WORDS), 2, WORD_BYTES)
    return np.where(np.arange(WORD_BYTES + 1) < lengths.astype(int)[:, None], table, 0).astype(np.uint8)


def write_corpus(folder: Path, name: str, pairs: int, seed: int) -> None:
    """Write `name`.source and `name`.target, of which each target word is the translation of a source word."""
    draw = np.random.default_rng(seed)
    chances = np.cumsum(1 / np.arange(3, WORDS + 3))
    tables = {"source": word_table(1), "target": word_table(2)}
    files = {side: (folder / f"{name}.{side}").open("wb") for side in tables}
    for start in range(0, pairs, CHUNK):
        lengths = np.clip(draw.poisson(MEAN_LENGTH, min(CHUNK, pairs - start)), 1, None)
        words = np.searchsorted(chances, draw.random(int(lengths.sum())) * chances[-1])
        for side, known in tables.items():
            letters = known[words]
            ends = (letters != 0).sum(1)
            letters[np.arange(len(words)), ends] = ord(" ")
            last = np.cumsum(lengths) - 1
            letters[last, ends[last]] = ord("\n")
            files[side].write(letters[letters != 0].tobytes())
    for file in files.values():
        file.close()


def write_config(folder: Path, pairs: int, text_pairs: int) -> Path:
    """Write the text, unless it is there, and the configuration; return the path of the latter."""
    train = f"train-{text_pairs}"
    for name, count, seed in ((train, text_pairs, 0), ("valid", 500, 1)):
        if not (folder / f"{name}.target").exists():
            write_corpus(folder, name, count, seed)
    corpora = {
        key: {side: str(folder / f"{name}.{side}") for side in ("source", "target")}
        for key, name in (("train", train), ("valid", "valid"))
    }
    values = {
        "name": f"large-{pairs}",
        "data": {**corpora, "prepared": str(folder / f"prepared-{pairs}")},
        "subword": {"vocab_size": 8000, "training_sentences": 200_000},
        "model": TINY,
        "training": {"tokens_per_batch": BATCH_TOKENS, "validation_bleu": False, "metric": "loss", "log_every": 1},
    }
    path = folder / f"config-{pairs}.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def replace_pairs(prepared: Path, pairs: int) -> None:
    """Replace the training pairs of prepared data by pairs of random token ids."""
    draw = np.random.default_rng(0)
    size = Vocabularies.load(prepared).source.size
    shutil.rmtree(prepared / "train-0")
    with StoreWriter(prepared / "train-0", id_type(size), is_text=False) as writer:
        for start in range(0, pairs, CHUNK):
            columns = []
            for _ in SIDES:
                lengths = np.clip(draw.poisson(2 * MEAN_LENGTH, min(CHUNK, pairs - start)), 1, None)
                columns.append(Column(draw.integers(EOS + 1, size, int(lengths.sum())), lengths, lengths))
            writer.append(columns[0], columns[1])
    checksums.write(prepared)


def anonymous_memory(process: int | str = "self") -> float:
    """Return the anonymous memory of a process in MiB; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace").split("\n")
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon:")), 0.0)


def descendants(process: int) -> list[int]:
    """Return the numbers of a process and of its children, and of theirs."""
    try:
        tasks = list(Path(f"/proc/{process}/task").iterdir())
        children = [int(n) for task in tasks for n in (task / "children").read_text(encoding="ascii").split()]
    except OSError:
        return [process]
    return [process, *(each for child in children for each in descendants(child))]


def measured(command: list[str], folder: Path) -> tuple[dict[str, float], str]:
    """Run a command and return its figures and its standard output.

    The figures are its seconds, those until it prints the first line about a step, and the peak of RssAnon of its
    largest process.
    """
    start, peak, until_step = time.monotonic(), 0.0, 0.0
    log = folder / "stderr.txt"
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=stderr)
    while process.poll() is None:
        peak = max([peak, *map(anonymous_memory, descendants(process.pid))])
        if not until_step and b"\nstep " in log.read_bytes():
            until_step = time.monotonic() - start
        time.sleep(0.1)
    output = process.communicate()[0].decode()
    if process.returncode:
        raise NmtError(f"{' '.join(command)} failed: {log.read_text(encoding='utf-8')[-500:]}")
    return {"seconds": time.monotonic() - start, "until_step": until_step, "peak": peak}, output


def data_process(config: Config, start: str) -> dict[str, Any]:
    """Open the data in this process, take a batch from the JSON position `start` on, and then `--batches` more."""
    began = time.monotonic()
    prepared = Prepared.open(config.prepared)
    opened = time.monotonic()
    values = json.loads(start)
    batches = Batches(prepared.train, prepared.vocabularies, BATCH_TOKENS, None, 256, config.seed, 0.0, "bpe")
    stream = batches.iterate_from(Position.from_json(values["position"]))
    _, position = next(stream)
    first = time.monotonic()
    for _ in islice(stream, values["batches"]):
        pass
    layout = position.layout
    assert layout is not None
    middle = layout.pools * layout.windows_per_pool // 2
    names = [str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.exists()]
    maps = Path("/proc/self/maps").read_text(encoding="utf-8")
    return {
        "open": opened - began,
        "seconds": first - began,
        "more": time.monotonic() - first,
        "anonymous": anonymous_memory(),
        "handles": f"{sum(str(config.prepared) in name for name in names)}, {maps.count(str(config.prepared))}",
        "middle": asdict(Position(window=middle, layout=layout)) if layout.pairs_per_block else {},
    }


def measure_size(pairs: int, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return the figures of a corpus of so many pairs."""
    path = write_config(folder, pairs, TEXT_PAIRS if options.ids else pairs)
    overrides = [part for override in options.overrides for part in ("--set", override)]
    found: dict[str, Any] = {"pairs": pairs}
    text = corpus_paths(schema.load(path, []).data.train[0])
    found["text"] = sum(file.stat().st_size for file in text) / 1e6
    found["preprocess"], _ = measured([*NMT, "preprocess", "--config", str(path), *overrides], folder)
    prepared = schema.load(path, options.overrides).prepared
    if options.ids and len(Store(prepared / "train-0")) != pairs:
        replace_pairs(prepared, pairs)
    found["prepared"] = sum(file.stat().st_size for file in prepared.rglob("*") if file.is_file()) / 1e6
    start: dict[str, Any] = {}
    for name, batches in (("first", 0), ("middle", options.batches)):
        child = [sys.executable, __file__, "--child", str(path), json.dumps({"position": start, "batches": batches})]
        found[name] = json.loads(measured([*child, *overrides], folder)[1])
        start = found[name]["middle"]
    reporting.progress(f"{pairs:,} pairs: prepared and opened")
    steps = [f"training.max_steps={options.steps}", f"training.max_steps={2 * options.steps}"]
    for name, limit, more in (("train", steps[0], []), ("resume", steps[1], ["--resume"])):
        command = [*NMT, "train", "--config", str(path), *overrides, "--set", f"name=large-{pairs}-{os.getpid()}"]
        found[name], _ = measured([*command, "--set", limit, *more], folder)
    return found


def results(found: list[dict[str, Any]]) -> str:
    """Return the table, with a column for each number of pairs."""
    rows = [["pairs", *(f"{each['pairs']:,}" for each in found)]]
    for title, key in ROWS.items():
        values = []
        for each in found:
            value: Any = each
            for part in key.split("."):
                value = value[part]
            values.append(value if isinstance(value, str) else f"{value:,.2f}" if value < 10 else f"{value:,.0f}")
        rows.append([title.strip(), *values])
    return table(rows, right=frozenset(range(1, len(found) + 1)))


def measure(options: argparse.Namespace, folder: Path) -> None:
    """Measure all sizes, print the table and write the figures."""
    reporting.check_json_path(options.json)
    found = []
    for pairs in options.pairs:
        found.append(measure_size(pairs, options, folder))
        print(results(found), flush=True)
    reporting.write_json(options.json, found)


def main() -> int:
    """Run the command line."""
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(data_process(schema.load(Path(sys.argv[2]), sys.argv[5::2]), sys.argv[3])))
        return 0
    parser = reporting.parser(__doc__, "--work", "--json")
    add = parser.add_argument
    add("--pairs", type=int, nargs="+", default=[2_000_000], help="sentence pairs (default 2,000,000)")
    add("--steps", type=int, default=3, help="steps of training (default 3)")
    add("--batches", type=int, default=200, help="batches after resuming (default 200)")
    add("--ids", action="store_true", help="measure with random token ids in place of preprocessed text")
    add("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="override a config key")
    return reporting.run_in_folder(measure, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
