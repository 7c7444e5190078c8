"""What the two halves of a network hand on: the encoded source, and what a hypothesis has read so far.

Axes: B sentences, K beams, N hypotheses (those of a sentence together): B * K, or fewer where a search has left places
empty; S source tokens, V target vocabulary, M memory width, D decoder width, R readout width.
"""

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor

from nmt.models.cells import CellState
from nmt.models.shortlist import Shortlist


@dataclass(frozen=True)
class Memory:
    """An encoded source, and which hypotheses about it a step is for."""

    states: Tensor
    """(B, S, M) top layer at every source token."""
    keys: tuple[Tensor, ...]
    """(B, S, …) what the decoder's attention compares its queries with, projected once."""
    is_real: Tensor
    """(B, S) bool, True on real tokens, False on padding."""
    final: tuple[CellState, ...]
    """Bottom to top, each recurrent layer's state after its last real token, (B, M) each; empty of a Transformer."""
    summary: Tensor
    """(B, M) the whole sentence as one vector."""
    source: Tensor
    """(B, S) the source's token ids, those of words that have no entry past the vocabulary's."""
    further: int = 0
    """How many such ids there may be."""
    shortlist: Shortlist | None = None
    """Which target tokens may be generated; None for all."""
    places: Tensor | None = None
    """(N,) int64 which of the B * K places the hypotheses of a step take, ascending; None where they take all.

    Only beam search with `beam_prune` leaves any empty."""
    beams: int = 0
    """K, where `places` are given."""

    def at(self, places: Tensor | None, beams: int) -> "Memory":
        """Return the memory for a step of the hypotheses at `places` of B * `beams`, None for all."""
        if places is None and self.places is None:
            return self
        return dataclasses.replace(self, places=places, beams=beams)

    def spread(self, x: Tensor) -> Tensor:
        """Return what the hypotheses have, (N, …), as (B, K, …), zero at places that none takes."""
        if self.places is not None:
            size = len(self.is_real) * self.beams
            x = x.new_zeros(size, *x.shape[1:]).index_copy_(0, self.places, x)
        return x.view(len(self.is_real), -1, *x.shape[1:])

    def gather(self, x: Tensor) -> Tensor:
        """Return (B, K, …) as what hypotheses have, (N, …)."""
        flat = x.flatten(0, 1)
        return flat if self.places is None else flat[self.places]

    def of_hypotheses(self, x: Tensor, count: int) -> Tensor:
        """Return what sentences have, (B, …), for each of `count` hypotheses, (N, …)."""
        if self.places is None:
            return x.repeat_interleave(count // len(x), dim=0)
        return x[self.places // self.beams]

    def select(self, rows: Tensor) -> "Memory":
        """Return the sentences `rows` (int64 or bool), trimmed to their longest, with all places taken."""
        is_real = self.is_real[rows]
        longest = int(is_real.sum(1).max()) if len(is_real) else 0
        return Memory(
            self.states[rows, :longest],
            tuple(part[rows, :longest] for part in self.keys),
            is_real[:, :longest],
            tuple(tuple(part[rows] for part in layer) for layer in self.final),
            self.summary[rows],
            self.source[rows, :longest],
            self.further,
            None if self.shortlist is None else self.shortlist.select(rows),
        )


@dataclass(frozen=True)
class DecoderState:
    """What N hypotheses have read so far."""

    layers: tuple[CellState, ...]
    """State of each layer, bottom to top, (N, D) each; of a Transformer its keys and values, (N, T, D) each."""
    feed: Tensor | None = None
    """What the next step's bottom layer reads of this one: the readout (N, R) or the context (N, M)."""
    coverage: Tensor | None = None
    """(N, S) the sum of the alignments so far, with coverage; S may be of a memory before it shrank."""
    position: int = 0
    """Target tokens read."""

    def select(self, rows: Tensor) -> "DecoderState":
        """Return the hypotheses `rows` (int64 or bool)."""
        return DecoderState(
            tuple(tuple(part[rows] for part in layer) for layer in self.layers),
            None if self.feed is None else self.feed[rows],
            None if self.coverage is None else self.coverage[rows],
            self.position,
        )

    def to(self, dtype: torch.dtype) -> "DecoderState":
        """Return the state with layers and feed in `dtype`."""
        layers = tuple(tuple(part.to(dtype) for part in layer) for layer in self.layers)
        return DecoderState(layers, None if self.feed is None else self.feed.to(dtype), self.coverage, self.position)


@dataclass(frozen=True)
class StepOutput:
    """What one step of N hypotheses gives."""

    logits: Tensor
    """(N, V) unnormalised log-probabilities of the next token, which search may overwrite."""
    alignment: Tensor
    """(N, S) attention over the source."""
    tokens: Tensor | None = None
    """(V,) target id of each column of `logits`, ascending, PAD to EOS first; None where they are 0, 1, 2, …"""
