"""Compare the BLEU of models whose training pairs are shuffled together, and in two levels with tiny pools.

    python scripts/experiments/shuffle.py [--config FILE] [--seeds 1 2 3] [--pool 1000] [--block 128] [--sort]
                                          [--set KEY=VALUE ...] [--split test] [--json FILE]

`nmt` uses two levels only for more than a million pairs (nmt/data/shuffling.py). Here the pools and blocks are small,
so that a small corpus needs several. --sort sorts the training pairs by their source lines first, so that the pairs of
a block are alike. Each run is runs/NAME-SHUFFLE-seedN; finished runs are not trained again, interrupted ones are
resumed.
"""

import argparse
import json
import statistics
import sys
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from nmt import config as schema
from nmt.config import Config
from nmt.data.batching import Batches
from nmt.data.corpus import read_pairs
from nmt.data.shuffling import PAIRS_PER_BLOCK, PAIRS_PER_POOL
from nmt.reports.table import table
from nmt.storage.run_folder import RUNS
from nmt.training.session import train
from scripts import ROOT, reporting
from scripts.commands import nmt

SHUFFLES = ("together", "pools")


def sorted_text(config: Config) -> list[str]:
    """Write the training pairs sorted by their source lines, and return the settings that name the files."""
    folder = RUNS / f"{config.name}-sorted-text"
    folder.mkdir(parents=True, exist_ok=True)
    pairs = sorted(pair for corpus in config.data.train for pair in read_pairs(corpus))
    for side in (0, 1):
        (folder / str(side)).write_text("".join(f"{pair[side]}\n" for pair in pairs), encoding="utf-8")
    text = f"{{source: {folder / '0'}, target: {folder / '1'}}}"
    return [f"data.train={text}", f"data.prepared={folder / 'prepared'}"]


def train_once(config: Config, pool: int, block: int) -> Path:
    """Train with pools and blocks of these sizes unless the run is finished; return its folder."""
    folder = RUNS / config.name
    if not (folder / "finished.json").exists():
        with mock.patch("nmt.training.trainer.Batches", partial(Batches, pairs_per_pool=pool, pairs_per_block=block)):
            train(config, resume=(folder / "checkpoints" / "last").exists())
    return folder


def compare(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Train and score with every seed and both ways of shuffling."""
    config = schema.load(options.config, options.overrides)
    text = sorted_text(config) if options.sort else [f"data.prepared={config.prepared}"]
    shared = [*options.overrides, *text]
    order, found = "-sorted" * options.sort, []
    for seed in options.seeds:
        for shuffle in SHUFFLES:
            is_in_pools = shuffle == "pools"
            pool, block = (options.pool, options.block) if is_in_pools else (PAIRS_PER_POOL, PAIRS_PER_BLOCK)
            of_pools = f"-{pool}-{block}" if is_in_pools else ""
            name = f"{config.name}{order}-{shuffle}{of_pools}-seed{seed}"
            run = train_once(schema.load(options.config, [*shared, f"name={name}", f"seed={seed}"]), pool, block)
            [result] = json.loads(nmt("evaluate", "--model", str(run), "--split", options.split, "--json"))
            bleu = result["scores"][0]["score"]
            reporting.progress(f"{name}: BLEU {bleu:.2f}")
            found.append({"shuffle": shuffle, "seed": seed, "bleu": bleu, "loss": result["loss"]})
    return found


def results(found: list[dict[str, Any]]) -> str:
    """Return a table of the runs, and a line for each way of shuffling."""
    rows = [["shuffle", "seed", "BLEU", "loss"]]
    rows += [[line["shuffle"], str(line["seed"]), f"{line['bleu']:.2f}", f"{line['loss']:.4f}"] for line in found]
    notes = []
    for shuffle in SHUFFLES:
        values = [line["bleu"] for line in found if line["shuffle"] == shuffle]
        deviation = f" ± {statistics.stdev(values):.2f} (standard deviation)" if len(values) > 1 else ""
        notes.append(f"{shuffle}: BLEU {statistics.mean(values):.2f}{deviation} over {len(values)} seeds")
    return "\n".join([table(rows, right=frozenset(range(1, 4))), *notes])


def run(options: argparse.Namespace) -> None:
    """Compare, print the table and write the figures."""
    reporting.check_json_path(options.json)
    found = compare(options)
    print(results(found))
    reporting.write_json(options.json, found)


def main() -> int:
    """Run the command line."""
    parser = reporting.parser(__doc__, "--json")
    add = parser.add_argument
    add("--config", type=Path, default=ROOT / "configs" / "quickstart.yaml", help="configuration (default: quickstart)")
    add("--seeds", nargs="+", type=int, default=[1, 2, 3], metavar="N", help="seeds (default: 1 2 3)")
    add("--pool", type=int, default=1000, metavar="PAIRS", help="pairs of a pool (default %(default)s)")
    add("--block", type=int, default=128, metavar="PAIRS", help="pairs of a block (default %(default)s)")
    add("--sort", action="store_true", help="sort the training pairs by their source lines")
    add("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="setting of every run")
    add("--split", default="test", help="test set of data.test (default %(default)s)")
    options = parser.parse_args()
    return reporting.exit_status(lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
