"""The Transformer (Vaswani 2017) behind the same `unroll` and `step` as the recurrent networks.

Axes: B sentences, K beams, N hypotheses (`state`), S source tokens, T target tokens, D width (of embeddings and
memory too), H heads.
"""

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.config import Model
from nmt.kernels.deferred_gradients import Linear
from nmt.models.attention import MultiHeadAttention
from nmt.models.cells import CellState
from nmt.models.state import DecoderState, Memory


def with_positions(embedded: Tensor, first: int = 0) -> Tensor:
    """Return the embeddings (B, T, D) plus sinusoids of their places from `first` on (section 3.5)."""
    length, size = embedded.shape[1:]
    place = torch.arange(first, first + length, device=embedded.device, dtype=torch.float32).unsqueeze(1)
    pace = torch.arange(0, size, 2, device=embedded.device, dtype=torch.float32) * (-math.log(10_000.0) / size)
    angle = place * pace.exp()  # (T, D / 2)
    waves = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)
    return embedded + waves.to(embedded.dtype)


class SelfAttention(MultiHeadAttention):
    """Every position looks at the others of its own sequence (section 3.2)."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__(heads, size, size, size, size)

    def mix(self, x: Tensor, keys: Tensor, values: Tensor, is_seen: Tensor | None) -> Tensor:
        """Return (B, T, D) for `x` (B, T, D) looking at projected `keys` and `values` (B, S, D).

        `is_seen` (B, 1, 1, S) says which of them may be looked at; None lets position t see those up to t, and, where x
        is the last position alone, all.
        """
        q, k, v = (self.split(part) for part in (self.query(x), keys, values))
        is_causal = is_seen is None and x.shape[1] > 1
        mixed = F.scaled_dot_product_attention(q, k.to(q.dtype), v.to(q.dtype), is_seen, is_causal=is_causal)
        merged: Tensor = self.merge(mixed.transpose(1, 2).flatten(2))
        return merged


class FeedForward(nn.Module):
    """Two layers on each position alone (section 3.3)."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.enter = Linear(size, hidden)
        self.leave = Linear(hidden, size)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, D) for `x` (B, T, D)."""
        mixed: Tensor = self.leave(self.enter(x).relu())
        return mixed


class TransformerEncoderLayer(nn.Module):
    """Self-attention and feed-forward, each with a residual connection and normalised after it."""

    def __init__(self, size: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.attention = SelfAttention(size, heads)
        self.feed_forward = FeedForward(size, hidden)
        self.norms = nn.ModuleList(nn.LayerNorm(size) for _ in range(2))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, is_seen: Tensor) -> Tensor:
        """Return (B, S, D) for `x` (B, S, D)."""
        attention = self.attention
        x = self.norms[0](x + self.dropout(attention.mix(x, attention.key(x), attention.value(x), is_seen)))
        normed: Tensor = self.norms[1](x + self.dropout(self.feed_forward(x)))
        return normed


class TransformerEncoder(nn.Module):
    """A stack of Transformer layers over embeddings and positions."""

    def __init__(self, config: Model) -> None:
        super().__init__()
        encoder, dropout = config.encoder, config.dropout.layer
        self.layers = nn.ModuleList(
            TransformerEncoderLayer(encoder.size, encoder.heads, encoder.feed_forward, dropout)
            for _ in range(encoder.layers)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, tuple[CellState, ...]]:
        """Return the top layer's outputs (B, S, M) over `x` (B, S, E = M), and no final states."""
        is_seen = (torch.arange(x.shape[1], device=x.device) < lengths.unsqueeze(1))[:, None, None]
        x = self.dropout(with_positions(x))
        for layer in self.layers:
            x = layer(x, is_seen)
        return x, ()


class TransformerDecoderLayer(nn.Module):
    """Masked self-attention, attention over the source, feed-forward; a residual and a normalisation after each."""

    def __init__(self, size: int, memory_size: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.self_attention = SelfAttention(size, heads)
        self.attention = MultiHeadAttention(heads, size, size, memory_size, size)
        self.feed_forward = FeedForward(size, hidden)
        self.norms = nn.ModuleList(nn.LayerNorm(size) for _ in range(3))
        self.dropout = nn.Dropout(dropout)

    def read(self, x: Tensor, mixed: Tensor, keys: Tensor, values: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Return (N, T, D) and alignments (B, K * T, S), from `x` (N, T, D) and its self-attention `mixed`."""
        x = self.norms[0](x + self.dropout(mixed))
        queries = memory.spread(x).flatten(1, 2)  # (B, K * T, D)
        context, alignment = self.attention.attend(queries, keys, values, memory.is_real)
        context = context.to(x.dtype).view(len(context), -1, *x.shape[1:])  # (B, K, T, D)
        x = self.norms[1](x + self.dropout(memory.gather(context)))
        return self.norms[2](x + self.dropout(self.feed_forward(x))), alignment

    def products(self) -> list[tuple[nn.Module, str]]:
        """Return what a step multiplies by: modules and the names of their linear maps."""
        names = [(self.self_attention, ("query", "key", "value", "merge")), (self.attention, ("query", "merge"))]
        return [(part, name) for part, group in [*names, (self.feed_forward, ("enter", "leave"))] for name in group]


class TransformerDecoder(nn.Module):
    """A stack of Transformer layers; its state holds the keys and values of what was read."""

    def __init__(self, config: Model) -> None:
        super().__init__()
        decoder, dropout = config.decoder, config.dropout.layer
        self.size = decoder.size
        self.readout_size = decoder.size
        self.readout = None
        sizes = decoder.size, config.encoder.size, decoder.heads, decoder.feed_forward
        self.layers = cast(
            "Sequence[TransformerDecoderLayer]",
            nn.ModuleList(TransformerDecoderLayer(*sizes, dropout) for _ in range(decoder.layers)),
        )
        self.dropout = nn.Dropout(dropout)

    def keys(self, states: Tensor) -> tuple[Tensor, ...]:
        """Return keys and values (B, S, D) of each layer in turn, for the encoder's `states` (B, S, M)."""
        return tuple(part for layer in self.layers for part in layer.attention.keys(states))

    def start(self, memory: Memory, beams: int) -> DecoderState:
        """Return the state before the first token: nothing read."""
        empty = memory.summary.new_zeros(len(memory.summary) * beams, 0, self.size)
        return DecoderState(((empty, empty),) * len(self.layers))

    def unroll(self, embedded: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Return readouts (B, T, D) and the top layer's alignments (B, T, S) for previous tokens (B, T, E = D)."""
        state = self.start(memory, 1)
        _, readout, alignment = self._advance(embedded, state, memory)
        return readout, alignment

    def step(self, embedded: Tensor, state: DecoderState, memory: Memory) -> tuple[DecoderState, Tensor, Tensor]:
        """Return next state, readout (N, D) and alignment (N, S) for the embedded previous token (N, E)."""
        state, readout, alignment = self._advance(embedded.unsqueeze(1), state, memory)
        return state, readout.squeeze(1), memory.gather(alignment)

    def _advance(self, embedded: Tensor, state: DecoderState, memory: Memory) -> tuple[DecoderState, Tensor, Tensor]:
        x = self.dropout(with_positions(embedded, state.position))
        read, alignment = [], memory.is_real
        for depth, layer in enumerate(self.layers):
            attention = layer.self_attention
            before_keys, before_values = state.layers[depth]
            keys = torch.cat([before_keys.to(x.dtype), attention.key(x)], dim=1)
            values = torch.cat([before_values.to(x.dtype), attention.value(x)], dim=1)
            mixed = attention.mix(x, keys, values, None)
            source_keys, source_values = memory.keys[2 * depth : 2 * depth + 2]
            x, alignment = layer.read(x, mixed, source_keys, source_values, memory)
            read.append((keys, values))
        return DecoderState(tuple(read), position=state.position + embedded.shape[1]), x, alignment
