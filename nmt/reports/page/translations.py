"""The sections of the report page with sentences: translations through time, attention, best and worst translations."""

import difflib
import re
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby
from typing import Any

from nmt.config import Config
from nmt.data.languages import has_spaces
from nmt.evaluation.breakdown import break_down, length_unit
from nmt.reports.page.chart import bar_chart
from nmt.reports.page.elements import Section, details, figure, heading, paragraph, scrolling, sentence, side_by_side
from nmt.storage.history import History
from nmt.storage.validation_texts import AttentionOf, ValidationTexts

MAX_STAGES = 8
"""Different translations of one sentence that are shown."""
MAX_MAPS = 3


def progress_section(history: History) -> Section:
    """Return the translations of the logged sentences at each validation, with what changed marked."""
    found: dict[str, list[tuple[int, str, str]]] = {}
    for record in history.valid:
        for sample in record.get("samples") or []:
            if isinstance(sample, Sequence) and len(sample) == 3:
                source, translation, reference = map(str, sample)
                found.setdefault(source, []).append((record["step"], translation, reference))
    if not found:
        return Section("progress", "", "")
    intro = paragraph(
        "The same validation sentences at each validation, translated greedily. What differs from the translation "
        "above it is marked."
    )
    parts = [sentence(_stages(source, versions)) for source, versions in found.items()]
    return Section("progress", "Translations through time", intro + "".join(parts))


def attention_section(config: Config, texts: ValidationTexts | None) -> Section:
    """Return the attention maps of a few validation sentences."""
    if texts is None or not texts.attention:
        return Section("attention", "", "")
    several = len(texts.attention) > MAX_MAPS  # in the order of their lengths: neither the shortest nor the longest
    chosen = texts.attention[several : several + MAX_MAPS]
    space = " " if has_spaces(config.data.target_language) else ""
    maps = side_by_side(figure(scrolling(_map(each), "attention map"), space.join(each.target)) for each in chosen)
    intro = paragraph(
        f"Step {texts.step:,}: each row is a word of the translation, each column a word of the source; the "
        "stronger the colour of a cell, the more attention. A trained model shows a rough diagonal, with jumps where "
        "the word order differs. Rows that look all the same mean that the attention has not learned to align."
    )
    return Section("attention", "Attention", intro + maps)


def quality_section(
    config: Config,
    texts: ValidationTexts | None,
    rarest: Sequence[int] | None,
    evaluations: Iterator[tuple[str, dict[str, Any]]],
) -> Section:
    """Return BLEU by length and by rarity of words, and the worst and best translations, of each translated set."""
    languages = config.data.source_language, config.data.target_language
    parts = []
    if texts is not None and texts.sources:
        found = break_down(texts.sources, texts.translations, texts.references, languages, rarest)
        parts.append(heading(f"Validation, step {texts.step:,}, greedy") + _set_quality(found, languages[0]))
    for name, result in evaluations:
        try:
            if result.get("breakdown"):
                parts.append(details(name, _set_quality(result["breakdown"], languages[0])))
        except (KeyError, TypeError, ValueError):  # written by another version
            continue
    intro = paragraph(
        "BLEU of groups of sentences. By length, scores usually fall to the right; a steep fall means that the model "
        "has seen too few long sentences, or forgets their beginning. If sentences with rare words are much worse,"
        " more text or a smaller subword vocabulary helps."
    )
    return Section("quality", "Where translations are good and bad", intro + "".join(parts) if parts else "")


def _stages(source: str, versions: list[tuple[int, str, str]]) -> Iterator[tuple[str, str]]:
    yield "source", escape(source)
    groups = [(text, [step for step, _, _ in same]) for text, same in groupby(versions, key=lambda version: version[1])]
    if len(groups) > MAX_STAGES:
        chosen = [round(n * (len(groups) - 1) / (MAX_STAGES - 1)) for n in range(MAX_STAGES)]
        groups = [groups[n] for n in chosen]
    before: str | None = None
    for text, steps in groups:
        name = f"step {steps[0]:,}" if len(steps) == 1 else f"steps {steps[0]:,} to {steps[-1]:,}"
        yield name, escape(text) if before is None else marked_changes(before, text)
        before = text
    yield "reference", escape(versions[-1][2])


def marked_changes(before: str, after: str) -> str:
    """Return `after` as HTML with the words marked that `before` does not have at that place."""
    old, new = (
        re.findall(r"\s+|[\u2e80-\u9fff\uf900-\ufaff]|[^\s\u2e80-\u9fff\uf900-\ufaff]+", text)
        for text in (before, after)
    )
    parts = []
    for kind, _, _, start, stop in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        text = "".join(new[start:stop])
        if text:
            is_new = kind in ("replace", "insert") and text.strip()
            parts.append(f"<mark>{escape(text)}</mark>" if is_new else escape(text))
    return "".join(parts)


def _map(attention: AttentionOf) -> str:
    columns = "".join(f'<th scope="col"><span>{escape(word)}</span></th>' for word in attention.source)
    rows = []
    for word, weights in zip(attention.target, attention.weights, strict=True):
        cells = "".join(
            f'<td style="--a:{weight:.2f}" title="{weight:.2f}"></td>' if weight >= 0.02 else "<td></td>"
            for weight in weights
        )
        rows.append(f'<tr><th scope="row">{escape(word)}</th>{cells}</tr>')
    return f'<table class="map"><thead><tr><td></td>{columns}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def _set_quality(found: dict[str, Any], language: str) -> str:
    length = f"source length in {length_unit(language)}"
    rarity = "training sentences with the rarest word of the source"
    charts = [
        _bleu_chart(found["by_length"], length, "BLEU by sentence length"),
        _bleu_chart(found["by_rarity"], rarity, "BLEU by rarity of words"),
    ]
    sentences = [
        details(f"The {len(found[key])} {key} translations by chrF", "".join(_scored(row) for row in found[key]))
        for key in ("worst", "best")
        if found[key]
    ]
    return side_by_side(chart for chart in charts if chart) + "".join(sentences)


def _bleu_chart(groups: Sequence[Sequence[Any]], below: str, title: str) -> str:
    if not groups:
        return ""
    labels = [str(label) for label, _, _ in groups]
    counts = ", ".join(f"{label}: {count:,}" for label, count, _ in groups)
    chart = bar_chart(title, "BLEU", below, labels, [("", [float(bleu) for _, _, bleu in groups])])
    return figure(chart, f"Each bar is a group of sentences. Their numbers: {counts}.", title)


def _scored(row: Sequence[Any]) -> str:
    number, score, *texts = row
    named = zip(("source", "translation", "reference"), (escape(str(text)) for text in texts), strict=True)
    return sentence(named, f"line {number:,}, chrF {score:.1f}")
