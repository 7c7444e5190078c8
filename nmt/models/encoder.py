"""The recurrent encoder: source vectors to what the decoder may look at.

Axes: B sentences, S source tokens, E embedding width, M encoder width, A key width.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nmt.config import Dropout
from nmt.config import Encoder as EncoderConfig
from nmt.models.dropout import SequenceDropout
from nmt.models.recurrent import CellState, RecurrentLayer, reverse
from nmt.models.shortlist import Shortlist


@dataclass(frozen=True)
class Memory:
    """An encoded source."""

    states: Tensor
    """(B, S, M) top layer at every source token."""
    keys: Tensor
    """(B, S, A) what the attention compares its query with, projected once."""
    is_real: Tensor
    """(B, S) bool, True on real tokens, False on padding."""
    final: tuple[CellState, ...]
    """Bottom to top, each layer's state after its last real token, both directions concatenated: (B, M) each."""
    shortlist: Shortlist | None = None
    """Which target tokens may be generated; None for all."""

    def select(self, rows: Tensor) -> "Memory":
        """Return the sentences `rows` (int64 or bool), trimmed to their longest."""
        is_real = self.is_real[rows]
        longest = int(is_real.sum(1).max()) if len(is_real) else 0
        return Memory(
            self.states[rows, :longest],
            self.keys[rows, :longest],
            is_real[:, :longest],
            tuple(tuple(part[rows] for part in layer) for layer in self.final),
            None if self.shortlist is None else self.shortlist.select(rows),
        )


class EncoderLayer(nn.Module):
    """One layer, reading forward or both ways; padding never reaches a real token."""

    def __init__(self, config: EncoderConfig, input_size: int) -> None:
        super().__init__()
        size = config.size // 2 if config.bidirectional else config.size
        self.forwards = RecurrentLayer(config.cell, input_size, size)
        self.backwards = RecurrentLayer(config.cell, input_size, size) if config.bidirectional else None
        self.residual = config.residual and input_size == config.size
        self.norm = nn.LayerNorm(config.size) if config.layer_norm else nn.Identity()

    def forward(self, x: Tensor, lengths: Tensor, with_cells: bool) -> tuple[Tensor, CellState]:
        """Return outputs (B, S, M) and the final state, its memory cell too where `with_cells`."""
        output, final = self.forwards.forward_to_end(x, lengths, with_cells)
        if self.backwards is not None:
            backward, last = self.backwards.forward_to_end(reverse(x, lengths), lengths, with_cells)
            output = torch.cat([output, reverse(backward, lengths)], dim=-1)
            final = tuple(torch.cat(parts, dim=-1) for parts in zip(final, last, strict=True))
        if self.residual:
            output = output + x
        return self.norm(output), final


class Encoder(nn.Module):
    """A stack of recurrent layers."""

    def __init__(self, config: EncoderConfig, dropout: Dropout, input_size: int, with_cells: bool) -> None:
        super().__init__()
        sizes = [input_size] + [config.size] * (config.layers - 1)
        self.layers = nn.ModuleList(EncoderLayer(config, size) for size in sizes)
        self.dropout = SequenceDropout(dropout.layer, dropout.mask)
        self.with_cells = with_cells

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, tuple[CellState, ...]]:
        """Return the top layer's outputs (B, S, M) over `x` (B, S, E) and each layer's final state."""
        finals = []
        for depth, layer in enumerate(self.layers):
            x, final = layer(self.dropout(x) if depth else x, lengths, self.with_cells)
            finals.append(final)
        return self.dropout(x), tuple(finals)
