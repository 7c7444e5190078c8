"""Train and score every system of configs/systems, and write docs/systems.md.

python scripts/run_systems.py [--only NAME ... | --missing] [--steps N] [--corpus CONFIG [--vocabulary N]] [--write]

Each system trains on the corpus of its own file, the embedded one; with --corpus on that of another config, such as
configs/multi30k-en-de.yaml, with as many steps of as many sentences for all. Runs are in runs/, finished ones are not
trained again, interrupted ones go on. Figures are kept in docs/systems/CORPUS.json, each with the commit at which its
training began; from these --write makes the document, and --missing leaves out what has figures there of these
settings, by a program that still trains so.
"""

import argparse
import hashlib
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import compare_seeds
import console
import make_copying_task
import yaml
from compare_seeds import nmt

from nmt.config import load_run_config
from nmt.errors import NmtError
from nmt.storage.run_folder import RUNS, Run, read_log

ROOT = Path(__file__).resolve().parent.parent
SYSTEMS = ROOT / "configs" / "systems"
DOCUMENT = ROOT / "docs" / "systems.md"
FIGURES = ROOT / "docs" / "systems"
EDITION = 2
"""Of the program. Raised where a change makes earlier figures no measure of what it does now."""
COPYING = "copying"
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
    "coverage paid for from the start": ["training.coverage_after"],
    "coverage paid for in the last fifth": [],
    SECOND_PHASE: ["training.coverage_after"],
}
"""Keys of see2017 that go back to their defaults, which is off."""
PHASE = {"max_steps": 300, "learning_rate": 0.0005, "warmup_steps": 30, "validate_every": 100, "save_every": 100}
"""Of the second phase, which goes on from the network without coverage (See 2017, section 5)."""
OWN_CORPORA = ("zeroshot2017",)
"""Systems that only their own corpora suit: text in three languages."""


@dataclass(frozen=True)
class Paper:
    """What the literature says of a system."""

    figure: str
    """Its result, with the test set."""
    claim: str


PAPERS = {
    "cho2014": Paper(
        "BLEU 33.87 as a feature of a phrase-based system that has 33.30 without (WMT14 en-fr, newstest2014)",
        "An encoder and a decoder of gated units score phrases well.",
    ),
    "sutskever2014": Paper(
        "30.59 one model, 34.81 an ensemble of five (WMT14 en-fr, newstest2014)",
        "A deep LSTM can translate by itself, and better with the source reversed.",
    ),
    "bahdanau2015": Paper(
        "26.75 with attention, 17.82 without (WMT14 en-fr, newstest2014, RNNsearch-50 and RNNencdec-50)",
        "Looking at the source again beats one fixed vector.",
    ),
    "luong2015": Paper(
        "11.3 plain, 12.6 reversed, 14.0 dropout, 16.8 global attention (location), 18.1 fed, 19.0 local-p (general) "
        "fed, 20.9 with unknown words replaced (WMT14 en-de, newstest2014)",
        "Simple scores do, input feeding helps, a predicted window helps further.",
    ),
    "gnmt2016": Paper(
        "24.61 en-de, 38.95 en-fr (WMT14, newstest2014; one model, likelihood, word pieces)",
        "Depth with residual connections, one bidirectional layer, parallel in layers.",
    ),
    "britz2017": Paper(
        "22.19 newstest2014, 25.23 newstest2015 (WMT15 en-de)",
        "Well-set hyperparameters of a plain system reach those of intricate ones.",
    ),
    "nematus2017": Paper(
        "34.2 en-de (WMT16, newstest2016; Edinburgh's, which it names: ensembles, reranked, with back-translated text)",
        "A cell reads the token, looks at the source, and a second cell reads what it saw.",
    ),
    "see2017": Paper(
        "ROUGE-1 39.53 with coverage, 36.44 without, 31.33 without pointer (CNN/Daily Mail)",
        "Pointing copies what no vocabulary holds; coverage stops repetition.",
    ),
    "rnmtplus2018": Paper(
        "28.49 en-de, 41.00 en-fr (WMT14, newstest2014); Transformer Big there: 27.94, 40.73",
        "A modern recurrent network is no worse than a Transformer.",
    ),
    "lowresource2019": Paper(
        "16.57 where phrase-based translation has 15.87 (IWSLT14 de-en, 100,000 words of training text)",
        "With little text, small vocabularies and strong regularisation decide.",
    ),
    "zeroshot2017": Paper(
        "24.75 zero-shot pt-es, 30.91 through English, 31.50 a model of its own",
        "One model translates between languages that it never saw together.",
    ),
    "transformer2017": Paper("27.3 base en-de (WMT14, newstest2014)", "Attention alone is enough."),
    "decoder-modes": Paper("none: textbook arrangements", "Each step that reads more does better."),
}

ORDERS = [
    ("decoder-modes-attention", "decoder-modes-context", "attention beats the summary at every step"),
    ("decoder-modes-context", "decoder-modes-start", "the summary at every step beats the first state only"),
    ("decoder-modes-start", "decoder-modes-no-feedback", "reading its own words beats not reading them"),
    ("bahdanau2015", "cho2014", "attention beats a fixed vector (Bahdanau)"),
    ("bahdanau2015", "sutskever2014", "attention beats a deep network without"),
    ("bahdanau2015", "bahdanau2015-forward", "reading both ways beats reading one way (Bahdanau)"),
    ("luong2015-general-feed", "luong2015-general", "input feeding helps (Luong)"),
    ("luong2015-local-p", "luong2015-general", "a predicted window beats global attention (Luong)"),
    ("luong2015-dot", "luong2015-location", "looking at words beats looking at positions (Luong)"),
    ("rnmtplus2018", "gnmt2016", "RNMT+ beats GNMT (Chen)"),
    ("rnmtplus2018", "transformer2017", "RNMT+ is no worse than a Transformer (Chen)"),
]
"""(better, worse, what a paper or the textbook claims)."""
NEAR = 1.0
"""BLEU. Less says nothing of two systems with one seed each."""


def names() -> list[str]:
    """Return the names of all systems."""
    return sorted(path.stem for path in SYSTEMS.glob("*.yaml"))


def settings(name: str, run: str, given: argparse.Namespace) -> dict[str, Any]:
    """Return the config of a system for the corpus and the budget asked for."""
    values: dict[str, Any] = yaml.safe_load((SYSTEMS / f"{name}.yaml").read_text(encoding="utf-8"))
    values["name"] = run
    if given.corpus is not None:
        base = yaml.safe_load(given.corpus.read_text(encoding="utf-8"))
        values["data"] = base["data"]
        if values["subword"].get("kind") != "word":
            values["subword"]["vocab_size"] = given.vocabulary or base["subword"]["vocab_size"]
    if given.steps:
        training = values["training"]
        training["max_steps"] = given.steps
        training["validate_every"] = training["save_every"] = max(1, given.steps // 4)
    if given.sentences:
        values["training"].pop("tokens_per_batch", None)
        values["training"]["sentences_per_batch"] = given.sentences
    shared = values["data"] | {"prepared": None}
    same = digest([shared, values["subword"]])  # systems with the same text and subwords share it
    values["data"]["prepared"] = f"prepared/systems-{same}"
    return values


def digest(settings: Any) -> str:
    """Return what is the same for the same settings, and for no others."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]


def label(values: dict[str, Any]) -> dict[str, Any]:
    """Return what tells figures of other settings, or of another edition, from those of now."""
    own = values | {"name": None, "data": values["data"] | {"prepared": None}}
    return {"edition": EDITION, "settings": digest(own)}


def train(values: dict[str, Any]) -> Run:
    """Train unless that is done, and return the run."""
    path = RUNS / f"{values['name']}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), encoding="utf-8")
    if not (RUNS / values["name"]).exists():
        path.with_suffix(".commit").write_text(commit(), encoding="utf-8")
    return Run(compare_seeds.train(path, values["name"], 1, []))


def score(run: Run, split: str, *search: str, tokenize: str) -> dict[str, Any]:
    """Return what `nmt evaluate` says of a split."""
    [found] = json.loads(
        nmt("evaluate", "-m", str(run.folder), "--split", split, "--tokenize", tokenize, "--json", *search)
    )
    return {"bleu": found["scores"][0]["score"], "signature": found["scores"][0]["signature"]}


def corpus_of(given: argparse.Namespace) -> str:
    """Return the name of the corpus asked for."""
    return "embedded" if given.corpus is None else str(given.corpus.stem)


def measure(name: str, given: argparse.Namespace) -> dict[str, Any]:
    """Train and score a system."""
    values = settings(name, f"systems-{corpus_of(given)}-{name}", given)
    run = train(values)
    log = [entry for entry in read_log(run.log) if entry["event"] == "train"]
    facts = next(entry for entry in read_log(run.log) if entry["event"] == "start")
    speeds = sorted(entry["tokens_per_second"] for entry in log)
    found = {
        "machine": f"{console.processor()}, {facts['threads']} thread, {facts['precision']}",
        "commit": (RUNS / f"{load_run_config(run).name}.commit").read_text(encoding="utf-8"),
        **label(values),
        "parameters": facts["parameters"],
        "steps": load_run_config(run).training.max_steps,
        "tokens_per_second": speeds[len(speeds) // 2],
        "seconds": json.loads(run.finished.read_text(encoding="utf-8"))["seconds"],
    }
    splits = list(load_run_config(run).data.test)
    for split in splits:
        tokenize = "zh" if split.endswith("-zh") else given.tokenize
        for search in ("greedy", "beam"):
            result = score(run, split, *(["--greedy"] if search == "greedy" else []), tokenize=tokenize)
            found.setdefault("scores", {})[f"{split} {search}"] = result["bleu"]
            found["signature"] = result["signature"]
    return found


def commit() -> str:
    """Return the last commit that changed the program or its configurations, or nothing where git does not know."""
    line = ["git", "log", "-1", "--format=%h", "--", "nmt", "configs"]
    return subprocess.run(line, cwd=ROOT, capture_output=True, check=False).stdout.decode().strip()


def copying() -> dict[str, Any]:
    """Compare the pointer-generator with the same network without, on text whose names no vocabulary holds."""
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

    def name_of(variant: str) -> str:
        return f"systems-copying-{variant.replace(' ', '-')}"

    budget = argparse.Namespace(corpus=None, steps=COPYING_STEPS, sentences=None, vocabulary=None)
    values = settings("see2017", name_of(variant), budget)
    values["data"] = {
        "source_language": "en",
        "target_language": "de",
        "prepared": f"prepared/{name_of(variant)}",
        **{split: pair(split) for split in ("train", "valid")},
        "test": {"test": pair("test")},
    }
    values["subword"]["vocab_size"] = 1600  # all words that are frequent, and none of the names
    for key in VARIANTS[variant]:
        *parents, last = key.split(".")
        section = values
        for parent in parents:
            section = section[parent]
        del section[last]
    if variant == SECOND_PHASE:
        first = str(RUNS / name_of(NO_COVERAGE))
        values["subword"]["reuse"] = first
        values["training"] |= {**PHASE, "init_from": first}
    return values


def pair(split: str) -> dict[str, str]:
    """Return the two files of a split of the copying task."""
    return {"source": str(COPYING_TASK / f"{split}.en"), "target": str(COPYING_TASK / f"{split}.de")}


# --- the document ----------------------------------------------------------------------------------------------------


def rows_of(found: dict[str, dict[str, Any]]) -> list[str]:
    """Return the lines of a Markdown table of one corpus."""
    machines = sorted({entry["machine"] for entry in found.values()})
    lines = [
        "| system | commit | parameters | steps | target tokens/s | on | BLEU greedy | BLEU beam |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name, entry in found.items():
        splits = dict.fromkeys(key.rsplit(" ", 1)[0] for key in entry["scores"])
        on = machines.index(entry["machine"]) + 1
        for split in splits:
            system = f"`{name}`" + (f" ({split})" if len(splits) > 1 else "")
            greedy, beam = (entry["scores"][f"{split} {search}"] for search in ("greedy", "beam"))
            lines.append(
                f"| {system} | {entry['commit']} | {entry['parameters']} | {entry['steps']:,} | "
                f"{entry['tokens_per_second']:,.0f} | {on} | {greedy:.2f} | {beam:.2f} |"
            )
    lines += ["", "; ".join(f"{n + 1}: {machine}" for n, machine in enumerate(machines)) + "."]
    earlier = [f"`{name}`" for name, entry in found.items() if entry["edition"] < EDITION]
    if earlier:
        lines += [
            "",
            f"Of an earlier program, not to be compared with the others: {', '.join(earlier)}.",
        ]
    return lines


def orders(found: dict[str, dict[str, Any]]) -> list[str]:
    """Return whether the same order shows, for each claim for which one edition measured both systems."""
    lines = []
    for better, worse, claim in ORDERS:
        if better in found and worse in found and found[better]["edition"] == found[worse]["edition"]:
            a, b = (next(v for k, v in found[name]["scores"].items() if k.endswith("beam")) for name in (better, worse))
            shown = "too near to tell" if abs(a - b) < NEAR else "shown" if a > b else "**not shown**"
            lines.append(f"- {claim}: {shown}, {a:.2f} against {b:.2f} (`{better}`, `{worse}`, beam)")
    return lines


def document(kept: dict[str, Any]) -> str:
    """Return docs/systems.md between its introduction and its end."""
    lines = []
    for corpus, found in kept.items():
        if corpus == COPYING:
            lines += ["## Copying", "", "BLEU (`none`, beam 4) on the task of `scripts/make_copying_task.py`:", ""]
            lines += ["| network | BLEU | unknown words replaced |", "|---|--:|--:|"]
            lines += [f"| {name} | {entry['bleu']:.2f} | {entry['replaced']:.2f} |" for name, entry in found.items()]
        else:
            signature = next(iter(found.values()))["signature"]
            lines += [f"## Measured on {corpus}", "", f"`{signature}`, checkpoint `best`, one seed (1).", ""]
            lines += [*rows_of(found), "", *orders(found)]
        lines.append("")
    lines += ["## What the papers report", "", "| system | the paper's figure | what it claims |", "|---|---|---|"]
    lines += [f"| `{name}` | {paper.figure} | {paper.claim} |" for name, paper in PAPERS.items()]
    return "\n".join(lines)


BEGIN, END = "<!-- begin: written by scripts/run_systems.py -->", "<!-- end -->"


def write(text: str) -> None:
    """Put the figures between the marks of the document."""
    whole = DOCUMENT.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    DOCUMENT.write_text(pattern.sub(lambda _: f"{BEGIN}\n{text}\n{END}", whole), encoding="utf-8")


def work(given: argparse.Namespace) -> None:
    """Do what the command line asks for."""
    if given.corpus is not None and not given.corpus.is_file():
        raise NmtError(f"{given.corpus}: no such config file")
    unknown = [name for name in given.only or [] if name not in [*names(), COPYING]]
    if unknown:
        raise NmtError(f"--only {unknown[0]}: no such system; there are: {', '.join([*names(), COPYING])}")
    if given.corpus is not None and (own := {*OWN_CORPORA, COPYING} & {*(given.only or [])}):
        raise NmtError(f"--only {min(own)}: has corpora of its own; leave out --corpus")
    corpus, before = corpus_of(given), kept()
    every = [*names(), COPYING] if given.corpus is None else [name for name in names() if name not in OWN_CORPORA]
    for name in given.only if given.only is not None else every:
        if given.missing and is_current(name, given, before):
            continue
        if name == COPYING:
            keep(COPYING, copying())
        else:
            found = measure(name, given)
            keep(corpus, {name: found})
            console.say(f"{name}: {found['scores']}")
    if given.write:
        write(document(kept()))


def is_current(name: str, given: argparse.Namespace, before: dict[str, Any]) -> bool:
    """Return whether the figures `before` hold those of a system, or of copying, with the settings that are asked."""
    if name == COPYING:
        figures = before.get(COPYING, {})
        asked = {variant: copying_settings(variant) for variant in VARIANTS}
    else:
        figures = before.get(corpus_of(given), {})
        asked = {name: settings(name, name, given)}
    return all(label(values).items() <= figures.get(key, {}).items() for key, values in asked.items())


def kept() -> dict[str, Any]:
    """Return all figures so far, the embedded corpus first."""
    found = {path.stem: json.loads(path.read_text("utf-8")) for path in FIGURES.glob("*.json")}
    return dict(sorted(found.items(), key=lambda item: (item[0] == COPYING, item[0] != "embedded", item[0])))


def keep(corpus: str, found: dict[str, Any]) -> None:
    """Add figures to those of a corpus."""
    FIGURES.mkdir(exist_ok=True)
    path = FIGURES / f"{corpus}.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    ordered = dict(sorted((before | found).items())) if corpus != COPYING else found
    path.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", metavar="NAME", help="these systems; none to write the document alone")
    parser.add_argument("--missing", action="store_true", help="only what has no figures yet")
    parser.add_argument(
        "--corpus", type=Path, metavar="CONFIG", help="take data and size of subword vocabulary of this"
    )
    parser.add_argument("--vocabulary", type=int, metavar="N", help="entries of the subword vocabulary with --corpus")
    parser.add_argument("--steps", type=int, metavar="N", help="optimizer steps of each system (default: its own)")
    parser.add_argument("--sentences", type=int, metavar="N", help="sentences in a batch (default: its own)")
    parser.add_argument("--tokenize", default="13a", help="sacreBLEU's (default 13a)")
    parser.add_argument("--write", action="store_true", help="write docs/systems.md")
    given = parser.parse_args()
    return console.conclude("run_systems", lambda: work(given))


if __name__ == "__main__":
    sys.exit(main())
