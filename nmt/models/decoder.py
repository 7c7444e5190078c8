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
        self.bridge = (
            nn.Linear(config.encoder.size, self.layers * states * self.size) if self.kind == "bridge" else None
        )
        if self.bridge is not None:
            nn.init.xavier_uniform_(self.bridge.weight)
            nn.init.zeros_(self.bridge.bias)

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
        self.readout = nn.Linear(size + memory_size, readout_size)
        nn.init.xavier_uniform_(self.readout.weight)
        nn.init.zeros_(self.readout.bias)
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
        vector: Tensor = self.readout(torch.cat([output, context.to(output.dtype)], dim=-1))
        return vector.tanh()

    def finish(self, depth: int, output: Tensor, x: Tensor) -> Tensor:
        """Apply layer `depth`'s residual connection and normalisation."""
        if self.residual[depth]:
            output = output + x
        normed: Tensor = self.norms[depth](output)
        return normed

    def climb(
        self, embedded: Tensor, gates: Tensor, state: DecoderState, masks: Sequence[Tensor | None]
    ) -> tuple[Tensor, tuple[CellState, ...]]:
        """Take one step through all layers, each reading only the one below.

        `gates` (N, G) is the share of the bottom layer's whole input, `masks` the dropout factors between layers.
        Returns the top output (N, D) and the layers' states.
        """
        output, bottom = self.layers[0].step(gates, state.layers[0])
        x = self.finish(0, output, embedded)
        states = [bottom]
        for depth, mask in enumerate(masks, start=1):
            x = x if mask is None else x * mask
            output, above = self.layers[depth].step(self.layers[depth].gates(x), state.layers[depth])
            x = self.finish(depth, output, x)
            states.append(above)
        return x, tuple(states)

    def no_masks(self) -> list[Tensor | None]:
        """Return the masks of a step without dropout."""
        return [None] * (len(self.layers) - 1)

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
        output, bottom = self.layers[0].step(self.layers[0].gates(embedded), state.layers[0])
        x = self.finish(0, output, embedded)
        context, alignment = self.look(x, memory)
        states = [bottom]
        for depth in range(1, len(self.layers)):
            joined = torch.cat([x, context.to(x.dtype)], dim=-1)
            output, above = self.layers[depth].step(self.layers[depth].gates(joined), state.layers[depth])
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
        """See `Decoder.unroll`; the embeddings' share of the gates is computed outside the loop."""
        batch, steps, _ = embedded.shape
        state = self.start(memory, 1)
        gates = self.layers[0].gates(embedded, slice(0, self.embedding_size))  # (B, T, G)
        between = [self.dropout.mask(batch, steps, layer.size, gates) for layer in self.layers[1:]]
        readouts, alignments = [], []
        for t in range(steps):
            masks = [None if mask is None else mask[:, t] for mask in between]
            state, readout, alignment = self._advance(embedded[:, t], gates[:, t], state, memory, masks)
            readouts.append(readout)
            alignments.append(alignment)
        return torch.stack(readouts, dim=1), torch.stack(alignments, dim=1)

    def step(self, embedded: Tensor, state: DecoderState, memory: Memory) -> tuple[DecoderState, Tensor, Tensor]:
        """See `Decoder.step`."""
        gates = self.layers[0].gates(embedded, slice(0, self.embedding_size))
        return self._advance(embedded, gates, state, memory, self.no_masks())

    def _advance(
        self, embedded: Tensor, gates: Tensor, state: DecoderState, memory: Memory, masks: list[Tensor | None]
    ) -> tuple[DecoderState, Tensor, Tensor]:
        assert state.feed is not None
        gates = gates + self.layers[0].gates(state.feed, slice(self.embedding_size, None))
        x, states = self.climb(embedded, gates, state, masks)
        context, alignment = self.look(x, memory)
        readout = self.read_out(x, context)
        return DecoderState(states, readout), readout, alignment


class SameStepDecoder(Decoder):
    """The previous state queries, this step's bottom layer reads the context (Bahdanau 2015, section 3.1)."""

    def __init__(self, config: Model, embedding_size: int, readout_size: int) -> None:
        above = [config.decoder.size] * (config.decoder.layers - 1)
        super().__init__(config, [embedding_size + config.encoder.size, *above], embedding_size, readout_size)

    def unroll(self, embedded: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """See `Decoder.unroll`; the embeddings' share of the gates and the readouts are computed outside the loop."""
        batch, steps, _ = embedded.shape
        state = self.start(memory, 1)
        gates = self.layers[0].gates(embedded, slice(0, self.embedding_size))  # (B, T, G)
        between = [self.dropout.mask(batch, steps, layer.size, gates) for layer in self.layers[1:]]
        outputs, contexts, alignments = [], [], []
        for t in range(steps):
            masks = [None if mask is None else mask[:, t] for mask in between]
            state, output, context, alignment = self._advance(embedded[:, t], gates[:, t], state, memory, masks)
            outputs.append(output)
            contexts.append(context)
            alignments.append(alignment)
        return self.read_out(torch.stack(outputs, 1), torch.stack(contexts, 1)), torch.stack(alignments, 1)

    def step(self, embedded: Tensor, state: DecoderState, memory: Memory) -> tuple[DecoderState, Tensor, Tensor]:
        """See `Decoder.step`."""
        gates = self.layers[0].gates(embedded, slice(0, self.embedding_size))
        state, output, context, alignment = self._advance(embedded, gates, state, memory, self.no_masks())
        return state, self.read_out(output, context), alignment

    def _advance(
        self, embedded: Tensor, gates: Tensor, state: DecoderState, memory: Memory, masks: list[Tensor | None]
    ) -> tuple[DecoderState, Tensor, Tensor, Tensor]:
        context, alignment = self.look(state.layers[-1][0], memory)
        gates = gates + self.layers[0].gates(context, slice(self.embedding_size, None))
        x, states = self.climb(embedded, gates, state, masks)
        return DecoderState(states, None), x, context, alignment


DECODERS = {"upper_layers": UpperLayersDecoder, "next_input": NextInputDecoder, "same_step": SameStepDecoder}
