"""Ensembles: several models as one, with the mean of their probabilities.

Axes: B sentences, N hypotheses, S source tokens, V vocabulary, U tokens of a shortlist, E models.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic

import torch
from torch import Tensor

from nmt.config import TEXT_KEYS, load_run_config
from nmt.decoding.model_protocol import MemoryT, Model, StateT
from nmt.errors import NmtError
from nmt.models.state import StepOutput
from nmt.storage.run_folder import Run


@dataclass(frozen=True)
class EnsembleMemory(Generic[MemoryT]):
    """The memory of each model."""

    parts: tuple[MemoryT, ...]

    @property
    def is_real(self) -> Tensor:
        """(B, S) bool, the same for all models."""
        return self.parts[0].is_real

    def select(self, rows: Tensor) -> "EnsembleMemory[MemoryT]":
        """Return the memory of the sentences `rows`."""
        return EnsembleMemory(tuple(part.select(rows) for part in self.parts))

    def at(self, slots: Tensor | None, width: int) -> "EnsembleMemory[MemoryT]":
        """Return the memory for a step of the hypotheses in `slots`, as in `model_protocol.Memory`."""
        return EnsembleMemory(tuple(part.at(slots, width) for part in self.parts))


@dataclass(frozen=True)
class EnsembleState(Generic[StateT]):
    """The state of each model."""

    parts: tuple[StateT, ...]

    def select(self, rows: Tensor) -> "EnsembleState[StateT]":
        """Return the state of the hypotheses `rows`."""
        return EnsembleState(tuple(part.select(rows) for part in self.parts))


class Ensemble(Generic[MemoryT, StateT]):
    """Models with the same vocabularies, used as one `model_protocol.Model`."""

    def __init__(self, models: Sequence[Model[MemoryT, StateT]]) -> None:
        """Join `models`. The caller must check that their vocabularies are the same."""
        self.models = tuple(models)

    def encode(self, source: Tensor, lengths: Tensor) -> EnsembleMemory[MemoryT]:
        """Encode `source` (B, S) with each model."""
        return EnsembleMemory(tuple(model.encode(source, lengths) for model in self.models))

    def restrict(self, memory: EnsembleMemory[MemoryT], tokens: Tensor, is_allowed: Tensor) -> EnsembleMemory[MemoryT]:
        """Restrict the memory of each model to a shortlist: `tokens` (U,), `is_allowed` (B, U)."""
        pairs = zip(self.models, memory.parts, strict=True)
        return EnsembleMemory(tuple(model.restrict(part, tokens, is_allowed) for model, part in pairs))

    def start(self, memory: EnsembleMemory[MemoryT], beams: int) -> EnsembleState[StateT]:
        """Return the state of `beams` empty hypotheses per sentence."""
        pairs = zip(self.models, memory.parts, strict=True)
        return EnsembleState(tuple(model.start(part, beams) for model, part in pairs))

    def step(
        self, token: Tensor, state: EnsembleState[StateT], memory: EnsembleMemory[MemoryT]
    ) -> tuple[EnsembleState[StateT], StepOutput]:
        """Return log(1/E sum_e p_e) (N, V) as logits, and the mean alignment (N, S)."""
        triples = zip(self.models, state.parts, memory.parts, strict=True)
        states, outputs = zip(*(model.step(token, part, own) for model, part, own in triples), strict=True)
        log_probs = torch.stack([torch.log_softmax(o.logits, -1, dtype=torch.float32) for o in outputs])  # (E, N, V)
        alignment = torch.stack([o.alignment.float() for o in outputs]).mean(0)
        logits = log_probs.logsumexp(0) - math.log(len(outputs))
        return EnsembleState(states), StepOutput(logits, alignment, outputs[0].tokens)


def check_same_text(run: Run, other: Run) -> None:
    """Raise `NmtError` that names the key if two runs normalise text differently or have different tags."""
    a, b = load_run_config(run).data, load_run_config(other).data
    for key in TEXT_KEYS:
        if getattr(a, key) != getattr(b, key):
            raise NmtError(
                f"{run.folder} and {other.folder} differ in data.{key} ({getattr(a, key)}, {getattr(b, key)}); an "
                "ensemble needs runs that read the same text"
            )
    if {corpus.tag for corpus in a.train} != {corpus.tag for corpus in b.train}:
        raise NmtError(
            f"{run.folder} and {other.folder} were trained with different tags (data.train.tag); all "
            "models of an ensemble must have the same translation directions"
        )
