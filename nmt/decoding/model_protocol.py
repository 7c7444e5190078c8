"""What search asks of a model: three methods over values, nothing about layers, cells or attention.

Axes: B sentences, K beams, N hypotheses (those of a sentence together): B * K, or fewer where places are empty;
S source tokens, V vocabulary, U target tokens allowed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from torch import Tensor

from nmt.models.state import StepOutput

if TYPE_CHECKING:
    from typing_extensions import Self


class Memory(Protocol):
    """B encoded sources."""

    @property
    def is_real(self) -> Tensor:
        """(B, S) bool, True on real source tokens."""

    def select(self, rows: Tensor) -> Self:
        """Return the sentences `rows` (int64); S may shrink to the longest of them."""

    def at(self, places: Tensor | None, beams: int) -> Self:
        """Return the memory for a step of the hypotheses at `places` (N,) of B * `beams`, ascending; None for all."""


class State(Protocol):
    """What N hypotheses have generated so far."""

    def select(self, rows: Tensor) -> Self:
        """Return the hypotheses `rows` (int64), which may repeat, reorder and leave out."""


AMemory = TypeVar("AMemory", bound=Memory)
AState = TypeVar("AState", bound=State)


class Model(Protocol[AMemory, AState]):
    """A network or an ensemble that search can drive."""

    def encode(self, source: Tensor, lengths: Tensor) -> AMemory:
        """Read `source` (B, S), ids with EOS, padded; `lengths` (B,) counts the real tokens."""

    def restrict(self, memory: AMemory, tokens: Tensor, is_allowed: Tensor) -> AMemory:
        """Return `memory` for `tokens` (U,) alone, PAD to EOS first, of which a sentence `is_allowed` (B, U) some."""

    def start(self, memory: AMemory, beams: int) -> AState:
        """Return the state of `beams` empty hypotheses a sentence."""

    def step(self, token: Tensor, state: AState, memory: AMemory) -> tuple[AState, StepOutput]:
        """Read the previous `token` (N,), BOS first, and predict the next; they are those `memory` is for."""
