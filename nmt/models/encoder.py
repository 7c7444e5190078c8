"""The recurrent encoder: source vectors to what the decoder may look at.

Axes: B sentences, S source tokens, E embedding width, I input width of a layer, M encoder width.
"""

import math

import torch
from torch import Tensor, nn

from nmt.config import Dropout
from nmt.config import Encoder as EncoderConfig
from nmt.models.cells import CellState
from nmt.models.dropout import SequenceDropout
from nmt.models.recurrent_layer import RecurrentLayer, last_real, reverse


class EncoderLayer(nn.Module):
    """One layer, reading forward or both ways; padding never reaches a real token."""

    def __init__(self, config: EncoderConfig, input_size: int, depth: int = 0, weight_dropout: float = 0.0) -> None:
        """Take the width of what the layer reads, and the number of layers below it."""
        super().__init__()
        is_bidirectional = depth < config.layers_both_ways
        size = config.size // 2 if is_bidirectional and config.merge == "concat" else config.size
        self.merge = config.merge
        directions = [
            RecurrentLayer(config.cell, input_size, size, config.transitions, config.gate_norm, weight_dropout)
            for _ in range(1 + is_bidirectional)
        ]
        self.forwards = directions[0]
        self.backwards = directions[1] if is_bidirectional else None
        self.residual = config.adds_input(depth, input_size)
        self.norm = nn.LayerNorm(config.size) if config.layer_norm else nn.Identity()

    def forward(self, x: Tensor, below: Tensor, lengths: Tensor, with_cells: bool) -> tuple[Tensor, CellState]:
        """Return outputs (B, S, M) and the final state, its memory cell too where `with_cells`.

        It reads `x` (B, S, I), which is `below` after dropout; a residual connection adds that as it was.
        """
        output, final = self.forwards.forward_to_end(x, lengths, with_cells)
        if self.backwards is not None:
            backward, last = self.backwards.forward_to_end(reverse(x, lengths), lengths, with_cells)
            output = self._merged(output, reverse(backward, lengths))
            final = tuple(self._merged(*parts) for parts in zip(final, last, strict=True))
        if self.residual:
            output = output + below
        return self.norm(output), final

    def _merged(self, forward: Tensor, backward: Tensor) -> Tensor:
        if self.merge == "concat":
            return torch.cat([forward, backward], dim=-1)
        if self.merge == "mul":
            return forward * backward
        total = forward + backward
        return total / 2 if self.merge == "average" else total


class Encoder(nn.Module):
    """A stack of recurrent layers, the lowest of which may read both ways (Wu 2016, section 3.2)."""

    def __init__(self, config: EncoderConfig, dropout: Dropout, input_size: int, with_cells: bool) -> None:
        super().__init__()
        sizes = [input_size] + [config.size] * (config.layers - 1)
        self.layers = nn.ModuleList(
            EncoderLayer(config, size, depth, dropout.recurrent) for depth, size in enumerate(sizes)
        )
        self.dropout = SequenceDropout(dropout.layer, dropout.mask)
        self.with_cells = with_cells
        self.reversed = config.reverse

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, tuple[CellState, ...]]:
        """Return the top layer's outputs (B, S, M) over `x` (B, S, E) and each layer's final state."""
        finals = []
        x = reverse(x, lengths) if self.reversed else x
        for depth, layer in enumerate(self.layers):
            x, final = layer(self.dropout(x) if depth else x, x, lengths, self.with_cells)
            finals.append(final)
        x = reverse(x, lengths) if self.reversed else x
        return self.dropout(x), tuple(finals)


def summarize(kind: str, states: Tensor, final: tuple[CellState, ...], lengths: Tensor) -> Tensor:
    """Return each sentence as one vector (B, M).

    `states` (B, S, M) are the top layer's; `kind` takes their mean or maximum over the real tokens, `lengths` (B,), or
    the `last`: the top layer's final state, of a Transformer that at the end of the sentence.
    """
    if kind == "last":
        return final[-1][0] if final else last_real(states, lengths)
    is_padding = (torch.arange(states.shape[1], device=states.device) >= lengths.unsqueeze(1)).unsqueeze(2)
    if kind == "max":
        return states.masked_fill(is_padding, -math.inf).amax(1)
    return states.masked_fill(is_padding, 0.0).sum(1) / lengths.unsqueeze(1).to(states.dtype)
