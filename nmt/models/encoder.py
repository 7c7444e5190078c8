"""The recurrent encoder: layers in one or both directions, residual connections, and one vector for the whole sentence.

Axes: B sentences, S source tokens, E embedding width, I input width of a layer, D width of one direction, M encoder
width.
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
    """h_s = [forward h_s; backward h_s] (Bahdanau 2015, section 3.2); `model.encoder.merge` has other ways to merge.

    Padding never influences a real token.
    """

    def __init__(self, config: EncoderConfig, input_size: int, depth: int = 0, weight_dropout: float = 0.0) -> None:
        """Take the width of the layer's input and the number of layers below it."""
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
        """Return outputs (B, S, M) and the final state, (B, M) each, with the memory cells if `with_cells`.

        The layer reads `x` (B, S, I), which is `below` after dropout. A residual connection adds `below`.
        """
        output, final = self.forwards(x, lengths=lengths, with_cells=with_cells)  # (B, S, D)
        if self.backwards is not None:
            backward, last = self.backwards(reverse(x, lengths), lengths=lengths, with_cells=with_cells)
            output = self._merge(output, reverse(backward, lengths))  # (B, S, M)
            final = tuple(self._merge(*parts) for parts in zip(final, last, strict=True))  # (B, M) each
        if self.residual:
            output = output + below
        return self.norm(output), final

    def _merge(self, forward: Tensor, backward: Tensor) -> Tensor:
        if self.merge == "concat":
            return torch.cat([forward, backward], dim=-1)  # (…, M)
        if self.merge == "mul":
            return forward * backward
        total = forward + backward
        return total / 2 if self.merge == "average" else total


class Encoder(nn.Module):
    """A stack of recurrent layers (`model.encoder.kind: recurrent`).

    Only the lowest layers may be bidirectional (Wu 2016, section 3.2; `bidirectional_layers`). The source may be read
    in reverse (Sutskever 2014, section 3.3; `reverse`).
    """

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
        """Return the top layer's outputs (B, S, M) over `x` (B, S, E) and the final state of each layer."""
        finals = []
        x = reverse(x, lengths) if self.reversed else x
        for depth, layer in enumerate(self.layers):
            x, final = layer(self.dropout(x) if depth else x, x, lengths, self.with_cells)  # (B, S, M)
            finals.append(final)
        x = reverse(x, lengths) if self.reversed else x
        return self.dropout(x), tuple(finals)


def summarize(kind: str, states: Tensor, final: tuple[CellState, ...], lengths: Tensor) -> Tensor:
    """Return each sentence as one vector (B, M), as `kind` (`model.encoder.summary`) says.

    `mean` and `max` are over the real tokens (`lengths`, (B,)) of `states` (B, S, M), the top layer's outputs. `last`
    is the top layer's final state; for a Transformer, which has none, the output at the last real token.
    """
    if kind == "last":
        return final[-1][0] if final else last_real(states, lengths)
    is_padding = (torch.arange(states.shape[1], device=states.device) >= lengths.unsqueeze(1)).unsqueeze(2)  # (B, S, 1)
    if kind == "max":
        return states.masked_fill(is_padding, -math.inf).amax(1)  # (B, M)
    return states.masked_fill(is_padding, 0.0).sum(1) / lengths.unsqueeze(1).to(states.dtype)  # (B, M)
