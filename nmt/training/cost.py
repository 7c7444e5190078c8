"""Estimate, before the first step of a run, its time, its memory and its disk space.

A new run is measured: a few real steps and a part of a validation, which leave no trace (`Trainer.trial`). A run that
is resumed on the same machine needs no measurement: its log has the speed.
"""

import logging
import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, TypeAlias

import torch

from nmt.data.batching import BATCHES_PER_WINDOW, Batch
from nmt.errors import NmtError
from nmt.reports.units import format_size
from nmt.storage.history import History, read_history
from nmt.storage.run_folder import Run
from nmt.training.events import CostEstimated, TrainingStarted
from nmt.training.stop import Stopped
from nmt.training.trainer import Trainer

logger = logging.getLogger(__name__)
SHORT_RUN = 200
"""A run with fewer steps to come is not estimated, because it may end before the estimate is made."""
STEPS_BUDGET, VALIDATION_BUDGET = 3.0, 1.0
"""Seconds that may be spent on steps, unless the fewest steps take longer, and on each part of a validation."""
FEWEST_BATCHES, MOST_BATCHES = 4, 12
"""Bounds of the number of batches whose steps are timed, besides the largest one."""
LATER_MEMORY = 1.3
"""Factor of the memory measured on a CPU: oneDNN compiles kernels for the lengths of later batches and keeps 1,024 of
them. With it, the estimates for two networks (bf16, AMX) were 2 % and 6 % below the peaks of their runs."""
FLOAT_BYTES = 4
LOGGED_LINES = 20
"""Number of last lines of a log from which the speed of a resumed run is taken."""
Times: TypeAlias = tuple[float, float, float | None]
"""Seconds and target tokens of a step, and seconds of a validation, None if not known."""
MACHINE = ("device", "precision", "threads", "torch", "processes")
"""Facts in the log that must be the same now for the logged speed to hold."""


def estimate(trainer: Trainer, logged: Times | None) -> CostEstimated:
    """Return what the rest of the run will cost, by the `logged` times, or measured if there are none.

    Warn if the disk has too little space. Raise `NmtError` if a step does not fit into memory, and `Stopped` if a stop
    is requested during the measurement.
    """
    times, memory = (logged, None) if logged is not None else _measure(trainer)
    seconds, tokens, seconds_per_validation = times
    settings, step = trainer.settings, trainer.progress.step
    checkpoint_size, run_size = _sizes(trainer)
    _check_disk(trainer.run, run_size)
    every = settings.validate_every
    is_extra = settings.max_steps > step and settings.max_steps % every != 0  # the last step is always validated
    return CostEstimated(
        step=step,
        max_steps=settings.max_steps,
        seconds_per_step=seconds,
        tokens_per_second=tokens / max(1e-9, seconds),
        validations=settings.max_steps // every - step // every + is_extra,
        seconds_per_validation=seconds_per_validation,
        device=trainer.device.type,
        memory=memory,
        checkpoint_size=checkpoint_size,
        run_size=run_size,
        time=time.time(),
    )


def _measure(trainer: Trainer) -> tuple[Times, int | None]:
    """Return the times, measured, and the peak memory in bytes."""
    with trainer.trial() as copied:
        before = _peak_memory(trainer.device)
        batches = [b for b, _ in islice(trainer.batches.iterate_from(trainer.progress.position), BATCHES_PER_WINDOW)]
        seconds = _time_steps(trainer, batches)
        weights = sum(weight.nbytes for weight in trainer.model.parameters())
        # Writing the optimizer's state, twice the size of the weights, copies it.
        saving = 0 if trainer.device.type == "cuda" else 2 * weights + _resident_memory()
        validation = trainer.validator.estimate_seconds(trainer.weights_to_use, VALIDATION_BUDGET)
        peak = _peak_memory(trainer.device)
    if peak is not None and before is not None:
        own, later = (0, 1.0) if trainer.device.type == "cuda" else (copied, LATER_MEMORY)
        peak = max(before, int(later * (max(peak, saving) - own)))
    return (seconds, statistics.fmean(batch.tokens for batch in batches), validation), peak


def _time_steps(trainer: Trainer, batches: Sequence[Batch]) -> float:
    """Return the mean time of a step on batches like these, of which some are used, the largest first.

    The first step of each batch is not counted: kernels for its lengths are compiled then. In training that happens
    once for each length. The largest batch comes first and last, because the kernels of the others take memory, too.
    """
    by_size = sorted(batches, key=lambda batch: batch.source.size + batch.target.size)
    start = time.perf_counter()
    _steps(trainer, by_size[-1:])
    one = _steps(trainer, by_size[-1:])
    left = STEPS_BUDGET - (time.perf_counter() - start)
    count = min(MOST_BATCHES, len(by_size), max(FEWEST_BATCHES, int(left / (2 * one))))
    count = trainer.ranks.from_first(count)
    chosen = [by_size[int((number + 0.5) / count * len(by_size))] for number in range(count)]
    _steps(trainer, chosen)
    seconds = _steps(trainer, chosen) / count
    _steps(trainer, by_size[-1:])
    return seconds


def _steps(trainer: Trainer, batches: Sequence[Batch]) -> float:
    """Take a step on each of `batches`, and return the seconds of all."""
    start = time.perf_counter()
    for batch in batches:
        if trainer.ranks.any(trainer.stop.is_set()):
            raise Stopped
        trainer.step(batch)
    if trainer.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def logged_times(run: Run, started: TrainingStarted) -> Times | None:
    """Return the times in the log of a resumed run; None if it has none yet, or if the run was on another machine.

    Call it before the log has the line of `started`, which describes this machine.
    """
    if not started.is_resumed:
        return None
    try:
        history = read_history(run.folder)
    except NmtError:
        return None
    facts = started.facts()
    if any(history.facts.get(key) != facts.get(key) for key in MACHINE):
        return None
    return times_of(history)


def times_of(history: History) -> Times | None:
    """Return the times in the log of a run; None if it has none yet."""
    lines = [line for line in history.train if line.get("tokens_per_second") and line.get("tokens")]
    seconds = tokens = steps = 0.0
    for earlier, line in list(pairwise([{"step": 0}, *lines]))[-LOGGED_LINES:]:
        seconds += _seconds_of(line)
        tokens += line["tokens"]
        steps += line["step"] - earlier["step"]
    if not steps:
        return None
    return seconds / steps, tokens / steps, _seconds_per_validation(history, lines)


def _seconds_of(line: dict[str, Any]) -> float:
    """Return the time of the steps of a line of the log, without validations."""
    return float(line["tokens"] / line["tokens_per_second"])


def _seconds_per_validation(history: History, lines: Sequence[dict[str, Any]]) -> float | None:
    """Return the median time of a validation: what the time between two lines has beyond that of the steps."""
    steps = [record["step"] for record in history.valid]
    found = []
    for earlier, line in pairwise(lines):
        count = sum(earlier["step"] <= step < line["step"] for step in steps)
        if count and "seconds" in earlier and "seconds" in line:
            found.append((line["seconds"] - earlier["seconds"] - _seconds_of(line)) / count)
    return max(0.0, statistics.median(found)) if found else None


def _sizes(trainer: Trainer) -> tuple[int, int]:
    """Return the size of a checkpoint, and that of the run folder at most."""
    settings = trainer.settings
    weights = sum(weight.numel() for weight in trainer.model.parameters()) * FLOAT_BYTES
    # Weights, their moving average, and two moments of Adam for each weight.
    checkpoint = weights * (1 + (trainer.averaged is not None) + 2)
    # The last ones, the best one, and the one that is being written; but a short run saves fewer.
    of_validations = (
        settings.max_steps // settings.validate_every if settings.validate_every % settings.save_every else 0
    )
    saved = settings.max_steps // settings.save_every + of_validations + 2
    count = min(settings.keep_last + 2, saved)
    # The graphs of the best one are no larger than its weights, even in fp32.
    return checkpoint, checkpoint * count + weights * (1 + bool(settings.average_last))


def _check_disk(run: Run, needed: int) -> None:
    """Warn if the file system of the run has less space than the whole run needs."""
    folder = next(path for path in (run.folder.absolute(), *run.folder.absolute().parents) if path.exists())
    used = sum(path.stat().st_size for path in run.folder.rglob("*") if path.is_file())
    free = shutil.disk_usage(folder).free
    if needed > free + used:
        logger.warning(
            f"{folder}: {format_size(free)} of disk space are free, but the run may need {format_size(needed - used)} "
            "more; keep fewer checkpoints (training.keep_last), or free disk space"
        )


def _peak_memory(device: torch.device) -> int | None:
    """Return the largest memory so far, in bytes: of the tensors on the GPU, or of the process. None if not known."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if peak := _status("VmHWM"):
        return peak
    try:
        import resource  # Windows lacks it
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _resident_memory() -> int:
    """Return the memory of the process now, in bytes; 0 if the system does not tell."""
    return _status("VmRSS")


def _status(key: str) -> int:
    """Return a size in /proc/self/status in bytes; 0 if there is none. getrusage counts the parent process, too."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").split("\n")
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:")), 0)
