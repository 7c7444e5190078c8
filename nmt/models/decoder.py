"""The recurrent decoders: one network each for where the context goes, all with `unroll` and `step`.

Axes: B sentences, K beams, T target tokens, S source tokens, E embedding width, D width, M memory width, R readout.
`unroll` (training) takes all target tokens at once; `step` (search) takes one token of B * K hypotheses, whose memory
has B rows: the beams of a sentence are queries of its one memory, as target positions are in `unroll`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from nmt.config import Model
from nmt.models.attention import Attention
from nmt.models.deferred import Linear, deferred_gradients
from nmt.models.dropout import SequenceDropout
from nmt.models.encoder import Memory
from nmt.models.recurrent import CellState, RecurrentLayer


@dataclass(frozen=True)
class DecoderState:
    """What a hypothesis has read so far; N = B * K rows, those of a sentence together."""

    layers: tuple[CellState, ...]
    """State of each layer, bottom to top, (N, D) each."""
    feed: Tensor | None
    """(N, R) the previous readout, with input feeding."""

    def select(self, rows: Tensor) -> "DecoderState":
        """Return the hypotheses `rows` (int64 or bool)."""
        return DecoderState(
            tuple(tuple(part[rows] for part in layer) for layer in self.layers),
            None if self.feed is None else self.feed[rows],
        )


class Start(nn.Module):
    """The decoder's first state from the encoder's final states."""

    def __init__(self, config: Model, states: int) -> None:
        super().__init__()
        self.kind = config.decoder.start
        self.size = config.decoder.size
        self.layers = config.decoder.layers
        self.states = states
        self.bridge = Linear(config.encoder.size, self.layers * states * self.size) if self.kind == "bridge" else None

    def forward(self, memory: Memory) -> tuple[CellState, ...]:
        """Return each layer's first state, (B, D) each.

        A bridge reads the top encoder layer's last output; `last` copies the layers one to one from the top, and a
        decoder deeper than the encoder starts its lowest layers from the encoder's lowest.
        """
        if self.bridge is not None:
            parts = self.bridge(memory.final[-1][0]).tanh().chunk(self.layers * self.states, dim=-1)
            return tuple(tuple(parts[i : i + self.states]) for i in range(0, len(parts), self.states))
        if self.kind == "last":
            offset = len(memory.final) - self.layers
            return tuple(memory.final[max(0, offset + depth)] for depth in range(self.layers))
        zero = memory.states.new_zeros(len(memory.states), self.size)
        return ((zero,) * self.states,) * self.layers


@dataclass(frozen=True)
class Loop:
    """What does not change, or does not depend on the step before, in a loop over T target tokens."""

    shares: Tensor
    """(B, T, G) the embeddings' share of the bottom layer's gates."""
    joints: list[tuple[Tensor, Tensor]]
    """Of each layer, weight and bias of what else makes its gates."""
    masks: list[Tensor | None]
    """(B, T, D) dropout factors of what enters each layer but the bottom one."""


class Decoder(nn.Module):
    """What the three arrangements share: layers, attention, start and readout."""

    def __init__(self, config: Model, input_sizes: list[int], embedding_size: int, readout_size: int) -> None:
        super().__init__()
        size, memory_size = config.decoder.size, config.encoder.size
        self.embedding_size = embedding_size
        self.readout_size = readout_size
        self.layers = cast(
            "Sequence[RecurrentLayer]",
            nn.ModuleList(RecurrentLayer(config.decoder.cell, width, size) for width in input_sizes),
        )
        self.norms = nn.ModuleList(
            nn.LayerNorm(size) if config.decoder.layer_norm else nn.Identity() for _ in input_sizes
        )
        self.residual = [depth > 0 and config.decoder.residual for depth in range(len(input_sizes))]
        if config.decoder.residual and embedding_size == size:
            self.residual[0] = True
        self.attention = Attention(config.attention, size, memory_size)
        self.begin = Start(config, self.layers[0].states)
        self.readout = Linear(size + memory_size, readout_size)
        self.dropout = SequenceDropout(config.dropout.layer, config.dropout.mask)

    def start(self, memory: Memory, beams: int) -> DecoderState:
        """Return the state before the first token of `beams` hypotheses a sentence."""
        layers = tuple(tuple(part.repeat_interleave(beams, dim=0) for part in layer) for layer in self.begin(memory))
        return DecoderState(layers, None)

    def unroll(self, embedded: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Return readouts (B, T, R) and alignments (B, T, S) for the embedded previous tokens (B, T, E)."""
        raise NotImplementedError

    def step(self, embedded: Tensor, state: DecoderState, memory: Memory) -> tuple[DecoderState, Tensor, Tensor]:
        """Return next state, readout (N, R) and alignment (N, S) for the embedded previous token (N, E)."""
        raise NotImplementedError

    def read_out(self, output: Tensor, context: Tensor) -> Tensor:
        """Return tanh(W [h; c]), Luong's attentional vector (2015, eq. 5): (..., R)."""
        joined = torch.cat([output, context.to(output.dtype)], dim=-1)
        vector: Tensor = self.readout(joined)
        return vector.tanh()

    def finish(self, depth: int, output: Tensor, x: Tensor) -> Tensor:
        """Apply layer `depth`'s residual connection and normalisation."""
        if self.residual[depth]:
            output = output + x
        normed: Tensor = self.norms[depth](output)
        return normed

    def enter(
        self, embedded: Tensor, other: Tensor, state: DecoderState, loop: Loop | None, t: int
    ) -> tuple[Tensor, CellState]:
        """Take the bottom layer's step, which reads `embedded` (N, E) and `other`, (N, R) or (N, M)."""
        other = other.to(embedded.dtype)
        if loop is None:
            output, bottom = self.layers[0].step(torch.cat([embedded, other], -1), state.layers[0])
        else:
            output, bottom = self.layers[0].step(other, state.layers[0], loop.joints[0], loop.shares[:, t])
        return self.finish(0, output, embedded), bottom

    def climb(self, x: Tensor, state: DecoderState, loop: Loop | None, t: int) -> tuple[Tensor, tuple[CellState, ...]]:
        """Take one step through the layers above the bottom one, each reading only the one below.

        Returns the top output (N, D) and these layers' states.
        """
        states = []
        for depth in range(1, len(self.layers)):
            mask = None if loop is None else loop.masks[depth - 1]
            x = x if mask is None else x * mask[:, t]
            joint = None if loop is None else loop.joints[depth]
            output, above = self.layers[depth].step(x, state.layers[depth], joint)
            x = self.finish(depth, output, x)
            states.append(above)
        return x, tuple(states)

    def prepare(self, embedded: Tensor) -> Loop:
        """Compute what a loop over the steps of `embedded` (B, T, E) needs at each of them."""
        batch, steps, _ = embedded.shape
        bottom, *above = self.layers
        shares = bottom.share(embedded, slice(0, self.embedding_size))
        joints = [bottom.joint(slice(self.embedding_size, None)), *(layer.joint() for layer in above)]
        masks = [self.dropout.mask(batch, steps, layer.size, shares) for layer in above]
        return Loop(shares, joints, masks)

    def look(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Return contexts (N, M) and alignments (N, S) of N = B * K queries (N, D)."""
        context, alignment = self.attention(query.view(len(memory.states), -1, query.shape[-1]), memory)
        return context.flatten(0, 1), alignment.flatten(0, 1)


class UpperLayersDecoder(Decoder):
    """The bottom layer queries, the layers above read the context (GNMT v2): no loop over time in training."""

    def __init__(self, config: Model, embedding_size: int, readout_size: int) -> None:
        above = config.decoder.size + config.encoder.size
        super().__init__(config, [embedding_size] + [above] * (config.decoder.layers - 1), embedding_size, readout_size)

    def unroll(self, embedded: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """See `Decoder.unroll`."""
        start = self.begin(memory)
        x = self.finish(0, self.layers[0](embedded, start[0]), embedded)
        context, alignment = self.attention(x, memory)
        for depth in range(1, len(self.layers)):
            x = self.dropout(x)
            joined = torch.cat([x, context.to(x.dtype)], dim=-1)
            x = self.finish(depth, self.layers[depth](joined, start[depth]), x)
        return self.read_out(x, context), alignment

    def step(self, embedded: Tensor, state: DecoderState, memory: Memory) -> tuple[DecoderState, Tensor, Tensor]:
        """See `Decoder.step`."""
        output, bottom = self.layers[0].step(embedded, state.layers[0])
        x = self.finish(0, output, embedded)
        context, alignment = self.look(x, memory)
        states = [bottom]
        for depth in range(1, len(self.layers)):
            joined = torch.cat([x, context.to(x.dtype)], dim=-1)
            output, above = self.layers[depth].step(joined, state.layers[depth])
            x = self.finish(depth, output, x)
            states.append(above)
        return DecoderState(tuple(states), None), self.read_out(x, context), alignment


class NextInputDecoder(Decoder):
    """Input feeding: the readout joins the next step's input (Luong 2015, section 3.3)."""

    def __init__(self, config: Model, embedding_size: int, readout_size: int) -> None:
        above = [config.decoder.size] * (config.decoder.layers - 1)
        super().__init__(config, [embedding_size + readout_size, *above], embedding_size, readout_size)

    def start(self, memory: Memory, beams: int) -> DecoderState:
        """See `Decoder.start`; the first feed is zero."""
        layers = super().start(memory, beams).layers
        return DecoderState(layers, layers[0][0].new_zeros(len(layers[0][0]), self.readout_size))

    def unroll(self, embedded: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """See `Decoder.unroll`."""
        state = self.start(memory, 1)
        readouts, alignments = [], []
        loop = self.prepare(embedded)
        with deferred_gradients():
            for t in range(embedded.shape[1]):
                state, readout, alignment = self._advance(embedded[:, t], state, memory, loop, t)
                readouts.append(readout)
                alignments.append(alignment)
        return torch.stack(readouts, dim=1), torch.stack(alignments, dim=1)

    def step(self, embedded: Tensor, state: DecoderState, memory: Memory) -> tuple[DecoderState, Tensor, Tensor]:
        """See `Decoder.step`."""
        return self._advance(embedded, state, memory)

    def _advance(
        self, embedded: Tensor, state: DecoderState, memory: Memory, loop: Loop | None = None, t: int = 0
    ) -> tuple[DecoderState, Tensor, Tensor]:
        assert state.feed is not None
        output, bottom = self.enter(embedded, state.feed, state, loop, t)
        x, above = self.climb(output, state, loop, t)
        context, alignment = self.look(x, memory)
        readout = self.read_out(x, context)
        return DecoderState((bottom, *above), readout), readout, alignment


class SameStepDecoder(Decoder):
    """The previous state queries, this step's bottom layer reads the context (Bahdanau 2015, section 3.1)."""

    def __init__(self, config: Model, embedding_size: int, readout_size: int) -> None:
        above = [config.decoder.size] * (config.decoder.layers - 1)
        super().__init__(config, [embedding_size + config.encoder.size, *above], embedding_size, readout_size)

    def unroll(self, embedded: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """See `Decoder.unroll`; the readouts are computed outside the loop."""
        state = self.start(memory, 1)
        outputs, contexts, alignments = [], [], []
        loop = self.prepare(embedded)
        with deferred_gradients():
            for t in range(embedded.shape[1]):
                state, output, context, alignment = self._advance(embedded[:, t], state, memory, loop, t)
                outputs.append(output)
                contexts.append(context)
                alignments.append(alignment)
        return self.read_out(torch.stack(outputs, 1), torch.stack(contexts, 1)), torch.stack(alignments, 1)

    def step(self, embedded: Tensor, state: DecoderState, memory: Memory) -> tuple[DecoderState, Tensor, Tensor]:
        """See `Decoder.step`."""
        state, output, context, alignment = self._advance(embedded, state, memory)
        return state, self.read_out(output, context), alignment

    def _advance(
        self, embedded: Tensor, state: DecoderState, memory: Memory, loop: Loop | None = None, t: int = 0
    ) -> tuple[DecoderState, Tensor, Tensor, Tensor]:
        context, alignment = self.look(state.layers[-1][0], memory)
        output, bottom = self.enter(embedded, context, state, loop, t)
        x, above = self.climb(output, state, loop, t)
        return DecoderState((bottom, *above), None), x, context, alignment


DECODERS = {"upper_layers": UpperLayersDecoder, "next_input": NextInputDecoder, "same_step": SameStepDecoder}
