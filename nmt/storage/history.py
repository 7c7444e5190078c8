"""Read `log.jsonl`, the training history of a run, and compare its validation results."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nmt.errors import NmtError
from nmt.storage.run_folder import Run, read_log

Record = dict[str, Any]
ZERO_BLEU = 0.005
"""A BLEU below this is shown as 0.00 and counts as 0."""


@dataclass(frozen=True)
class History:
    """The log of a run in the order of steps, without steps that a resumed run repeated."""

    name: str
    train: list[Record] = field(default_factory=list)
    """Records of training, each with `step`."""
    valid: list[Record] = field(default_factory=list)
    """Records of validation, each with `step`."""
    facts: Record = field(default_factory=dict)
    """Facts logged at start and resume: device, parameters, ..."""
    end: Record = field(default_factory=dict)
    """The record of the end of training, with `reason`; empty if training has not ended."""

    def series(self, event: str, key: str, name: str = "") -> tuple[list[int], list[float]]:
        """Return steps and values of all records of `event` (train or valid) with a finite number `key`.

        For validations, `name` is a set of `data.more_valid`; "" is the one that decides which checkpoint is best.
        """
        records = self.train if event == "train" else self.valid
        if name:
            records = [{"step": record["step"], **_more(record).get(name, {})} for record in records]
        found = [(record["step"], float(record[key])) for record in records if is_number(record.get(key))]
        return [step for step, _ in found], [value for _, value in found]

    @property
    def more_valid(self) -> list[str]:
        """The names of the validation sets of `data.more_valid` in the log."""
        return list(dict.fromkeys(name for record in self.valid for name in _more(record)))

    def best(self, key: str, highest: bool) -> tuple[int, float] | None:
        """Return step and value of the best validation, the first of equal ones; None if none has `key`.

        If BLEU is equal, the lowest loss is best, as in training (see `rank`).
        """
        points = list(zip(*self.series("valid", key), strict=True))
        if not points:
            return None
        if key == "bleu":
            ranks = {record["step"]: rank(key, record.get("loss"), record.get(key)) for record in self.valid}
            return max(points, key=lambda p: (ranks[p[0]] or (), -p[0]))
        return max(points, key=lambda p: (p[1] if highest else -p[1], -p[0]))


def rank(metric: str, loss: float | None, bleu: float | None) -> tuple[float, float] | None:
    """Return a sort key that is larger for the better validation; None if `metric` has no finite value.

    With bleu, the lower loss is better if both BLEU are equal or below `ZERO_BLEU`.
    """
    negative_loss = -loss if loss is not None and is_number(loss) else -math.inf
    if metric == "loss":
        return (negative_loss, 0.0) if math.isfinite(negative_loss) else None
    if bleu is None or not is_number(bleu):
        return None
    return bleu if bleu >= ZERO_BLEU else 0.0, negative_loss


def read_history(run: Path) -> History:
    """Read the log of a run folder, or a log file; the run may still be training.

    Incomplete lines are skipped. If a run was resumed at an earlier step, records after that step are dropped. Raises
    `NmtError` if there is no log or it has no valid line.
    """
    Run(run).check_not_exported("draw learning curves")
    path = run / "log.jsonl" if run.is_dir() else run
    name = path.resolve().parent.name
    if not path.is_file():
        raise NmtError(f"{path}: no such log; give a run folder, such as runs/NAME")
    history = History(name)
    records = read_log(path)
    for record in records:
        event, step = record.get("event"), record.get("step")
        if event == "end":
            history.end.update(record)
        elif event in ("start", "resume", "train"):
            history.end.clear()
        if event in ("start", "resume"):
            history.facts.update({key: value for key, value in record.items() if key not in ("event", "step")})
        if event == "start":
            _drop_from(history, 0)
        elif not isinstance(step, int):
            continue
        elif event == "resume":
            _drop_from(history, step + 1)
        elif event in ("train", "valid"):
            kept = history.train if event == "train" else history.valid
            reached = max((r[-1]["step"] for r in (history.train, history.valid) if r), default=0)
            if step < reached or (kept and kept[-1]["step"] == step):
                _drop_from(history, step, only=None if step < reached else event)
            kept.append(record)
    if path.stat().st_size and not records:
        raise NmtError(f"{path}: not a log of JSON lines")
    return history


def _more(record: Record) -> dict[str, Record]:
    """Return the values of a validation on the sets of `data.more_valid` by name."""
    more = record.get("more")
    return {name: values for name, values in more.items() if isinstance(values, dict)} if isinstance(more, dict) else {}


def _drop_from(history: History, step: int, only: str | None = None) -> None:
    """Drop the records of `step` and later steps."""
    for event, records in (("train", history.train), ("valid", history.valid)):
        if only in (None, event):
            while records and records[-1]["step"] >= step:
                records.pop()


def is_number(value: object) -> bool:
    """Return whether `value` is a finite number."""
    try:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an integer that no float holds
        return False
