"""One recurrent cell: an LSTM, a GRU or a tanh RNN, its weights and one step.

Axes: N rows, I input width, I' columns of the input, D width, G gates: 4D, of a plain RNN D.
"""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.kernels.deferred_gradients import linear
from nmt.kernels.lstm_cell import LSTMCellFunction, fast_tanh, lstm_cell

CellState: TypeAlias = tuple[Tensor, ...]
"""(h,) of an RNN or GRU, (h, c) of an LSTM, each (N, D)."""
GateWeights: TypeAlias = tuple[Tensor, Tensor]
"""Weight (G, I' + D) and bias (G,) that make a cell's gates of [x; h]."""

INPUT_GAIN = {"lstm": 2.0, "gru": 1.0, "rnn": 1.0}
"""Of the weights that read the input, over those of Glorot & Bengio (2010), each gate drawn by itself.

The half-open gates of an LSTM let a quarter of what it reads through at first. A stack of them would tell the attention
next to nothing, and find alignments late; with this gain it is as loud as where the papers draw from +-0.08 or 0.1.
"""


class GateNorm(nn.Module):
    """Normalises what makes each gate over its units, before the bias (after Ba 2016; by gate, as in Chen 2018)."""

    def __init__(self, gates: int, size: int) -> None:
        super().__init__()
        self.gates = gates
        self.gain = nn.Parameter(torch.ones(gates * size))

    def forward(self, products: Tensor) -> Tensor:
        """Return `products` (N, G) with mean 0 and variance 1 in each gate, times the gain."""
        parts = products.unflatten(-1, (self.gates, -1))  # type: ignore[no-untyped-call]
        return F.layer_norm(parts, parts.shape[-1:]).flatten(-2) * self.gain


class Cell(nn.Module):
    """One step of an LSTM, a GRU or a tanh RNN, and how its weights are drawn at first; * is by element.

    LSTM (Hochreiter & Schmidhuber 1997, with a forget gate), gates in the order i, f, g, o:
        i, f, o = sigmoid(W x + U h + b);  g = tanh(W x + U h + b);  c' = f * c + i * g;  h' = o * tanh(c')
    GRU, gates in the order r, z, n:
        r, z = sigmoid(W x + U h + b);  n = tanh(W x + b + r * (U h + b'));  h' = (1 - z) * n + z * h
        as in torch and cuDNN; Cho (2014) resets the state before the product: tanh(W x + U (r * h)).
    RNN (Elman 1990):
        h' = tanh(W x + U h + b)
    """

    product: nn.Module | None
    """The gates (N, G) of [x; h] (N, I + D) in one product, in a network made ready for search."""
    late_bias: Tensor | None
    """(G,) what is added to it where gates are normalised."""

    def __init__(
        self, cell: str, network: nn.Module, size: int, gate_norm: bool = False, weight_dropout: float = 0.0
    ) -> None:
        """Take torch's `network`, which holds the weights of one cell of `size` units."""
        super().__init__()
        self.cell = cell
        self.size = size
        self.weight_dropout = weight_dropout
        self.product = self.late_bias = None
        self.norm = GateNorm(1 if cell == "rnn" else 4, size) if gate_norm else None
        self.network = network
        input_weight, state_weight, input_bias, state_bias = self.weights
        gates = len(input_weight) // size
        for block in input_weight.chunk(gates):
            nn.init.xavier_uniform_(block, gain=INPUT_GAIN[cell])
        for block in state_weight.chunk(gates):
            nn.init.orthogonal_(block)
        nn.init.zeros_(input_bias)
        nn.init.zeros_(state_bias)
        if cell == "lstm":  # remember at first: forget gate bias 1 (Jozefowicz 2015)
            nn.init.ones_(input_bias[size : 2 * size])

    @property
    def weights(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the weights of input and state, (4D, I) and (4D, D), and their biases; 3D of a GRU, D of an RNN."""
        input_weight, state_weight, input_bias, state_bias = self.network.parameters()
        return input_weight, state_weight, input_bias, state_bias

    def weights_in_use(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the weights as they are used: in training some that read the state are zero (Merity 2018)."""
        input_weight, state_weight, input_bias, state_bias = self.weights
        return input_weight, F.dropout(state_weight, self.weight_dropout, self.training), input_bias, state_bias

    @property
    def states(self) -> int:
        """Number of tensors in a `CellState`."""
        return 2 if self.cell == "lstm" else 1

    def gate_weights(self, columns: slice = slice(None)) -> GateWeights:
        """Return weight (G, I' + D) and bias (G,), `x` being those `columns` of the input.

        A GRU keeps the candidate's two shares apart, as the reset gate comes between them, and has G = 4D too.
        """
        input_weight, state_weight, input_bias, state_bias = self.weights_in_use()
        input_weight = input_weight[:, columns]
        if self.cell != "gru":
            return torch.cat([input_weight, state_weight], 1), input_bias + state_bias
        gates = 2 * self.size
        weight = torch.cat([
            torch.cat([input_weight[:gates], state_weight[:gates]], 1),
            F.pad(input_weight[gates:], (0, self.size)),
            F.pad(state_weight[gates:], (input_weight.shape[1], 0)),
        ])  # fmt: skip
        return weight, torch.cat([input_bias[:gates] + state_bias[:gates], input_bias[gates:], state_bias[gates:]])

    def make_ready(self, product: Callable[[Tensor, Tensor], nn.Module]) -> None:
        """Take the `product` of a weight (G, I + D) and a bias (G,); for search only."""
        weight, bias = self.gate_weights()
        if self.norm is not None:
            self.late_bias, bias = bias, torch.zeros_like(bias)
        self.product = product(weight, bias)

    def project_input(self, x: Tensor, columns: slice) -> Tensor:
        """Return what `x` (..., I'), those `columns` of the input, adds to what makes the gates: (..., G)."""
        product = F.linear(x, self.weights[0][:, columns])
        return F.pad(product, (0, self.size)) if self.cell == "gru" else product

    def advance(
        self, x: Tensor, state: CellState, weights: GateWeights | None = None, projected: Tensor | None = None
    ) -> CellState:
        """Return the next state from `state` and the input `x` (N, I).

        In a loop, `weights` come ready, and may be those of some columns, `x`; `projected` (N, G) is of the others.
        """
        h = state[0]
        both = torch.cat([x, h.to(x.dtype)], dim=-1)
        bias: Tensor | None
        if weights is None and self.product is not None:
            gates, bias = self.product(both), self.late_bias
        else:
            weight, bias = weights or self.gate_weights()
            gates = linear(both, weight, bias if self.norm is None else None)
        if projected is not None:
            gates = gates + projected
        if self.norm is not None:
            gates = self.norm(gates) + bias
        if self.cell == "lstm":
            c = state[1].to(gates.dtype)
            if torch.is_grad_enabled():
                h, c = LSTMCellFunction.apply(gates, c)  # type: ignore[no-untyped-call]
            else:
                h, c, *_ = lstm_cell(gates, c)
            return h, c
        if self.cell == "rnn":
            return (fast_tanh(gates),)
        reset, update, x_new, h_new = gates.chunk(4, dim=-1)
        new = fast_tanh(x_new + reset.sigmoid() * h_new)
        return (torch.lerp(new, h.to(new.dtype), update.sigmoid()),)
