"""Train a config on its corpora and on what its own models make of them: data diversification (Nguyen et al. 2020).

python scripts/diversify.py CONFIG [--seeds 1 2] [--set KEY=VALUE ...] [--final KEY=VALUE ...] [--checkpoint best]

For each seed a model of CONFIG and one of the other direction are trained, with --set. The first translates the
training sources, the second the training targets, with the config's search. NAME-diverse then trains on the corpora
and on these pairs too, with --set and --final. What it makes is kept, and not made again: runs/NAME-seedN,
runs/NAME-backward-seedN, runs/NAME-diverse, and text in data/NAME-diverse/.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import compare_seeds
import console
import yaml

from nmt import config as schema
from nmt.config import Config
from nmt.data.corpus import read_pairs
from nmt.errors import NmtError
from nmt.storage.atomic_files import write_atomically

REMEDY = "work where that can be written"


def turned(config: Config) -> dict[str, Any]:
    """Return the configuration of the other direction."""
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


def diverse(config: Config, made: list[dict[str, str]], reuse: Path) -> dict[str, Any]:
    """Return the configuration that trains on the corpora `made` too, with the subwords of the run `reuse`."""
    values = as_dict(config)
    values["name"] = f"{config.name}-diverse"
    values["data"]["train"] += made
    values["data"]["prepared"] = None
    values["subword"]["reuse"] = str(reuse)
    return values


def as_dict(config: Config) -> dict[str, Any]:
    """Return a configuration as its YAML has it."""
    values: dict[str, Any] = yaml.safe_load(schema.dump(config))
    return values


def write_config(path: Path, values: dict[str, Any]) -> Path:
    """Write a configuration and return its path."""
    write_atomically(path, yaml.safe_dump(values, allow_unicode=True, sort_keys=False), REMEDY)
    return path


def translate(run: Path, checkpoint: str, source: Path, output: Path) -> None:
    """Translate a file unless that is done; go on if it was interrupted."""
    if not output.exists():
        asked = ["--model", str(run), "--checkpoint", checkpoint, "--input", str(source), "--output", str(output)]
        compare_seeds.nmt("translate", *asked, "--resume")


def work(given: argparse.Namespace) -> None:
    """Make the models, the text, and the model that is trained on all of it."""
    config = schema.load(given.config, given.overrides)
    if any(corpus.tag for corpus in config.data.train):
        raise NmtError(f"{given.config}: has tags; only a model of one direction can be turned around")
    folder = Path("data") / f"{config.name}-diverse"
    folder.mkdir(parents=True, exist_ok=True)
    sides = [folder / "train.source", folder / "train.target"]
    if not sides[1].exists():
        pairs = [pair for corpus in config.data.train for pair in read_pairs(corpus)]
        for number, path in enumerate(sides):
            write_atomically(path, "".join(f"{pair[number]}\n" for pair in pairs), REMEDY)
    back = write_config(folder / "backward.yaml", turned(config))
    made, runs = [], []
    for seed in given.seeds:
        shared = [*given.overrides, f"data.prepared={config.prepared}"]
        run = compare_seeds.train(given.config, f"{config.name}-seed{seed}", seed, shared)
        runs.append(run)
        path = folder / f"forward-seed{seed}.target"
        translate(run, given.checkpoint, sides[0], path)
        made.append({"source": str(sides[0]), "target": str(path)})
        shared = [f"data.prepared=prepared/{config.name}-backward", f"subword.reuse={run}"]
        run = compare_seeds.train(back, f"{config.name}-backward-seed{seed}", seed, shared)
        path = folder / f"backward-seed{seed}.source"
        translate(run, given.checkpoint, sides[1], path)
        made.append({"source": str(path), "target": str(sides[1])})
    last = write_config(folder / "diverse.yaml", diverse(config, made, runs[0]))
    run = compare_seeds.train(last, f"{config.name}-diverse", config.seed, given.final)
    console.say(f"trained: {run}; score it with: nmt evaluate --model {run}")


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1], metavar="N", help="a pair of models each")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--final", action="append", default=[], metavar="KEY=VALUE", help="of the last model only")
    parser.add_argument("--checkpoint", default="best", help="that translates the training text")
    given = parser.parse_args()
    return console.conclude("diversify", lambda: work(given))


if __name__ == "__main__":
    sys.exit(main())
