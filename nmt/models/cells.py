"""Recurrent cells: LSTM, GRU and tanh RNN, their weights, initialisation and gate normalisation.

Axes: N rows, I input width, J width of the input columns in use, D width, G gate inputs: 4D, or D for an RNN.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.kernels.deferred_gradients import linear_function
from nmt.kernels.gate_norm import gate_norm
from nmt.kernels.gru_cell import gru_cell, next_state
from nmt.kernels.lstm_cell import fast_tanh, lstm_cell

CellState: TypeAlias = tuple[Tensor, ...]
"""(h,) of an RNN or a GRU, (h, c) of an LSTM, each (N, D)."""

INPUT_GAIN = {"lstm": 2.0, "gru": 1.0, "rnn": 1.0}
"""Factor of the input weights relative to Glorot & Bengio (2010), each gate drawn separately.

At first the gates of an LSTM are half open, and pass about a quarter of the input. After several such layers attention
would get hardly any signal, and would learn alignments late. With this gain the signal is as strong as with the uniform
initialisation in [-0.08, 0.08] or [-0.1, 0.1] of the papers.
"""


LoopStep: TypeAlias = Callable[[list[Tensor], Tensor | None, CellState], CellState]
"""A step of a cell in a loop over time. Takes parts of the input of the cell, whose concatenation is (N, J), the
contribution of the other columns to the gate inputs (`Cell.project_input`), and the state; returns the next state."""


class GateProduct(NamedTuple):
    """The linear part of a cell."""

    function: Callable[[Tensor], Tensor]
    """Takes [x; h] (N, J + D) and returns the gate inputs (N, G)."""
    norm_bias: Tensor | None
    """(G,) bias that is added after gate normalisation; None without gate normalisation."""


class GateNorm(nn.Module):
    """Layer normalisation of each gate before the bias (Ba 2016; per gate as in Chen 2018); `gate_norm: true`."""

    def __init__(self, gates: int, size: int) -> None:
        super().__init__()
        self.gates = gates
        self.gain = nn.Parameter(torch.ones(gates * size))

    def forward(self, products: Tensor) -> Tensor:
        """Return `products` (N, G) with mean 0 and variance 1 in each gate, times the gain."""
        parts = products.unflatten(-1, (self.gates, -1))  # type: ignore[no-untyped-call]  # (N, 4, D), or (N, 1, D)
        return gate_norm(parts).flatten(-2) * self.gain  # (N, G)


class Cell(nn.Module):
    """An LSTM, a GRU or a tanh RNN (`cell: lstm`, `gru` or `rnn`); * is elementwise.

    LSTM (Hochreiter & Schmidhuber 1997, with a forget gate), gates in the order i, f, g, o:
        i, f, o = sigmoid(W x + U h + b);  g = tanh(W x + U h + b);  c' = f * c + i * g;  h' = o * tanh(c')
    GRU, gates in the order r, z, n:
        r, z = sigmoid(W x + U h + b);  n = tanh(W x + b + r * (U h + b'));  h' = (1 - z) * n + z * h
        as in torch and cuDNN; Cho (2014) resets the state before the product: tanh(W x + U (r * h)).
    RNN (Elman 1990):
        h' = tanh(W x + U h + b)
    """

    def __init__(
        self, cell: str, network: nn.Module, size: int, gate_norm: bool = False, weight_dropout: float = 0.0
    ) -> None:
        """Take torch's `network`, which holds the weights of one cell of `size` units."""
        super().__init__()
        self.cell = cell
        self.size = size
        self.weight_dropout = weight_dropout
        self.product: nn.Module | None = None
        self.norm_bias: Tensor | None = None
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
        if cell == "lstm":  # The forget gate is open at first (Jozefowicz 2015).
            nn.init.ones_(input_bias[size : 2 * size])

    @property
    def weights(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return W (4D, I), U (4D, D) and their biases (4D,); 3D for a GRU, D for an RNN."""
        input_weight, state_weight, input_bias, state_bias = self.network.parameters()
        return input_weight, state_weight, input_bias, state_bias

    def dropped_weights(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the weights, in training with dropout on U (Merity 2018; `model.dropout.recurrent`)."""
        input_weight, state_weight, input_bias, state_bias = self.weights
        return input_weight, F.dropout(state_weight, self.weight_dropout, self.training), input_bias, state_bias

    @property
    def state_count(self) -> int:
        """Number of tensors in a `CellState`."""
        return 2 if self.cell == "lstm" else 1

    def gate_weights(self, first_column: int = 0) -> tuple[Tensor, Tensor]:
        """Return [W U] (G, J + D) and b (G,), with the columns of W from `first_column` on.

        A GRU has four blocks of rows, since the reset gate multiplies only U h + b' of the candidate n.
        """
        input_weight, state_weight, input_bias, state_bias = self.dropped_weights()
        input_weight = input_weight[:, first_column:]
        if self.cell != "gru":
            return torch.cat([input_weight, state_weight], 1), input_bias + state_bias
        gates = 2 * self.size
        rows = [
            torch.cat([input_weight[:gates], state_weight[:gates]], 1),  # (2D, J + D)
            F.pad(input_weight[gates:], (0, self.size)),  # (D, J + D)
            F.pad(state_weight[gates:], (input_weight.shape[1], 0)),  # (D, J + D)
        ]
        return torch.cat(rows), self._four_biases(input_bias, state_bias)

    def _four_biases(self, input_bias: Tensor, state_bias: Tensor) -> Tensor:
        """Return the biases (4D,) of a GRU: those of r, of z, of W x and of U h of n, from b and b', (3D,) each."""
        gates = 2 * self.size
        return torch.cat([input_bias[:gates] + state_bias[:gates], input_bias[gates:], state_bias[gates:]])

    def gate_product(self, first_column: int = 0) -> GateProduct:
        """Return the function that multiplies by [W U]; of W only the columns from `first_column` on are used."""
        weight, bias = self.gate_weights(first_column)
        if self.norm is None:
            return GateProduct(linear_function(weight, bias), None)
        return GateProduct(linear_function(weight, None), bias)

    def single_step(self, inputs: list[Tensor], state: CellState) -> CellState:
        """Return the next state from `state` and the concatenation of `inputs`, (N, I), with weights of `set_product`.

        Without them, the weights are prepared for this step alone.
        """
        product = self.gate_product()
        if self.product is not None:
            product = GateProduct(self.product, self.norm_bias)
        return self._step(product, inputs, None, state)

    def loop_step(self, first_column: int = 0) -> LoopStep:
        """Return the step for a loop; of W only the columns from `first_column` on are used.

        In a GRU the products W x and U h are separate: [W U] would have a quarter of zeros.
        """
        if self.cell != "gru":
            return partial(self._step, self.gate_product(first_column))
        input_weight, state_weight, input_bias, state_bias = self.dropped_weights()
        columns, bias = input_weight[:, first_column:], self._four_biases(input_bias, state_bias)
        input_product = None
        if columns.shape[1]:
            input_product = linear_function(columns, None)
        else:
            bias = bias + columns.sum()  # zero; it gives this empty weight a gradient like that of all others
        return partial(self._gru_step, input_product, linear_function(state_weight, None), bias)

    def _step(
        self, product: GateProduct, inputs: list[Tensor], projected: Tensor | None, state: CellState
    ) -> CellState:
        parts = [*inputs, state[0]]
        gates = product.function(torch.cat([part.to(parts[0].dtype) for part in parts], dim=-1))  # (N, G)
        if projected is not None:
            gates = gates + projected
        return self.update(gates, product.norm_bias, state)

    def _gru_step(
        self,
        input_product: Callable[[Tensor], Tensor] | None,
        state_product: Callable[[Tensor], Tensor],
        bias: Tensor,
        inputs: list[Tensor],
        projected: Tensor | None,
        state: CellState,
    ) -> CellState:
        product = projected  # (N, 3D), or None for zero
        if input_product is not None:
            product = input_product(torch.cat(inputs, dim=-1))
            if projected is not None:
                product = product + projected
        gain = self.norm.gain if self.norm else None
        return (gru_cell(product, state_product(state[0]), state[0], bias, gain),)

    def set_product(self, product: Callable[[Tensor, Tensor], nn.Module]) -> None:
        """Use the module `product(weight, bias)` for single steps in search; weight (G, I + D), bias (G,)."""
        weight, bias = self.gate_weights()
        if self.norm is not None:
            self.norm_bias, bias = bias, torch.zeros_like(bias)
        self.product = product(weight, bias)

    def project_input(self, x: Tensor) -> Tensor:
        """Return W x, (..., G), or (..., 3D) for a GRU, for the first columns of the input, `x` (..., J)."""
        return F.linear(x, self.weights[0][:, : x.shape[-1]])

    def update(self, gates: Tensor, norm_bias: Tensor | None, state: CellState) -> CellState:
        """Return the next state from the gate inputs `gates` (N, G), before normalisation, and `state`."""
        if self.norm is not None and norm_bias is not None:
            gates = self.norm(gates) + norm_bias  # (N, G)
        if self.cell == "lstm":
            return lstm_cell(gates, state[1].to(gates.dtype))
        if self.cell == "rnn":
            return (fast_tanh(gates),)
        return (next_state(gates, state[0])[0],)  # (N, D)
