"""Train a model on each of two domains, adapt it to the other one with `nmt tune`, and compare the scores.

    python scripts/experiments/tune.py --captions FOLDER --help-texts FOLDER [--source en] [--target de]
                                       [--pairs N] [--new-pairs N] [--evaluated N] [--steps N] [--tune-steps N]
                                       [--mix 0.5 1] [--new-subwords N] [--seed 1] [--json FILE]

--captions is Multi30k (train, val and test_2016_flickr), --help-texts the help of LibreOffice (train, valid and test),
each with the suffixes .SOURCE.gz and .TARGET.gz. The settings of the first models are those that `nmt init` chooses.
--new-pairs adapts with that many pairs of the new domain, drawn uniformly. For quick trials, --pairs trains and adapts
with that many pairs of each domain, and --evaluated uses only the first pairs of the validation and test sets. Runs and
text are in the working directory; finished runs are not trained again, interrupted runs are resumed.
"""

import argparse
import itertools
import json
import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from nmt.data.lines import read_lines
from nmt.errors import NmtError
from nmt.reports.table import table
from nmt.storage.run_folder import RUNS
from scripts import reporting
from scripts.commands import nmt, train_once

VALIDATIONS = 10


@dataclass(frozen=True)
class Domain:
    """A corpus and the names of its sets."""

    name: str
    folder: Path
    valid: str
    test: str

    def files(self, split: str, options: argparse.Namespace) -> list[Path]:
        """Return the source and the target file of a set."""
        return [self.folder / f"{split}.{language}.gz" for language in (options.source, options.target)]

    def evaluated(self, options: argparse.Namespace) -> list[str]:
        """Return the options --valid and --test with the validation and the test set."""
        found = []
        for option, split in (("--valid", self.valid), ("--test", self.test)):
            for path in self.files(split, options):
                file = path
                if options.evaluated:
                    file = Path(f"{self.name}-{path.name.removesuffix('.gz')}")
                    lines = itertools.islice(read_lines(path), options.evaluated)
                    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
                found += [option, str(file)]
        return found


def draw_pairs(domain: Domain, options: argparse.Namespace, option: str = "pairs") -> list[Path]:
    """Return the files of the training text; if `option` is given, files with that many drawn pairs."""
    files, count = domain.files("train", options), getattr(options, option)
    if not count:
        return files
    pairs = list(zip(*(list(read_lines(path)) for path in files), strict=True))
    if len(pairs) < count:
        raise NmtError(f"--{option.replace('_', '-')} {count}: {domain.folder} has {len(pairs)}")
    kept = [pairs[number] for number in sorted(random.Random(1).sample(range(len(pairs)), count))]
    drawn = [Path(f"{domain.name}-{count}.{language}") for language in (options.source, options.target)]
    for side, path in enumerate(drawn):
        path.write_text("".join(f"{pair[side]}\n" for pair in kept), encoding="utf-8")
    return drawn


def train(domain: Domain, options: argparse.Namespace) -> Path:
    """Train the first model of a domain, and return its run."""
    suffix = f"-{options.pairs}" if options.pairs else ""
    config = Path(f"{domain.name}{suffix}.yaml")
    languages = ["--source-language", options.source, "--target-language", options.target]
    nmt("init", *map(str, draw_pairs(domain, options)), "-o", str(config), *languages, *domain.evaluated(options))
    steps = []
    if options.steps:
        every = max(1, options.steps // VALIDATIONS)
        values = {"max_steps": options.steps, "validate_every": every, "save_every": every, "warmup_steps": every}
        steps = [f"training.{key}={value}" for key, value in values.items()]
    return train_once(config, f"{domain.name}{suffix}-seed{options.seed}", options.seed, steps)


def tune(base: Path, domain: Domain, mix: float, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Adapt a run to a domain, and return the scores of all test sets before and after."""
    name = f"{base.name}-to-{domain.name}-mix{mix:g}" + (f"-{options.new_subwords}" if options.new_subwords else "")
    name += f"-{options.new_pairs}-pairs" if options.new_pairs else ""
    drawn = "new_pairs" if options.new_pairs else "pairs"
    run, text = RUNS / name, [str(path) for path in draw_pairs(domain, options, drawn)]
    if not (run / "tuning.json").exists():
        start = ["tune", str(base), *text, "--name", name]
        steps = ["--steps", str(options.tune_steps)] if options.tune_steps else []
        if (run / "checkpoints" / "last").exists():
            nmt(*start, "--resume")
        else:
            subwords = ["--new-subwords", str(options.new_subwords)] if options.new_subwords else []
            nmt(
                *start,
                "--mix",
                str(mix),
                *steps,
                *domain.evaluated(options),
                *subwords,
                "--set",
                f"seed={options.seed}",
            )
    found: list[dict[str, Any]] = json.loads((run / "tuning.json").read_text(encoding="utf-8"))
    return found


def run(options: argparse.Namespace) -> None:
    """Train, adapt and print the table."""
    reporting.check_json_path(options.json)
    captions = Domain("captions", options.captions, "val", "test_2016_flickr")
    texts = Domain("help", options.help_texts, "valid", "test")
    head = ["first domain", "adapted to", "share of new text", "test set", "metric", "before", "after", "p"]
    rows, found = [head], []
    for old, new in ((captions, texts), (texts, captions)):
        base = train(old, options)
        for mix in options.mix:
            for one in tune(base, new, mix, options):
                domain = new.name if one["test_set"] == "test" else old.name
                figures = [f"{one['before']:.2f}", f"{one['after']:.2f}", f"{one['p_value']:.3f}"]
                rows.append([old.name, new.name, f"{mix:g}", domain, one["metric"], *figures])
                found.append({"from": old.name, "to": new.name, "mix": mix, "domain": domain, **one})
            reporting.progress(f"{base.name} to {new.name}, mix {mix:g}: done")
    print(table(rows, right=frozenset({2, 5, 6, 7})))
    for signature in dict.fromkeys(one["signature"] for one in found):
        print(signature)
    reporting.write_json(options.json, found)


def main() -> int:
    """Run the command line."""
    parser = reporting.parser(__doc__, "--json")
    add = parser.add_argument
    add("--captions", type=Path, required=True, metavar="FOLDER", help="folder of Multi30k")
    add("--help-texts", type=Path, required=True, metavar="FOLDER", help="folder of the help of LibreOffice")
    add("--source", default="en", metavar="LANGUAGE", help="source language (default %(default)s)")
    add("--target", default="de", metavar="LANGUAGE", help="target language (default %(default)s)")
    add("--pairs", type=int, metavar="N", help="training pairs of each domain (default: all)")
    add("--new-pairs", type=int, metavar="N", help="pairs of the new domain (default: all, or those of --pairs)")
    add("--evaluated", type=int, metavar="N", help="pairs of the validation and test sets (default: all)")
    add("--steps", type=int, metavar="N", help="steps of the first trainings (default: those of nmt init)")
    add("--tune-steps", type=int, metavar="N", help="steps of nmt tune (default: its own choice)")
    add("--mix", type=float, nargs="+", default=[0.5, 1.0], metavar="SHARE", help="shares of new text (default 0.5 1)")
    add("--new-subwords", type=int, metavar="N", help="as in nmt tune")
    add("--seed", type=int, default=1, metavar="N", help="seed of the trainings (default %(default)s)")
    options = parser.parse_args()
    return reporting.exit_status(lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
