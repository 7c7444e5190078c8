"""Which validation is the best so far, and when there have been too many since without a better one."""

import math
from typing import Any

from nmt.config import Config, Training
from nmt.evaluation.metrics import default_tokenizer
from nmt.reports.history import ZERO_BLEU, rank
from nmt.storage.run_folder import Run, read_log
from nmt.training.checkpoint import Progress


def update_best(progress: Progress, settings: Training, loss: float, bleu: float | None) -> bool:
    """Take note of the validation of `progress.step`, and return whether it is the best so far.

    A value that is not finite is never the best. Of two equal BLEU the one with the lower loss is better.
    """
    found = rank(settings.metric, loss, bleu)
    known = _rank_of_best(progress, settings)
    if found is not None and (known is None or found > known):
        _set_best(progress, settings, progress.step, loss, bleu)
        return True
    if counts(progress, settings, progress.step):
        progress.misses += 1
        progress.plateau_misses += 1
        if settings.schedule == "plateau" and progress.plateau_misses >= settings.plateau_patience:
            progress.plateaus += 1
            progress.plateau_misses = 0
    return False


def counts(progress: Progress, settings: Training, step: int) -> bool:
    """Return whether a validation without improvement at `step` counts for `patience` and plateaus.

    It does once warm-up has ended and, with `metric: bleu`, once a BLEU of `ZERO_BLEU` or more has been reached.
    """
    is_reached = settings.metric == "loss" or (progress.best is not None and progress.best >= ZERO_BLEU)
    return step > settings.warmup_steps and is_reached


def measure(config: Config) -> dict[str, Any]:
    """Return what `metric` is, and what values of BLEU depend on."""
    tokenize = default_tokenizer(config.data.target_language)
    settings = config.training
    return {"metric": settings.metric, "validation_sentences": settings.validation_sentences, "tokenize": tokenize}


def update_best_on_resume(progress: Progress, config: Config, before: dict[str, Any], run: Run) -> str | None:
    """Find the best checkpoint of a run that is resumed, if what its progress says of it holds no longer.

    That is so if values are not measured as `before` (see `measure`), if the best checkpoint is gone, and for what
    older versions saved. The validations in the log decide, of those checkpoints that are still there. Where there is
    no value to compare, the best checkpoint stays until one is found. Returns a line for the user if anything changed.
    """
    settings, was, names = config.training, progress.best_step, run.names()
    changes = _changes(before, measure(config))
    if was is not None and f"step-{was}" not in names:
        changes.append(f"step-{was}, the best checkpoint, is gone")
    is_old = progress.best is not None and progress.best_loss is None
    if not changes and not is_old:
        return None
    others = {key: value for key, value in measure(config).items() if key != "metric"}
    is_comparable = settings.metric == "loss" or all(before[key] == value for key, value in others.items())
    ranked = _ranked(run, progress, settings) if is_comparable else []
    there = [one for one in ranked if one[0] is not None and f"step-{one[1]['step']}" in names]
    if there:
        best, entry = max(there, key=lambda one: one[0])
        _set_best(progress, settings, entry["step"], entry.get("loss"), entry.get("bleu"))
        for found, later in ranked:
            if later["step"] <= entry["step"]:
                continue
            if found is not None and found > best:  # its checkpoint is gone, but the run had not stood still
                best, progress.misses, progress.plateau_misses = found, 0, 0
            elif counts(progress, settings, later["step"]):
                progress.misses += 1
                progress.plateau_misses = (progress.plateau_misses + 1) % settings.plateau_patience
        if not changes and progress.best_step == was:
            return None
        why = "; ".join(changes) or "judged anew, as an older version saved the checkpoint"
        value = f"{settings.metric} {progress.best:.4g}"
        return f"{why}: by the validations in the log, step-{progress.best_step} is the best checkpoint ({value})"
    if not changes:
        return None
    progress.best = progress.best_loss = None
    progress.best_step = was if f"step-{was}" in names else None
    progress.misses = progress.plateau_misses = 0
    kept = "" if progress.best_step is None else f", and step-{was} stays the best checkpoint until then"
    return f"{'; '.join(changes)}: the log has no value to compare, so the next validation decides{kept}"


def _changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return in words why values measured as `before` do not compare with those measured as `now`."""
    names = {"metric": "training.metric", "validation_sentences": "training.validation_sentences"}
    return [
        f"{names.get(key, 'the tokeniser of BLEU')} was {before[key]} and is {value}"
        for key, value in now.items()
        if before[key] != value and (key == "metric" or now["metric"] == "bleu")
    ]


def _ranked(run: Run, progress: Progress, settings: Training) -> list[tuple[Any, dict[str, Any]]]:
    """Return the validations in the log up to the resumed step, each after its rank (None: not finite)."""
    if not run.log.exists():
        return []
    entries = []
    for entry in read_log(run.log):
        step = entry.get("step")
        if entry.get("event") != "valid" or not isinstance(step, int) or settings.metric not in entry:
            continue
        if step < progress.step or (step == progress.step and not progress.is_unjudged):
            entries.append((rank(settings.metric, entry.get("loss"), entry.get("bleu")), entry))
    return entries


def _rank_of_best(progress: Progress, settings: Training) -> tuple[float, float] | None:
    if progress.best is None:
        return None
    loss = progress.best if settings.metric == "loss" else progress.best_loss
    return rank(settings.metric, loss, progress.best)


def _set_best(progress: Progress, settings: Training, step: int, loss: float | None, bleu: float | None) -> None:
    progress.best = loss if settings.metric == "loss" else bleu
    progress.best_loss = loss if loss is not None and math.isfinite(loss) else None
    progress.best_step = step
    progress.misses = progress.plateau_misses = 0
