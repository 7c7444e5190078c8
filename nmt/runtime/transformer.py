"""The Transformer encoder, and one step of the Transformer decoder: see `models.transformer`.

Axes: B sentences, N hypotheses, S source tokens, T target tokens read before the step, D width of layers and
embeddings, M memory width, H heads.
"""

import math
from collections.abc import Callable

import numpy as np

from nmt.config import Model
from nmt.runtime.attention import MultiHeadAttention, masked_softmax, split_heads
from nmt.runtime.cells import CellState
from nmt.runtime.decoders import State
from nmt.runtime.encoder import is_real
from nmt.runtime.graph import FLOAT, Graph, Shape, Value
from nmt.runtime.memory import Memory, position
from nmt.runtime.products import Precision, layer_norm, linear, linear_over_sequence
from nmt.runtime.weights import Linear, Weights


def positions(graph: Graph, numbers: Value, size: int) -> Value:
    """Return the sinusoids (T, D) of the positions `numbers` (T,), int64 (Vaswani 2017, section 3.5)."""
    rates = np.exp(np.arange(0, size, 2, dtype=np.float32) * np.float32(-math.log(10_000.0) / size))  # (D / 2,)
    column = graph.cast(graph.unsqueeze(numbers, 1), FLOAT)  # (T, 1)
    angle = graph.op("Mul", column, graph.weight(f"position_rates.{size}", rates.astype(np.float32)))  # (T, D / 2)
    waves = [graph.unsqueeze(graph.op(kind, angle), 2) for kind in ("Sin", "Cos")]  # (T, D / 2, 1) each
    return graph.reshape(graph.concat(waves, 2), -1, size)


def norm(graph: Graph, weights: Weights, number: int, x: Value, change: Value, size: int) -> Value:
    """Return `x` plus the output `change` of a block, (…, D) each, normalised."""
    return layer_norm(graph, weights.part(f"norms.{number}"), graph.op("Add", x, change), size)


def encode(graph: Graph, config: Model, weights: Weights, x: Value, lengths: Value) -> Value:
    """Return the top layer's outputs (B, S, M) over the embeddings `x` (B, S, E), with E = M."""
    encoder = config.encoder
    size, inner = encoder.size, encoder.feed_forward
    width = size // encoder.heads
    is_seen = graph.unsqueeze(is_real(graph, x, lengths), 1, 2)  # (B, 1, 1, S)
    x = graph.op("Add", x, positions(graph, graph.range(graph.size(x, 1)), size))

    def project(part: Weights, x: Value, outputs: int = size, inputs: int = size) -> Value:
        return linear_over_sequence(graph, part.take_linear(outputs, inputs), x)

    for depth in range(encoder.layers):
        layer = weights.part(f"layers.{depth}")
        attention = layer.part("attention")
        q, k, v = (
            split_heads(graph, project(attention.part(name), x), encoder.heads, width)
            for name in ("query", "key", "value")
        )  # (B, H, S, D / H)
        alignment = masked_softmax(graph, graph.times_transposed(q, k, 1.0 / math.sqrt(width)), is_seen)
        mixed = graph.transpose(graph.op("MatMul", alignment, v), 0, 2, 1, 3)  # (B, S, H, D / H)
        merged = project(attention.part("merge"), graph.reshape(mixed, 0, 0, -1))  # (B, S, D)
        x = norm(graph, layer, 0, x, merged, size)
        hidden = graph.op("Relu", project(layer.part("feed_forward.enter"), x, inner, size))
        changed = project(layer.part("feed_forward.leave"), hidden, size, inner)
        x = norm(graph, layer, 1, x, changed, size)
    return x


class TransformerDecoder:
    """Transformer layers (`model.decoder.kind: transformer`); the state holds keys and values of the tokens read."""

    bound = None

    def __init__(self, config: Model, weights: Weights, precision: Precision) -> None:
        decoder = config.decoder
        self.size, self.heads = decoder.size, decoder.heads
        self.inner = decoder.feed_forward
        self.precision = precision
        sizes = decoder.size, config.encoder.size, decoder.size
        self.layers = [weights.part(f"layers.{depth}") for depth in range(decoder.layers)]
        self.attentions = [
            MultiHeadAttention(self.heads, self.size, layer.part("attention"), sizes, precision, first_key=2 * depth)
            for depth, layer in enumerate(self.layers)
        ]

    def keys(self, graph: Graph, states: Value) -> list[Value]:
        """Return keys and values (B, S, D) of the first layer, then of the second, …, for `states` (B, S, M)."""
        return [part for attention in self.attentions for part in attention.keys(graph, states)]

    def state_shapes(self) -> list[Shape]:
        """Return the shapes of the keys and values of each layer."""
        return [["rows", "T", self.size] for _ in range(2 * len(self.layers))]

    def start(
        self, graph: Graph, summary: Callable[[str], Value], finals: list[CellState], source: Value
    ) -> list[Value]:
        """Return the state (B, 0, D) of one empty hypothesis per sentence of `source` (B, S)."""
        return [graph.zeros(graph.size(source, 0), 0, self.size)] * (2 * len(self.layers))

    def step(
        self, graph: Graph, embedded: list[Value], state: State, memory: Memory
    ) -> tuple[list[Value], Value, Value]:
        """Return the next state, the output (N, D) and the top layer's alignments (N, S).

        `embedded` has the embedded previous token of each hypothesis (N, D).
        """
        size, inner = self.size, self.inner
        number = graph.unsqueeze(position(graph), 0)  # (1,)
        x = graph.op("Add", *embedded, positions(graph, number, self.size))  # (N, D)
        following, alignment = [], ""
        for layer, attention, read in zip(self.layers, self.attentions, state.layers, strict=True):
            mixed, now_read = self._attend_to_self(graph, layer.part("self_attention"), x, read)
            following += now_read
            x = norm(graph, layer, 0, x, mixed, size)
            context, alignment = attention(graph, x, memory)  # (N, D), (N, S)
            x = norm(graph, layer, 1, x, context, size)
            hidden = graph.op("Relu", self._project(graph, layer.part("feed_forward.enter"), x, inner, size))
            changed = self._project(graph, layer.part("feed_forward.leave"), hidden, size, inner)
            x = norm(graph, layer, 2, x, changed, size)
        return following, x, alignment

    def _project(self, graph: Graph, part: Weights, x: Value, outputs: int, inputs: int) -> Value:
        return linear(graph, self.precision, part.take_linear(outputs, inputs), x)

    def _attend_to_self(self, graph: Graph, weights: Weights, x: Value, read: CellState) -> tuple[Value, list[Value]]:
        """Return (N, D), and the keys and values (N, T + 1, D), for `x` (N, D) and those of the tokens before it."""
        names = ("query", "key", "value")
        parts = [weights.part(name).take_linear(self.size, self.size) for name in names]
        weight, bias = (np.concatenate(blocks) for blocks in zip(*(part[1:] for part in parts), strict=True))
        layer = Linear(weights.name("query_key_value"), weight, bias)
        projected = linear(graph, self.precision, layer, x)  # (N, 3D)
        query, *new = graph.split(projected, [self.size] * 3)  # (N, D) each
        following = [graph.concat([old, graph.unsqueeze(part, 1)], 1) for old, part in zip(read, new, strict=True)]
        width = self.size // self.heads
        q = graph.reshape(query, 0, self.heads, 1, width)  # (N, H, 1, D / H)
        k, v = (split_heads(graph, part, self.heads, width) for part in following)  # (N, H, T + 1, D / H)
        alignment = graph.op("Softmax", graph.times_transposed(q, k, 1.0 / math.sqrt(width)), axis=-1)
        mixed = graph.op("Flatten", graph.op("MatMul", alignment, v), axis=1)  # (N, D)
        return self._project(graph, weights.part("merge"), mixed, self.size, self.size), following
