"""Train and score every system of configs/systems, and write the figures to docs/systems.md.

    python scripts/documentation/run_systems.py [--only NAME ... | --missing] [--steps N] [--sentences N]
        [--corpus CONFIG [--vocabulary N]] [--tokenize 13a] [--write]

Each system is trained on the corpus of its own file, that of the quickstart. With --corpus it is trained on that of
another config, such as configs/multi30k-en-de.yaml; --steps and --sentences then give all systems the same budget.
Runs are in runs/; finished runs are not trained again, interrupted runs are resumed. The figures are kept in
docs/systems/CORPUS.json, each with the commit at which its training began. --missing skips systems that have figures
with the same settings and the current edition of the program. --write writes the document from all figures.
"""

import argparse
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from nmt.config import load_run_config
from nmt.errors import NmtError
from nmt.storage.run_folder import RUNS, Run, read_log
from scripts import ROOT, reporting
from scripts.commands import nmt, train_once
from scripts.corpora import make_copying_task
from scripts.documentation.systems_document import COPYING, EDITION, add_figures, read_figures, write_document

SYSTEMS = ROOT / "configs" / "systems"
COPYING_TASK = Path("copying-task")
COPYING_STEPS = 1500
NO_COVERAGE = "without coverage"
SECOND_PHASE = "coverage in a second phase"
VARIANTS: dict[str, list[str]] = {
    "without pointer and coverage": [
        "model.attention.coverage",
        "model.decoder.copy_source",
        "training.coverage_after",
    ],
    NO_COVERAGE: ["model.attention.coverage", "training.coverage_after"],
    "coverage loss from the start": ["training.coverage_after"],
    "coverage loss in the last fifth": [],
    SECOND_PHASE: ["training.coverage_after"],
}
"""Variants of see2017 on the copying task, each with the keys that are reset to their defaults."""
PHASE = {"max_steps": 300, "learning_rate": 0.0005, "warmup_steps": 30, "validate_every": 100, "save_every": 100}
"""Training settings of the second phase, which continues the network without coverage (See 2017, section 5)."""
OWN_CORPORA = ("zeroshot2017",)
"""Systems that need their own corpora: text in three languages."""


def names() -> list[str]:
    """Return the names of all systems."""
    return sorted(path.stem for path in SYSTEMS.glob("*.yaml"))


def settings(name: str, run: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return the config of a system with the corpus and the budget of the command line."""
    values: dict[str, Any] = yaml.safe_load((SYSTEMS / f"{name}.yaml").read_text(encoding="utf-8"))
    values["name"] = run
    if options.corpus is not None:
        base = yaml.safe_load(options.corpus.read_text(encoding="utf-8"))
        values["data"] = base["data"]
        if values["subword"].get("kind") != "word":
            values["subword"]["vocab_size"] = options.vocabulary or base["subword"]["vocab_size"]
    if options.steps:
        training = values["training"]
        training["max_steps"] = options.steps
        training["validate_every"] = training["save_every"] = max(1, options.steps // 4)
    if options.sentences:
        values["training"].pop("tokens_per_batch", None)
        values["training"]["sentences_per_batch"] = options.sentences
    shared = values["data"] | {"prepared": None}
    # Systems with the same text and subwords share the prepared data.
    values["data"]["prepared"] = f"prepared/systems-{digest([shared, values['subword']])}"
    return values


def digest(values: Any) -> str:
    """Return the first 12 hexadecimal digits of the SHA-256 of settings."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def label(values: dict[str, Any]) -> dict[str, Any]:
    """Return the edition and the digest of the settings, which figures must share to be current."""
    own = values | {"name": None, "data": values["data"] | {"prepared": None}}
    return {"edition": EDITION, "settings": digest(own)}


def train(values: dict[str, Any]) -> Run:
    """Train the run unless it is finished, and return it."""
    path = RUNS / f"{values['name']}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), encoding="utf-8")
    if not (RUNS / values["name"]).exists():
        path.with_suffix(".commit").write_text(last_commit(), encoding="utf-8")
    return Run(train_once(path, values["name"], 1, []))


def score(run: Run, split: str, *search: str, tokenize: str) -> dict[str, Any]:
    """Return BLEU and its signature on a split, from `nmt evaluate`."""
    options = ["-m", str(run.folder), "--split", split, "--tokenize", tokenize]
    [found] = json.loads(nmt("evaluate", *options, "--json", *search))
    return {"bleu": found["scores"][0]["score"], "signature": found["scores"][0]["signature"]}


def corpus_name(options: argparse.Namespace) -> str:
    """Return the name of the corpus of the command line."""
    return "quickstart" if options.corpus is None else str(options.corpus.stem)


def measure(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Train and score a system, and return its figures."""
    values = settings(name, f"systems-{corpus_name(options)}-{name}", options)
    run = train(values)
    config, log = load_run_config(run), read_log(run.log)
    start = next(entry for entry in log if entry["event"] == "start")
    speeds = sorted(entry["tokens_per_second"] for entry in log if entry["event"] == "train")
    found = {
        "machine": f"{reporting.cpu_name()}, {start['threads']} thread, {start['precision']}",
        "commit": (RUNS / f"{config.name}.commit").read_text(encoding="utf-8"),
        **label(values),
        "parameters": start["parameters"],
        "steps": config.training.max_steps,
        "tokens_per_second": speeds[len(speeds) // 2],
        "seconds": json.loads(run.finished.read_text(encoding="utf-8"))["seconds"],
    }
    for split in config.data.test:
        tokenize = "zh" if split.endswith("-zh") else options.tokenize
        for search in ("greedy", "beam"):
            result = score(run, split, *(["--greedy"] if search == "greedy" else []), tokenize=tokenize)
            found.setdefault("scores", {})[f"{split} {search}"] = result["bleu"]
            found["signature"] = result["signature"]
    return found


def last_commit() -> str:
    """Return the last commit that changed nmt or its configurations, or an empty text outside a repository."""
    line = ["git", "log", "-1", "--format=%h", "--", "nmt", "configs"]
    return subprocess.run(line, cwd=ROOT, capture_output=True, check=False).stdout.decode().strip()


def measure_copying() -> dict[str, Any]:
    """Compare the variants of the pointer-generator on text whose names are out of the vocabulary."""
    make_copying_task.make(COPYING_TASK)
    found: dict[str, Any] = {}
    for variant in VARIANTS:
        values = copying_settings(variant)
        run = train(values)
        found[variant] = label(values) | {
            "bleu": score(run, "test", "--keep-unknown", tokenize="none")["bleu"],
            "replaced": score(run, "test", "--replace-unknown", tokenize="none")["bleu"],
        }
    return found


def copying_settings(variant: str) -> dict[str, Any]:
    """Return the config of a variant of the pointer-generator on the copying task."""

    def run_name(variant: str) -> str:
        return f"systems-copying-{variant.replace(' ', '-')}"

    def pair(split: str) -> dict[str, str]:
        return {"source": str(COPYING_TASK / f"{split}.en"), "target": str(COPYING_TASK / f"{split}.de")}

    budget = argparse.Namespace(corpus=None, steps=COPYING_STEPS, sentences=None, vocabulary=None)
    values = settings("see2017", run_name(variant), budget)
    values["data"] = {
        "source_language": "en",
        "target_language": "de",
        "prepared": f"prepared/{run_name(variant)}",
        **{split: pair(split) for split in ("train", "valid")},
        "test": {"test": pair("test")},
    }
    values["subword"]["vocab_size"] = 1600  # all frequent words and none of the names
    for key in VARIANTS[variant]:
        *parents, last = key.split(".")
        section = values
        for parent in parents:
            section = section[parent]
        del section[last]
    if variant == SECOND_PHASE:
        first = str(RUNS / run_name(NO_COVERAGE))
        values["subword"]["reuse"] = first
        values["training"] |= {**PHASE, "init_from": first}
    return values


def is_current(name: str, options: argparse.Namespace, before: dict[str, Any]) -> bool:
    """Return whether `before` has figures of a system, or of the copying task, with the current settings."""
    if name == COPYING:
        figures = before.get(COPYING, {})
        asked = {variant: copying_settings(variant) for variant in VARIANTS}
    else:
        figures = before.get(corpus_name(options), {})
        asked = {name: settings(name, name, options)}
    return all(label(values).items() <= figures.get(key, {}).items() for key, values in asked.items())


def run(options: argparse.Namespace) -> None:
    """Measure the systems of the command line and write the document."""
    if options.corpus is not None and not options.corpus.is_file():
        raise NmtError(f"{options.corpus}: no such config file")
    known = [*names(), COPYING]
    if unknown := [name for name in options.only or [] if name not in known]:
        raise NmtError(f"--only {unknown[0]}: no such system; there are: {', '.join(known)}")
    if options.corpus is not None and (own := {*OWN_CORPORA, COPYING} & {*(options.only or [])}):
        raise NmtError(f"--only {min(own)}: has its own corpora; leave out --corpus")
    before = read_figures()
    default = known if options.corpus is None else [name for name in names() if name not in OWN_CORPORA]
    for name in options.only if options.only is not None else default:
        if options.missing and is_current(name, options, before):
            continue
        if name == COPYING:
            add_figures(COPYING, measure_copying())
        else:
            found = measure(name, options)
            add_figures(corpus_name(options), {name: found})
            reporting.progress(f"{name}: {found['scores']}")
    if options.write:
        write_document()


def main() -> int:
    """Run the command line."""
    parser = reporting.parser(__doc__)
    add = parser.add_argument
    add("--only", nargs="*", metavar="NAME", help="systems to measure; without names only write the document")
    add("--missing", action="store_true", help="skip systems that have current figures")
    add("--corpus", type=Path, metavar="CONFIG", help="config of the corpus and of the subword vocabulary size")
    add("--vocabulary", type=int, metavar="N", help="subword vocabulary size with --corpus (default: its own)")
    add("--steps", type=int, metavar="N", help="optimizer steps of each system (default: its own)")
    add("--sentences", type=int, metavar="N", help="sentences per batch (default: its own)")
    add("--tokenize", default="13a", help="sacreBLEU tokenizer (default %(default)s)")
    add("--write", action="store_true", help="write docs/systems.md")
    options = parser.parse_args()
    return reporting.exit_status(lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
