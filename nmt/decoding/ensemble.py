"""Ensembles: several engines as one, with the mean of their probabilities.

Axes: B sentences, N hypotheses, S source tokens, V vocabulary, U tokens of a shortlist, E engines.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

import numpy as np

from nmt.config.model_settings import TEXT_KEYS, TextSettings
from nmt.decoding.top_k import top_k
from nmt.engine import Bools, Engine, Floats, Ints, MemoryT, Prediction, StateT, Wanted
from nmt.errors import NmtError


@dataclass(frozen=True)
class EnsembleMemory(Generic[MemoryT]):
    """The memory of each engine."""

    parts: tuple[MemoryT, ...]

    @property
    def is_real(self) -> Bools:
        """(B, S), the same for all engines."""
        return self.parts[0].is_real

    def select(self, rows: Ints) -> "EnsembleMemory[MemoryT]":
        """Return the memory of the sentences `rows`."""
        return EnsembleMemory(tuple(part.select(rows) for part in self.parts))

    def at(self, slots: Ints | None, width: int) -> "EnsembleMemory[MemoryT]":
        """Return the memory for a step of the hypotheses in `slots`, as in `nmt.engine.Memory`."""
        return EnsembleMemory(tuple(part.at(slots, width) for part in self.parts))


@dataclass(frozen=True)
class EnsembleState(Generic[StateT]):
    """The state of each engine."""

    parts: tuple[StateT, ...]

    def select(self, rows: Ints) -> "EnsembleState[StateT]":
        """Return the state of the hypotheses `rows`."""
        return EnsembleState(tuple(part.select(rows) for part in self.parts))


class Ensemble(Generic[MemoryT, StateT]):
    """Engines with the same vocabularies, used as one `nmt.engine.Engine`."""

    def __init__(self, engines: Sequence[Engine[MemoryT, StateT]]) -> None:
        """Join `engines`. The caller must check that their vocabularies are the same."""
        self.engines = tuple(engines)
        self.batches_at_once = engines[0].batches_at_once
        self.rounds_rows = any(engine.rounds_rows for engine in engines)
        self.batch_tokens = min(engine.batch_tokens for engine in engines)

    def encode(self, source: Ints, lengths: Ints) -> EnsembleMemory[MemoryT]:
        """Encode `source` (B, S) with each engine."""
        return EnsembleMemory(tuple(engine.encode(source, lengths) for engine in self.engines))

    def restrict(self, memory: EnsembleMemory[MemoryT], tokens: Ints, is_allowed: Bools) -> EnsembleMemory[MemoryT]:
        """Restrict the memory of each engine to a shortlist: `tokens` (U,), `is_allowed` (B, U)."""
        pairs = zip(self.engines, memory.parts, strict=True)
        return EnsembleMemory(tuple(engine.restrict(part, tokens, is_allowed) for engine, part in pairs))

    def start(self, memory: EnsembleMemory[MemoryT], width: int) -> EnsembleState[StateT]:
        """Return the state of `width` empty hypotheses per sentence."""
        pairs = zip(self.engines, memory.parts, strict=True)
        return EnsembleState(tuple(engine.start(part, width) for engine, part in pairs))

    def step(
        self, token: Ints, state: EnsembleState[StateT], memory: EnsembleMemory[MemoryT], wanted: Wanted
    ) -> tuple[EnsembleState[StateT], Prediction]:
        """Return log(1/E sum_e p_e) and the mean alignment. Each engine returns the probabilities of all tokens."""
        triples = zip(self.engines, state.parts, memory.parts, strict=True)
        each = Wanted(None, wanted.alignment)
        states, found = zip(*(engine.step(token, part, own, each) for engine, part, own in triples), strict=True)
        log_probs, tokens = _log_mean([one.log_probs for one in found]), found[0].tokens
        if wanted.candidates is not None:
            columns = top_k(log_probs, wanted.candidates)
            log_probs = np.take_along_axis(log_probs, columns, 1)
            tokens = columns if tokens is None else tokens[columns]
        alignments = [one.alignment for one in found if one.alignment is not None]
        alignment = np.stack(alignments).mean(0) if alignments else None
        return EnsembleState(states), Prediction(log_probs, tokens, alignment)


def _log_mean(log_probs: Sequence[Floats]) -> Floats:
    """Return the logarithm of the mean of the probabilities whose logarithms are given, (N, V) each."""
    largest = np.maximum.reduce(log_probs)
    shift = np.where(np.isneginf(largest), np.float32(0), largest)
    total = np.exp(log_probs[0] - shift)
    for other in log_probs[1:]:
        total += np.exp(other - shift)
    with np.errstate(divide="ignore"):
        mean: Floats = np.log(total) + shift - np.float32(math.log(len(log_probs)))
    return mean


def check_same_text(folder: Path, text: TextSettings, other_folder: Path, other: TextSettings) -> None:
    """Raise `NmtError` that names the key if two runs normalise text differently or have different tags."""
    for key in TEXT_KEYS:
        if getattr(text, key) != getattr(other, key):
            raise NmtError(
                f"{folder} and {other_folder} differ in data.{key} ({getattr(text, key)}, {getattr(other, key)}); an "
                "ensemble needs runs that read the same text"
            )
    if set(text.training_tags) != set(other.training_tags):
        raise NmtError(
            f"{folder} and {other_folder} were trained with different tags (data.train.tag); all "
            "models of an ensemble must have the same translation directions"
        )
