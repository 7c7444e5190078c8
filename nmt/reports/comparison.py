"""Format the comparison of models as text: configuration, learning curves, scores, sentences."""

import json
import statistics
from collections.abc import Sequence
from typing import Any

from nmt.evaluation.comparison import ABSENT, Comparison, DifferingSentence, ScoreComparison
from nmt.reports.score_tables import paired_text
from nmt.reports.table import table
from nmt.reports.units import format_seconds
from nmt.storage.history import History

CURVE_HEAD = ("run", "checkpoint", "parameters", "steps", "lowest valid loss", "best valid BLEU", "time", "tokens/s")
MAX_CELL = 40
"""Characters of a value of the configuration in a table of the terminal."""


def comparison_text(comparison: Comparison) -> str:
    """Return the comparison for the terminal."""
    parts = [
        ("Training", table([CURVE_HEAD, *curve_rows(comparison)], right=frozenset(range(2, len(CURVE_HEAD))))),
        ("Configuration", _differences_text(comparison)),
    ]
    scores = comparison.scores
    if scores is None:
        parts.append(("Scores", f"not compared: {comparison.problem}"))
    else:
        parts.append(
            (f"Scores on {test_set_name(scores)}", f"{paired_text(scores.systems, 2)}\n{search_notes(scores)}")
        )
        if scores.shows_sentences:
            parts.append((sentences_title(scores), _sentences_text(scores)))
    return "\n\n".join(f"== {title}\n{body}".rstrip() for title, body in parts)


def curve_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """Return a row of `CURVE_HEAD` for each model."""
    return [(m.name, m.checkpoint, *_curve_cells(m.history)) for m in comparison.models]


def _curve_cells(history: History | None) -> tuple[str, ...]:
    if history is None:
        return ("", "", "", "", "", "")
    steps = history.series("train", "loss")[0]
    lowest, best = history.best("loss", highest=False), history.best("bleu", highest=True)
    seconds = history.series("train", "seconds")[1]
    speeds = history.series("train", "tokens_per_second")[1]
    return (
        str(history.facts.get("parameters", "")),
        f"{steps[-1]:,}" if steps else "",
        "" if lowest is None else f"{lowest[1]:.3f} at {lowest[0]:,}",
        "" if best is None else f"{best[1]:.2f} at {best[0]:,}",
        format_seconds(seconds[-1]) if seconds else "",
        f"{statistics.median(speeds):,.0f}" if speeds else "",
    )


def value_text(value: Any) -> str:
    """Return a value of the configuration as in YAML; empty if the key is absent."""
    if value is ABSENT:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _differences_text(comparison: Comparison) -> str:
    if not comparison.differences:
        return "the same"
    head = ("key", *(model.name for model in comparison.models))
    rows = [(row.key, *(_cut(value_text(value)) for value in row.values)) for row in comparison.differences]
    return table([head, *rows])


def _cut(text: str) -> str:
    return text if len(text) <= MAX_CELL else f"…{text[1 - MAX_CELL :]}"


def test_set_name(scores: ScoreComparison) -> str:
    """Return name, files and size of the test set."""
    split = scores.split
    return f"{split.name} ({', '.join(split.files)}; {len(split.source):,} sentences)"


def search_notes(scores: ScoreComparison) -> str:
    """Return what computed each translation, and a warning if the models were searched differently."""
    notes = [f"{each.name}: {each.arithmetic}{', stored' if each.is_stored else ''}" for each in scores.translated]
    first = scores.translated[0]
    for each in scores.translated[1:]:
        keys = [key for key, value in each.search.items() if key != "tag" and first.search.get(key) != value]
        if keys:
            values = ", ".join(f"{key} {first.search.get(key)} and {each.search[key]}" for key in keys)
            notes.append(f"{first.name} and {each.name} are searched differently: {values}")
    return "\n".join(notes)


def sentences_title(scores: ScoreComparison) -> str:
    """Return the title of the list of sentences."""
    count = len(scores.sentences)
    return f"The {count} sentences that differ most in {scores.metric}" if count else "No sentence has different scores"


def _sentences_text(scores: ScoreComparison) -> str:
    names = [each.name for each in scores.translated]
    return "\n\n".join(_sentence_text(sentence, names) for sentence in scores.sentences)


def _sentence_text(sentence: DifferingSentence, names: Sequence[str]) -> str:
    rows = [("source", "", sentence.source), ("reference", "", sentence.reference)]
    translations = zip(names, sentence.scores, sentence.translations, strict=True)
    rows += [(name, f"{score:.1f}", text) for name, score, text in translations]
    return f"line {sentence.line:,}\n{table(rows, right=frozenset({1}))}"
