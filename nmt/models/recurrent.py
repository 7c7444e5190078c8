"""One recurrent layer in one direction: a whole sequence at once, or one step, over the same weights.

Axes: B sentences, T steps, I input width, D width, G gates (4D for LSTM, 3D for GRU).
"""

from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

CellState: TypeAlias = tuple[Tensor, ...]
"""(h,) of a GRU or (h, c) of an LSTM, each (B, D)."""

NETWORKS = {"lstm": nn.LSTM, "gru": nn.GRU}


class RecurrentLayer(nn.Module):
    """An LSTM (Hochreiter & Schmidhuber 1997) or GRU (Cho 2014) layer.

    `forward` is one fused call (oneDNN, cuDNN); `gates` and `step` are the same arithmetic, one step at a time.
    """

    def __init__(self, cell: str, input_size: int, size: int) -> None:
        super().__init__()
        self.cell = cell
        self.size = size
        self.network: nn.RNNBase = NETWORKS[cell](input_size, size, batch_first=True)
        input_weight, state_weight, input_bias, state_bias = self.weights
        nn.init.xavier_uniform_(input_weight)
        for block in state_weight.chunk(len(state_weight) // size):
            nn.init.orthogonal_(block)
        nn.init.zeros_(input_bias)
        nn.init.zeros_(state_bias)
        if cell == "lstm":  # remember at first: forget gate bias 1 (Jozefowicz 2015)
            nn.init.ones_(input_bias[size : 2 * size])

    @property
    def weights(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the weights of input (G, I) and state (G, D), and their biases (G,)."""
        input_weight, state_weight, input_bias, state_bias = self.network.all_weights[0]
        return input_weight, state_weight, input_bias, state_bias

    @property
    def states(self) -> int:
        """Number of tensors in a `CellState`."""
        return 2 if self.cell == "lstm" else 1

    def forward(self, x: Tensor, start: CellState | None = None) -> Tensor:
        """Return the outputs (B, T, D) over `x` (B, T, I), from the state `start` or from zero."""
        output: Tensor = self.network(x, self._pack_state(start))[0]
        return output

    def forward_to_end(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, CellState]:
        """Return outputs (B, T, D) and the state after each sentence's last real token (`lengths`, (B,))."""
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        output, state = self.network(packed)
        padded, _ = pad_packed_sequence(output, batch_first=True, total_length=x.shape[1])
        return padded, tuple(part[0] for part in (state if isinstance(state, tuple) else (state,)))

    def gates(self, x: Tensor, columns: slice = slice(None)) -> Tensor:
        """Return the input's share of the gates (..., G) for the given columns of the input weights.

        The bias belongs to the share of the first columns.
        """
        weight, _, bias, _ = self.weights
        return F.linear(x, weight[:, columns], None if columns.start else bias)

    def step(self, gates: Tensor, state: CellState) -> tuple[Tensor, CellState]:
        """Return the output (B, D) and next state from the input's `gates` (B, G) and `state`."""
        h = state[0]
        _, weight, _, bias = self.weights
        recurrent = F.linear(h, weight, bias)
        if self.cell == "lstm":
            input_gate, forget_gate, candidate, output_gate = (gates + recurrent).chunk(4, dim=-1)
            c = forget_gate.sigmoid() * state[1] + input_gate.sigmoid() * candidate.tanh()
            h = output_gate.sigmoid() * c.tanh()
            return h, (h, c)
        x_reset, x_update, x_new = gates.chunk(3, dim=-1)
        h_reset, h_update, h_new = recurrent.chunk(3, dim=-1)
        new = (x_new + (x_reset + h_reset).sigmoid() * h_new).tanh()
        h = torch.lerp(new, h.to(new.dtype), (x_update + h_update).sigmoid())
        return h, (h,)

    def _pack_state(self, state: CellState | None) -> Tensor | tuple[Tensor, Tensor] | None:
        if state is None:
            return None
        stacked = [part.unsqueeze(0).contiguous() for part in state]
        return (stacked[0], stacked[1]) if self.cell == "lstm" else stacked[0]


def reverse(x: Tensor, lengths: Tensor) -> Tensor:
    """Reverse the real tokens of each sentence of `x` (B, T, I); padding (from `lengths`, (B,)) stays at the end."""
    position = torch.arange(x.shape[1], device=x.device).unsqueeze(0)  # (1, T)
    mirrored = lengths.unsqueeze(1) - 1 - position  # (B, T)
    index = torch.where(mirrored >= 0, mirrored, position)
    return x.gather(1, index.unsqueeze(2).expand_as(x))


def last_real(x: Tensor, lengths: Tensor) -> Tensor:
    """Return each sentence's vector at its last real token: (B, I) from `x` (B, T, I) and `lengths` (B,)."""
    return x[torch.arange(len(x), device=x.device), lengths - 1]
