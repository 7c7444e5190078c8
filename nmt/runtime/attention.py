"""Attention with all scores, local windows, coverage, and several heads: see `models.attention`.

Axes: B sentences, K slots of a sentence, N hypotheses, S source tokens, D query width, M memory width, A key width, H
heads, C context width, P positions of the location score.
"""

import math

import numpy as np

from nmt.config import Attention as AttentionConfig
from nmt.runtime.graph import FLOAT, Graph, Value
from nmt.runtime.memory import Memory, position
from nmt.runtime.products import Precision, linear, linear_over_sequence
from nmt.runtime.weights import Weights


class Attention:
    """a_ts = softmax_s score(q_t, h_s) over the real source tokens;  c_t = sum_s a_ts h_s (`models.attention`)."""

    def __init__(self, config: AttentionConfig, weights: Weights, query_size: int, memory_size: int) -> None:
        self.config = config
        self.weights = weights
        self.query_size = query_size
        self.memory_size = memory_size
        self.factor = 1.0 / math.sqrt(query_size) if config.scaled else 1.0

    def keys(self, graph: Graph, states: Value) -> list[Value]:
        """Return the keys for `states` (B, S, M): W h for `general`, U h + b for `additive`, else none.

        The `dot` score reads the states themselves, and the `location` score only their number.
        """
        part = self.weights.part("score.key")
        if self.config.score == "general":
            layer = part.take_linear(self.query_size, self.memory_size, has_bias=False)
            return [linear_over_sequence(graph, layer._replace(weight=layer.weight * np.float32(self.factor)), states)]
        if self.config.is_additive:
            return [linear_over_sequence(graph, part.take_linear(self.config.size, self.memory_size), states)]
        return []

    def __call__(
        self, graph: Graph, query: Value, memory: Memory, coverage: Value | None = None
    ) -> tuple[Value, Value]:
        """Return contexts (N, M) and alignments (N, S) of the `query` (N, D), with the `coverage` (N, S)."""
        scores = self._scores(graph, query, memory, coverage)  # (B, K, S)
        is_seen, distance = graph.unsqueeze(memory.is_real, 1), None  # (B, 1, S)
        if self.config.local != "none":
            distance = self._distance(graph, query, memory)  # (B, K, S)
            reach = graph.number(self.config.window)
            is_near = graph.op("LessOrEqual", graph.op("Abs", distance), reach)
            is_seen = graph.op("And", is_seen, is_near)  # (B, K, S)
        alignment = masked_softmax(graph, scores, is_seen)
        if self.config.local == "predictive" and distance is not None:
            exponent = graph.op("Mul", distance, distance)
            exponent = graph.op("Mul", exponent, graph.number(-2.0 / self.config.window**2))
            alignment = graph.op("Mul", alignment, graph.op("Exp", exponent))
        context = graph.op("MatMul", alignment, memory.states)  # (B, K, M)
        return memory.ungroup(context), memory.ungroup(alignment)

    def _scores(self, graph: Graph, query: Value, memory: Memory, coverage: Value | None) -> Value:
        """Return the scores (B, K, S)."""
        score, part = self.config.score, self.weights.part("score")
        if score == "dot":
            return graph.times_transposed(memory.group(query, self.query_size), memory.states, self.factor)
        if score == "general":
            return graph.times_transposed(memory.group(query, self.query_size), memory.keys(0, self.query_size))
        if score == "location":
            positions = self.config.positions
            scores = self._map_query(graph, "score.score", query, positions, self.query_size)  # (N, P)
            return self._resize(graph, memory.group(scores, positions), memory.length, positions)
        size = self.config.size
        query = self._map_query(graph, "score.query", query, size, self.query_size)  # (N, A)
        keys = graph.unsqueeze(memory.keys(0, size), 1)  # (B, 1, S, A)
        hidden = graph.op("Add", memory.group(query, 1, size), keys)  # (B, K, S, A)
        if coverage is not None:
            covered = graph.unsqueeze(memory.group_tokens(coverage), 3)  # (B, K, S, 1)
            row = graph.weight(part.name("covered.row"), part.take("covered.weight", size, 1).T)  # (1, A)
            hidden = graph.op("Add", hidden, graph.op("Mul", covered, row))
        energy = graph.weight(part.name("energy.column"), part.take("energy.weight", 1, size).T)  # (A, 1)
        return graph.squeeze(graph.op("MatMul", graph.op("Tanh", hidden), energy), 3)

    def _map_query(self, graph: Graph, name: str, x: Value, outputs: int, inputs: int) -> Value:
        """Return W x, (N, O), for `x` (N, I)."""
        return linear(graph, "fp32", self.weights.part(name).take_linear(outputs, inputs, has_bias=False), x)

    def _resize(self, graph: Graph, scores: Value, length: Value, positions: int) -> Value:
        """Return `scores` (B, K, P) as (B, K, S), with minus infinity at positions without weights."""
        missing = graph.op("Max", graph.op("Sub", length, graph.integers(positions)), graph.integers(0))
        pads = graph.concat([graph.integers(0, 0, 0, 0, 0), missing], 0)
        return graph.op("Pad", graph.first(scores, length), pads, graph.number(-math.inf))

    def _distance(self, graph: Graph, query: Value, memory: Memory) -> Value:
        """Return the distance (B, K, S), or (B, 1, S), of each source token from the centre of the window."""
        count = graph.reduce("Sum", graph.cast(memory.is_real, FLOAT), 1, keep=True)  # (B, 1)
        last = graph.unsqueeze(graph.op("Sub", count, graph.number(1.0)), 2)  # (B, 1, 1)
        if self.config.local == "predictive":
            size = self.config.size
            hidden = self._map_query(graph, "window.hidden", query, size, self.query_size)  # (N, A)
            centre = self._map_query(graph, "window.centre", graph.op("Tanh", hidden), 1, size)  # (N, 1)
            centre = graph.op("Mul", memory.group(graph.op("Sigmoid", centre), 1), last)  # (B, K, 1)
        else:
            centre = graph.op("Min", graph.cast(position(graph), FLOAT), last)  # (B, 1, 1)
        return graph.op("Sub", graph.cast(graph.range(memory.length), FLOAT), centre)


class MultiHeadAttention:
    """Several attentions over projections of the query and the memory (`models.attention.MultiHeadAttention`)."""

    def __init__(
        self,
        heads: int,
        size: int,
        weights: Weights,
        sizes: tuple[int, int, int],
        precision: Precision,
        is_additive: bool = False,
        first_key: int = 0,
    ) -> None:
        """Take the total width `size` of the heads, the `sizes` of query, memory and context, and the first key.

        `precision` is that of the projections of query and context.
        """
        self.heads = heads
        self.size = size
        self.weights = weights
        self.query_size, self.memory_size, self.context_size = sizes
        self.precision = precision
        self.first_key = first_key
        self.energy = weights.take("energy", heads, size // heads) if is_additive else None

    def keys(self, graph: Graph, states: Value) -> list[Value]:
        """Return keys and values of all heads, (B, S, A) each, for `states` (B, S, M)."""
        layers = [self.weights.part(name).take_linear(self.size, self.memory_size) for name in ("key", "value")]
        return [linear_over_sequence(graph, layer, states) for layer in layers]

    def _project(self, graph: Graph, name: str, x: Value, outputs: int, inputs: int) -> Value:
        return linear(graph, self.precision, self.weights.part(name).take_linear(outputs, inputs), x)

    def __call__(
        self, graph: Graph, query: Value, memory: Memory, coverage: Value | None = None
    ) -> tuple[Value, Value]:
        """Return contexts (N, C) and the mean alignments (N, S) of the heads for `query` (N, D)."""
        width = self.size // self.heads
        query = self._project(graph, "query", query, self.size, self.query_size)  # (N, A)
        q = graph.transpose(memory.group(query, self.heads, width), 0, 2, 1, 3)  # (B, H, K, A / H)
        keys, values = (memory.keys(self.first_key + number, self.size) for number in range(2))
        k, v = split_heads(graph, keys, self.heads, width), split_heads(graph, values, self.heads, width)
        is_seen = graph.unsqueeze(memory.is_real, 1, 2)  # (B, 1, 1, S)
        alignment = masked_softmax(graph, self._scores(graph, q, k), is_seen)  # (B, H, K, S)
        context = graph.transpose(graph.op("MatMul", alignment, v), 0, 2, 1, 3)  # (B, K, H, A / H)
        merged = self._project(graph, "merge", memory.ungroup(context), self.context_size, self.size)  # (N, C)
        return merged, memory.ungroup(graph.reduce("Mean", alignment, 1))

    def _scores(self, graph: Graph, q: Value, k: Value) -> Value:
        """Return scores (B, H, K, S) of `q` (B, H, K, A / H) and `k` (B, H, S, A / H)."""
        width = self.size // self.heads
        if self.energy is None:
            return graph.times_transposed(q, k, 1.0 / math.sqrt(width))
        hidden = graph.op("Tanh", graph.op("Add", graph.unsqueeze(q, 3), graph.unsqueeze(k, 2)))  # (B, H, K, S, A / H)
        energy = graph.weight(self.weights.name("energy.column"), self.energy.reshape(self.heads, 1, width, 1))
        return graph.squeeze(graph.op("MatMul", hidden, energy), 4)


def masked_softmax(graph: Graph, scores: Value, is_seen: Value) -> Value:
    """Return the softmax of the `scores` (…, S) over the tokens that `is_seen`."""
    return graph.op("Softmax", graph.op("Where", is_seen, scores, graph.number(-math.inf)), axis=-1)


def split_heads(graph: Graph, x: Value, heads: int, width: int) -> Value:
    """Return `x` (B, S, A) as (B, H, S, A / H)."""
    return graph.transpose(graph.reshape(x, 0, 0, heads, width), 0, 2, 1, 3)


def build_attention(
    config: AttentionConfig, weights: Weights, query_size: int, memory_size: int
) -> Attention | MultiHeadAttention:
    """Return the attention that `config` describes, with one head or several."""
    if config.heads > 1:
        sizes = query_size, memory_size, memory_size
        return MultiHeadAttention(config.heads, config.size, weights, sizes, "fp32", config.is_additive)
    return Attention(config, weights, query_size, memory_size)
