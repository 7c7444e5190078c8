"""The base of all recurrent decoders: layers, attention, initial state, readout, and the loop over time in training.

A decoder has two methods over the same weights. `unroll`, for training, reads all target tokens at once. `step`, for
search, reads one token of N hypotheses; the hypotheses of a sentence share its memory.

Axes: B sentences, K hypotheses of a sentence, N hypotheses, T target tokens, S source tokens, E embedding width, D
width, M memory width, R readout width, G gate inputs (see `cells`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from nmt.config import Model
from nmt.kernels.deferred_gradients import deferred_gradients
from nmt.kernels.lstm_cell import fast_tanh
from nmt.models.attention import Attention, MultiHeadAttention, build_attention
from nmt.models.cells import CellState, LoopStep
from nmt.models.dropout import SequenceDropout
from nmt.models.encoder import summarize
from nmt.models.linear import Linear, LoopLinear
from nmt.models.recurrent_layer import RecurrentLayer
from nmt.models.state import DecoderState, Memory


class InitialState(nn.Module):
    """s_0, the first state of each decoder layer (`model.decoder.start`)."""

    def __init__(self, config: Model, state_count: int) -> None:
        super().__init__()
        self.kind = config.decoder.start
        self.size = config.decoder.size
        self.layers = config.decoder.layers
        self.state_count = state_count
        self.bridge = None
        if self.kind == "bridge":
            self.bridge = Linear(config.encoder.size, self.layers * state_count * self.size)

    def forward(self, memory: Memory) -> tuple[CellState, ...]:
        """Return the first state of each layer, (B, D) each.

        `bridge`: tanh(W summary + b), as in Bahdanau (2015, appendix A.2.2). `mean`: the mean of the encoder's outputs
        for every layer. `last`: the final states of the encoder's layers, top to top; if the decoder has more layers,
        the rest start from the encoder's lowest layer. `zero`: zero.
        """
        if self.bridge is not None:
            parts = self.bridge(memory.summary).tanh().chunk(self.layers * self.state_count, dim=-1)  # (B, D) each
            return tuple(tuple(parts[i : i + self.state_count]) for i in range(0, len(parts), self.state_count))
        if self.kind == "last":
            offset = len(memory.final) - self.layers
            return tuple(memory.final[max(0, offset + depth)] for depth in range(self.layers))
        zero = memory.summary.new_zeros(len(memory.summary), self.size)  # (B, D)
        h = zero
        if self.kind == "mean":
            h = summarize("mean", memory.states, (), memory.is_real.sum(1)).to(memory.summary.dtype)
        return ((h, *[zero] * (self.state_count - 1)),) * self.layers


@dataclass(frozen=True)
class PrecomputedStep:
    """Parts of a step that do not depend on the steps before; training computes them before the loop over time."""

    projected: Tensor
    """(B, G) contribution of the embedding to the gate inputs of the bottom layer."""
    cells: list[list[LoopStep]]
    """The steps of the cells of each layer."""
    dropout: list[Tensor]
    """(B, D) dropout factors for the input of each layer above the bottom; empty if nothing is dropped."""


class Decoder(nn.Module):
    """Layers, attention, initial state and readout of a recurrent decoder.

    The subclasses are the decoders of the papers; `decoders.DECODERS` maps `model.decoder.context_to` to them. A
    decoder returns its output h, its context c and its alignment; `read_out` makes of them what the output layer reads.
    """

    attention: Attention | MultiHeadAttention
    """Not set in a decoder without attention."""
    feed_size: int | None = None
    """Width of `DecoderState.feed`, if the decoder has one. It is zero before the first step."""

    def __init__(
        self, config: Model, bottom_extra: int = 0, upper_extra: int = 0, bottom_transitions: int | None = None
    ) -> None:
        """Take the width of what the bottom layer and the other layers read in addition to e and the layer below.

        The bottom layer may have fewer transitions than the others.
        """
        super().__init__()
        size, upper_layers = config.decoder.size, config.decoder.layers - 1
        input_sizes = [config.read_size + bottom_extra] + [size + upper_extra] * upper_layers
        transitions = [config.decoder.transitions] * len(input_sizes)
        transitions[0] = bottom_transitions or transitions[0]
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
        below = [config.read_size] + [size] * upper_layers
        self.residual = [config.decoder.adds_input(depth, width) for depth, width in enumerate(below)]
        if config.attention.score != "none":
            self.attention = build_attention(config.attention, size, config.encoder.size)
        self.has_coverage = config.attention.coverage
        self.begin = InitialState(config, self.layers[0].state_count)  # tensors `begin.*` in checkpoints
        self.readout_kind = config.decoder.readout
        self.readout_bound = 1.0 if self.readout_kind in ("tanh", "deep") else None  # upper bound of |readout|
        self.readout = None
        if self.readout_kind not in ("none", "state"):
            width = size + config.context_size + (config.read_size if self.readout_kind != "tanh" else 0)
            pieces = 2 if self.readout_kind == "maxout" else 1
            self.readout = LoopLinear(width, pieces * config.readout_size)
        self.dropout = SequenceDropout(config.dropout.layer, config.dropout.mask)

    def keys(self, states: Tensor) -> tuple[Tensor, ...]:
        """Return `Memory.keys` for the encoder's `states` (B, S, M)."""
        return self.attention.keys(states)

    def start(self, memory: Memory, width: int) -> DecoderState:
        """Return the state of `width` empty hypotheses per sentence."""
        layers = tuple(tuple(part.repeat_interleave(width, dim=0) for part in layer) for layer in self.begin(memory))
        h = layers[0][0]  # (N, D)
        coverage = None
        if self.has_coverage:
            dtype = torch.promote_types(memory.states.dtype, torch.float32)
            coverage = torch.zeros(len(h), memory.states.shape[1], device=h.device, dtype=dtype)  # (N, S)
        feed = None if self.feed_size is None else h.new_zeros(len(h), self.feed_size)  # (N, R) or (N, M)
        return DecoderState(layers, feed, coverage)

    def unroll(self, embedded: Tensor, memory: Memory) -> tuple[Tensor, Tensor | None, Tensor]:
        """Return outputs (B, T, D), contexts (B, T, M) and alignments (B, T, S).

        `embedded` (B, T, E) are the previous target tokens, from BOS on.
        """
        raise NotImplementedError

    def step(
        self, embedded: Tensor, state: DecoderState, memory: Memory
    ) -> tuple[DecoderState, Tensor, Tensor | None, Tensor]:
        """Return the next state, output (N, D), context (N, M) and alignment (N, S).

        `embedded` (N, E) is the previous target token of each hypothesis.
        """
        raise NotImplementedError

    def read_out(self, output: Tensor, context: Tensor | None, embedded: Tensor) -> Tensor:
        """Return the readout (…, R) of output h, context c and embedded previous token e (`model.decoder.readout`).

        `tanh`: tanh(W [h; c]), Luong's attentional vector (2015, eq. 5). `deep`: tanh(W [h; c; e]) (Pascanu 2014).
        `maxout`: the larger of each two units of W [h; c; e] (Bahdanau 2015, appendix A.2.2). `none`: [h; c]. `state`:
        h (Wu 2016).
        """
        if self.readout_kind == "state":
            return output
        parts = [output] if context is None else [output, context.to(output.dtype)]
        if self.readout is None:
            return torch.cat(parts, dim=-1)  # (…, D + M)
        if self.readout_kind == "tanh":
            return fast_tanh(self.readout(torch.cat(parts, dim=-1)))  # (…, R)
        vector = self.readout(torch.cat([*parts, embedded.to(output.dtype)], dim=-1))  # (…, R), or (…, 2R) for maxout
        return fast_tanh(vector) if self.readout_kind == "deep" else vector.view(*vector.shape[:-1], -1, 2).amax(-1)

    def add_and_norm(self, depth: int, output: Tensor, below: Tensor) -> Tensor:
        """Apply the residual connection and the normalisation of layer `depth` to its `output` (…, D)."""
        if self.residual[depth]:
            output = output + below
        normed: Tensor = self.norms[depth](output)
        return normed

    def unroll_layers(self, x: Tensor, embedded: Tensor, memory: Memory) -> Tensor:
        """Return the top outputs (B, T, D), if each layer reads only the layer below and the bottom layer reads `x`."""
        start = self.begin(memory)
        x = self.add_and_norm(0, self.layers[0](x, start[0])[0], embedded)  # (B, T, D)
        for depth in range(1, len(self.layers)):
            x = self.add_and_norm(depth, self.layers[depth](self.dropout(x), start[depth])[0], x)
        return x

    def step_bottom_layer(
        self, embedded: Tensor, state: DecoderState, other: Tensor | None = None, given: PrecomputedStep | None = None
    ) -> CellState:
        """Return the next state of the bottom layer, which reads `embedded` (N, E) and `other`, (N, R) or (N, M)."""
        inputs = [] if other is None else [other]
        if given is None:
            return self.layers[0].step([embedded, *inputs], state.layers[0])
        return self.layers[0].step(inputs, state.layers[0], given.cells[0], given.projected)

    def step_upper_layers(
        self, x: Tensor, state: DecoderState, context: Tensor | None = None, given: PrecomputedStep | None = None
    ) -> tuple[Tensor, list[CellState]]:
        """Return the top output (N, D) and the next states of the layers above the bottom.

        Each layer reads the output of the layer below, first `x` (N, D), and the `context` (N, M) if it is given.
        """
        states = []
        for depth in range(1, len(self.layers)):
            below = x * given.dropout[depth - 1] if given is not None and given.dropout else x
            inputs = [below] if context is None else [below, context]
            cells = None if given is None else given.cells[depth]
            states.append(self.layers[depth].step(inputs, state.layers[depth], cells))
            x = self.add_and_norm(depth, states[-1][0], x)
        return x, states


class LoopDecoder(Decoder):
    """A decoder whose step reads the context of the same or the previous step: training needs a loop over time."""

    def precompute(self, embedded: Tensor) -> list[PrecomputedStep]:
        """Return the parts of each step over `embedded` (B, T, E) that do not depend on the steps before."""
        batch, steps, width = embedded.shape
        bottom, *above = self.layers
        projected = bottom.project_input(embedded)  # (B, T, G)
        cells = [bottom.loop_steps(width), *(layer.loop_steps() for layer in above)]
        factors = [self.dropout.factors((batch, steps, layer.size), projected) for layer in above]  # (B, T, D) each
        return [
            PrecomputedStep(part, cells, [factor[:, t] for factor in factors if factor is not None])
            for t, part in enumerate(projected.unbind(1))
        ]

    def unroll(self, embedded: Tensor, memory: Memory) -> tuple[Tensor, Tensor | None, Tensor]:
        """See `Decoder.unroll`."""
        state = self.start(memory, 1)
        outputs, contexts, alignments = [], [], []
        with deferred_gradients():
            for token, given in zip(embedded.unbind(1), self.precompute(embedded), strict=True):
                state, output, context, alignment = self.step(token, state, memory, given)
                outputs.append(output)
                contexts.append(context)
                alignments.append(alignment)
        return torch.stack(outputs, 1), torch.stack(contexts, 1), torch.stack(alignments, 1)  # (B, T, …) each

    def step(
        self, embedded: Tensor, state: DecoderState, memory: Memory, given: PrecomputedStep | None = None
    ) -> tuple[DecoderState, Tensor, Tensor, Tensor]:
        """See `Decoder.step`; `given` are the precomputed parts of the step in training."""
        raise NotImplementedError
