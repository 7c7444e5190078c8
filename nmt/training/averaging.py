"""`nmt average`: the mean of several checkpoints of a run as a new checkpoint (Junczys-Dowmunt 2016; Vaswani 2017)."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nmt.config import Config, load_run_config
from nmt.data.preprocess import ignore_progress
from nmt.engine import Device
from nmt.errors import NmtError
from nmt.kernels.device import check_trainable, choose_device, choose_training_arithmetic, set_cudnn_precision
from nmt.models.seq2seq import Seq2Seq
from nmt.models.weights import load_mean, load_model, load_weights
from nmt.storage.checkpoint_meta import load_meta
from nmt.storage.history import rank
from nmt.storage.run_folder import CHECKPOINT_NAME, Run
from nmt.training import checkpoint
from nmt.training.run_data import prepare_data
from nmt.training.torch_state import training_state
from nmt.training.validation import Validator

logger = logging.getLogger(__name__)
_TAKEN = re.compile(r"best|last|step-.*", re.IGNORECASE)  # some file systems ignore case
LOCK_REMEDY = "the mean is written into the run: make its folder writable"


@dataclass(frozen=True)
class AveragingRequest:
    """Which checkpoints to average, and the name of the result."""

    folder: Path
    """The folder of the run."""
    last: int = 0
    """Average this many of the latest checkpoints; 0 if `steps` names them."""
    steps: tuple[int, ...] = ()
    """Average the checkpoints of these steps."""
    name: str = "averaged"
    device: Device | None = None
    """The device that validates; None is `training.device` of the run."""


@dataclass(frozen=True)
class CheckpointScore:
    """The validation of a checkpoint."""

    name: str
    """The name of the mean, or such as "best, last (step-9)"."""
    loss: float
    """As in `ValidationResult`."""
    bleu: float | None
    """As in `ValidationResult`."""


def average_checkpoints(request: AveragingRequest) -> list[CheckpointScore]:
    """Save the mean of checkpoints as a new checkpoint of their run. Return its validation, and those of best and last.

    All are validated as in training, on `data.valid` alone. Nothing is saved if the validation of the mean fails.
    Raise `NmtError` if a checkpoint is missing, the name is taken, or a process uses the run.
    """
    run = Run.open(request.folder)
    run.check_not_exported("average checkpoints")
    with run.lock(LOCK_REMEDY):
        checkpoint.recover(run)
        _check_name(run, request.name)
        names = _choose(run, request)
        scores = _average(run, load_run_config(run), names, request)
    _report(run, scores, names)
    return scores


def _check_name(run: Run, name: str) -> None:
    """Raise `NmtError` if a checkpoint cannot get this name."""
    if not CHECKPOINT_NAME.fullmatch(name):
        raise NmtError(
            f"--name {name}: use letters, digits and . _ - (the first and the last a letter or a digit), at most 100"
        )
    if _TAKEN.fullmatch(name):
        raise NmtError(f"--name {name}: best, last and step-N are names of the checkpoints of training; choose another")
    if (run.checkpoints / name).exists():
        raise NmtError(
            f"{run.checkpoints / name}: exists already; choose another name with --name, or remove this folder"
        )


def _choose(run: Run, request: AveragingRequest) -> list[str]:
    """Return the names of the checkpoints to average, oldest first. Raise `NmtError` if there are not enough."""
    if request.steps:
        return [run.checkpoint(f"step-{step}").name for step in sorted(set(request.steps))]
    names = run.trained_names()
    if len(names) < request.last:
        keep_last = load_run_config(run).training.keep_last
        raise NmtError(
            f"{run.folder}: has {len(names)} checkpoints of training ({', '.join(names) or 'none'}), not "
            f"{request.last}; give a smaller --last, or train with a larger training.keep_last (it is {keep_last})"
        )
    return names[-request.last :]


def _average(run: Run, config: Config, names: Sequence[str], request: AveragingRequest) -> list[CheckpointScore]:
    """Validate and save the mean, then validate best and last with the same network."""
    folders = [run.checkpoints / name for name in names]
    metas = [load_meta(folder) for folder in folders]
    device = choose_device(request.device or config.training.device)
    arithmetic = choose_training_arithmetic("auto" if request.device else config.training.precision, device)
    check_trainable(arithmetic, device)
    prepared = prepare_data(run, config, folders[-1], ignore_progress)
    prepared = replace(prepared, validation={"valid": prepared.valid})
    sizes = prepared.vocabularies.source.size, prepared.vocabularies.target.size
    with training_state(device, config.training.threads):
        set_cudnn_precision(arithmetic, device)
        validator = Validator(config, prepared, device, arithmetic)
        model = load_model(folders[-1], config, *sizes, device)
        load_mean(model, [folder / "model.safetensors" for folder in folders])
        scores = [_validate(validator, model, request.name)]
        meta = {key: value for key, value in metas[-1].items() if key not in ("format", "step", "best")}
        checkpoint.save_weights_only(run, request.name, {**meta, "average_of": list(names)}, model)
        for label, name in _best_and_last(run):
            load_weights(model, run.checkpoints / name / "model.safetensors")
            scores.append(_validate(validator, model, label))
    return scores


def _validate(validator: Validator, model: Seq2Seq, name: str) -> CheckpointScore:
    logger.info(f"validating {name}")
    result = validator(model)
    return CheckpointScore(name, result.loss, result.bleu)


def _best_and_last(run: Run) -> list[tuple[str, str]]:
    """Return a label and the name of the checkpoints best and last, once if they are the same."""
    best, last = run.checkpoint("best").name, run.checkpoint("last").name
    if best == last:
        return [(f"best, last ({best})", best)]
    return [(f"best ({best})", best), (f"last ({last})", last)]


def _report(run: Run, scores: Sequence[CheckpointScore], names: Sequence[str]) -> None:
    """Log what was averaged, whether the mean is better than best, and how to use it."""
    mean, best = scores[:2]
    metric = load_run_config(run).training.metric
    ranks = [rank(metric, score.loss, score.bleu) or () for score in (mean, best)]
    verdict = "better than" if ranks[0] > ranks[1] else "as good as" if ranks[0] == ranks[1] else "worse than"
    logger.info(f"{mean.name} is the mean of {', '.join(names)}; by {metric} it is {verdict} best")
    logger.info(
        f"saved: {run.checkpoints / mean.name}; use it with --checkpoint {mean.name}, for example: "
        f"nmt translate --model {run.folder} --checkpoint {mean.name}"
    )
