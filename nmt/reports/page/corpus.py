"""The section of the report page on the text: pairs that were dropped, lengths, subwords, overlap of the sets."""

import re
from collections.abc import Iterator
from typing import Any

from nmt.data.languages import has_spaces
from nmt.reports.page.chart import bar_chart
from nmt.reports.page.elements import Section, details, figure, heading, paragraph, table

SIDES = ("source", "target")


def corpus_section(facts: dict[str, Any]) -> Section:
    """Return what is known of the text, nothing for runs of older versions."""
    try:
        body = "".join(_parts(facts)) if facts else ""
    except (KeyError, TypeError, ValueError, IndexError):  # written by another version
        body = ""
    return Section("corpus", "Corpus", body)


def _parts(facts: dict[str, Any]) -> Iterator[str]:
    yield _dropped(facts["dropped"])
    yield _lengths(facts["lengths"])
    yield _subwords(facts)
    yield _overlap(facts)


def _dropped(lines: list[str]) -> str:
    """Return the table of `prepared.json`, whose columns are at least two spaces apart."""
    rows = [re.split(r"\s{2,}", line.strip()) for line in lines]
    if not rows or any(len(row) != len(rows[0]) for row in rows):
        return ""
    caption = "Pairs of each training corpus, pairs that each filter (data.filters) dropped, and pairs that were kept."
    head = [name.replace("_", " ") for name in rows[0]]
    return heading("Pairs") + table(caption, head, rows[1:], range(1, len(head)))


def _lengths(lengths: dict[str, Any]) -> str:
    width, sides = lengths["width"], [lengths[side] for side in SIDES]
    count = max(len(side["counts"]) for side in sides)
    labels = [f"{n * width}" if width == 1 else f"{n * width}–{(n + 1) * width - 1}" for n in range(count)]
    if any(side["max"] >= count * width for side in sides):
        labels[-1] = f"≥{(count - 1) * width}"
    groups = [
        (name, [float(n) for n in side["counts"]] + [0.0] * (count - len(side["counts"])))
        for name, side in zip(SIDES, sides, strict=True)
    ]
    texts = [
        f"{name}: mean {side['mean']:.1f}, median {side['median']:.0f}, longest {side['max']:,}"
        for name, side in zip(SIDES, sides, strict=True)
    ]
    caption = (
        "Sentences by their number of tokens (without the end of sentence). Both sides should have a similar shape; "
        f"very different lengths are a sign of misaligned pairs. {'; '.join(texts)}."
    )
    chart = bar_chart("Lengths of the training sentences", "sentences", "tokens", labels, groups)
    return figure(chart, caption, "Lengths of the training sentences")


def _subwords(facts: dict[str, Any]) -> str:
    sides = [facts[side] for side in SIDES]
    rows = [
        ("language", *(side["language"] for side in sides)),
        ("vocabulary, entries", *(f"{side['vocabulary']:,}" for side in sides)),
        ("entries that never occur on this side", *(f"{side['unused']:,}" for side in sides)),
        ("tokens", *(f"{side['tokens']:,}" for side in sides)),
        ("tokens per word", *(_tokens_per_word(side) for side in sides)),
        ("characters per token", *(_ratio(side["characters"], side["tokens"]) for side in sides)),
        ("unknown tokens", *(f"{side['unknown']:,}" for side in sides)),
    ]
    part = f" Counted in {facts['pairs_read']:,} of {facts['pairs']:,} pairs." if "pairs_read" in facts else ""
    caption = (
        "How the training text is split into subwords. A word is the text between spaces; with more than about 2 "
        f"tokens per word the vocabulary is small for the text.{part}"
    )
    rare = [(side, ", ".join(f"{piece} ({count})" for piece, count in facts[side]["rarest"])) for side in SIDES]
    rarest = table("The rarest subwords that occur, with their counts; ▁ begins a word. The network sees them too "
                   "seldom to learn them well.", ("side", "subwords"), rare)  # fmt: skip
    grid = table(caption, ("", "source", "target"), rows, {1, 2})
    return heading("Subwords") + grid + details("The rarest subwords", rarest)


def _tokens_per_word(side: dict[str, Any]) -> str:
    return _ratio(side["tokens"], side["words"]) if has_spaces(side["language"]) else "–"


def _ratio(count: int, of: int) -> str:
    return f"{count / of:.2f}" if of else "–"


def _overlap(facts: dict[str, Any]) -> str:
    rows = []
    for each in facts["sets"]:
        shares = [each["in_training"][key] for key in ("source", "target", "both")]
        total = each["pairs"]
        rows.append((each["name"], f"{total:,}", *(f"{n:,} ({n / max(1, total):.1%})" for n in shares)))
    caption = (
        "Sentences of the validation and test sets that are also in the training text. If whole pairs are, the scores "
        "of such a set say little about new text."
    )
    head = ("set", "pairs", "same source", "same target", "same pair")
    note = ""
    if any(each["in_training"]["both"] > 0.01 * each["pairs"] for each in facts["sets"]):
        note = paragraph("More than 1 % of the pairs of a set are in the training text: remove them there.")
    return heading("Overlap with the training text") + table(caption, head, rows, range(1, 5)) + note
