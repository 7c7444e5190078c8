"""The events of training, which `train` passes to `on_event` in the order in which they happen.

`str(event)` is the text that `nmt train` prints. Losses are in nats per target token, the end of the sentence included.
Seconds are those of training over all sessions of a run, with validations and checkpoints, but without preparation.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from nmt.reports.units import format_seconds, format_size
from nmt.training.trained_run import TrainedRun


@dataclass(frozen=True)
class TrainingStarted:
    """The data is prepared, the network is built, and training begins or is resumed."""

    folder: Path
    """Folder of the run."""
    step: int
    """Optimizer steps that are done already: more than 0 only if a run is resumed."""
    max_steps: int
    """Steps after which training ends at the latest."""
    is_resumed: bool
    """Whether an earlier session is continued."""
    parameters: int
    """Number of weights of the network."""
    device: str
    """cpu or cuda."""
    precision: str
    """Arithmetic of matrix products: fp32 or bf16."""
    threads: int
    """Threads that torch uses on the CPU."""
    torch: str
    """Version of torch."""
    pairs: int
    """Sentence pairs of the training data."""
    left_out: int
    """Pairs that training leaves out because they have more than `training.max_tokens` tokens."""
    source_vocabulary: int
    """Number of source tokens in the vocabulary."""
    target_vocabulary: int
    """Number of target tokens in the vocabulary."""
    seed: int
    """Seed of all random numbers."""
    processes: int = 1
    """Ranks: processes that train the model together, each with a share of every batch."""

    def facts(self) -> dict[str, int | str]:
        """Return what the first line of the log says about the run."""
        return {
            "parameters": f"{self.parameters:,}",
            "device": self.device,
            "precision": self.precision,
            "threads": self.threads,
            "torch": self.torch,
            **({"processes": self.processes} if self.processes > 1 else {}),
            "pairs": self.pairs,
            **({"left_out": self.left_out} if self.left_out else {}),
            "vocabulary": f"{self.source_vocabulary}/{self.target_vocabulary}",
            "seed": self.seed,
        }

    def __str__(self) -> str:
        facts = "  ".join(f"{key.replace('_', ' ')} {value}" for key, value in self.facts().items())
        return f"{facts}\nresuming at step {self.step:,}" if self.is_resumed else facts


@dataclass(frozen=True)
class CostEstimated:
    """What the rest of the run will cost at most, said before its first step. Short runs have no such event.

    A new run is measured with a few steps that leave no trace; a resumed run goes by its log. Sizes are in bytes.
    """

    step: int
    """Optimizer steps done."""
    max_steps: int
    """Steps after which training ends at the latest."""
    seconds_per_step: float
    """Mean time of a step, without validations and without writing checkpoints."""
    tokens_per_second: float
    """Target tokens per second."""
    validations: int
    """Number of validations to come."""
    seconds_per_validation: float | None
    """Time of a validation; None if it is not known."""
    device: str
    """cpu or cuda: whose memory `memory` is."""
    memory: int | None
    """Peak memory of the process, or of its tensors on the GPU; None if it was not measured, as in a resumed run."""
    checkpoint_size: int
    """Size of a checkpoint."""
    run_size: int
    """Size of the folder of the run, while a checkpoint is written."""
    time: float
    """When the estimate was made, in seconds since 1970."""

    @property
    def seconds_of_steps(self) -> float:
        """Time of the steps to come, without validations."""
        return (self.max_steps - self.step) * self.seconds_per_step

    @property
    def seconds(self) -> float:
        """Time to the end, with validations if their time is known."""
        return self.seconds_of_steps + self.validations * (self.seconds_per_validation or 0.0)

    def __str__(self) -> str:
        speed = f"1,000 steps in {format_seconds(1000 * self.seconds_per_step)}"
        ends = f"step {self.max_steps:,} at {self._clock(self.seconds_of_steps)} without validations"
        if self.seconds_per_validation is not None:
            count = f"{self.validations} validation{'s' * (self.validations != 1)}"
            ends += f", at {self._clock(self.seconds)} with {count} of {format_seconds(self.seconds_per_validation)}"
        kind = "memory" if self.device == "cpu" else "GPU memory"
        memory = "" if self.memory is None else f"{kind} about {format_size(self.memory)}, "
        disk = f"checkpoint {format_size(self.checkpoint_size)}, run folder up to {format_size(self.run_size)}"
        return (
            f"estimated time: {speed}, {self.tokens_per_second:,.0f} target tokens/s; {ends}\n"
            f"estimated size: {memory}{disk}"
        )

    def _clock(self, seconds: float) -> str:
        """Return the local time in `seconds`, with the date unless it is today."""
        end, now = time.localtime(self.time + seconds), time.localtime(self.time)
        return time.strftime("%H:%M" if end[:3] == now[:3] else "%Y-%m-%d %H:%M", end)


@dataclass(frozen=True)
class StepLogged:
    """Means over the steps since the last event of this kind; there is one every `training.log_every` steps."""

    step: int
    """Optimizer steps done."""
    max_steps: int
    """Steps after which training ends at the latest."""
    epoch: int
    """Number of the pass over the training data, from 0."""
    loss: float
    """Negative log-likelihood of the training pairs, without label smoothing."""
    smoothed_loss: float
    """What training minimises: with label smoothing and all additional losses."""
    accuracy: float | None
    """Share of the target tokens that are the most probable ones, with dropout; None if it is not computed."""
    learning_rate: float
    """Learning rate of the last step."""
    gradient_norm: float
    """Norm of the gradient before clipping."""
    tokens: int
    """Target tokens in these steps."""
    skipped: int
    """Number of these steps that were skipped because their gradient was not finite."""
    tokens_per_second: float
    """Target tokens per second, without the time of validations."""
    seconds: float
    """Seconds trained."""
    seconds_left: float
    """Estimated seconds to `max_steps`, without validations."""

    @property
    def figures(self) -> str:
        """Loss and speed as a text."""
        return f"loss {self.loss:.3f}, {self.tokens_per_second:,.0f} target tokens/s"

    def __str__(self) -> str:
        return f"step {self.step:,}/{self.max_steps:,}  {self.figures}, {format_seconds(self.seconds_left)} left"


@dataclass(frozen=True)
class ValidationScores:
    """The scores on one validation set."""

    loss: float
    """Negative log-likelihood, without label smoothing. It may not be finite."""
    bleu: float | None
    """As in `Validated`."""

    def __str__(self) -> str:
        return f"loss {self.loss:.3f}" + ("" if self.bleu is None else f", BLEU {self.bleu:.2f}")


@dataclass(frozen=True)
class Validated:
    """A validation; there is one every `training.validate_every` steps and at the end."""

    step: int
    """Optimizer steps done; 0 for weights that training starts from."""
    epoch: int
    """Number of the pass over the training data, from 0."""
    loss: float
    """Negative log-likelihood of the validation pairs, without label smoothing. It may not be finite."""
    perplexity: float
    """exp(loss)."""
    bleu: float | None
    """BLEU of a greedy translation, 0 to 100. None without `training.validation_bleu`, NaN if the network diverged."""
    is_best: bool
    """Whether `training.metric` is better than in all earlier validations."""
    samples: tuple[tuple[str, str, str], ...]
    """A few (source, translation, reference)."""
    seconds: float
    """Seconds trained before the validation."""
    more: Mapping[str, ValidationScores] = field(default_factory=dict)
    """The scores on the validation sets of `data.more_valid` by name."""

    def __str__(self) -> str:
        at = f"at step {self.step:,}" if self.step else "before the first step"
        bleu = "" if self.bleu is None else f", BLEU {self.bleu:.2f} (greedy)"
        best = ", the best so far" if self.is_best else ""
        figures = f"loss {self.loss:.3f}, perplexity {self.perplexity:.2f}{bleu}{best}"
        more = "".join(f"; {name}: {scores}" for name, scores in self.more.items())
        return f"validation {at}: {figures}{more}; {format_seconds(self.seconds)} trained"


@dataclass(frozen=True)
class CheckpointSaved:
    """A checkpoint is completely written."""

    step: int
    """Optimizer steps done."""
    folder: Path
    """Folder of the checkpoint. Training removes it later unless it is the best or one of the last."""
    is_best: bool
    """Whether it is the best checkpoint so far; the first one is the best until there is a validation."""

    def __str__(self) -> str:
        return f"saved {self.folder}{' (best)' if self.is_best else ''}"


@dataclass(frozen=True)
class CheckpointsAveraged:
    """After the last step, the mean of the last checkpoints was validated and saved (`training.average_last`)."""

    step: int
    """Optimizer steps done."""
    folder: Path
    """Folder of the checkpoint with the mean."""
    names: tuple[str, ...]
    """The checkpoints that were averaged."""
    loss: float
    """Validation loss of the mean."""
    bleu: float | None
    """BLEU of a greedy translation with the mean, 0 to 100; None if `training.validation_bleu` is off."""

    def __str__(self) -> str:
        bleu = "" if self.bleu is None else f", BLEU {self.bleu:.2f}"
        return f"averaged the last {len(self.names)} checkpoints: loss {self.loss:.3f}{bleu}"


@dataclass(frozen=True)
class TrainingEnded:
    """Training has ended, and all files of the run are written. There is no such event after an error."""

    run: TrainedRun
    """The result, which `train` returns, too."""

    def __str__(self) -> str:
        run = self.run
        if not run.is_finished:
            return f"stopped; step {run.step:,} is saved in {run.checkpoints}"
        value = run.best_value
        best = "" if value is None else f"; best {run.metric} {value:.4g} at step {run.best_step:,}"
        text = f"trained for {format_seconds(run.seconds)}\n{run.reason}{best}"
        if run.best_step == 0:
            text += (
                "\ntraining brought no improvement: no validation was better than that of the initial weights, which "
                "the best checkpoint, step-0, holds unchanged"
            )
        return text


TrainingEvent: TypeAlias = (
    TrainingStarted | CostEstimated | StepLogged | Validated | CheckpointSaved | CheckpointsAveraged | TrainingEnded
)
