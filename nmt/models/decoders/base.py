"""What all recurrent decoders share, wherever the context goes: `unroll` and `step`, and the parts they are made of.

Axes: B sentences, K beams, N hypotheses (`state`), T target tokens, S source tokens, E embedding width, D width,
M memory width, R readout, G gates (see `cells`).
`unroll` (training) takes all target tokens at once; `step` (search) takes one token of N hypotheses, whose memory
has B rows: the beams of a sentence are queries of its one memory, as target positions are in `unroll`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from nmt.config import Model
from nmt.kernels.deferred_gradients import Linear, deferred_gradients
from nmt.kernels.lstm_cell import fast_tanh
from nmt.models.attention import Attention, MultiHeadAttention, build_attention
from nmt.models.cells import CellState, GateWeights
from nmt.models.dropout import SequenceDropout
from nmt.models.encoder import summarize
from nmt.models.recurrent_layer import RecurrentLayer
from nmt.models.state import DecoderState, Memory


class Start(nn.Module):
    """The decoder's first state from the encoded source."""

    def __init__(self, config: Model, states: int) -> None:
        super().__init__()
        self.kind = config.decoder.start
        self.size = config.decoder.size
        self.layers = config.decoder.layers
        self.states = states
        self.bridge = Linear(config.encoder.size, self.layers * states * self.size) if self.kind == "bridge" else None

    def forward(self, memory: Memory) -> tuple[CellState, ...]:
        """Return each layer's first state, (B, D) each.

        A bridge reads the summary; `mean` gives every layer the mean of the encoder's outputs; `last` copies the layers
        one to one from the top, and a decoder deeper than the encoder starts its lowest layers from the encoder's
        lowest.
        """
        if self.bridge is not None:
            parts = self.bridge(memory.summary).tanh().chunk(self.layers * self.states, dim=-1)
            return tuple(tuple(parts[i : i + self.states]) for i in range(0, len(parts), self.states))
        if self.kind == "last":
            offset = len(memory.final) - self.layers
            return tuple(memory.final[max(0, offset + depth)] for depth in range(self.layers))
        zero = memory.summary.new_zeros(len(memory.summary), self.size)
        h = zero
        if self.kind == "mean":
            h = summarize("mean", memory.states, (), memory.is_real.sum(1)).to(memory.summary.dtype)
        return ((h, *[zero] * (self.states - 1)),) * self.layers


@dataclass(frozen=True)
class Precomputed:
    """What does not change, or does not depend on the step before, in a loop over T target tokens."""

    projected: tuple[Tensor, ...]
    """Of each step, (B, G) what the embedding adds to the bottom layer's gates."""
    weights: list[list[GateWeights]]
    """Of each layer, of each of its cells, what else makes its gates."""
    masks: list[Tensor | None]
    """(B, T, D) dropout factors of what enters each layer but the bottom one."""
    reader: list[GateWeights] | None = None
    """Of the cells that read the context in the middle of a step."""


class Decoder(nn.Module):
    """What all arrangements share: layers, attention, start and readout."""

    feed_size: int | None = None
    """Width of what each step hands on to the next one's bottom layer, if anything; zero before the first."""

    def __init__(self, config: Model, input_sizes: list[int], bottom_transitions: int | None = None) -> None:
        """Take the width of what each layer reads; the bottom one may have fewer transitions than the others."""
        super().__init__()
        size = config.decoder.size
        transitions = [config.decoder.transitions] * len(input_sizes)
        transitions[0] = bottom_transitions or transitions[0]
        self.embedding_size = config.read_size
        self.readout_size = config.readout_size
        self.layers = cast(
            "Sequence[RecurrentLayer]",
            nn.ModuleList(
                RecurrentLayer(
                    config.decoder.cell, width, size, count, config.decoder.gate_norm, config.dropout.recurrent
                )
                for width, count in zip(input_sizes, transitions, strict=True)
            ),
        )
        self.norms = nn.ModuleList(
            nn.LayerNorm(size) if config.decoder.layer_norm else nn.Identity() for _ in input_sizes
        )
        below = [self.embedding_size] + [size] * (len(input_sizes) - 1)
        self.residual = [config.decoder.adds_input(depth, width) for depth, width in enumerate(below)]
        self.attention: Attention | MultiHeadAttention | None = None
        if config.attention.score != "none":
            self.attention = build_attention(config.attention, size, config.encoder.size)
        self.has_coverage = config.attention.coverage
        self.begin = Start(config, self.layers[0].states)
        self.readout_kind = config.decoder.readout
        self.readout = None
        if self.readout_kind not in ("none", "state"):
            width = size + config.context_size + (self.embedding_size if self.readout_kind != "tanh" else 0)
            pieces = 2 if self.readout_kind == "maxout" else 1
            self.readout = Linear(width, pieces * self.readout_size)
        self.dropout = SequenceDropout(config.dropout.layer, config.dropout.mask)

    def keys(self, states: Tensor) -> tuple[Tensor, ...]:
        """Return what `Memory.keys` holds for `states` (B, S, M)."""
        return () if self.attention is None else self.attention.keys(states)

    def start(self, memory: Memory, beams: int) -> DecoderState:
        """Return the state before the first token of `beams` hypotheses a sentence."""
        layers = tuple(tuple(part.repeat_interleave(beams, dim=0) for part in layer) for layer in self.begin(memory))
        h = layers[0][0]
        coverage = None
        if self.has_coverage:
            kind = torch.promote_types(memory.states.dtype, torch.float32)
            coverage = torch.zeros(len(h), memory.states.shape[1], device=memory.states.device, dtype=kind)
        feed = None if self.feed_size is None else h.new_zeros(len(h), self.feed_size)
        return DecoderState(layers, feed, coverage)

    def unroll(self, embedded: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Return readouts (B, T, R) and alignments (B, T, S) for the embedded previous tokens (B, T, E)."""
        raise NotImplementedError

    def step(self, embedded: Tensor, state: DecoderState, memory: Memory) -> tuple[DecoderState, Tensor, Tensor]:
        """Return next state, readout (N, R) and alignment (N, S) for the embedded previous token (N, E)."""
        raise NotImplementedError

    def read_out(self, output: Tensor, context: Tensor | None, embedded: Tensor) -> Tensor:
        """Return what the output layer reads, (..., R), of output h, context c and embedded previous token e.

        `tanh`: tanh(W [h; c]), Luong's attentional vector (2015, eq. 5); `deep`: tanh(W [h; c; e]) (Pascanu 2014);
        `maxout`: the larger of each two units of W [h; c; e] (Bahdanau 2015, appendix A.2.2); `none`: [h; c] itself;
        `state`: h alone (Wu 2016).
        """
        if self.readout_kind == "state":
            return output
        parts = [output] if context is None else [output, context.to(output.dtype)]
        if self.readout is None:
            return torch.cat(parts, dim=-1)
        if self.readout_kind == "tanh":
            vector: Tensor = self.readout(torch.cat(parts, dim=-1))
            return fast_tanh(vector)
        vector = self.readout(torch.cat([*parts, embedded.to(output.dtype)], dim=-1))
        return fast_tanh(vector) if self.readout_kind == "deep" else vector.view(*vector.shape[:-1], -1, 2).amax(-1)

    def add_and_norm(self, depth: int, output: Tensor, x: Tensor) -> Tensor:
        """Apply layer `depth`'s residual connection and normalisation."""
        if self.residual[depth]:
            output = output + x
        normed: Tensor = self.norms[depth](output)
        return normed

    def enter(
        self,
        embedded: Tensor,
        state: DecoderState,
        other: Tensor | None = None,
        known: Precomputed | None = None,
        t: int = 0,
    ) -> tuple[Tensor, CellState]:
        """Take the bottom layer's step, which reads `embedded` (N, E) and, where given, `other`: (N, R) or (N, M).

        In training `known` has what was computed for all steps ahead, this being step `t`.
        """
        other = embedded.new_empty(len(embedded), 0) if other is None else other.to(embedded.dtype)
        if known is None:
            return self.layers[0].step(torch.cat([embedded, other], -1), state.layers[0])
        return self.layers[0].step(other, state.layers[0], known.weights[0], known.projected[t])

    def climb(
        self,
        x: Tensor,
        state: DecoderState,
        context: Tensor | None = None,
        known: Precomputed | None = None,
        t: int = 0,
    ) -> tuple[Tensor, tuple[CellState, ...]]:
        """Take one step from the bottom layer's finished output `x` (N, D) through the layers above.

        Each reads the one below, and the context (N, M) where there is one. Returns the top output (N, D) and these
        layers' states.
        """
        states = []
        for depth in range(1, len(self.layers)):
            mask = None if known is None else known.masks[depth - 1]
            entering = x if mask is None else x * mask[:, t]
            if context is not None:
                entering = torch.cat([entering, context.to(x.dtype)], dim=-1)
            weights = None if known is None else known.weights[depth]
            output, above = self.layers[depth].step(entering, state.layers[depth], weights)
            x = self.add_and_norm(depth, output, x)
            states.append(above)
        return x, tuple(states)

    def stack(self, x: Tensor, embedded: Tensor, memory: Memory) -> Tensor:
        """Return the top outputs (B, T, D) of layers that read only the one below, and the bottom one `x` (B, T, …)."""
        start = self.begin(memory)
        x = self.add_and_norm(0, self.layers[0](x, start[0]), embedded)
        for depth in range(1, len(self.layers)):
            x = self.add_and_norm(depth, self.layers[depth](self.dropout(x), start[depth]), x)
        return x

    def precompute(self, embedded: Tensor) -> Precomputed:
        """Compute what a loop over the steps of `embedded` (B, T, E) needs at each of them."""
        batch, steps, _ = embedded.shape
        bottom, *above = self.layers
        projected = bottom.project_input(embedded, slice(0, self.embedding_size))
        further = (layer.all_gate_weights() for layer in above)
        weights = [bottom.all_gate_weights(slice(self.embedding_size, None)), *further]
        masks = [self.dropout.mask(batch, steps, layer.size, projected) for layer in above]
        return Precomputed(projected.unbind(1), weights, masks)

    def attend(self, query: Tensor, memory: Memory, state: DecoderState) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return contexts (N, M), alignments (N, S) and the next coverage of N queries (N, D)."""
        assert self.attention is not None
        position = torch.full((1,), state.position, device=query.device)
        coverage = None if state.coverage is None else state.coverage[:, : memory.is_real.shape[1]]
        covered = None if coverage is None else memory.spread(coverage)
        context, alignment = self.attention(memory.spread(query), memory, position, covered)
        alignment = memory.gather(alignment)
        return memory.gather(context), alignment, None if coverage is None else coverage + alignment


class ContextInStateDecoder(Decoder):
    """The context goes into the state of the step that makes it: the readouts can be made after the loop."""

    def unroll(self, embedded: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """See `Decoder.unroll`."""
        state = self.start(memory, 1)
        outputs, contexts, alignments = [], [], []
        known = self.precompute(embedded)
        with deferred_gradients():
            for t, token in enumerate(embedded.unbind(1)):
                state, output, context, alignment = self._advance(token, state, memory, known, t)
                outputs.append(output)
                contexts.append(context)
                alignments.append(alignment)
        readouts = self.read_out(torch.stack(outputs, 1), torch.stack(contexts, 1), embedded)
        return readouts, torch.stack(alignments, 1)

    def step(self, embedded: Tensor, state: DecoderState, memory: Memory) -> tuple[DecoderState, Tensor, Tensor]:
        """See `Decoder.step`."""
        state, output, context, alignment = self._advance(embedded, state, memory)
        return state, self.read_out(output, context, embedded), alignment

    def _advance(
        self, embedded: Tensor, state: DecoderState, memory: Memory, known: Precomputed | None = None, t: int = 0
    ) -> tuple[DecoderState, Tensor, Tensor, Tensor]:
        """Return next state, top output (N, D), context (N, M) and alignment (N, S)."""
        raise NotImplementedError
