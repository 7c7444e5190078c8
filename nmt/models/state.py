"""What the two halves of a network hand on: the encoded source, and what a hypothesis has read so far.

Axes: B sentences, K beams, N = B * K hypotheses (those of a sentence together), S source tokens, M memory width.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nmt.models.recurrent import CellState
from nmt.models.shortlist import Shortlist


@dataclass(frozen=True)
class Memory:
    """An encoded source."""

    states: Tensor
    """(B, S, M) top layer at every source token."""
    keys: tuple[Tensor, ...]
    """(B, S, …) what the decoder's attention compares its queries with, projected once."""
    is_real: Tensor
    """(B, S) bool, True on real tokens, False on padding."""
    final: tuple[CellState, ...]
    """Bottom to top, each recurrent layer's state after its last real token, (B, M) each; empty of a Transformer."""
    summary: Tensor
    """(B, M) the whole sentence as one vector."""
    source: Tensor
    """(B, S) the source's token ids."""
    shortlist: Shortlist | None = None
    """Which target tokens may be generated; None for all."""

    def select(self, rows: Tensor) -> "Memory":
        """Return the sentences `rows` (int64 or bool), trimmed to their longest."""
        is_real = self.is_real[rows]
        longest = int(is_real.sum(1).max()) if len(is_real) else 0
        return Memory(
            self.states[rows, :longest],
            tuple(part[rows, :longest] for part in self.keys),
            is_real[:, :longest],
            tuple(tuple(part[rows] for part in layer) for layer in self.final),
            self.summary[rows],
            self.source[rows, :longest],
            None if self.shortlist is None else self.shortlist.select(rows),
        )


@dataclass(frozen=True)
class DecoderState:
    """What a hypothesis has read so far; N = B * K rows, those of a sentence together."""

    layers: tuple[CellState, ...]
    """State of each layer, bottom to top, (N, D) each; of a Transformer its keys and values, (N, T, D) each."""
    feed: Tensor | None = None
    """(N, R) the previous readout, with input feeding."""
    coverage: Tensor | None = None
    """(N, S) the sum of the alignments so far, with coverage; S may be of a memory before it shrank."""
    position: int = 0
    """Target tokens read."""

    def select(self, rows: Tensor) -> "DecoderState":
        """Return the hypotheses `rows` (int64 or bool)."""
        return DecoderState(
            tuple(tuple(part[rows] for part in layer) for layer in self.layers),
            None if self.feed is None else self.feed[rows],
            None if self.coverage is None else self.coverage[rows],
            self.position,
        )

    def to(self, dtype: torch.dtype) -> "DecoderState":
        """Return the state with layers and feed in `dtype`."""
        layers = tuple(tuple(part.to(dtype) for part in layer) for layer in self.layers)
        return DecoderState(layers, None if self.feed is None else self.feed.to(dtype), self.coverage, self.position)
