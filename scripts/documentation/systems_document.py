"""Keep the figures of the systems of configs/systems, and write them to docs/systems.md beside those of the papers."""

import json
import re
from dataclasses import dataclass
from typing import Any

from scripts import ROOT

DOCUMENT = ROOT / "docs" / "systems.md"
FIGURES = ROOT / "docs" / "systems"
BEGIN, END = "<!-- begin: written by scripts/documentation/run_systems.py -->", "<!-- end -->"
COPYING = "copying"
"""Name of the figures of the copying task."""
EDITION = 2
"""Edition of the program. Raise it if a change makes earlier figures incomparable with new ones."""
NEAR = 1.0
"""BLEU. A smaller difference between two systems means nothing with one seed each."""


@dataclass(frozen=True)
class Paper:
    """What the literature reports about a system."""

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
        "A deep LSTM can translate by itself, and translates better with reversed sources.",
    ),
    "bahdanau2015": Paper(
        "26.75 with attention, 17.82 without (WMT14 en-fr, newstest2014, RNNsearch-50 and RNNencdec-50)",
        "Attention to the source beats one fixed vector.",
    ),
    "luong2015": Paper(
        "11.3 plain, 12.6 reversed, 14.0 dropout, 16.8 global attention (location), 18.1 with input feeding, 19.0 "
        "local-p (general) with input feeding, 20.9 with unknown words replaced (WMT14 en-de, newstest2014)",
        "Simple attention scores suffice, input feeding helps, and a predicted window helps further.",
    ),
    "gnmt2016": Paper(
        "24.61 en-de, 38.95 en-fr (WMT14, newstest2014; one model, likelihood, word pieces)",
        "Deep layers with residual connections, one of them bidirectional, can be trained in parallel.",
    ),
    "britz2017": Paper(
        "22.19 newstest2014, 25.23 newstest2015 (WMT15 en-de)",
        "With good hyperparameters a plain system reaches more complex ones.",
    ),
    "nematus2017": Paper(
        "34.2 en-de (WMT16, newstest2016; cited from Edinburgh: ensembles, reranked, with back-translated text)",
        "One cell reads the token and attends to the source; a second cell reads the context.",
    ),
    "see2017": Paper(
        "ROUGE-1 39.53 with coverage, 36.44 without, 31.33 without pointer (CNN/Daily Mail)",
        "A pointer copies out-of-vocabulary words; coverage prevents repetition.",
    ),
    "rnmtplus2018": Paper(
        "28.49 en-de, 41.00 en-fr (WMT14, newstest2014); Transformer Big there: 27.94, 40.73",
        "A modern recurrent network is no worse than a Transformer.",
    ),
    "lowresource2019": Paper(
        "16.57, phrase-based translation 15.87 (IWSLT14 de-en, 100,000 words of training text)",
        "With little text, small vocabularies and strong regularisation decide.",
    ),
    "zeroshot2017": Paper(
        "24.75 zero-shot pt-es, 30.91 through English, 31.50 with its own model",
        "One model translates between languages that it never saw together.",
    ),
    "transformer2017": Paper("27.3 base en-de (WMT14, newstest2014)", "Attention alone is enough."),
    "decoder-modes": Paper("none: textbook architectures", "The more a decoder step reads, the better it translates."),
}
CLAIMS = [
    ("decoder-modes-attention", "decoder-modes-context", "attention beats the summary at every step"),
    ("decoder-modes-context", "decoder-modes-start", "the summary at every step beats the summary at the first step"),
    ("decoder-modes-start", "decoder-modes-no-feedback", "reading the previous word beats not reading it"),
    ("bahdanau2015", "cho2014", "attention beats a fixed vector (Bahdanau)"),
    ("bahdanau2015", "sutskever2014", "attention beats a deep network without attention"),
    ("bahdanau2015", "bahdanau2015-forward", "a bidirectional encoder beats a unidirectional one (Bahdanau)"),
    ("luong2015-general-feed", "luong2015-general", "input feeding helps (Luong)"),
    ("luong2015-local-p", "luong2015-general", "a predicted window beats global attention (Luong)"),
    ("luong2015-dot", "luong2015-location", "scores of states beat scores of positions (Luong)"),
    ("rnmtplus2018", "gnmt2016", "RNMT+ beats GNMT (Chen)"),
    ("rnmtplus2018", "transformer2017", "RNMT+ is no worse than a Transformer (Chen)"),
]
"""(better, worse, claim of a paper or a textbook)."""


def read_figures() -> dict[str, Any]:
    """Return all figures, the quickstart corpus first and the copying task last."""
    found = {path.stem: json.loads(path.read_text("utf-8")) for path in FIGURES.glob("*.json")}
    return dict(sorted(found.items(), key=lambda item: (item[0] == COPYING, item[0] != "quickstart", item[0])))


def add_figures(corpus: str, found: dict[str, Any]) -> None:
    """Add figures to those of a corpus."""
    FIGURES.mkdir(exist_ok=True)
    path = FIGURES / f"{corpus}.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    ordered = dict(sorted((before | found).items())) if corpus != COPYING else found
    path.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")


def table_lines(found: dict[str, dict[str, Any]]) -> list[str]:
    """Return the lines of the Markdown table of one corpus."""
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
    if earlier := [f"`{name}`" for name, entry in found.items() if entry["edition"] < EDITION]:
        lines += ["", f"Measured with an earlier program, not comparable with the others: {', '.join(earlier)}."]
    return lines


def claim_lines(found: dict[str, dict[str, Any]]) -> list[str]:
    """Return whether each claim is confirmed, if both systems were measured with the same edition."""
    lines = []
    for better, worse, claim in CLAIMS:
        if better in found and worse in found and found[better]["edition"] == found[worse]["edition"]:
            a, b = (next(v for k, v in found[name]["scores"].items() if k.endswith("beam")) for name in (better, worse))
            result = "too close to tell" if abs(a - b) < NEAR else "confirmed" if a > b else "**not confirmed**"
            lines.append(f"- {claim}: {result}, {a:.2f} against {b:.2f} (`{better}`, `{worse}`, beam)")
    return lines


def generated_text(figures: dict[str, Any]) -> str:
    """Return the generated part of docs/systems.md."""
    lines = []
    for corpus, found in figures.items():
        if corpus == COPYING:
            task = "scripts/corpora/make_copying_task.py"
            lines += ["## Copying", "", f"BLEU (`none`, beam 4) on the task of `{task}`:", ""]
            lines += ["| network | BLEU | unknown words replaced |", "|---|--:|--:|"]
            lines += [f"| {name} | {entry['bleu']:.2f} | {entry['replaced']:.2f} |" for name, entry in found.items()]
        else:
            signature = next(iter(found.values()))["signature"]
            lines += [f"## Measured on {corpus}", "", f"`{signature}`, checkpoint `best`, one seed (1).", ""]
            lines += [*table_lines(found), "", *claim_lines(found)]
        lines.append("")
    lines += ["## What the papers report", "", "| system | result in the paper | claim |", "|---|---|---|"]
    lines += [f"| `{name}` | {paper.figure} | {paper.claim} |" for name, paper in PAPERS.items()]
    return "\n".join(lines)


def write_document() -> None:
    """Write the figures between the two marks of docs/systems.md."""
    whole = DOCUMENT.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    text = generated_text(read_figures())
    DOCUMENT.write_text(pattern.sub(lambda _: f"{BEGIN}\n{text}\n{END}", whole), encoding="utf-8")
