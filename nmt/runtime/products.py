"""Linear maps in fp32, and in 8-bit integers as in `kernels.int8`.

Axes: N rows, I input width, O output width.
"""

from typing import Literal, TypeAlias

import numpy as np

from nmt.runtime.graph import FLOAT, MICROSOFT, Array, Graph, Value
from nmt.runtime.weights import Linear, Weights

Precision: TypeAlias = Literal["fp32", "int8"]

MAX_LEVEL = 127
"""Largest magnitude of a quantised input."""
ZERO_POINT = 128
"""Unsigned byte that stands for 0 in a quantised input."""
MAX_WEIGHT_LEVEL = 63
"""Largest magnitude of a quantised weight. A CPU without VNNI instructions adds pairs of products in 16 bits, up to
32,767; with at most 63 levels a pair is at most 32,130, so that every CPU gives the same result."""


def linear(graph: Graph, precision: Precision, layer: Linear, x: Value, bound: float | None = None) -> Value:
    """Return x W' + b, (N, O), for `x` (N, I).

    In int8 a known `bound` of |x| is faster, but then NaN is hidden: see `nan_rows`.
    """
    if precision == "int8":
        return _int8(graph, layer, x, bound)
    return graph.op("Gemm", x, graph.weight(f"{layer.name}.weight", layer.weight), *_bias(graph, layer), transB=1)


def _bias(graph: Graph, layer: Linear) -> list[Value]:
    """Return the bias (O,), or nothing without bias."""
    return [] if layer.bias is None else [graph.weight(f"{layer.name}.bias", layer.bias)]


def layer_norm(graph: Graph, weights: Weights, x: Value, size: int) -> Value:
    """Return `x` (…, I) with mean 0 and variance 1 in each row, times the gain, plus the bias."""
    gain, bias = (graph.weight(weights.name(name), weights.take(name, size)) for name in ("weight", "bias"))
    return graph.layer_norm(x, gain, bias)


def linear_over_sequence(graph: Graph, layer: Linear, x: Value) -> Value:
    """Return x W' + b, (…, O), in fp32 for `x` (…, I), which may have more than two axes."""
    product = graph.op("MatMul", x, graph.weight(f"{layer.name}.transposed", layer.weight.T))
    return product if layer.bias is None else graph.op("Add", product, *_bias(graph, layer))


def nan_rows(graph: Graph, x: Value, width: int, addend: Value | None = None) -> Value:
    """Return NaN for each row of `x` (N, I) with NaN or infinity and 0 for the others, plus `addend`: (N, 1)."""
    zeros = graph.weight(f"zeros.{width}", np.zeros((width, 1), FLOAT))
    return graph.op("Gemm", x, zeros, *([] if addend is None else [addend]))


def quantise_weight(weight: Array) -> tuple[Array, Array]:
    """Return `weight` (O, I) as signed bytes (I, O), and the value of one level in each row of it, (O,)."""
    scale = np.maximum(np.abs(weight).max(1), 1e-12) / np.float32(MAX_WEIGHT_LEVEL)  # (O,)
    with np.errstate(invalid="ignore"):  # NaN becomes any integer, but its scale is NaN
        levels = np.rint(weight / scale[:, None]).astype(np.int8)
    return levels.T, scale


def _int8(graph: Graph, layer: Linear, x: Value, bound: float | None) -> Value:
    """Return the product of integers; each row of `x` is divided by its largest magnitude, if no `bound` is known.

    A row of zeros becomes NaN, which is quantised to any integer, and then multiplied by the largest magnitude, 0.
    """
    levels, scale = quantise_weight(layer.weight)
    zero_point = graph.constant(ZERO_POINT, np.dtype(np.uint8))
    step = graph.number((1.0 if bound is None else bound) / MAX_LEVEL)
    largest = None
    if bound is None:
        largest = graph.reduce("Max", graph.op("Abs", x), -1, keep=True)  # (N, 1)
        largest = nan_rows(graph, x, layer.weight.shape[1], largest)  # ReduceMax ignores NaN
        x = graph.op("Div", x, largest)  # (N, I)
    parts = [
        graph.op("QuantizeLinear", x, step, zero_point),
        graph.weight(f"{layer.name}.levels", levels),
        step,
        graph.weight(f"{layer.name}.scale", scale),
        zero_point,
    ]
    bias = _bias(graph, layer)
    if largest is None:
        if bias:
            parts += ["", *bias]  # without zero points of the weights
        return graph.op("MatMulIntegerToFloat", *parts, domain=MICROSOFT)
    product = graph.op("MatMulIntegerToFloat", *parts, domain=MICROSOFT)  # (N, O)
    product = graph.op("Mul", product, largest)
    return graph.op("Add", product, *bias) if bias else product
