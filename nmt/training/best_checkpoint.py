"""Decide from the validations which checkpoint is best, when to stop early (patience), and when to count a plateau."""

import math
from typing import Any

from nmt.config import Config, Training
from nmt.evaluation.metrics import default_tokenizer
from nmt.storage.history import ZERO_BLEU, rank
from nmt.storage.run_folder import Run, read_log
from nmt.training.checkpoint import Progress

Rank = tuple[float, float]
Ranked = list[tuple[Rank | None, dict[str, Any]]]


def update_best(progress: Progress, settings: Training, loss: float, bleu: float | None) -> bool:
    """Record the validation of `progress.step` and return whether it is the best so far.

    A value that is not finite is never the best. If two BLEU are equal, the lower loss is better.
    """
    new, old = rank(settings.metric, loss, bleu), _rank_of_best(progress, settings)
    if new is not None and (old is None or new > old):
        _set_best(progress, settings, progress.step, loss, bleu)
        return True
    if counts_for_patience(progress, settings, progress.step):
        progress.stalled_validations += 1
        progress.stalled_since_plateau += 1
        if settings.schedule == "plateau" and progress.stalled_since_plateau >= settings.plateau_patience:
            progress.plateaus += 1
            progress.stalled_since_plateau = 0
    return False


def counts_for_patience(progress: Progress, settings: Training, step: int) -> bool:
    """Return whether a validation at `step` without improvement counts for `patience` and `plateau_patience`.

    It does after warm-up and, with `metric: bleu`, once a BLEU of `ZERO_BLEU` or more has been reached.
    """
    is_reached = settings.metric == "loss" or (progress.best is not None and progress.best >= ZERO_BLEU)
    return step > settings.warmup_steps and is_reached


def metric_settings(config: Config) -> dict[str, Any]:
    """Return the metric that decides, and the settings on which values of BLEU depend."""
    tokenize = default_tokenizer(config.data.target_language)
    settings = config.training
    return {"metric": settings.metric, "validation_sentences": settings.validation_sentences, "tokenize": tokenize}


def update_best_on_resume(progress: Progress, config: Config, old: dict[str, Any], run: Run) -> str | None:
    """Choose the best checkpoint of a resumed run again if the recorded one is not comparable or does not exist.

    That is so if `old`, the former `metric_settings`, differ from those of `config`, if the best checkpoint has been
    removed, or if an older version saved the checkpoint. The validations in the log decide between the checkpoints that
    still exist. If the log has no comparable value, the best checkpoint stays until the next validation. Return a
    message for the user if anything changed.
    """
    settings, names, old_best = config.training, run.names(), progress.best_step
    reasons = _changes(old, metric_settings(config))
    if old_best is not None and f"step-{old_best}" not in names:
        reasons.append(f"step-{old_best}, the best checkpoint, does not exist")
    is_old_version = progress.best is not None and progress.best_loss is None
    if not reasons and not is_old_version:
        return None
    ranked = _ranked_validations(run, progress, settings) if _is_comparable(old, config) else []
    if _choose_best(progress, settings, ranked, names):
        if not reasons and progress.best_step == old_best:
            return None
        reason = "; ".join(reasons) or "chosen again, because an older version saved the checkpoint"
        value = f"{settings.metric} {progress.best:.4g}"
        return f"{reason}: by the validations in the log, step-{progress.best_step} is the best checkpoint ({value})"
    if not reasons:
        return None
    progress.best = progress.best_loss = None
    progress.best_step = old_best if f"step-{old_best}" in names else None
    progress.stalled_validations = progress.stalled_since_plateau = 0
    kept = "" if progress.best_step is None else f", and step-{old_best} stays the best checkpoint until then"
    return f"{'; '.join(reasons)}: the log has no comparable value, so the next validation decides{kept}"


def _choose_best(progress: Progress, settings: Training, ranked: Ranked, names: list[str]) -> bool:
    """Record the best of the `ranked` validations whose checkpoint is in `names`; return False if there is none.

    Then count the later validations without improvement again.
    """
    existing = [(found, entry) for found, entry in ranked if found is not None and f"step-{entry['step']}" in names]
    if not existing:
        return False
    best, chosen = max(existing, key=lambda pair: pair[0])
    _set_best(progress, settings, chosen["step"], chosen.get("loss"), chosen.get("bleu"))
    for found, entry in ranked:
        if entry["step"] <= chosen["step"]:
            continue
        if found is not None and found > best:  # its checkpoint is gone, but there was an improvement
            best, progress.stalled_validations, progress.stalled_since_plateau = found, 0, 0
        elif counts_for_patience(progress, settings, entry["step"]):
            progress.stalled_validations += 1
            progress.stalled_since_plateau = (progress.stalled_since_plateau + 1) % settings.plateau_patience
    return True


def _is_comparable(old: dict[str, Any], config: Config) -> bool:
    """Return whether the values in the log can be compared with new ones: a loss always, BLEU with equal settings."""
    new = metric_settings(config)
    return new["metric"] == "loss" or all(old[key] == new[key] for key in new if key != "metric")


def _changes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Return a phrase for each setting because of which values measured with `old` and with `new` differ."""
    names = {"metric": "training.metric", "validation_sentences": "training.validation_sentences"}
    return [
        f"{names.get(key, 'the tokeniser of BLEU')} was {old[key]} and is {value}"
        for key, value in new.items()
        if old[key] != value and (key == "metric" or new["metric"] == "bleu")
    ]


def _ranked_validations(run: Run, progress: Progress, settings: Training) -> Ranked:
    """Return the validations in the log up to the resumed step, each with its rank (None if it is not finite)."""
    if not run.log.exists():
        return []
    entries: Ranked = []
    for entry in read_log(run.log):
        step = entry.get("step")
        if entry.get("event") != "valid" or not isinstance(step, int) or settings.metric not in entry:
            continue
        if step < progress.step or (step == progress.step and not progress.needs_validation):
            entries.append((rank(settings.metric, entry.get("loss"), entry.get("bleu")), entry))
    return entries


def _rank_of_best(progress: Progress, settings: Training) -> Rank | None:
    if progress.best is None:
        return None
    loss = progress.best if settings.metric == "loss" else progress.best_loss
    return rank(settings.metric, loss, progress.best)


def _set_best(progress: Progress, settings: Training, step: int, loss: float | None, bleu: float | None) -> None:
    progress.best = loss if settings.metric == "loss" else bleu
    progress.best_loss = loss if loss is not None and math.isfinite(loss) else None
    progress.best_step = step
    progress.stalled_validations = progress.stalled_since_plateau = 0
