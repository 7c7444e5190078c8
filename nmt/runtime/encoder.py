"""The recurrent encoder: see `models.encoder`.

Axes: B sentences, S source tokens, I input width of a layer, D width of one direction, M encoder width. Inside the
encoder tokens come before sentences, as in ONNX's recurrent operators.
"""

import math
from typing import Any

import numpy as np

from nmt.config import Encoder as EncoderConfig
from nmt.runtime.cells import GATES, STATE_COUNT, CellState, RecurrentLayer, is_fused, take_cell
from nmt.runtime.graph import FLOAT, INT32, Array, Graph, Value
from nmt.runtime.products import layer_norm
from nmt.runtime.weights import Weights

OPERATORS = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}
"""ONNX's operator for a whole layer of each kind of cell."""
GATE_ORDERS = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2), "rnn": (0,)}
"""The blocks of torch's weights in the order of ONNX: i, o, f, g and z, r, n."""


def encode(
    graph: Graph, config: EncoderConfig, weights: Weights, input_size: int, x: Value, lengths: Value, with_cells: bool
) -> tuple[Value, list[CellState]]:
    """Return the top layer's outputs (B, S, M) and the final state of each layer, (B, M) each.

    `x` (S, B, E) are the embeddings, of width `input_size`. The states of an LSTM have memory cells only `with_cells`.
    """
    finals = []
    x = _reverse(graph, x, lengths) if config.reverse else x
    for depth in range(config.layers):
        width = config.size if depth else input_size
        x, final = _layer(graph, config, weights.part(f"layers.{depth}"), depth, width, x, lengths, with_cells)
        finals.append(final)
    x = _reverse(graph, x, lengths) if config.reverse else x
    return graph.transpose(x, 1, 0, 2), finals


def _layer(
    graph: Graph,
    config: EncoderConfig,
    weights: Weights,
    depth: int,
    input_size: int,
    x: Value,
    lengths: Value,
    with_cells: bool,
) -> tuple[Value, CellState]:
    """Return outputs (S, B, M) over `x` (S, B, I), and the final state, (B, M) each."""
    is_bidirectional = depth < config.layers_both_ways
    directions = [weights.part("forwards"), *([weights.part("backwards")] if is_bidirectional else [])]
    size = config.size // 2 if is_bidirectional and config.merge == "concat" else config.size
    if is_fused(config, input_size, config.transitions):
        outputs, finals = _fused(graph, config.cell, directions, input_size, size, x, lengths)
    else:
        layers = [RecurrentLayer(config, part, input_size, size, "fp32", config.transitions) for part in directions]
        outputs, finals = _loop(graph, layers, x, lengths)
    output, final = _merge(graph, config.merge, outputs), [_merge(graph, config.merge, parts) for parts in finals]
    if config.adds_input(depth, input_size):
        output = graph.op("Add", output, x)
    if config.layer_norm:
        output = layer_norm(graph, weights.part("norm"), output, config.size)
    return output, tuple(final if with_cells else final[:1])


def _fused(
    graph: Graph, cell: str, directions: list[Weights], input_size: int, size: int, x: Value, lengths: Value
) -> tuple[list[Value], list[list[Value]]]:
    """Return the outputs (S, B, D) of each direction over `x` (S, B, I), and each final state of each direction.

    The outputs at padding are zero. ONNX Runtime rounds the products of an RNN differently if there is one sentence, so
    that an RNN gets the first sentence twice.
    """
    is_doubled = cell == "rnn"
    if is_doubled:
        x = graph.concat([x, graph.slice(x, 1, 0, 1)], 1)  # (S, B + 1, I)
        lengths = graph.concat([lengths, graph.slice(lengths, 0, 0, 1)], 0)  # (B + 1,)
    weights = [take_cell(part, cell, input_size, size, True) for part in directions]

    def stacked(*numbers: int) -> Array:
        """Return these weights of each direction, one after the other: (directions, gates, …)."""
        blocks = [[np.split(part[number], GATES[cell]) for number in numbers] for part in weights]
        return np.stack([np.concatenate([each[i] for each in part for i in GATE_ORDERS[cell]]) for part in blocks])

    groups = {"input": (0,), "state": (1,), "bias": (2, 3)}
    parts = [graph.weight(f"{directions[0].name('network')}.{name}", stacked(*group)) for name, group in groups.items()]
    options: dict[str, Any] = {"linear_before_reset": 1} if cell == "gru" else {}
    mode = "forward" if len(directions) == 1 else "bidirectional"
    outputs, *last = graph.ops(
        OPERATORS[cell],
        [x, *parts, graph.cast(lengths, INT32)],
        1 + STATE_COUNT[cell],
        hidden_size=size,
        direction=mode,
        **options,
    )  # (S, directions, B, D), (directions, B, D) each
    if is_doubled:
        outputs, last = graph.slice(outputs, 2, 0, -1), [graph.slice(h, 1, 0, -1) for h in last]
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
    following = layer.step(body, [body.input(f"{body.name}.x", FLOAT, ["B", cell.input_size])], state)
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
    return graph.op("Div", total, graph.cast(graph.unsqueeze(lengths, 1), FLOAT))
