"""Recurrent cells and layers, for one step: see `models.cells` and `models.recurrent_layer`.

Axes: N rows, I input width, D width, G gate inputs: 4D, or D for an RNN.
"""

from typing import TypeAlias

import numpy as np

from nmt.config.encoder import Stack
from nmt.runtime.graph import FLOAT, Array, Graph, Value
from nmt.runtime.products import Precision, linear
from nmt.runtime.weights import Linear, Weights

CellState: TypeAlias = tuple[Value, ...]
"""(h,) of an RNN or a GRU, (h, c) of an LSTM, each (N, D)."""

STATE_COUNT = {"lstm": 2, "gru": 1, "rnn": 1}
"""Number of tensors in the `CellState` of each kind of cell."""

GATES = {"lstm": 4, "gru": 3, "rnn": 1}
"""Number of gates in the weights of each kind of cell."""


def is_fused(config: Stack, input_size: int, transitions: int) -> bool:
    """Return whether a layer runs over a sequence in one operator, as in `models.recurrent_layer`."""
    return transitions == 1 and input_size > 0 and not config.gate_norm


def take_cell(weights: Weights, cell: str, input_size: int, size: int, is_fused: bool) -> list[Array]:
    """Return W (3D, I), U (3D, D) and their biases (3D,) for a GRU; 4D for an LSTM, D for an RNN."""
    gates, suffix = GATES[cell] * size, "_l0" if is_fused else ""
    shapes = {"weight_ih": (gates, input_size), "weight_hh": (gates, size), "bias_ih": (gates,), "bias_hh": (gates,)}
    return [weights.take(f"network.{name}{suffix}", *shape) for name, shape in shapes.items()]


class Cell:
    """An LSTM, a GRU or a tanh RNN; the equations are those of `models.cells.Cell`."""

    def __init__(
        self, config: Stack, weights: Weights, input_size: int, size: int, precision: Precision, is_fused: bool = False
    ) -> None:
        """Take the `weights` of a cell of `size` units; `config` is that of the encoder or the decoder.

        The weights of a fused layer have other names.
        """
        self.kind = config.cell
        self.input_size = input_size
        self.size = size
        self.precision = precision
        self.name = weights.name("gates")
        self.weights = take_cell(weights, self.kind, input_size, size, is_fused)
        norms = 1 if self.kind == "rnn" else 4
        self.gain = weights.take("norm.gain", norms * size) if config.gate_norm else None

    def gate_layer(self) -> Linear:
        """Return the map with the weight [W U] (G, I + D) and the bias b (G,), with one block of rows for each gate.

        The gates of an LSTM are i, f, o, g: one sigmoid for the first three. Those of a GRU are r, z, and W x + b and
        U h + b' of the candidate n, since the reset gate multiplies only the second.
        """
        input_weight, state_weight, input_bias, state_bias = self.weights
        if self.kind != "gru":
            weight, bias = np.concatenate([input_weight, state_weight], 1), input_bias + state_bias
            return Linear(self.name, self._order(weight), self._order(bias))
        gates = 2 * self.size
        rows = [
            np.concatenate([input_weight[:gates], state_weight[:gates]], 1),  # (2D, I + D)
            np.pad(input_weight[gates:], ((0, 0), (0, self.size))),  # (D, I + D)
            np.pad(state_weight[gates:], ((0, 0), (input_weight.shape[1], 0))),  # (D, I + D)
        ]
        bias = np.concatenate([input_bias[:gates] + state_bias[:gates], input_bias[gates:], state_bias[gates:]])
        return Linear(self.name, np.concatenate(rows), bias)

    def _order(self, rows: Array) -> Array:
        """Return the gates i, f, g, o of an LSTM in the order i, f, o, g."""
        if self.kind != "lstm":
            return rows
        i, f, g, o = np.split(rows, 4)
        return np.concatenate([i, f, o, g])

    def step(self, graph: Graph, inputs: list[Value], state: CellState) -> CellState:
        """Return the next state from `state` and the input x (N, I), the concatenation of `inputs`."""
        layer = self.gate_layer()
        x = graph.concat([*inputs, state[0]], -1)  # (N, I + D)
        if self.gain is None:
            gates = linear(graph, self.precision, layer, x)  # (N, G)
        else:
            products = linear(graph, self.precision, layer._replace(bias=None), x)  # (N, G)
            bias = graph.weight(f"{self.name}.bias", np.asarray(layer.bias))
            gates = graph.op("Add", self._normalise(graph, products), bias)  # (N, G)
        if self.kind == "lstm":
            return self._lstm(graph, gates, state[1])
        if self.kind == "rnn":
            return (graph.op("Tanh", gates),)
        return (self._gru(graph, gates, state[0]),)

    def _normalise(self, graph: Graph, gates: Value) -> Value:
        """Return `gates` (N, G) with mean 0 and variance 1 in each gate, times the gain."""
        assert self.gain is not None
        parts = graph.reshape(gates, 0, -1, self.size)  # (N, 4, D), or (N, 1, D)
        ones = graph.weight(f"ones.{self.size}", np.ones(self.size, FLOAT))
        flat = graph.reshape(graph.layer_norm(parts, ones), 0, -1)  # (N, G)
        return graph.op("Mul", flat, graph.weight(f"{self.name}.gain", self._order(self.gain)))

    def _lstm(self, graph: Graph, gates: Value, c: Value) -> CellState:
        opening, g = graph.split(gates, [3 * self.size, self.size])
        i, f, o = graph.split(graph.op("Sigmoid", opening), [self.size] * 3)
        kept, new = graph.op("Mul", f, c), graph.op("Mul", i, graph.op("Tanh", g))
        next_c = graph.op("Add", kept, new)
        return graph.op("Mul", o, graph.op("Tanh", next_c)), next_c

    def _gru(self, graph: Graph, gates: Value, h: Value) -> Value:
        opening, x_new, h_new = graph.split(gates, [2 * self.size, self.size, self.size])
        r, z = graph.split(graph.op("Sigmoid", opening), [self.size] * 2)
        n = graph.op("Tanh", graph.op("Add", x_new, graph.op("Mul", r, h_new)))
        return graph.op("Add", n, graph.op("Mul", z, graph.op("Sub", h, n)))  # (1 - z) * n + z * h


class RecurrentLayer:
    """h_t = f(h_{t-1}, x_t), with one or several cells in each step (`models.recurrent_layer.RecurrentLayer`)."""

    def __init__(
        self, config: Stack, weights: Weights, input_size: int, size: int, precision: Precision, transitions: int
    ) -> None:
        fused = is_fused(config, input_size, transitions)
        self.cells = [Cell(config, weights, input_size, size, precision, fused)]
        for number in range(transitions - 1):
            self.cells.append(Cell(config, weights.part(f"further.{number}"), 0, size, precision))

    def step(self, graph: Graph, inputs: list[Value], state: CellState) -> CellState:
        """Return the next state; only the first cell reads the `inputs`, (N, I) together. The output is h'."""
        for cell in self.cells:
            state = cell.step(graph, inputs, state)
            inputs = []
        return state
