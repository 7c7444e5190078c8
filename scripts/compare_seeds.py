"""Train a config with several seeds and settings, and compare what comes out on a test set.

python scripts/compare_seeds.py CONFIG --vary training.precision=fp32 training.precision=bf16 [--seeds 1 2 3]
                                [--set KEY=VALUE ...] [--split test] [--tokenize none] [--checkpoint best] [--json FILE]

Each run is runs/NAME-KEY-VALUE-seedN; finished ones are not trained again, interrupted ones go on. Each is scored with
the config's own search. Of every seed, the first setting is the baseline of a paired bootstrap test (Koehn 2004).
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import console

from nmt import config as schema
from nmt.data.lines import read_lines
from nmt.errors import NmtError
from nmt.evaluation.metrics import Scoring
from nmt.evaluation.significance import paired_bootstrap
from nmt.evaluation.test_sets import read_split
from nmt.reports.table import table
from nmt.storage.run_folder import RUNS, Run


def nmt(*arguments: str) -> str:
    """Run a command of nmt and return what it prints; its progress goes to stderr."""
    done = subprocess.run([*console.NMT, *arguments], stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise NmtError(f"nmt {' '.join(arguments)} failed with status {done.returncode}")
    return done.stdout.decode()


def train(path: Path, name: str, seed: int, overrides: list[str]) -> Path:
    """Train unless that is done, and return the run's folder."""
    run = RUNS / name
    values = [*overrides, f"name={name}", f"seed={seed}"]
    if (run / "finished.json").exists():
        if schema.load_run_config(Run(run)) != schema.load(path, values):
            raise NmtError(f"{run}: trained with other settings; remove it, or change the name in {path}")
    else:
        settings = [f"--set={text}" for text in {text.partition("=")[0]: text for text in values}.values()]
        resume = ["--resume"] if (run / "checkpoints" / "last").exists() else []
        nmt("train", "--config", str(path), *settings, *resume)
    return run


def compare(given: argparse.Namespace) -> list[dict[str, Any]]:
    """Train and score every setting with every seed; seed by seed, so that a pair is there early."""
    config = schema.load(given.config, given.overrides)
    shared = list(given.overrides)
    if not any(setting.startswith(("data.", "subword.")) for setting in given.vary):
        shared.append(f"data.prepared={config.prepared}")
    references = [list(lines) for lines in read_split(config, given.split).references]
    found = []
    for seed in given.seeds:
        systems, scores = [], []
        for setting in given.vary:
            name = f"{config.name}-{re.sub('[^A-Za-z0-9._-]+', '-', setting)}-seed{seed}"
            run = train(given.config, name, seed, [*shared, setting])
            asked = ["--split", given.split, "--tokenize", given.tokenize, "--checkpoint", given.checkpoint]
            [result] = json.loads(nmt("evaluate", "--model", str(run), *asked, "--json"))
            systems.append((setting, list(read_lines(Path(result["hypotheses"])))))
            scores.append(result)
        tested = paired_bootstrap(systems, references, ["bleu"], Scoring(given.tokenize)) if len(systems) > 1 else []
        for setting, result, (_, hypotheses) in zip(given.vary, scores, systems, strict=True):
            p_value = next((s.estimates[0].p_value for s in tested if s.name == setting), None)
            found.append({
                "setting": setting,
                "seed": seed,
                "bleu": result["scores"][0]["score"],
                "signature": result["scores"][0]["signature"],
                "loss": result["loss"],
                "p_value": p_value,
                "lines_of_the_first": sum(map(str.__eq__, hypotheses, systems[0][1])) / len(hypotheses),
            })  # fmt: skip
    return found


def results(found: list[dict[str, Any]]) -> str:
    """Return a table of the runs, and a line for each setting."""
    rows = [["setting", "seed", "BLEU", "loss", "p", "lines as the first's"]]
    for line in found:
        p_value = "-" if line["p_value"] is None else f"{line['p_value']:.3f}"
        same = f"{line['lines_of_the_first']:.1%}"
        rows.append([line["setting"], str(line["seed"]), f"{line['bleu']:.2f}", f"{line['loss']:.4f}", p_value, same])
    notes = []
    for setting in dict.fromkeys(line["setting"] for line in found):
        values = [line["bleu"] for line in found if line["setting"] == setting]
        spread = f" ± {statistics.stdev(values):.2f} (standard deviation)" if len(values) > 1 else ""
        notes.append(f"{setting}: BLEU {statistics.mean(values):.2f}{spread} over {len(values)} seeds")
    return "\n".join([table(rows, right=frozenset(range(1, 6))), *notes, found[0]["signature"]])


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--vary", nargs="+", required=True, metavar="KEY=VALUE", help="the settings to compare")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1], metavar="N")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--split", default="test")
    parser.add_argument("--tokenize", default="13a")
    parser.add_argument("--checkpoint", default="best")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here")
    given = parser.parse_args()

    def work() -> None:
        console.check_output(given.json)
        found = compare(given)
        print(results(found))
        console.write_json(given.json, found)

    return console.conclude("compare_seeds", work)


if __name__ == "__main__":
    sys.exit(main())
