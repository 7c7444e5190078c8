"""The interface between search and what predicts the next token: `encode`, `start` and `step` of an engine.

An engine is a network in torch (`nmt.models.torch_engine`), an exported network in ONNX Runtime
(`nmt.runtime.onnx_engine`), an ensemble of engines (`nmt.decoding.ensemble`), or a toy model of the tests. Search knows
nothing about layers, cells or attention. It works with numpy arrays, passes memories and states from one call to the
next, and reorders them with `select`.

Axes: B sentences, K slots per sentence, N hypotheses, S source tokens, V target vocabulary, C candidates of a
hypothesis, U tokens of a shortlist. The hypotheses of a sentence are adjacent. N is B * K, or less if some slots are
empty.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from typing_extensions import Self

EngineName = Literal["auto", "onnx", "torch"]
Device: TypeAlias = str
"""auto, cpu, cuda, cuda:N for the GPU of that number, or mps for the GPU of an Apple computer."""
DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?|mps")
DEVICES = "auto, cpu, cuda, cuda:N or mps"
Precision = Literal["auto", "fp32", "bf16", "fp16", "int8"]
Arithmetic = Literal["fp32", "bf16", "fp16", "int8"]
"""Data type of the matrix products. fp16 is for training only."""

Bools: TypeAlias = NDArray[np.bool_]
Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float32]
Doubles: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Wanted:
    """What a step returns: a search asks for no more than it needs, since the rest costs time."""

    candidates: int | None = None
    """C, the number of best tokens of each hypothesis; None for the log-probabilities of all tokens."""
    alignment: bool = False
    """Whether the attention over the source is needed."""


ALL_TOKENS = Wanted()


@dataclass(frozen=True)
class Prediction:
    """The next token of N hypotheses. The search may overwrite the arrays."""

    log_probs: Floats
    """(N, V) log-probability of each token, or (N, C) those of the candidates, the largest first. Of equal values the
    one with the lower id is first."""
    tokens: Ints | None
    """(N, C) ids of the candidates. For all tokens: None if column v is token v, else (V,) the id of each column,
    ascending, PAD to EOS first."""
    alignment: Floats | None = None
    """(N, S) attention over the source; None if it is not wanted."""

    @property
    def has_all_tokens(self) -> bool:
        """Whether all tokens are predicted, not only the best."""
        return self.tokens is None or self.tokens.ndim == 1


class Memory(Protocol):
    """B encoded source sentences."""

    @property
    def is_real(self) -> Bools:
        """(B, S), True on real source tokens, False on padding."""

    def select(self, rows: Ints, /) -> Self:
        """Return the memory of the sentences `rows`. S may shrink to the longest of them."""

    def at(self, slots: Ints | None, width: int, /) -> Self:
        """Return the memory for a step of the hypotheses in `slots`.

        `slots` (N,) are ascending numbers of slots out of B * `width`; None means that all slots are used.
        """


class State(Protocol):
    """The decoder state of N hypotheses."""

    def select(self, rows: Ints, /) -> Self:
        """Return the state of the hypotheses `rows`, which may repeat, reorder or drop hypotheses."""


def is_gpu(device: Device) -> bool:
    """Return whether a device is surely not a CPU; auto may be one."""
    return device not in ("auto", "cpu")


MemoryT = TypeVar("MemoryT", bound=Memory)
StateT = TypeVar("StateT", bound=State)


class Engine(Protocol[MemoryT, StateT]):
    """Predicts the next token of hypotheses. Several threads may call it at the same time."""

    @property
    def batches_at_once(self) -> int:
        """How many batches are translated side by side in threads; 1 if the engine itself uses all cores."""

    @property
    def batch_tokens(self) -> int:
        """Source tokens of the largest batch that saves time, counted once for each hypothesis."""

    @property
    def rounds_rows(self) -> bool:
        """Whether steps with few different numbers of rows are faster (see `kernels.row_counts`)."""

    def encode(self, source: Ints, lengths: Ints) -> MemoryT:
        """Encode `source` (B, S), ids with EOS, padded; `lengths` (B,) is the number of real tokens."""

    def restrict(self, memory: MemoryT, tokens: Ints, is_allowed: Bools) -> MemoryT:
        """Return `memory` for a search over a shortlist: `tokens` (U,), ascending, `is_allowed` (B, U)."""

    def start(self, memory: MemoryT, width: int) -> StateT:
        """Return the state of `width` empty hypotheses per sentence."""

    def step(self, token: Ints, state: StateT, memory: MemoryT, wanted: Wanted) -> tuple[StateT, Prediction]:
        """Predict the next token of each hypothesis. `token` (N,) is the previous token, BOS in the first step.

        Rows of `token` and `state` belong to the same hypotheses, those of `memory` (see `Memory.at`).
        """
