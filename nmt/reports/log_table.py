"""Print the training log of runs as a table that fits the screen, as CSV or as JSON."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from nmt.reports.table import table
from nmt.storage.history import History, is_number
from nmt.storage.json_text import dump_json

COLUMNS = {
    "train": (
        *("loss", "smoothed_loss", "accuracy", "learning_rate", "gradient_norm"),
        *("tokens", "skipped", "tokens_per_second"),
    ),
    "valid": ("loss", "perplexity", "bleu"),
}
"""The values of each event, as in log.jsonl."""
HEAD = ("step", "epoch", "loss", "learning rate", "norm", "tokens/s", "valid loss", "perplexity", "BLEU", "time")


def log_text(histories: Sequence[History], lines: int) -> str:
    """Return a table of each run with at most `lines` rows, evenly chosen; 0 is all rows.

    A validation stands in the row of its step. The first and the last row and the best validation are always shown.
    """
    parts = []
    for history in histories:
        facts = "  ".join(f"{key.replace('_', ' ')} {value}" for key, value in history.facts.items())
        rows = [_row(*records) for records in _chosen(history, lines).values()]
        body = table([HEAD, *rows], right=frozenset(range(len(HEAD)))) if rows else "no step is logged yet"
        parts.append("\n".join(filter(None, [history.name, facts, body])))
    return "\n\n".join(parts)


def log_csv(histories: Sequence[History]) -> str:
    """Return all values as CSV with a header; a row is one line of the log of a run."""
    keys = list(dict.fromkeys((*COLUMNS["train"], *COLUMNS["valid"])))
    head = ["run", "event", "step", "epoch", "seconds", *keys]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    for history in histories:
        for record in _records(history):
            writer.writerow([history.name, *("" if (v := record.get(key)) is None else v for key in head[1:])])
    return text.getvalue().removesuffix("\n")


def log_json(histories: Sequence[History]) -> str:
    """Return the logs as a JSON list of runs, with the facts and all records of each."""
    runs = [{"run": h.name, "facts": h.facts, "train": h.train, "valid": h.valid} for h in histories]
    return dump_json(runs, indent=1, ensure_ascii=False)


def _records(history: History) -> list[dict[str, Any]]:
    """Return training and validation in the order of the steps, training first."""
    return sorted([*history.train, *history.valid], key=lambda record: (record["step"], record["event"]))


Row = tuple[dict[str, Any], dict[str, Any], bool]
"""The records of training and of validation of one step, each may be empty, and whether the validation is the best."""


def _chosen(history: History, lines: int) -> dict[int, Row]:
    """Return at most `lines` rows by step: the validations, and as many other steps as fit."""
    train = {record["step"]: record for record in history.train}
    valid = {record["step"]: record for record in history.valid}
    best = history.best("bleu", highest=True) or history.best("loss", highest=False)
    best_step = None if best is None else best[0]
    steps = sorted({*train, *valid})
    if lines and len(steps) > lines:
        kept = {steps[0], steps[-1], *([] if best_step is None else [best_step])}
        for candidates in (sorted(valid), steps):
            others = [step for step in candidates if step not in kept]
            room = max(0, lines - len(kept))
            kept.update(others if len(others) <= room else _evenly(others, room))
        steps = sorted(kept)
    return {step: (train.get(step, {}), valid.get(step, {}), step == best_step) for step in steps}


def _evenly(steps: Sequence[int], count: int) -> list[int]:
    return [steps[int((number + 0.5) * len(steps) / count)] for number in range(count)]


def _row(train: dict[str, Any], valid: dict[str, Any], is_best: bool) -> tuple[str, ...]:
    either = train or valid
    seconds = round(either.get("seconds") or 0)
    return (
        f"{either['step']:,}",
        _number(either.get("epoch"), "d"),
        _number(train.get("loss"), ".3f"),
        _number(train.get("learning_rate"), ".2e"),
        _number(train.get("gradient_norm"), ".2f"),
        _number(train.get("tokens_per_second"), ",.0f"),
        _number(valid.get("loss"), ".3f"),
        _number(valid.get("perplexity"), ",.2f"),
        _number(valid.get("bleu"), ".2f") + ("*" if is_best else " "),
        f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}",
    )


def _number(value: Any, form: str) -> str:
    return format(value, form) if is_number(value) else ""
