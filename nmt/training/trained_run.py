"""The result of training: the folder of the run, why training ended, and the best checkpoint."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nmt.storage.run_folder import Run


@dataclass(frozen=True)
class TrainedRun(Run):
    """A run after `nmt.train`. Its `folder` is relative to the working directory of the training: runs/NAME."""

    is_finished: bool
    """False if training was stopped before its end by a `StopRequest`, so that it can be resumed."""
    reason: str
    """Why training ended, such as "max_steps reached"."""
    step: int
    """Number of the last optimizer step."""
    metric: Literal["bleu", "loss"]
    """`training.metric`, which decides which checkpoint is the best."""
    best_value: float | None
    """The metric of the best checkpoint: BLEU (0 to 100) or nats per target token; None without validation."""
    best_step: int | None
    """Step of the best checkpoint, 0 for the initial weights; None without validation."""
    seconds: float
    """Seconds trained, over all sessions of the run."""

    @property
    def best_checkpoint(self) -> Path:
        """Folder of the best checkpoint; without validation, of the last one."""
        return self.checkpoint("best")
