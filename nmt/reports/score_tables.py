"""Compute scores and format them for `nmt score`: tables, TSV and JSON."""

import json
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nmt.data.lines import one_line
from nmt.evaluation.metrics import Score, Scoring, SentenceScores, corpus_scores, sentence_scores
from nmt.evaluation.scored_files import ScoredText
from nmt.reports.table import table
from nmt.storage.json_text import dump_json

if TYPE_CHECKING:
    from nmt.evaluation.significance import System

logger = logging.getLogger(__name__)
Scored = tuple[str, Sequence[Score]]
"""The name of a system and its scores."""


def corpus_report(text: ScoredText, metrics: Sequence[str], scoring: Scoring, output_format: str, decimals: int) -> str:
    """Score whole test sets. Return the scores as text, tsv, json or numbers, the `output_format`."""
    scored = [(name, corpus_scores(lines, text.reference_lines, metrics, scoring)) for name, lines in text.systems]
    if output_format == "json":
        return corpus_json(scored)
    return {"text": corpus_text, "tsv": corpus_tsv, "numbers": corpus_numbers}[output_format](scored, decimals)


def paired_report(
    text: ScoredText, metrics: Sequence[str], scoring: Scoring, output_format: str, decimals: int, **options: Any
) -> str:
    """Compare systems with the first. Return the result as text, tsv or json; see `paired_bootstrap` for `options`."""
    from nmt.evaluation.significance import paired_bootstrap  # imports numpy

    found = paired_bootstrap(text.systems, text.reference_lines, metrics, scoring, **options)
    if output_format == "json":
        return paired_json(found)
    return {"text": paired_text, "tsv": paired_tsv}[output_format](found, decimals)


def sentence_report(
    text: ScoredText, metrics: Sequence[str], scoring: Scoring, output_format: str, decimals: int
) -> str:
    """Score each sentence. Return the scores as text, tsv, json or numbers; with tsv, log the signatures."""
    found = [sentence_scores(lines, text.reference_lines, metrics, scoring) for _, lines in text.systems]
    sentences = SentenceTable(text, found, decimals)
    if output_format == "tsv":
        logger.info(sentences.signatures())
    formats = {"text": sentences.as_text, "tsv": sentences.as_tsv, "json": sentences.as_json}
    return formats.get(output_format, sentences.as_numbers)()


def corpus_text(scored: Sequence[Scored], decimals: int) -> str:
    """Return a table with one row per metric for one system, or one row per system for several."""
    if len(scored) == 1:
        rows = [(score.name, f"{score.value:.{decimals}f}", score.signature) for score in scored[0][1]]
        return table([("metric", "score", "signature"), *rows], right=frozenset({1}))
    columns = range(1, 1 + len(scored[0][1]))
    head = ("system", *(score.name for score in scored[0][1]))
    systems = [(name, *(f"{score.value:.{decimals}f}" for score in scores)) for name, scores in scored]
    return f"{table([head, *systems], right=frozenset(columns))}\n\n{_signatures(scored[0][1])}"


def corpus_numbers(scored: Sequence[Scored], decimals: int) -> str:
    """Return one line of numbers per system, with tabs between metrics."""
    return "\n".join("\t".join(f"{score.value:.{decimals}f}" for score in scores) for _, scores in scored)


def corpus_tsv(scored: Sequence[Scored], decimals: int) -> str:
    """Return a header and one line per metric and system."""
    rows = [(name, s.name, f"{s.value:.{decimals}f}", s.signature) for name, scores in scored for s in scores]
    return _tsv([("system", "metric", "score", "signature"), *rows])


def corpus_json(scored: Sequence[Scored]) -> str:
    """Return the systems with their scores as a JSON list."""
    return _json([
        {"system": name, "scores": [{"name": s.name, "score": s.value, "signature": s.signature} for s in scores]}
        for name, scores in scored
    ])  # fmt: skip


def paired_text(systems: "Sequence[System]", decimals: int) -> str:
    """Return a table with one row per system, the baseline first."""
    rows = [("system", *(f"{e.score.name} (mean ± 95%)" for e in systems[0].estimates))]
    for number, system in enumerate(systems):
        cells = []
        for e in system.estimates:
            chance = "" if e.p_value is None else f" p={e.p_value:.4f}{'*' if e.p_value < 0.05 else ' '}"
            cells.append(f"{e.score.value:.{decimals}f} ({e.mean:.{decimals}f} ± {e.half_width:.{decimals}f}){chance}")
        rows.append((system.name + (" (baseline)" if number == 0 else ""), *cells))
    legend = "p: probability of at least this difference to the baseline by chance; * below 0.05"
    return f"{table(rows)}\n\n{legend}\n{_signatures([e.score for e in systems[0].estimates])}"


def paired_tsv(systems: "Sequence[System]", decimals: int) -> str:
    """Return a header and one line per metric and system; the baseline, the first system, has no p-value."""
    rows = [
        (
            system.name,
            e.score.name,
            *(f"{value:.{decimals}f}" for value in (e.score.value, e.mean, e.half_width)),
            "" if e.p_value is None else f"{e.p_value:.4f}",
            e.score.signature,
        )
        for system in systems
        for e in system.estimates
    ]
    return _tsv([("system", "metric", "score", "mean", "confidence", "p_value", "signature"), *rows])


def paired_json(systems: "Sequence[System]") -> str:
    """Return the systems with their scores and bootstrap estimates as a JSON list."""
    return _json([
        {
            "system": system.name,
            "scores": [
                {
                    "name": e.score.name, "score": e.score.value, "mean": e.mean, "confidence": e.half_width,
                    "p_value": e.p_value, "signature": e.score.signature,
                }
                for e in system.estimates
            ],
        }
        for system in systems
    ])  # fmt: skip


class SentenceTable:
    """Formats the scores of each sentence; `found` holds the scores per system of `text` and per metric."""

    def __init__(self, text: ScoredText, found: Sequence[Sequence[SentenceScores]], decimals: int) -> None:
        self._text = text
        self._found = found
        self._decimals = decimals
        self._count = len(text.references[0][1])

    def as_numbers(self) -> str:
        """Return one line per sentence, with tabs between the metrics of all systems."""
        return "\n".join("\t".join(self._cells(n)) for n in range(self._count))

    def as_text(self) -> str:
        """Return a table with one row per sentence, and the signatures."""
        rows = [(f"{n + 1}", *self._cells(n)) for n in range(self._count)]
        head = ("line", *self._heads())
        return f"{table([head, *rows], right=frozenset(range(len(head))))}\n\n{self.signatures()}"

    def as_tsv(self) -> str:
        """Return a header and one line per sentence: number, scores, texts."""
        text = self._text
        texts = [self._named("hypothesis", number, len(text.systems)) for number in range(len(text.systems))]
        texts += [f"reference {n}" if n > 1 else "reference" for n in range(1, len(text.references) + 1)]
        lines = [lines for _, lines in (*text.systems, *text.references)]
        if text.source is not None:
            texts.append("source")
            lines.append(text.source)
        rows = [(f"{n + 1}", *self._cells(n), *(each[n] for each in lines)) for n in range(self._count)]
        return _tsv([("line", *self._heads(), *texts), *rows])

    def as_json(self) -> str:
        """Return a JSON list of systems; each sentence is an object on its own line."""
        systems = []
        for (name, lines), scores in zip(self._text.systems, self._found, strict=True):
            metrics = [{"name": s.name, "signature": s.signature} for s in scores]
            sentences = [self._sentence(n, lines[n], scores) for n in range(self._count)]
            rows = ",\n".join(f"    {json.dumps(sentence, ensure_ascii=False)}" for sentence in sentences)
            systems.append(
                f'  {{\n   "system": {json.dumps(name, ensure_ascii=False)},\n   "metrics": {json.dumps(metrics)},\n'
                f'   "sentences": [\n{rows}\n   ]\n  }}'
            )
        return "[\n" + ",\n".join(systems) + "\n]"

    def signatures(self) -> str:
        """Return the signature of each metric, one per line."""
        return table([(scores.name, scores.signature) for scores in self._found[0]])

    def _sentence(self, number: int, hypothesis: str, scores: Sequence[SentenceScores]) -> dict[str, Any]:
        text = self._text
        source = {} if text.source is None else {"source": text.source[number]}
        return {
            "line": number + 1,
            "scores": {s.name: s.values[number] for s in scores},
            "hypothesis": hypothesis,
            "references": [lines[number] for _, lines in text.references],
            **source,
        }

    def _cells(self, number: int) -> list[str]:
        return [f"{s.values[number]:.{self._decimals}f}" for scores in self._found for s in scores]

    def _heads(self) -> list[str]:
        return [
            self._named(s.name, number, len(self._found)) for number, scores in enumerate(self._found) for s in scores
        ]

    def _named(self, what: str, number: int, count: int) -> str:
        return what if count == 1 else f"{self._text.systems[number][0]} {what}"


def _signatures(scores: Sequence[Score]) -> str:
    return table([(score.name, score.signature) for score in scores])


def _tsv(rows: Sequence[Sequence[str]]) -> str:
    """Return tab-separated lines; a tab or a line break inside a cell becomes a space."""
    return "\n".join("\t".join(one_line(cell).replace("\t", " ") for cell in row) for row in rows)


def _json(value: object) -> str:
    return dump_json(value, indent=2, ensure_ascii=False)
