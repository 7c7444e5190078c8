"""Write the comparison of models as one self-contained HTML page, and draw their learning curves."""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from matplotlib.figure import Figure

from nmt.errors import NmtError
from nmt.evaluation.comparison import Comparison, ScoreComparison
from nmt.reports.comparison import (
    CURVE_HEAD,
    curve_rows,
    search_notes,
    sentences_title,
    test_set_name,
    value_text,
)
from nmt.reports.figure import inline_svg, save
from nmt.reports.learning_curves import draw
from nmt.storage.atomic_files import convert_write_errors, write_atomically

STYLE = """
:root { color-scheme: light dark; --text: #222; --back: #fff; --line: #ddd; --dim: #666; --best: #0072b2; }
@media (prefers-color-scheme: dark) {
  :root { --text: #ddd; --back: #1b1b1b; --line: #444; --dim: #999; --best: #56b4e9; }
  svg { background: #fff; border-radius: 6px; } }
body { font: 15px/1.45 system-ui, 'DejaVu Sans', 'Segoe UI', 'Noto Sans', 'Noto Sans CJK SC', sans-serif;
  color: var(--text); background: var(--back); max-width: 75em; margin: 2em auto; padding: 0 1em; }
h1, h2 { font-weight: 600; } h2 { margin-top: 1.8em; border-bottom: 1px solid var(--line); }
.wide { overflow-x: auto; } table { border-collapse: collapse; margin: .6em 0; }
td, th { padding: .2em 1em .2em 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { color: var(--dim); font-weight: 500; } td.n { text-align: right; white-space: nowrap; }
svg { max-width: 100%; height: auto; } code { font-size: 12px; color: var(--dim);
  overflow-wrap: anywhere; } .wide th, .wide td { white-space: nowrap; }
.sentence { margin: 1em 0; } .sentence table { width: 100%; } .sentence th { width: 1%; min-width: 8em; }
.sentence td.n { width: 3em; }
.best { color: var(--best); font-weight: 600; }
"""
REMEDY = "choose another file with --html"


def write_files(comparison: Comparison, curves: Path | None, page: Path | None) -> list[Path]:
    """Write the learning curves and the page to these files, if given, and return those that were written."""
    if curves is not None:
        save(_draw_curves(comparison), curves)
    if page is not None:
        _write_page(comparison, page)
    return [path for path in (curves, page) if path is not None]


def _write_page(comparison: Comparison, path: Path) -> None:
    """Write the page; create missing folders. Raise `NmtError` if it cannot be written."""
    with convert_write_errors(path.parent, REMEDY):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, _page(comparison), REMEDY)


def _draw_curves(comparison: Comparison) -> Figure:
    """Return the learning curves of the models that have a log. Raise `NmtError` if none has."""
    histories = [model.history for model in comparison.models if model.history is not None]
    if not histories:
        raise NmtError("exported models have no log: there are no curves to draw; leave out --output")
    return draw(histories)


def _page(comparison: Comparison) -> str:
    title = escape(" and ".join(model.name for model in comparison.models))
    has_curves = any(model.history is not None and model.history.train for model in comparison.models)
    head = ("key", *(model.name for model in comparison.models))
    rows = [(row.key, *map(value_text, row.values)) for row in comparison.differences]
    parts = [
        f"<h1>{title}</h1>",
        "<h2>Training</h2>",
        _table(CURVE_HEAD, curve_rows(comparison)),
        inline_svg(_draw_curves(comparison)) if has_curves else "",
        "<h2>Configuration</h2>",
        _table(head, rows) if rows else "<p>The configurations are the same.</p>",
        *(_scores(comparison.scores) if comparison.scores is not None else _problem(comparison.problem)),
    ]
    body = "\n".join(part for part in parts if part)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _problem(text: str) -> list[str]:
    return ["<h2>Scores</h2>", f"<p>Not compared: {escape(text)}</p>"]


def _scores(scores: ScoreComparison) -> list[str]:
    metrics = [estimate.score for estimate in scores.systems[0].estimates]
    head = ("run", *(f"{metric.name} (95% interval)" for metric in metrics))
    rows = []
    for system in scores.systems:
        cells = []
        for estimate in system.estimates:
            chance = "baseline" if estimate.p_value is None else f"p = {estimate.p_value:.4f}"
            cells.append(f"{estimate.score.value:.2f} (± {estimate.half_width:.2f}), {chance}")
        rows.append((system.name, *cells))
    notes = [*search_notes(scores).split("\n"), *(f"{metric.name}: {metric.signature}" for metric in metrics)]
    legend = "p is the probability of at least this difference to the baseline by chance (paired bootstrap resampling)."
    return [
        f"<h2>Scores on {escape(test_set_name(scores))}</h2>",
        _table(head, rows),
        f"<p>{legend}</p>",
        f"<p>{'<br>'.join(f'<code>{escape(note)}</code>' for note in notes)}</p>",
        *([f"<h2>{escape(sentences_title(scores))}</h2>", *_sentences(scores)] if scores.shows_sentences else []),
    ]


def _sentences(scores: ScoreComparison) -> Iterable[str]:
    for sentence in scores.sentences:
        rows = [_sentence_row("source", "", sentence.source), _sentence_row("reference", "", sentence.reference)]
        translations = zip(scores.translated, sentence.scores, sentence.translations, strict=True)
        best = max(sentence.scores)
        rows += [
            _sentence_row(each.name, f"{score:.1f}", text, " best" * (score == best))
            for each, score, text in translations
        ]
        yield f'<div class="sentence">line {sentence.line:,}<table>{"".join(rows)}</table></div>'


def _sentence_row(name: str, score: str, text: str, kind: str = "") -> str:
    cells = f'<td class="n{kind}">{score}</td><td dir="auto">{escape(text) or "&nbsp;"}</td>'
    return f"<tr><th>{escape(name)}</th>{cells}</tr>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table that scrolls sideways on a narrow screen."""
    first = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{first}</tr>{lines}</table></div>'
