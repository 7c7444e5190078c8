"""Data diversification (Nguyen et al. 2020): also train on translations of the training text by a config's own models.

    python scripts/experiments/diversify.py CONFIG [--seeds 1 2] [--set KEY=VALUE ...] [--final KEY=VALUE ...]
                                            [--checkpoint best]

For each seed a model of CONFIG and a backward model (target to source) are trained with --set. The first translates
the training sources, the second the training targets, with the search of the config. The run NAME-diverse is then
trained on the corpora and on these translations, with --set and --final. The runs are runs/NAME-seedN,
runs/NAME-backward-seedN and runs/NAME-diverse, the text is in data/NAME-diverse/; existing results are reused.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from nmt import config as schema
from nmt.config import Config
from nmt.data.corpus import read_pairs
from nmt.errors import NmtError
from nmt.storage.atomic_files import write_atomically
from scripts import reporting
from scripts.commands import nmt, train_once

REMEDY = "work in a folder that can be written"


def reversed_direction(config: Config) -> dict[str, Any]:
    """Return the configuration of the backward model: source and target are swapped."""
    values = as_dict(config)
    data, subword, embedding = values["data"], values["subword"], values["model"]["embedding"]
    pairs = [(data, "{}_language"), (subword, "{}_vocab_size"), (embedding, "{}_vectors")]
    for corpus in (*data["train"], data["valid"], *data["test"].values()):
        pairs += [(corpus, "{}"), (corpus, "{}_column")]
    for section, key in pairs:
        one, other = (key.format(side) for side in ("source", "target"))
        section[one], section[other] = section[other], section[one]
    values["name"] = f"{config.name}-backward"
    data["prepared"] = None
    return values


def diverse(config: Config, translated: list[dict[str, str]], reuse: Path) -> dict[str, Any]:
    """Return the configuration that also trains on the `translated` corpora, with the subwords of the run `reuse`."""
    values = as_dict(config)
    values["name"] = f"{config.name}-diverse"
    values["data"]["train"] += translated
    values["data"]["prepared"] = None
    values["subword"]["reuse"] = str(reuse)
    return values


def as_dict(config: Config) -> dict[str, Any]:
    """Return the keys and values of the configuration's YAML."""
    values: dict[str, Any] = yaml.safe_load(schema.dump(config))
    return values


def write_config(path: Path, values: dict[str, Any]) -> Path:
    """Write a configuration and return its path."""
    write_atomically(path, yaml.safe_dump(values, allow_unicode=True, sort_keys=False), REMEDY)
    return path


def translate(run: Path, checkpoint: str, source: Path, output: Path) -> None:
    """Translate a file unless its translation exists; continue an interrupted translation."""
    if not output.exists():
        files = ["--input", str(source), "--output", str(output)]
        nmt("translate", "--model", str(run), "--checkpoint", checkpoint, *files, "--resume")


def run(options: argparse.Namespace) -> None:
    """Train the models of both directions, translate the training text, and train the final model."""
    config = schema.load(options.config, options.overrides)
    if any(corpus.tag for corpus in config.data.train):
        raise NmtError(f"{options.config}: has tags; only a model of one direction can be reversed")
    folder = Path("data") / f"{config.name}-diverse"
    folder.mkdir(parents=True, exist_ok=True)
    sides = [folder / "train.source", folder / "train.target"]
    if not sides[1].exists():
        pairs = [pair for corpus in config.data.train for pair in read_pairs(corpus)]
        for number, path in enumerate(sides):
            write_atomically(path, "".join(f"{pair[number]}\n" for pair in pairs), REMEDY)
    backward = write_config(folder / "backward.yaml", reversed_direction(config))
    translated, runs = [], []
    for seed in options.seeds:
        shared = [*options.overrides, f"data.prepared={config.prepared}"]
        run = train_once(options.config, f"{config.name}-seed{seed}", seed, shared)
        runs.append(run)
        path = folder / f"forward-seed{seed}.target"
        translate(run, options.checkpoint, sides[0], path)
        translated.append({"source": str(sides[0]), "target": str(path)})
        shared = [f"data.prepared=prepared/{config.name}-backward", f"subword.reuse={run}"]
        run = train_once(backward, f"{config.name}-backward-seed{seed}", seed, shared)
        path = folder / f"backward-seed{seed}.source"
        translate(run, options.checkpoint, sides[1], path)
        translated.append({"source": str(path), "target": str(sides[1])})
    final = write_config(folder / "diverse.yaml", diverse(config, translated, runs[0]))
    run = train_once(final, f"{config.name}-diverse", config.seed, options.final)
    reporting.progress(f"trained: {run}; score it with: nmt evaluate --model {run}")


def main() -> int:
    """Run the command line."""
    parser = reporting.parser(__doc__)
    add = parser.add_argument
    add("config", type=Path, help="configuration")
    add("--seeds", nargs="+", type=int, default=[1], metavar="N", help="seeds, each of two models (default: 1)")
    add("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="setting of every run")
    add("--final", action="append", default=[], metavar="KEY=VALUE", help="setting of the final model only")
    add("--checkpoint", default="best", help="checkpoint that translates the training text (default %(default)s)")
    options = parser.parse_args()
    return reporting.exit_status(lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
