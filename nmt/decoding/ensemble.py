"""Several models as one: the mean of their probabilities.

Axes: B sentences, N hypotheses, S source tokens, V vocabulary, E models.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic

import torch
from torch import Tensor

from nmt.config import TEXT_KEYS, load_run_config
from nmt.decoding.model_protocol import AMemory, AState, Model
from nmt.errors import NmtError
from nmt.models.state import StepOutput
from nmt.storage.run_folder import Run


@dataclass(frozen=True)
class EnsembleMemory(Generic[AMemory]):
    """The memory of each model."""

    parts: tuple[AMemory, ...]

    @property
    def is_real(self) -> Tensor:
        """(B, S) bool, the same for all models."""
        return self.parts[0].is_real

    def select(self, rows: Tensor) -> "EnsembleMemory[AMemory]":
        """Return the sentences `rows`."""
        return EnsembleMemory(tuple(part.select(rows) for part in self.parts))

    def at(self, places: Tensor | None, beams: int) -> "EnsembleMemory[AMemory]":
        """Return the memory for the hypotheses at `places`."""
        return EnsembleMemory(tuple(part.at(places, beams) for part in self.parts))


@dataclass(frozen=True)
class EnsembleState(Generic[AState]):
    """The state of each model."""

    parts: tuple[AState, ...]

    def select(self, rows: Tensor) -> "EnsembleState[AState]":
        """Return the hypotheses `rows`."""
        return EnsembleState(tuple(part.select(rows) for part in self.parts))


class Ensemble(Generic[AMemory, AState]):
    """Models over the same vocabularies, asked together."""

    def __init__(self, models: Sequence[Model[AMemory, AState]]) -> None:
        """Join `models`; that their vocabularies agree is the caller's to check."""
        self.models = tuple(models)

    def encode(self, source: Tensor, lengths: Tensor) -> EnsembleMemory[AMemory]:
        """Encode with each model."""
        return EnsembleMemory(tuple(model.encode(source, lengths) for model in self.models))

    def restrict(self, memory: EnsembleMemory[AMemory], tokens: Tensor, is_allowed: Tensor) -> EnsembleMemory[AMemory]:
        """Restrict each model."""
        pairs = zip(self.models, memory.parts, strict=True)
        return EnsembleMemory(tuple(model.restrict(part, tokens, is_allowed) for model, part in pairs))

    def start(self, memory: EnsembleMemory[AMemory], beams: int) -> EnsembleState[AState]:
        """Start each model."""
        pairs = zip(self.models, memory.parts, strict=True)
        return EnsembleState(tuple(model.start(part, beams) for model, part in pairs))

    def step(
        self, token: Tensor, state: EnsembleState[AState], memory: EnsembleMemory[AMemory]
    ) -> tuple[EnsembleState[AState], StepOutput]:
        """Return log mean_e p_e (N, V) as logits and the mean alignment (N, S)."""
        answers = [
            model.step(token, own, part)
            for model, own, part in zip(self.models, state.parts, memory.parts, strict=True)
        ]
        log_probs = torch.stack([torch.log_softmax(o.logits, -1, dtype=torch.float32) for _, o in answers])  # (E, N, V)
        alignment = torch.stack([o.alignment.float() for _, o in answers]).mean(0)
        logits = log_probs.logsumexp(0) - math.log(len(answers))
        return EnsembleState(tuple(own for own, _ in answers)), StepOutput(logits, alignment, answers[0][1].tokens)


def check_alike(run: Run, other: Run) -> None:
    """Raise `NmtError` naming the key where two runs do not read the same line in the same way."""
    a, b = load_run_config(run).data, load_run_config(other).data
    for key in TEXT_KEYS:
        if getattr(a, key) != getattr(b, key):
            raise NmtError(
                f"{run.folder} and {other.folder} differ in data.{key} ({getattr(a, key)}, {getattr(b, key)}); an "
                "ensemble needs runs that read the same text"
            )
    if {corpus.tag for corpus in a.train} != {corpus.tag for corpus in b.train}:
        raise NmtError(
            f"{run.folder} and {other.folder} were trained with different tags (data.train.tag); an ensemble needs "
            "runs of the same directions"
        )
