"""The recurrent encoder: see `models.encoder`.

Axes: B sentences, S source tokens, I input width of a layer, D width of one direction, M encoder width. Inside the
encoder tokens come before sentences, as in ONNX's recurrent operators.
"""

import math
from typing import Any

import numpy as np

from nmt.config import Encoder as EncoderConfig
from nmt.runtime.cells import STATE_COUNT, CellState, RecurrentLayer
from nmt.runtime.graph import FLOAT, Array, Graph, Value
from nmt.runtime.weights import Weights

OPERATORS = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}
"""ONNX's operator for a whole layer of each kind of cell."""
GATE_ORDERS = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2), "rnn": (0,)}
"""The blocks of torch's weights in the order of ONNX: i, o, f, g and z, r, n."""


def encode(
    graph: Graph, config: EncoderConfig, weights: Weights, x: Value, lengths: Value, with_cells: bool
) -> tuple[Value, list[CellState]]:
    """Return the top layer's outputs (B, S, M) and the final state of each layer, (B, M) each.

    `x` (S, B, E) are the embeddings. The states of an LSTM have memory cells only `with_cells`.
    """
    finals = []
    x = _reverse(graph, x, lengths) if config.reverse else x
    for depth in range(config.layers):
        x, final = _layer(graph, config, weights.part(f"layers.{depth}"), depth, x, lengths, with_cells)
        finals.append(final)
    x = _reverse(graph, x, lengths) if config.reverse else x
    return graph.transpose(x, 1, 0, 2), finals


def _layer(
    graph: Graph, config: EncoderConfig, weights: Weights, depth: int, x: Value, lengths: Value, with_cells: bool
) -> tuple[Value, CellState]:
    """Return outputs (S, B, M) over `x` (S, B, I), and the final state, (B, M) each."""
    is_bidirectional = depth < config.layers_both_ways
    directions = [weights.part("forwards"), *([weights.part("backwards")] if is_bidirectional else [])]
    size = config.size // 2 if is_bidirectional and config.merge == "concat" else config.size
    is_fused = config.transitions == 1 and not config.gate_norm
    if is_fused:
        outputs, finals = _fused(graph, config.cell, directions, size, x, lengths)
    else:
        layers = [RecurrentLayer(config.cell, part, size, config.transitions, "fp32") for part in directions]
        outputs, finals = _loop(graph, layers, x, lengths)
    output, final = _merge(graph, config.merge, outputs), [_merge(graph, config.merge, parts) for parts in finals]
    input_size = weights[f"forwards.network.weight_ih{'_l0' if is_fused else ''}"].shape[1]
    if config.adds_input(depth, input_size):
        output = graph.op("Add", output, x)
    if config.layer_norm:
        norm = weights.part("norm")
        gain, bias = (graph.weight(norm.name(name), norm[name]) for name in ("weight", "bias"))
        output = graph.layer_norm(output, gain, bias)
    return output, tuple(final if with_cells else final[:1])


def _fused(
    graph: Graph, cell: str, directions: list[Weights], size: int, x: Value, lengths: Value
) -> tuple[list[Value], list[list[Value]]]:
    """Return the outputs (S, B, D) of each direction over `x` (S, B, I), and each final state of each direction.

    The outputs at padding are zero.
    """
    order = GATE_ORDERS[cell]

    def stacked(*names: str) -> Array:
        """Return the named weights of each direction, one after the other: (directions, gates, …)."""
        parts = [[np.split(part[f"network.{name}_l0"], len(order)) for name in names] for part in directions]
        return np.stack([np.concatenate([blocks[i] for blocks in part for i in order]) for part in parts])

    names = [("input", ("weight_ih",)), ("state", ("weight_hh",)), ("bias", ("bias_ih", "bias_hh"))]
    prefix = directions[0].name("network")
    parts = [graph.weight(f"{prefix}.{name}", stacked(*group)) for name, group in names]
    options: dict[str, Any] = {"linear_before_reset": 1} if cell == "gru" else {}
    mode = "forward" if len(directions) == 1 else "bidirectional"
    outputs, *last = graph.ops(
        OPERATORS[cell],
        [x, *parts, graph.op("Cast", lengths, to=6)],
        1 + STATE_COUNT[cell],
        hidden_size=size,
        direction=mode,
        **options,
    )  # (S, directions, B, D), (directions, B, D) each
    return _directions(graph, outputs, len(directions), 1), [_directions(graph, h, len(directions), 0) for h in last]


def _directions(graph: Graph, x: Value, count: int, axis: int) -> list[Value]:
    """Return the part of `x` for each direction, which is an axis of `x`."""
    return [graph.squeeze(part, axis) for part in graph.split(x, [1] * count, axis)]


def _loop(
    graph: Graph, layers: list[RecurrentLayer], x: Value, lengths: Value
) -> tuple[list[Value], list[list[Value]]]:
    """Return the same as `_fused` for layers that need a loop over their steps."""
    outputs, finals = [], []
    for number, layer in enumerate(layers):
        states = _scan(graph, layer, _reverse(graph, x, lengths) if number else x)  # (S, B, D) each
        finals.append([last_real(graph, graph.transpose(state, 1, 0, 2), lengths) for state in states])
        outputs.append(_reverse(graph, states[0], lengths) if number else states[0])
    return outputs, [list(parts) for parts in zip(*finals, strict=True)]


def _scan(graph: Graph, layer: RecurrentLayer, x: Value) -> list[Value]:
    """Return the states (S, B, D) after each step over `x` (S, B, I)."""
    cell = layer.cells[0]
    count = STATE_COUNT[cell.kind]
    body = Graph(f"{cell.name}.step", graph)
    names = [f"{body.name}.{number}" for number in range(count)]
    state = tuple(body.input(name, FLOAT, ["B", cell.size]) for name in names)
    following = layer.step(body, [body.input(f"{body.name}.x", FLOAT, ["B", cell.weights[0].shape[1]])], state)
    for kind in ("next", "output"):
        for name, value in zip(names, following, strict=True):
            body.output(f"{name}.{kind}", value, FLOAT, ["B", cell.size])
    start = graph.zeros(graph.size(x, 1), cell.size)
    return graph.scan(body, [start] * count, x, count)[count:]


def _merge(graph: Graph, merge: str, parts: list[Value]) -> Value:
    """Return the merged directions (…, M) of `parts` (…, D)."""
    if len(parts) == 1 or merge == "concat":
        return graph.concat(parts, -1)
    if merge == "mul":
        return graph.op("Mul", *parts)
    total = graph.op("Add", *parts)
    return graph.op("Div", total, graph.number(2.0)) if merge == "average" else total


def _reverse(graph: Graph, x: Value, lengths: Value) -> Value:
    """Reverse the real tokens of each sentence of `x` (S, B, I); padding stays at the end."""
    return graph.op("ReverseSequence", x, lengths, batch_axis=1, time_axis=0)


def is_real(graph: Graph, tokens: Value, lengths: Value) -> Value:
    """Return (B, S), True on the real tokens, for `tokens` (B, S, …) and their `lengths` (B,)."""
    return graph.op("Less", graph.range(graph.size(tokens, 1)), graph.unsqueeze(lengths, 1))


def last_real(graph: Graph, x: Value, lengths: Value) -> Value:
    """Return the vector (B, I) of each sentence at its last real token, from `x` (B, S, I) and `lengths` (B,)."""
    last = graph.op("Sub", graph.unsqueeze(lengths, 1), graph.integers(1))  # (B, 1)
    return graph.op("GatherND", x, last, batch_dims=1)


def summarize(graph: Graph, kind: str, states: Value, finals: list[CellState], lengths: Value) -> Value:
    """Return each sentence as one vector (B, M): see `models.encoder.summarize`."""
    if kind == "last":
        return finals[-1][0] if finals else last_real(graph, states, lengths)
    real = graph.unsqueeze(is_real(graph, states, lengths), 2)  # (B, S, 1)
    if kind == "max":
        return graph.reduce("Max", graph.op("Where", real, states, graph.number(-math.inf)), 1)
    total = graph.reduce("Sum", graph.op("Where", real, states, graph.number(0.0)), 1)  # (B, M)
    return graph.op("Div", total, graph.op("Cast", graph.unsqueeze(lengths, 1), to=1))
