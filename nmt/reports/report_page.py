"""Write `report.html`: one self-contained page with the curves, results, examples and configuration of a run."""

import json
import statistics
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

from nmt.config import dump, load_run_config
from nmt.reports.figure import inline_svg
from nmt.reports.learning_curves import draw
from nmt.storage.atomic_files import write_atomically
from nmt.storage.history import History, read_history
from nmt.storage.json_text import parse_json
from nmt.storage.run_folder import Run

STYLE = """
body { font: 15px/1.45 'DejaVu Sans', 'Segoe UI', 'Noto Sans', 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei',
       'WenQuanYi Micro Hei', sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; color: #222; }
h1, h2 { font-weight: 600; } h2 { margin-top: 1.8em; border-bottom: 1px solid #ddd; }
table { border-collapse: collapse; margin: .6em 0; } td, th { padding: .2em .8em .2em 0; text-align: left;
        vertical-align: top; } th { color: #666; font-weight: 500; } td.n { text-align: right; }
svg { max-width: 100%; height: auto; } pre { background: #f6f6f6; padding: .8em; overflow: auto; font-size: 13px; }
code { font-size: 12px; color: #555; } dl.sample { border-left: 3px solid #0072b2; padding-left: .8em; }
dl.sample dt { color: #666; font-size: 12px; } dl.sample dd { margin: 0 0 .3em; }
"""


def write_report(run_folder: Path) -> Path:
    """Write `report.html` to a run folder atomically and return its path.

    It can be written again at any time, even during training. Raises `NmtError` if there is no run or no log yet.
    """
    run = Run(run_folder)
    history = read_history(run_folder)
    path = run_folder / "report.html"
    remedy = "the run is complete; free disk space, and write the report with nmt plot --html"
    write_atomically(path, _page(run, history), remedy)
    return path


def _page(run: Run, history: History) -> str:
    curves = inline_svg(draw([history]))
    config = load_run_config(run)
    parts = [
        f"<h1>{escape(config.name)}</h1>",
        f"<p>{escape(config.data.source_language)} to {escape(config.data.target_language)}</p>",
        "<h2>Results</h2>",
        _table(_facts(history)),
        _evaluations(run.folder / "evaluations"),
        "<h2>Learning curves</h2>",
        curves,
        _samples(history),
        "<h2>Configuration</h2>",
        "<p>What differs from the defaults:</p>",
        _table(_differences("", config.model_dump(mode="json", exclude_defaults=True))),
        f"<details><summary>Every key</summary><pre>{escape(dump(config))}</pre></details>",
    ]
    body = "\n".join(part for part in parts if part)
    title = escape(f"{config.name}: training report")
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _facts(history: History) -> list[tuple[str, str]]:
    facts = []
    steps, losses = history.series("train", "loss")
    if (best := history.best("bleu", highest=True)) is not None:
        facts.append(("best validation BLEU (greedy)", f"{best[1]:.2f} at step {best[0]:,}"))
    if (lowest := history.best("loss", highest=False)) is not None:
        facts.append(("lowest validation loss", f"{lowest[1]:.4f} nats per target token at step {lowest[0]:,}"))
    if steps:
        facts.append(("training", f"{steps[-1]:,} steps, last loss {losses[-1]:.4f} nats per target token"))
    if seconds := history.series("train", "seconds")[1]:
        minutes, rest = divmod(round(seconds[-1]), 60)
        facts.append(("time", f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"))
    if speeds := history.series("train", "tokens_per_second")[1]:
        facts.append(("speed (median)", f"{statistics.median(speeds):,.0f} target tokens/s"))
    facts += [(str(key).replace("_", " "), str(value)) for key, value in history.facts.items()]
    return facts


def _evaluations(folder: Path) -> str:
    rows = []
    signatures: dict[str, str] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            result = parse_json(path.read_text(encoding="utf-8"))
            scores = " · ".join(f"{s['name']} {s['score']:.2f}" for s in result["scores"])
            signatures |= {f"{s['name']} {s['signature']}": "" for s in result["scores"]}
            loss, speed = result["loss"], result["target_tokens_per_second"]
            loss = "not finite" if loss is None else f"{loss:.4f}"  # null in JSON
            rows.append((path.stem, f"{scores} · loss {loss} · {speed:,.0f} target tokens/s"))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    if not rows:
        return ""
    notes = "<br>".join(f"<code>{escape(text)}</code>" for text in signatures)
    return f"<h2>Evaluations</h2>\n{_table(rows)}\n<p>{notes}</p>"


def _samples(history: History) -> str:
    """Return the examples of the best validation, or of the last one with examples."""
    having = [record for record in history.valid if record.get("samples")]
    if not having:
        return ""
    best = history.best("bleu", highest=True)
    record = next((r for r in having if best is not None and r["step"] == best[0]), having[-1])
    parts = [f"<h2>Examples, step {record['step']:,}</h2>"]
    for sample in record["samples"]:
        if not isinstance(sample, Sequence) or len(sample) != 3:
            continue
        pairs = zip(("source", "translation", "reference"), sample, strict=True)
        inner = "".join(f"<dt>{name}</dt><dd>{escape(str(text)) or '&nbsp;'}</dd>" for name, text in pairs)
        parts.append(f'<dl class="sample">{inner}</dl>')
    return "\n".join(parts)


def _differences(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield name and text of every value in `value`; the element of a list of one has the name of the list."""
    if isinstance(value, list) and len(value) == 1:
        yield from _differences(name, value[0])
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _differences(f"{name}.{key}" if name else key, inner)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for number, inner in enumerate(value):
            yield from _differences(f"{name}.{number}", inner)
    else:
        yield name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _table(rows: Iterable[tuple[str, str]]) -> str:
    cells = (f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in rows)
    return f"<table>{''.join(cells)}</table>"
