"""Values that encoder, decoder and search pass to each other: the encoded source and the state of the hypotheses.

Axes: B sentences, K slots per sentence, N hypotheses, S source tokens, V target vocabulary, M memory width, D decoder
width, R readout width. The hypotheses of a sentence are adjacent. N is B * K, or less if some slots are empty.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nmt.models.cells import CellState
from nmt.models.shortlist import Shortlist


@dataclass(frozen=True)
class Memory:
    """An encoded source, and the hypotheses about it that the next step is for."""

    states: Tensor
    """(B, S, M) h_s, outputs of the encoder's top layer."""
    keys: tuple[Tensor, ...]
    """(B, S, …) projections of `states` that attention compares its queries with, computed once."""
    is_real: Tensor
    """(B, S) bool, True on real tokens, False on padding."""
    final: tuple[CellState, ...]
    """State of each encoder layer after the last real token, bottom to top, (B, M) each; empty for a Transformer."""
    summary: Tensor
    """(B, M) the whole sentence as one vector."""
    source: Tensor
    """(B, S) source token ids. Extra words have ids from V on (see `pointer_generator`)."""
    extra_words: int = 0
    """Number of ids from V on: source words outside the vocabulary that can be copied."""
    shortlist: Shortlist | None = None
    """Target tokens that may be generated; None for all."""
    slots: Tensor | None = None
    """(N,) int64 slots of the hypotheses out of B * `width`, ascending; None if all slots are used.

    Only beam search with `beam_prune` leaves slots empty."""
    width: int = 0
    """K; used only if `slots` are given."""

    def at(self, slots: Tensor | None, width: int) -> "Memory":
        """Return the memory for a step of the hypotheses in `slots` out of B * `width`, None for all."""
        if slots is None and self.slots is None:
            return self
        return dataclasses.replace(self, slots=slots, width=width)

    def group(self, x: Tensor) -> Tensor:
        """Return `x` (N, …) of the hypotheses as (B, K, …), with zeros in empty slots."""
        if self.slots is not None:
            x = x.new_zeros(len(self.is_real) * self.width, *x.shape[1:]).index_copy_(0, self.slots, x)  # (B * K, …)
        return x.view(len(self.is_real), -1, *x.shape[1:])  # (B, K, …)

    def ungroup(self, x: Tensor) -> Tensor:
        """Return `x` (B, K, …) as (N, …), without the empty slots."""
        flat = x.flatten(0, 1)  # (B * K, …)
        return flat if self.slots is None else flat[self.slots]

    def repeat(self, x: Tensor, count: int) -> Tensor:
        """Return `x` (B, …) of the sentences, repeated for each of `count` hypotheses: (N, …)."""
        if self.slots is None:
            return x.repeat_interleave(count // len(x), dim=0)
        return x[self.slots // self.width]

    def select(self, rows: Tensor) -> "Memory":
        """Return the sentences `rows` (int64 or bool), trimmed to the longest of them, with all slots used."""
        is_real = self.is_real[rows]  # (B, S)
        longest = int(is_real.sum(1).max()) if len(is_real) else 0
        return Memory(
            self.states[rows, :longest],
            tuple(part[rows, :longest] for part in self.keys),
            is_real[:, :longest],
            tuple(tuple(part[rows] for part in layer) for layer in self.final),
            self.summary[rows],
            self.source[rows, :longest],
            self.extra_words,
            None if self.shortlist is None else self.shortlist.select(rows),
        )


@dataclass(frozen=True)
class DecoderState:
    """State of the decoder for N hypotheses."""

    layers: tuple[CellState, ...]
    """State of each layer, bottom to top, (N, D) each; for a Transformer its keys and values, (N, T, D) each."""
    feed: Tensor | None = None
    """Output of this step that the bottom layer reads in the next one: the readout (N, R) or the context (N, M)."""
    coverage: Tensor | None = None
    """(N, S) sum of the alignments so far; None without coverage. S may be larger than in a memory that has shrunk."""
    position: int = 0
    """Number of target tokens read."""

    def next(self, layers: Sequence[CellState], alignment: Tensor, feed: Tensor | None = None) -> "DecoderState":
        """Return the state after one more token, with `alignment` (N, S) added to the coverage."""
        coverage = None if self.coverage is None else self.coverage[:, : alignment.shape[1]] + alignment  # (N, S)
        return DecoderState(tuple(layers), feed, coverage, self.position + 1)

    def select(self, rows: Tensor) -> "DecoderState":
        """Return the hypotheses `rows` (int64 or bool)."""
        return DecoderState(
            tuple(tuple(part[rows] for part in layer) for layer in self.layers),
            None if self.feed is None else self.feed[rows],
            None if self.coverage is None else self.coverage[rows],
            self.position,
        )

    def to(self, dtype: torch.dtype) -> "DecoderState":
        """Return the state with `layers` and `feed` in `dtype`."""
        layers = tuple(tuple(part.to(dtype) for part in layer) for layer in self.layers)
        return DecoderState(layers, None if self.feed is None else self.feed.to(dtype), self.coverage, self.position)


@dataclass(frozen=True)
class StepOutput:
    """Predictions of one step for N hypotheses."""

    logits: Tensor
    """(N, V) unnormalised log-probabilities of the next token. The search may overwrite them."""
    alignment: Tensor
    """(N, S) attention over the source."""
    tokens: Tensor | None = None
    """(V,) target id of each column of `logits`, ascending, PAD to EOS first; None if they are 0, 1, 2, …"""
