"""The interface between search and models: `encode`, `start` and `step` of a network, an ensemble or another model.

Search knows nothing about layers, cells or attention. It passes memories and states from one call to the next, and
reorders them with `select`.

Axes: B sentences, K slots per sentence, N hypotheses, S source tokens, V vocabulary, U tokens of a shortlist.
The hypotheses of a sentence are adjacent. N is B * K, or less if some slots are empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from torch import Tensor

from nmt.models.state import StepOutput

if TYPE_CHECKING:
    from typing_extensions import Self


class Memory(Protocol):
    """B encoded source sentences."""

    @property
    def is_real(self) -> Tensor:
        """(B, S) bool, True on real source tokens, False on padding."""

    def select(self, rows: Tensor, /) -> Self:
        """Return the memory of the sentences `rows` (int64). S may shrink to the longest of them."""

    def at(self, slots: Tensor | None, width: int, /) -> Self:
        """Return the memory for a step of the hypotheses in `slots`.

        `slots` (N,) int64 are ascending numbers of slots out of B * `width`; None means that all slots are used.
        """


class State(Protocol):
    """The decoder state of N hypotheses."""

    def select(self, rows: Tensor, /) -> Self:
        """Return the state of the hypotheses `rows` (int64), which may repeat, reorder or drop hypotheses."""


MemoryT = TypeVar("MemoryT", bound=Memory)
StateT = TypeVar("StateT", bound=State)


class Model(Protocol[MemoryT, StateT]):
    """A network, an ensemble or another engine that search can use."""

    def encode(self, source: Tensor, lengths: Tensor) -> MemoryT:
        """Encode `source` (B, S), ids with EOS, padded; `lengths` (B,) is the number of real tokens."""

    def restrict(self, memory: MemoryT, tokens: Tensor, is_allowed: Tensor) -> MemoryT:
        """Return `memory` for a search over a shortlist, as in `SearchBatch`: `tokens` (U,), `is_allowed` (B, U)."""

    def start(self, memory: MemoryT, beams: int) -> StateT:
        """Return the state of `beams` empty hypotheses per sentence."""

    def step(self, token: Tensor, state: StateT, memory: MemoryT) -> tuple[StateT, StepOutput]:
        """Predict the next token of each hypothesis. `token` (N,) is the previous token, BOS in the first step.

        Rows of `token` and `state` belong to the same hypotheses, those of `memory` (see `Memory.at`).
        """
