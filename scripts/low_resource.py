"""Compare the low-resource recipe of Sennrich & Zhang (2019) with nmt's defaults on a small part of a corpus.

python scripts/low_resource.py FOLDER --source en --target de [--pairs 4600] [--tokens 3000000] [--seed 1] [--json FILE]

FOLDER holds train, valid and test .SOURCE.gz and .TARGET.gz. Pairs of the training text are drawn evenly. Both train on
as many target tokens, with batches of their own size; runs are in runs/, finished ones are not trained again,
interrupted ones go on.
"""

import argparse
import json
import random
import sys
from pathlib import Path
from typing import Any

import compare_seeds
import console
import yaml
from run_systems import SYSTEMS

from nmt.data.lines import read_lines
from nmt.errors import NmtError
from nmt.reports.table import table
from nmt.training.trainer import DEFAULT_TOKENS

RECIPE = SYSTEMS / "lowresource2019.yaml"
VALIDATIONS = 10


def draw(given: argparse.Namespace, folder: Path) -> dict[str, int]:
    """Write the part of the training text into `folder`, and return how many words each side has."""
    folder.mkdir(parents=True, exist_ok=True)
    sides = [list(read_lines(given.folder / f"train.{language}.gz")) for language in (given.source, given.target)]
    pairs = list(zip(*sides, strict=True))
    if len(pairs) < given.pairs:
        raise NmtError(f"--pairs {given.pairs}: {given.folder} has {len(pairs)}")
    kept = [pairs[number] for number in sorted(random.Random(1).sample(range(len(pairs)), given.pairs))]
    for side, language in enumerate((given.source, given.target)):
        (folder / f"train.{language}").write_text("".join(f"{pair[side]}\n" for pair in kept), encoding="utf-8")
    return {
        language: sum(len(pair[side].split()) for pair in kept)
        for side, language in enumerate((given.source, given.target))
    }


def settings(name: str, given: argparse.Namespace, part: Path) -> dict[str, Any]:
    """Return the config of the recipe or of the defaults for the drawn text."""
    values: dict[str, Any] = yaml.safe_load(RECIPE.read_text(encoding="utf-8")) if name == "recipe" else {}
    languages = {"source": given.source, "target": given.target}
    whole = {
        split: {side: str(given.folder / f"{split}.{language}.gz") for side, language in languages.items()}
        for split in ("valid", "test")
    }
    values["name"] = f"low-resource-{name}-{given.pairs}"
    values["data"] = {
        **{f"{side}_language": language for side, language in languages.items()},
        "train": {side: str(part / f"train.{language}") for side, language in languages.items()},
        "valid": whole["valid"],
        "test": {"test": whole["test"]},
    }
    training = values.setdefault("training", {})
    training["max_steps"] = given.tokens // training.get("tokens_per_batch", DEFAULT_TOKENS)
    training["validate_every"] = training["save_every"] = max(1, training["max_steps"] // VALIDATIONS)
    return values


def work(given: argparse.Namespace) -> None:
    """Train both, score them and print a table."""
    console.check_output(given.json)
    part = Path("runs") / f"low-resource-text-{given.pairs}"
    words = draw(given, part)
    console.say(f"{given.pairs:,} pairs, " + ", ".join(f"{count:,} words of {name}" for name, count in words.items()))
    rows = [["", "steps", "loss", "BLEU greedy", "BLEU beam"]]
    found: dict[str, Any] = {"words": words}
    for name in ("default", "recipe"):
        values = settings(name, given, part)
        path = Path("runs") / f"{values['name']}.yaml"
        path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
        run = compare_seeds.train(path, f"{values['name']}-seed{given.seed}", given.seed, [])
        asked = ["evaluate", "--model", str(run), "--split", "test", "--json"]
        [greedy], [beam] = (json.loads(compare_seeds.nmt(*asked, *more)) for more in (["--greedy"], []))
        found[name] = {"greedy": greedy, "beam": beam}
        scores = [f"{result['scores'][0]['score']:.2f}" for result in (greedy, beam)]
        rows.append([name, f"{values['training']['max_steps']:,}", f"{beam['loss']:.3f}", *scores])
        console.say(f"{name}: {scores[0]} greedy, {scores[1]} beam")
    print(table(rows, right=frozenset(range(1, 5))))
    print(found["default"]["beam"]["scores"][0]["signature"])
    console.write_json(given.json, found)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--source", required=True, metavar="LANGUAGE")
    parser.add_argument("--target", required=True, metavar="LANGUAGE")
    parser.add_argument("--pairs", type=int, default=4600, metavar="N", help="of training text (default 4,600)")
    parser.add_argument(
        "--tokens",
        type=int,
        default=3_000_000,
        metavar="N",
        help="target tokens that each trains on (default 3,000,000)",
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here")
    given = parser.parse_args()
    return console.conclude("low_resource", lambda: work(given))


if __name__ == "__main__":
    sys.exit(main())
