"""Compare settings on parts of a corpus, by number of training pairs: the measurements behind `nmt.corpora.settings`.

    python scripts/experiments/settings_by_size.py FOLDER --source en --target de --pairs 5000 [--pairs 2000 …]
        [--candidates FILE.yaml] [--only NAME …] [--seed 1] [--score] [--json FILE]

FOLDER contains train, valid and test with the suffixes .SOURCE.gz and .TARGET.gz (`--test NAME` if the test set has
another name, `--valid NAME` likewise). The training pairs are drawn uniformly, the same ones for every candidate.
FILE.yaml maps names of candidates to sections of a configuration; `epochs` in place of `training.max_steps` is
converted with the number of pairs. The candidate `init`, which is always there, has what `nmt init` chooses.

Choose by the validation BLEU (greedy), which is printed first. `--score` translates the test set with the candidates of
`--only`; use it once, after the choice. `nmt compare` then tests their difference. Runs are in runs/; finished runs are
not trained again, interrupted runs are resumed.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from nmt.corpora.settings import for_pairs
from nmt.data.lines import read_lines
from nmt.errors import NmtError
from nmt.reports.table import table
from nmt.storage.history import read_history
from scripts import ROOT, reporting
from scripts.commands import nmt, train_once
from scripts.experiments.low_resource import draw_pairs

CANDIDATES = ROOT / "scripts" / "experiments" / "settings_by_size.yaml"
VALIDATIONS = 25
INIT = "init"


def init_settings(target: Path) -> dict[str, Any]:
    """Return the sections `subword`, `model` and `training` that `nmt init` chooses for the training text `target`."""
    lines = list(read_lines(target))
    chosen = for_pairs(len(lines), statistics.median(map(len, lines)), has_spaces=True)
    row, every = chosen.row, chosen.validate_every
    model = row.model | {"embedding": row.model["embedding"] | {"tie": "all"}}
    steps = {"max_steps": chosen.max_steps, "warmup_steps": chosen.warmup_steps}
    training = row.training | {"optimizer": "adamw", "validate_every": every, "save_every": every} | steps
    return {"subword": {"vocab_size": row.vocab_size, "sampling": row.sampling}, "model": model, "training": training}


def settings(values: dict[str, Any], pairs: int, options: argparse.Namespace, part: Path) -> dict[str, Any]:
    """Return the complete config of a candidate for the drawn text in `part`."""
    values = json.loads(json.dumps(values))
    languages = {"source": options.source, "target": options.target}
    files = {
        split: {side: str(options.folder / f"{name}.{language}.gz") for side, language in languages.items()}
        for split, name in (("valid", options.valid), ("test", options.test))
    }
    values["data"] = {
        **{f"{side}_language": language for side, language in languages.items()},
        "train": {side: str(part / f"train.{language}") for side, language in languages.items()},
        "valid": files["valid"],
        "test": {"test": files["test"]},
    }
    values.setdefault("training", {})
    if (epochs := values.pop("epochs", None)) is not None:
        steps = epochs * pairs // values["training"]["sentences_per_batch"]
        every = max(1, steps // VALIDATIONS)
        values["training"] |= {"max_steps": steps, "validate_every": every, "save_every": every}
    values["training"]["log_every"] = values["training"].get("validate_every", 500)
    return values


def train(options: argparse.Namespace, name: str, values: dict[str, Any], pairs: int) -> tuple[Path, list[str]]:
    """Train a candidate and return its run and its row of the table."""
    text = f"{options.folder.name}-{pairs}"
    part = Path("runs") / f"settings-text-{text}"
    if not (part / f"train.{options.target}").exists():
        draw_pairs(argparse.Namespace(**vars(options) | {"pairs": pairs}), part)
    if name == INIT:
        values = init_settings(part / f"train.{options.target}")
    path = Path("runs") / f"settings-{text}-{name}.yaml"
    config = settings(values, pairs, options, part) | {"name": f"settings-{text}-{name}"}
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    run = train_once(path, f"settings-{text}-{name}-seed{options.seed}", options.seed, [])
    history = read_history(run)
    best, lowest = history.best("bleu", highest=True), history.best("loss", highest=False)
    seconds = history.series("train", "seconds")[1][-1]
    row = [name, history.facts["parameters"], f"{history.train[-1]['step']:,}"]
    row += [f"{best[1]:.2f}", f"{best[0]:,}"] if best else ["", ""]
    row += [f"{lowest[1]:.3f}" if lowest else "", f"{seconds / 60:.1f} min"]
    reporting.progress("  ".join([text, *row]))
    return run, row


def score(runs: dict[str, Path], figures: dict[str, Any]) -> None:
    """Translate the test set with every run, with beam and greedy search, and print the scores."""
    for name, run in runs.items():
        for search in ([], ["--greedy"]):
            [result] = json.loads(nmt("evaluate", "--model", str(run), "--split", "test", "--json", *search))
            figures.setdefault(name, {})["greedy" if search else "beam"] = result
            found = "  ".join(f"{one['name']} {one['score']:.2f}" for one in result["scores"])
            reporting.progress(f"{name} test {' '.join(search) or 'beam'}: {found}  {result['scores'][0]['signature']}")


def run(options: argparse.Namespace) -> None:
    """Train the candidates, and score them if asked to."""
    reporting.check_json_path(options.json)
    candidates = yaml.safe_load(options.candidates.read_text(encoding="utf-8"))
    candidates[INIT] = {}
    names = options.only or list(candidates)
    if unknown := [name for name in names if name not in candidates]:
        raise NmtError(f"--only {unknown[0]}: {options.candidates} has {', '.join(candidates)}")
    figures: dict[str, Any] = {}
    for pairs in options.pairs:
        trained = {name: train(options, name, candidates[name], pairs) for name in names}
        head = ["", "parameters", "steps", "BLEU valid", "at step", "loss valid", "time"]
        print(f"{options.folder.name}, {pairs:,} pairs, seed {options.seed}")
        print(table([head, *(row for _, row in trained.values())], right=frozenset(range(1, len(head)))))
        if options.score:
            score({name: run for name, (run, _) in trained.items()}, figures.setdefault(str(pairs), {}))
    reporting.write_json(options.json, figures)


def main() -> int:
    """Run the command line."""
    parser = reporting.parser(__doc__, "--json")
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="folder of the corpus")
    add("--source", required=True, metavar="LANGUAGE", help="source language, the suffix of its files")
    add("--target", required=True, metavar="LANGUAGE", help="target language, the suffix of its files")
    add("--valid", default="valid", metavar="NAME", help="name of the validation files (default %(default)s)")
    add("--test", default="test", metavar="NAME", help="name of the test files (default %(default)s)")
    add("--pairs", type=int, action="append", required=True, metavar="N", help="training pairs; can be repeated")
    add("--candidates", type=Path, default=CANDIDATES, metavar="FILE", help="settings to compare")
    add("--only", action="append", metavar="NAME", help="train only this candidate; can be repeated")
    add("--score", action="store_true", help="translate the test set, too")
    add("--seed", type=int, default=1, metavar="N", help="seed of the trainings (default %(default)s)")
    options = parser.parse_args()
    return reporting.exit_status(lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
