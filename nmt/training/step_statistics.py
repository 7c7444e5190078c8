"""Statistics between two log entries: loss, gradient norm, speed, skipped steps; an error if training diverges."""

import logging
import math
import time

import torch

from nmt.errors import NmtError
from nmt.kernels.device import sum_dtype
from nmt.storage.run_folder import Run
from nmt.training.checkpoint import Progress
from nmt.training.events import StepLogged

logger = logging.getLogger(__name__)
MOST_SKIPPED = 20
"""Steps in a row without a finite gradient after which training ends with an error."""
SUMS = 6
"""Minimised loss, NLL, correct tokens, gradient norm, target tokens and number of the steps that were not skipped."""


class StepStatistics:
    """Sums over the steps since the last line of the log; they stay on the device, so that no step waits for a GPU."""

    def __init__(self, run: Run, progress: Progress, device: torch.device) -> None:
        """Continue with the sums in `progress`, unless an older version saved them, which summed other values."""
        self._run = run
        self._progress = progress
        self.is_on_cpu = device.type == "cpu"
        if len(progress.log_sums) == SUMS:
            self._sums = torch.tensor(progress.log_sums, dtype=sum_dtype(device), device=device)
        else:
            self._sums = torch.zeros(SUMS, dtype=sum_dtype(device), device=device)
            progress.tokens_since_log = progress.steps_since_log = 0
        self._skipped_in_a_row = 0
        self.microbatches: list[int] = []
        """The number of micro-batches of each step for which memory ran out."""
        self.start_clock()

    def start_clock(self) -> None:
        """Measure the speed from now on."""
        self._start, self._start_step = time.monotonic(), self._progress.step
        self._uncounted_tokens = self._progress.tokens_since_log  # of a session that has ended

    def exclude(self, seconds: float) -> None:
        """Do not count `seconds` since the last line, which validation took, for the speed."""
        self._start += seconds

    def sums(self) -> list[float]:
        """Return the sums, for a checkpoint."""
        return [float(value) for value in self._sums.tolist()]

    def add(self, losses: torch.Tensor, norm: torch.Tensor, tokens: int) -> bool:
        """Add a step and return whether to take it.

        `losses` (3,) are minimised loss, NLL and correct tokens, summed over `tokens`; `norm` is the gradient norm. On
        the CPU a step whose gradient is not finite is not taken, and `NmtError` is raised after too many of them.
        """
        counts = losses.new_full((1,), tokens), losses.new_ones(1)
        self._sums += torch.cat([losses, norm.to(losses.dtype).view(1), *counts]).where(norm.isfinite(), 0.0)
        self._progress.tokens_since_log += tokens
        self._progress.steps_since_log += 1
        if not self.is_on_cpu:
            return True  # `clipped_step` examines the norm on the GPU, `finish_interval` how many steps it has skipped
        is_finite = math.isfinite(float(norm))
        self._count_skipped(not is_finite, 1)
        return is_finite

    def finish_interval(self, learning_rate: float, max_steps: int) -> StepLogged | None:
        """Return the means over the steps since the last call, None if all were skipped. Start the next interval."""
        progress, now = self._progress, time.monotonic()
        tokens, steps = progress.tokens_since_log, progress.steps_since_log
        minimised, nll, correct, norm, taken_tokens, taken = self.sums()
        self._sums.zero_()
        progress.tokens_since_log = progress.steps_since_log = 0
        elapsed = max(1e-9, now - self._start)
        speed = (tokens - self._uncounted_tokens) / elapsed
        seconds_per_step = elapsed / max(1, progress.step - self._start_step)
        self.start_clock()
        if skipped := steps - round(taken):
            progress.skipped_steps += skipped
            logger.info(f"{skipped} of {steps} steps skipped before step {progress.step:,}: no finite gradient")
        if self.microbatches:
            logger.info(
                f"{len(self.microbatches)} of {steps} steps before step {progress.step:,} were taken in up to "
                f"{max(self.microbatches)} parts: out of memory; smaller batches (training.tokens_per_batch) "
                "would be faster"
            )
            self.microbatches.clear()
        if not self.is_on_cpu:
            self._count_skipped(not taken, steps)
        if taken == 0:
            return None
        return StepLogged(
            step=progress.step,
            max_steps=max_steps,
            epoch=progress.position.epoch,
            loss=nll / taken_tokens,
            smoothed_loss=minimised / taken_tokens,
            accuracy=None if math.isnan(correct) else correct / taken_tokens,
            learning_rate=learning_rate,
            gradient_norm=norm / taken,
            tokens=tokens,
            skipped=skipped,
            tokens_per_second=speed,
            seconds=progress.seconds,
            seconds_left=(max_steps - progress.step) * seconds_per_step,
        )

    def _count_skipped(self, are_skipped: bool, steps: int) -> None:
        self._skipped_in_a_row = self._skipped_in_a_row + steps if are_skipped else 0
        if self._skipped_in_a_row >= MOST_SKIPPED:
            resume = " and resume with --resume" if self._run.can_resume else ""
            raise NmtError(
                f"{self._run.folder}: no finite gradient in {MOST_SKIPPED} steps, up to step {self._progress.step}; "
                f"lower training.learning_rate or set training.precision to fp32{resume}"
            )
