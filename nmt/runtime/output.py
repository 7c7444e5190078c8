"""The output layer, copying (`models.pointer_generator`), and the best tokens of each row (`kernels.top_k`).

Axes: N hypotheses, S source tokens, R readout width, V target vocabulary, X extra words, P columns: V or V + X, rounded
up to whole blocks, C candidates, G blocks of columns.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from nmt.runtime.graph import BOOL, FLOAT, INT64, Graph, Shape, Value
from nmt.runtime.memory import Memory
from nmt.runtime.products import Precision, linear, nan_rows
from nmt.runtime.weights import Linear, Weights

BLOCK = 32
"""Number of columns whose maximum is found first."""


@dataclass(frozen=True)
class Predictions:
    """Log-probabilities of the next token."""

    log_probs: Value
    """(N, P), minus infinity in the columns after the last token."""
    size: Value
    """int64 vector of one element: V, or V + X with copying."""
    has_padding: bool
    """Whether there may be columns after the last token."""
    nan_rows: Value | None = None
    """(N, 1) NaN for rows in which int8 products have hidden NaN, 0 for the others."""


def generate(graph: Graph, precision: Precision, layer: Linear, readout: Value, bound: float | None) -> Predictions:
    """Return log p(w) = log softmax(W r + b) for readouts r (N, R) of magnitude at most `bound`.

    The output `layer` gets columns with the logit minus infinity, up to a whole number of blocks.
    """
    size, width = layer.weight.shape
    padding = -size % BLOCK
    weight = np.pad(layer.weight, ((0, padding), (0, 0)))
    bias = np.pad(np.asarray(layer.bias), (0, padding), constant_values=-math.inf)
    logits = linear(graph, precision, Linear(layer.name, weight, bias), readout, bound)  # (N, P)
    hidden = nan_rows(graph, readout, width) if precision == "int8" and bound is not None else None
    return Predictions(graph.op("LogSoftmax", logits, axis=-1), graph.integers(size), padding > 0, hidden)


def generate_or_copy(
    graph: Graph,
    precision: Precision,
    layer: Linear,
    weights: Weights,
    readout: Value,
    bound: float | None,
    alignment: Value,
    memory: Memory,
) -> Predictions:
    """Return log p(w) with p(w) = p_gen p_vocab(w) + (1 - p_gen) sum_{s: x_s = w} a_s (See 2017, eq. 9).

    `weights` are those of the gate, p_gen. NaN in the readout (N, R) becomes NaN in p_gen, which is in fp32.
    """
    vocabulary, width = layer.weight.shape
    probs = graph.op("Softmax", linear(graph, precision, layer, readout, bound), axis=-1)  # (N, V)
    score = linear(graph, "fp32", weights.part("gate").take_linear(1, width), readout)  # (N, 1)
    # log (1 - p_gen) and log p_gen are -softplus(score) and -softplus(-score); ONNX Runtime's sigmoid is never < 1e-8.
    copy, generate = (
        graph.op("Exp", graph.op("Neg", graph.op("Softplus", part))) for part in (score, graph.op("Neg", score))
    )  # (N, 1) each
    tiny = graph.number(float(np.finfo(np.float32).tiny))
    probs = graph.op("Max", graph.op("Mul", probs, generate), tiny)  # (N, V)
    extra_words = graph.input("extra_words", INT64, [1])
    size = graph.op("Add", graph.integers(vocabulary), extra_words)
    padding = graph.op("Mod", graph.op("Neg", size), graph.integers(BLOCK))
    added = graph.op("Add", extra_words, padding)
    probs = graph.op("Pad", probs, graph.concat([graph.integers(0, 0, 0), added], 0))  # (N, P)
    copied = graph.op("Mul", alignment, copy)  # (N, S)
    probs = graph.op("ScatterElements", probs, memory.repeat(memory.source), copied, axis=1, reduction="add")
    return Predictions(graph.op("Log", probs), size, has_padding=True)


def add_outputs(graph: Graph, predictions: Predictions) -> None:
    """Give the graph the outputs `log_probs`, `values` and `tokens`: all log-probabilities, or the best of each row."""
    log_probs, size = predictions.log_probs, predictions.size

    def mark(branch: Graph, x: Value) -> Value:
        return x if predictions.nan_rows is None else branch.op("Add", x, predictions.nan_rows)

    def all_of_them(branch: Graph) -> list[Value]:
        nothing = branch.first(log_probs, branch.integers(0))  # (N, 0)
        whole = branch.first(log_probs, size) if predictions.has_padding else log_probs  # (N, V + X)
        return [mark(branch, whole), nothing, branch.cast(nothing, INT64)]

    def best_of_them(branch: Graph) -> list[Value]:
        count = branch.op("Min", graph.input("count", INT64, [1]), size)
        values, tokens = top_k(branch, log_probs, count)
        return [branch.first(log_probs, branch.integers(0)), mark(branch, values), tokens]

    results: list[tuple[str, np.dtype[Any], Shape]] = [
        ("log_probs", FLOAT, ["N", "columns"]),
        ("values", FLOAT, ["N", "C"]),
        ("tokens", INT64, ["N", "C"]),
    ]
    condition = graph.input("wants_all", BOOL, [])
    made = graph.choose(
        condition, (all_of_them, best_of_them), [(kind, ["N", f"{name} in a branch"]) for name, kind, _ in results]
    )
    for value, (name, kind, shape) in zip(made, results, strict=True):
        graph.output(name, value, kind, shape)


def top_k(graph: Graph, x: Value, count: Value) -> tuple[Value, Value]:
    """Return the C largest values of each row of `x` (N, P), largest first, and their columns, (N, C) each.

    C is `count`, an int64 vector of one element. Of equal values the one in the lower column comes first. The C largest
    values are in the C blocks with the largest maxima; these blocks are read in ascending order, as TopK returns the
    first of equal values first.
    """
    blocks = graph.reshape(x, 0, -1, BLOCK)  # (N, G, BLOCK)
    maxima = graph.reduce("Max", blocks, 2)  # (N, G)
    few = graph.op("Min", count, graph.size(maxima, 1))
    chosen = graph.ops("TopK", [maxima, few], 2, axis=1, sorted=0)[1]  # (N, few)
    chosen = graph.ops("TopK", [chosen, few], 2, axis=1, largest=0)[0]  # (N, few), ascending
    inside = graph.op("GatherND", blocks, graph.unsqueeze(chosen, 2), batch_dims=1)  # (N, few, BLOCK)
    values, places = graph.ops("TopK", [graph.op("Flatten", inside, axis=1), count], 2, axis=1)  # (N, C) each
    block = graph.integers(BLOCK)
    start = graph.op("Mul", graph.op("GatherElements", chosen, graph.op("Div", places, block), axis=1), block)
    return values, graph.op("Add", start, graph.op("Mod", places, block))
