"""The top of the report page: the state of the run, its results, evaluations and facts; and its configuration."""

import json
import statistics
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path
from typing import Any

from nmt.config import Config
from nmt.reports.before_and_after_table import HEAD, NUMERIC, SIGNIFICANT, rows, signatures
from nmt.reports.page.elements import Section, details, facts, heading, paragraph, side_by_side, table
from nmt.reports.units import format_seconds
from nmt.storage.history import History
from nmt.storage.json_text import parse_json
from nmt.storage.run_folder import Run, read_log
from nmt.storage.tuning_scores import read_comparisons

RELOAD_SECONDS = 30


def state(run: Run, config: Config, history: History, is_training: bool) -> str:
    """Return a sentence on how far the run is, plain text."""
    steps = [records[-1]["step"] for records in (history.train, history.valid) if records]
    step, last = max(steps, default=0), config.training.max_steps
    if run.finished.exists():
        try:
            reason = str(parse_json(run.finished.read_text(encoding="utf-8"))["reason"])
        except (OSError, ValueError, KeyError, TypeError):
            reason = "training has ended"
        return f"Finished after {step:,} steps: {reason}."
    if not is_training:
        end = (read_log(run.log) or [{}])[-1]
        error = f" Training ended with an error: {end.get('message')}" if end.get("event") == "error" else ""
        return f"Not finished: step {step:,} of {last:,}.{error} Continue it with nmt train --resume."
    seconds = history.series("train", "seconds")
    left = ""
    if seconds[0] and seconds[0][-1]:
        rest = seconds[1][-1] / seconds[0][-1] * (last - step)
        left = f", about {format_seconds(rest)} left to the last step"
    return f"Training: step {step:,} of {last:,}{left}. This page reloads itself every {RELOAD_SECONDS} seconds."


def results_section(run: Run, history: History) -> Section:
    """Return the results of the validations and evaluations, and facts about the run."""
    about = [(str(key).replace("_", " "), str(value)) for key, value in history.facts.items()]
    both = side_by_side([facts(_results(history)), facts(about)])
    return Section("results", "Results", both + _tuning(run) + _evaluations(run.folder / "evaluations"))


def configuration_section(run: Run, config: Config) -> Section:
    """Return what differs from the defaults, and every key."""
    changed = facts(differences("", config.model_dump(mode="json", exclude_defaults=True)))
    every = details("Every key", f"<pre>{escape(run.config_file.read_text(encoding='utf-8'))}</pre>")
    return Section("configuration", "Configuration", paragraph("What differs from the defaults:") + changed + every)


def _results(history: History) -> Iterator[tuple[str, str]]:
    steps, losses = history.series("train", "loss")
    if (best := history.best("bleu", highest=True)) is not None:
        yield "best validation BLEU (greedy)", f"{best[1]:.2f} at step {best[0]:,}"
    if (lowest := history.best("loss", highest=False)) is not None:
        yield "lowest validation loss", f"{lowest[1]:.4f} nats per target token at step {lowest[0]:,}"
    if steps:
        yield "training", f"{steps[-1]:,} steps, last loss {losses[-1]:.4f} nats per target token"
    if seconds := history.series("train", "seconds")[1]:
        yield "time", format_seconds(seconds[-1])
    if speeds := history.series("train", "tokens_per_second")[1]:
        yield "speed (median)", f"{statistics.median(speeds):,.0f} target tokens/s"


def read_evaluations(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the content of each result that `nmt evaluate` saved; others are skipped."""
    for path in sorted(folder.glob("*.json")):
        try:
            result = parse_json(path.read_text(encoding="utf-8"))
            for score in result["scores"]:
                f"{score['name']} {score['score']:.2f} {score['signature']}"
            f"{result['loss'] or 0:.4f} {result['target_tokens_per_second']:,.0f}"
        except (OSError, ValueError, KeyError, TypeError):
            continue
        yield path.stem, result


def _tuning(run: Run) -> str:
    comparisons = read_comparisons(run)
    if not comparisons:
        return ""
    caption = (
        "Scores of the model that this one started from, and of this one. "
        f"* p < {SIGNIFICANT}, paired bootstrap resampling."
    )
    return (
        heading("Before and after tuning")
        + table(caption, HEAD, rows(comparisons), NUMERIC)
        + _signatures(signatures(comparisons))
    )


def _evaluations(folder: Path) -> str:
    lines = []
    found: dict[str, str] = {}
    for name, result in read_evaluations(folder):
        scores = " · ".join(f"{s['name']} {s['score']:.2f}" for s in result["scores"])
        found |= {s["name"]: s["signature"] for s in result["scores"]}
        loss = "not finite" if result["loss"] is None else f"{result['loss']:.4f}"  # null in JSON
        lines.append((name, scores, loss, f"{result['target_tokens_per_second']:,.0f} tokens/s"))
    if not lines:
        return ""
    head = ("test set, checkpoint, search", "scores", "loss", "speed")
    results = table("Results of nmt evaluate, from the files in evaluations/.", head, lines, {2, 3})
    return heading("Evaluations") + results + _signatures(found.items())


def _signatures(named: Iterable[tuple[str, str]]) -> str:
    notes = "<br>".join(f"<code>{escape(f'{name} {text}')}</code>" for name, text in named)
    return details("Signatures of the metrics", f"<p>{notes}</p>")


def differences(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield name and text of every value in `value`; the element of a list of one has the name of the list."""
    if isinstance(value, list) and len(value) == 1:
        yield from differences(name, value[0])
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from differences(f"{name}.{key}" if name else key, inner)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for number, inner in enumerate(value):
            yield from differences(f"{name}.{number}", inner)
    else:
        yield name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
