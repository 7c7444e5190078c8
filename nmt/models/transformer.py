"""The Transformer encoder and decoder (Vaswani 2017), with the same interface as the recurrent ones.

Axes: B sentences, K hypotheses of a sentence, N hypotheses, S source tokens (or keys), T target tokens (or queries), D
width of layers and embeddings, M memory width, E embedding width.
"""

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.config import Model
from nmt.models.attention import MultiHeadAttention
from nmt.models.cells import CellState
from nmt.models.linear import Linear
from nmt.models.state import DecoderState, Memory


def add_positions(embedded: Tensor, first: int = 0) -> Tensor:
    """Return the embeddings (B, T, D) plus the sinusoids of the positions from `first` on (section 3.5)."""
    length, size = embedded.shape[1:]
    position = torch.arange(first, first + length, device=embedded.device, dtype=torch.float32).unsqueeze(1)  # (T, 1)
    log_rate = torch.arange(0, size, 2, device=embedded.device, dtype=torch.float32) * (-math.log(10_000.0) / size)
    angle = position * log_rate.exp()  # (T, D / 2)
    waves = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)  # (T, D)
    return embedded + waves.to(embedded.dtype)


class SelfAttention(MultiHeadAttention):
    """Attention of each position of a sequence to positions of the same sequence (section 3.2)."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__(heads, size, size, size, size)

    def mix(self, x: Tensor, keys: Tensor, values: Tensor, is_seen: Tensor | None) -> Tensor:
        """Return (B, T, D) for the queries `x` (B, T, D) and projected `keys` and `values` (B, S, D).

        `is_seen` (B, 1, 1, S) is True on the positions that may be attended to. If it is None, position t attends to
        the positions up to t; a single query is the last position.
        """
        q, k, v = (self.split(part) for part in (self.query(x), keys, values))  # (B, H, T, D / H) and S for T
        is_causal = is_seen is None and x.shape[1] > 1
        mixed = F.scaled_dot_product_attention(q, k.to(q.dtype), v.to(q.dtype), is_seen, is_causal=is_causal)
        merged: Tensor = self.merge(mixed.transpose(1, 2).flatten(2))  # (B, T, D)
        return merged


class FeedForward(nn.Module):
    """W_2 relu(W_1 x + b_1) + b_2, at each position (section 3.3, eq. 2)."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        # The names are those of the tensors in checkpoints.
        self.enter = Linear(size, hidden)
        self.leave = Linear(hidden, size)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, D) for `x` (B, T, D)."""
        mixed: Tensor = self.leave(self.enter(x).relu())
        return mixed


class TransformerEncoderLayer(nn.Module):
    """Self-attention and feed-forward, each with a residual connection and normalisation after it (section 3.1)."""

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
    """Transformer layers over embeddings and positions (`model.encoder.kind: transformer`)."""

    def __init__(self, config: Model) -> None:
        super().__init__()
        encoder, dropout = config.encoder, config.dropout.layer
        self.layers = nn.ModuleList(
            TransformerEncoderLayer(encoder.size, encoder.heads, encoder.feed_forward, dropout)
            for _ in range(encoder.layers)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, tuple[CellState, ...]]:
        """Return the top layer's outputs (B, S, M) over `x` (B, S, E), with E = M, and no final states."""
        is_seen = (torch.arange(x.shape[1], device=x.device) < lengths.unsqueeze(1))[:, None, None]  # (B, 1, 1, S)
        x = self.dropout(add_positions(x))
        for layer in self.layers:
            x = layer(x, is_seen)
        return x, ()


class TransformerDecoderLayer(nn.Module):
    """Masked self-attention, attention to the source and feed-forward network, each with a residual and a norm."""

    def __init__(self, size: int, memory_size: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.self_attention = SelfAttention(size, heads)
        self.attention = MultiHeadAttention(heads, size, size, memory_size, size)
        self.feed_forward = FeedForward(size, hidden)
        self.norms = nn.ModuleList(nn.LayerNorm(size) for _ in range(3))
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, state: CellState, source: tuple[Tensor, ...], memory: Memory
    ) -> tuple[Tensor, CellState, Tensor]:
        """Return outputs (N, T, D), keys and values of all tokens read, (N, …, D) each, and alignments (B, K * T, S).

        `x` (N, T, D) are the next tokens, `state` the keys and values of the tokens before them, and `source` the keys
        and values (B, S, D) of the source.
        """
        attention = self.self_attention
        keys = torch.cat([state[0].to(x.dtype), attention.key(x)], dim=1)  # (N, …, D)
        values = torch.cat([state[1].to(x.dtype), attention.value(x)], dim=1)  # (N, …, D)
        x = self.norms[0](x + self.dropout(attention.mix(x, keys, values, None)))
        queries = memory.group(x).flatten(1, 2)  # (B, K * T, D)
        context, alignment = self.attention.attend(queries, source, memory.is_real)  # (B, K * T, D), (B, K * T, S)
        context = context.to(x.dtype).view(len(context), -1, *x.shape[1:])  # (B, K, T, D)
        x = self.norms[1](x + self.dropout(memory.ungroup(context)))
        return self.norms[2](x + self.dropout(self.feed_forward(x))), (keys, values), alignment

    def products(self) -> list[tuple[nn.Module, str]]:
        """Return the linear maps of a step: modules and the names of their attributes."""
        names = [(self.self_attention, ("query", "key", "value", "merge")), (self.attention, ("query", "merge"))]
        return [(part, name) for part, group in [*names, (self.feed_forward, ("enter", "leave"))] for name in group]


class TransformerDecoder(nn.Module):
    """Transformer layers (`model.decoder.kind: transformer`); the state holds keys and values of the tokens read."""

    readout_bound = None
    readout = None

    def __init__(self, config: Model) -> None:
        super().__init__()
        decoder, dropout = config.decoder, config.dropout.layer
        self.size = decoder.size
        sizes = decoder.size, config.encoder.size, decoder.heads, decoder.feed_forward
        self.layers = cast(
            "Sequence[TransformerDecoderLayer]",
            nn.ModuleList(TransformerDecoderLayer(*sizes, dropout) for _ in range(decoder.layers)),
        )
        self.dropout = nn.Dropout(dropout)

    def keys(self, states: Tensor) -> tuple[Tensor, ...]:
        """Return keys and values (B, S, D) of the first layer, then of the second, …, for `states` (B, S, M)."""
        return tuple(part for layer in self.layers for part in layer.attention.keys(states))

    def start(self, memory: Memory, width: int) -> DecoderState:
        """Return the state of `width` empty hypotheses per sentence."""
        empty = memory.summary.new_zeros(len(memory.summary) * width, 0, self.size)  # (N, 0, D)
        return DecoderState(((empty, empty),) * len(self.layers))

    def unroll(self, embedded: Tensor, memory: Memory) -> tuple[Tensor, Tensor | None, Tensor]:
        """Return outputs (B, T, D) and the top layer's alignments (B, T, S) for the previous tokens (B, T, E)."""
        _, output, context, alignment = self.step(embedded, self.start(memory, 1), memory)
        return output.view(embedded.shape), context, alignment.view(*embedded.shape[:2], -1)

    def step(
        self, embedded: Tensor, state: DecoderState, memory: Memory
    ) -> tuple[DecoderState, Tensor, Tensor | None, Tensor]:
        """Return the next state, outputs (N * T, D), no context, and the top layer's alignments (N * T, S).

        `embedded` is the previous token of each hypothesis, (N, E), or T tokens of each, (N, T, E).
        """
        x = embedded.view(len(embedded), -1, self.size)  # (N, T, D)
        position = state.position + x.shape[1]
        x = self.dropout(add_positions(x, state.position))
        layers, alignment = [], memory.is_real
        for depth, layer in enumerate(self.layers):
            source = memory.keys[2 * depth : 2 * depth + 2]  # (B, S, D) each
            x, read, alignment = layer(x, state.layers[depth], source, memory)  # (N, T, D), …, (B, K * T, S)
            layers.append(read)
        return DecoderState(tuple(layers), position=position), x.flatten(0, 1), None, memory.ungroup(alignment)

    def read_out(self, output: Tensor, context: Tensor | None, embedded: Tensor) -> Tensor:
        """Return `output`, which the output layer reads."""
        return output
