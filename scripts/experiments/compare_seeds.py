"""Train a config with several settings and seeds, and compare the translations of a test set.

    python scripts/experiments/compare_seeds.py CONFIG --vary training.precision=fp32 training.precision=bf16
        [--seeds 1 2 3] [--set KEY=VALUE ...] [--split test] [--tokenize 13a] [--checkpoint best] [--json FILE]

Each run is runs/NAME-KEY-VALUE-seedN; finished runs are not trained again, interrupted runs are resumed. Each is scored
with the search of the config. For every seed the first setting is the baseline of a paired bootstrap test (Koehn 2004).
"""

import argparse
import json
import re
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from nmt import config as schema
from nmt.data.lines import read_lines
from nmt.evaluation.metrics import Scoring
from nmt.evaluation.significance import paired_bootstrap
from nmt.evaluation.test_sets import read_split
from nmt.reports.table import table
from scripts import reporting
from scripts.commands import nmt, train_once


def compare(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Train and score every setting with every seed; seed by seed, so that pairs of runs are finished early."""
    config = schema.load(options.config, options.overrides)
    shared = list(options.overrides)
    if not any(setting.startswith(("data.", "subword.")) for setting in options.vary):
        shared.append(f"data.prepared={config.prepared}")
    references = [list(lines) for lines in read_split(config, options.split).references]
    evaluation = [
        "--split",
        options.split,
        "--tokenize",
        options.tokenize,
        "--checkpoint",
        options.checkpoint,
        "--json",
    ]
    found = []
    for seed in options.seeds:
        systems, scores = [], []
        for setting in options.vary:
            name = f"{config.name}-{re.sub('[^A-Za-z0-9._-]+', '-', setting)}-seed{seed}"
            run = train_once(options.config, name, seed, [*shared, setting])
            [result] = json.loads(nmt("evaluate", "--model", str(run), *evaluation))
            systems.append((setting, list(read_lines(Path(result["hypotheses"])))))
            scores.append(result)
        scoring = Scoring(options.tokenize)
        tested = paired_bootstrap(systems, references, ["bleu"], scoring) if len(systems) > 1 else []
        for setting, result, (_, hypotheses) in zip(options.vary, scores, systems, strict=True):
            p_value = next((s.estimates[0].p_value for s in tested if s.name == setting), None)
            found.append({
                "setting": setting,
                "seed": seed,
                "bleu": result["scores"][0]["score"],
                "signature": result["scores"][0]["signature"],
                "loss": result["loss"],
                "p_value": p_value,
                "same_lines": sum(map(str.__eq__, hypotheses, systems[0][1])) / len(hypotheses),
            })  # fmt: skip
    return found


def results(found: list[dict[str, Any]]) -> str:
    """Return a table of the runs, and a line for each setting."""
    rows = [["setting", "seed", "BLEU", "loss", "p", "same lines as the first"]]
    for line in found:
        p_value = "-" if line["p_value"] is None else f"{line['p_value']:.3f}"
        scores = [f"{line['bleu']:.2f}", f"{line['loss']:.4f}", p_value, f"{line['same_lines']:.1%}"]
        rows.append([line["setting"], str(line["seed"]), *scores])
    notes = []
    for setting in dict.fromkeys(line["setting"] for line in found):
        values = [line["bleu"] for line in found if line["setting"] == setting]
        deviation = f" ± {statistics.stdev(values):.2f} (standard deviation)" if len(values) > 1 else ""
        notes.append(f"{setting}: BLEU {statistics.mean(values):.2f}{deviation} over {len(values)} seeds")
    return "\n".join([table(rows, right=frozenset(range(1, 6))), *notes, found[0]["signature"]])


def run(options: argparse.Namespace) -> None:
    """Compare the settings, print the table and write the figures."""
    reporting.check_json_path(options.json)
    found = compare(options)
    print(results(found))
    reporting.write_json(options.json, found)


def main() -> int:
    """Run the command line."""
    parser = reporting.parser(__doc__, "--json")
    add = parser.add_argument
    add("config", type=Path, help="configuration")
    add("--vary", nargs="+", required=True, metavar="KEY=VALUE", help="settings to compare")
    add("--seeds", nargs="+", type=int, default=[1], metavar="N", help="seeds (default: 1)")
    add("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="setting of every run")
    add("--split", default="test", help="test set of data.test (default %(default)s)")
    add("--tokenize", default="13a", help="sacreBLEU tokenizer (default %(default)s)")
    add("--checkpoint", default="best", help="checkpoint to score (default %(default)s)")
    options = parser.parse_args()
    return reporting.exit_status(lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
