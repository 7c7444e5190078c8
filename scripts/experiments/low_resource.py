"""Compare the low-resource recipe of Sennrich & Zhang (2019) with nmt's defaults on a small part of a corpus.

    python scripts/experiments/low_resource.py FOLDER --source en --target de [--pairs 4600] [--tokens 3000000]
                                               [--seed 1] [--json FILE]

FOLDER contains train, valid and test with the suffixes .SOURCE.gz and .TARGET.gz. The training pairs are drawn
uniformly. Both systems train on the same number of target tokens, with their own batch size. Runs are in runs/;
finished runs are not trained again, interrupted runs are resumed.
"""

import argparse
import json
import random
import sys
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from nmt.data.lines import read_lines
from nmt.errors import NmtError
from nmt.reports.table import table
from nmt.training.trainer import DEFAULT_TOKENS
from scripts import ROOT, reporting
from scripts.commands import nmt, train_once

RECIPE = ROOT / "configs" / "systems" / "lowresource2019.yaml"
VALIDATIONS = 10


def draw_pairs(options: argparse.Namespace, folder: Path) -> dict[str, int]:
    """Write the drawn part of the training text to `folder`, and return the number of words of each language."""
    folder.mkdir(parents=True, exist_ok=True)
    languages = options.source, options.target
    sides = [list(read_lines(options.folder / f"train.{language}.gz")) for language in languages]
    pairs = list(zip(*sides, strict=True))
    if len(pairs) < options.pairs:
        raise NmtError(f"--pairs {options.pairs}: {options.folder} has {len(pairs)}")
    kept = [pairs[number] for number in sorted(random.Random(1).sample(range(len(pairs)), options.pairs))]
    for side, language in enumerate(languages):
        (folder / f"train.{language}").write_text("".join(f"{pair[side]}\n" for pair in kept), encoding="utf-8")
    return {language: sum(len(pair[side].split()) for pair in kept) for side, language in enumerate(languages)}


def settings(name: str, options: argparse.Namespace, part: Path) -> dict[str, Any]:
    """Return the config of the recipe or of the defaults for the drawn text."""
    values: dict[str, Any] = yaml.safe_load(RECIPE.read_text(encoding="utf-8")) if name == "recipe" else {}
    languages = {"source": options.source, "target": options.target}
    corpora = {
        split: {side: str(options.folder / f"{split}.{language}.gz") for side, language in languages.items()}
        for split in ("valid", "test")
    }
    values["name"] = f"low-resource-{name}-{options.pairs}"
    values["data"] = {
        **{f"{side}_language": language for side, language in languages.items()},
        "train": {side: str(part / f"train.{language}") for side, language in languages.items()},
        "valid": corpora["valid"],
        "test": {"test": corpora["test"]},
    }
    training = values.setdefault("training", {})
    training["max_steps"] = options.tokens // training.get("tokens_per_batch", DEFAULT_TOKENS)
    training["validate_every"] = training["save_every"] = max(1, training["max_steps"] // VALIDATIONS)
    return values


def run(options: argparse.Namespace) -> None:
    """Train and score both systems and print a table."""
    reporting.check_json_path(options.json)
    part = Path("runs") / f"low-resource-text-{options.pairs}"
    words = draw_pairs(options, part)
    counts = ", ".join(f"{count:,} words of {language}" for language, count in words.items())
    reporting.progress(f"{options.pairs:,} pairs, {counts}")
    rows = [["", "steps", "loss", "BLEU greedy", "BLEU beam"]]
    found: dict[str, Any] = {"words": words}
    for name in ("default", "recipe"):
        values = settings(name, options, part)
        path = Path("runs") / f"{values['name']}.yaml"
        path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
        model = train_once(path, f"{values['name']}-seed{options.seed}", options.seed, [])
        evaluate = ["evaluate", "--model", str(model), "--split", "test", "--json"]
        [greedy], [beam] = (json.loads(nmt(*evaluate, *search)) for search in (["--greedy"], []))
        found[name] = {"greedy": greedy, "beam": beam}
        scores = [f"{result['scores'][0]['score']:.2f}" for result in (greedy, beam)]
        rows.append([name, f"{values['training']['max_steps']:,}", f"{beam['loss']:.3f}", *scores])
        reporting.progress(f"{name}: {scores[0]} greedy, {scores[1]} beam")
    print(table(rows, right=frozenset(range(1, 5))))
    print(found["default"]["beam"]["scores"][0]["signature"])
    reporting.write_json(options.json, found)


def main() -> int:
    """Run the command line."""
    parser = reporting.parser(__doc__, "--json")
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="folder of the corpus")
    add("--source", required=True, metavar="LANGUAGE", help="source language, the suffix of its files")
    add("--target", required=True, metavar="LANGUAGE", help="target language, the suffix of its files")
    add("--pairs", type=int, default=4600, metavar="N", help="training pairs to draw (default 4,600)")
    add("--tokens", type=int, default=3_000_000, metavar="N", help="target tokens of each training (default 3,000,000)")
    add("--seed", type=int, default=1, metavar="N", help="seed of the trainings (default %(default)s)")
    options = parser.parse_args()
    return reporting.exit_status(lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
