"""The arrangements of a recurrent decoder: one network each for where the context goes.

Axes: B sentences, N hypotheses, T target tokens, S source tokens, D width, M memory width.
"""

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor

from nmt.config import Model
from nmt.models.decoder import Decoder, Precomputed
from nmt.models.deferred import deferred_gradients
from nmt.models.recurrent import RecurrentLayer
from nmt.models.state import DecoderState, Memory


class PlainDecoder(Decoder):
    """No attention: the sentence's summary is the first state only (Sutskever 2014), or read at every step (Cho 2014).

    No step depends on what the one before made of the source, so training needs no loop over time but within layers.
    """

    def __init__(self, config: Model) -> None:
        above = [config.decoder.size] * (config.decoder.layers - 1)
        super().__init__(config, [config.read_size + config.context_size, *above])
        self.reads_summary = config.decoder.context_to == "every_step"

    def unroll(self, embedded: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """See `Decoder.unroll`; the alignments are even."""
        context = None
        x = embedded
        if self.reads_summary:
            context = memory.summary.unsqueeze(1).expand(-1, embedded.shape[1], -1)
            x = torch.cat([embedded, context.to(embedded.dtype)], dim=-1)
        x = self.stack(x, embedded, memory)
        return self.read_out(x, context, embedded), self._even(memory, embedded.shape[1])

    def step(self, embedded: Tensor, state: DecoderState, memory: Memory) -> tuple[DecoderState, Tensor, Tensor]:
        """See `Decoder.step`."""
        context = memory.of_hypotheses(memory.summary, len(embedded)) if self.reads_summary else None
        output, bottom = self.enter(embedded, state, context)
        x, above = self.climb(self.add_and_norm(0, output, embedded), state)
        state = DecoderState((bottom, *above), position=state.position + 1)
        alignment = memory.of_hypotheses(self._even(memory, 1).squeeze(1), len(embedded))
        return state, self.read_out(x, context, embedded), alignment

    @staticmethod
    def _even(memory: Memory, queries: int) -> Tensor:
        even = memory.is_real / memory.is_real.sum(1, keepdim=True)  # (B, S)
        return even.unsqueeze(1).expand(-1, queries, -1)


class OutputDecoder(Decoder):
    """The top layer queries, only the readout reads the context (Luong 2015, section 3): parallel as its layers are."""

    def __init__(self, config: Model) -> None:
        above = [config.decoder.size] * (config.decoder.layers - 1)
        super().__init__(config, [config.read_size, *above])

    def unroll(self, embedded: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """See `Decoder.unroll`."""
        assert self.attention is not None
        x = self.stack(embedded, embedded, memory)
        context, alignment = self.attention(x, memory, torch.arange(x.shape[1], device=x.device))
        return self.read_out(x, context, embedded), alignment

    def step(self, embedded: Tensor, state: DecoderState, memory: Memory) -> tuple[DecoderState, Tensor, Tensor]:
        """See `Decoder.step`."""
        output, bottom = self.enter(embedded, state)
        x, above = self.climb(self.add_and_norm(0, output, embedded), state)
        context, alignment, _ = self.attend(x, memory, state)
        state = DecoderState((bottom, *above), position=state.position + 1)
        return state, self.read_out(x, context, embedded), alignment


class UpperLayersDecoder(Decoder):
    """The bottom layer queries, the layers above read the context (GNMT v2): parallel as its layers are."""

    def __init__(self, config: Model) -> None:
        above = config.decoder.size + config.encoder.size
        super().__init__(config, [config.read_size] + [above] * (config.decoder.layers - 1))

    def unroll(self, embedded: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """See `Decoder.unroll`."""
        assert self.attention is not None
        start = self.begin(memory)
        x = self.add_and_norm(0, self.layers[0](embedded, start[0]), embedded)
        context, alignment = self.attention(x, memory, torch.arange(x.shape[1], device=x.device))
        for depth in range(1, len(self.layers)):
            joined = torch.cat([self.dropout(x), context.to(x.dtype)], dim=-1)
            x = self.add_and_norm(depth, self.layers[depth](joined, start[depth]), x)
        return self.read_out(x, context, embedded), alignment

    def step(self, embedded: Tensor, state: DecoderState, memory: Memory) -> tuple[DecoderState, Tensor, Tensor]:
        """See `Decoder.step`."""
        output, bottom = self.enter(embedded, state)
        x = self.add_and_norm(0, output, embedded)
        context, alignment, _ = self.attend(x, memory, state)
        x, above = self.climb(x, state, context)
        state = DecoderState((bottom, *above), position=state.position + 1)
        return state, self.read_out(x, context, embedded), alignment


class NextInputDecoder(Decoder):
    """Input feeding: the readout joins the next step's input (Luong 2015, section 3.3)."""

    def __init__(self, config: Model) -> None:
        above = [config.decoder.size] * (config.decoder.layers - 1)
        super().__init__(config, [config.read_size + config.readout_size, *above])
        self.feed_size = config.readout_size

    def unroll(self, embedded: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """See `Decoder.unroll`."""
        state = self.start(memory, 1)
        readouts, alignments = [], []
        known = self.precompute(embedded)
        with deferred_gradients():
            for t, token in enumerate(embedded.unbind(1)):
                state, readout, alignment = self._advance(token, state, memory, known, t)
                readouts.append(readout)
                alignments.append(alignment)
        return torch.stack(readouts, dim=1), torch.stack(alignments, dim=1)

    def step(self, embedded: Tensor, state: DecoderState, memory: Memory) -> tuple[DecoderState, Tensor, Tensor]:
        """See `Decoder.step`."""
        return self._advance(embedded, state, memory)

    def _advance(
        self, embedded: Tensor, state: DecoderState, memory: Memory, known: Precomputed | None = None, t: int = 0
    ) -> tuple[DecoderState, Tensor, Tensor]:
        assert state.feed is not None
        output, bottom = self.enter(embedded, state, state.feed, known, t)
        x, above = self.climb(self.add_and_norm(0, output, embedded), state, known=known, t=t)
        context, alignment, coverage = self.attend(x, memory, state)
        readout = self.read_out(x, context, embedded)
        return DecoderState((bottom, *above), readout, coverage, state.position + 1), readout, alignment


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


class SameStepDecoder(ContextInStateDecoder):
    """The previous state queries, this step's bottom layer reads the context (Bahdanau 2015, section 3.1)."""

    def __init__(self, config: Model) -> None:
        above = [config.decoder.size] * (config.decoder.layers - 1)
        super().__init__(config, [config.read_size + config.encoder.size, *above])

    def _advance(
        self, embedded: Tensor, state: DecoderState, memory: Memory, known: Precomputed | None = None, t: int = 0
    ) -> tuple[DecoderState, Tensor, Tensor, Tensor]:
        context, alignment, coverage = self.attend(state.layers[-1][0], memory, state)
        output, bottom = self.enter(embedded, state, context, known, t)
        x, above = self.climb(self.add_and_norm(0, output, embedded), state, known=known, t=t)
        state = DecoderState((bottom, *above), coverage=coverage, position=state.position + 1)
        return state, x, context, alignment


class AllLayersDecoder(ContextInStateDecoder):
    """The bottom layer queries, the layers above read the context, and the bottom one in the next step (Chen 2018)."""

    def __init__(self, config: Model) -> None:
        above = config.decoder.size + config.encoder.size
        bottom = config.read_size + config.encoder.size
        super().__init__(config, [bottom] + [above] * (config.decoder.layers - 1))
        self.feed_size = config.encoder.size

    def _advance(
        self, embedded: Tensor, state: DecoderState, memory: Memory, known: Precomputed | None = None, t: int = 0
    ) -> tuple[DecoderState, Tensor, Tensor, Tensor]:
        assert state.feed is not None
        output, bottom = self.enter(embedded, state, state.feed, known, t)
        x = self.add_and_norm(0, output, embedded)
        context, alignment, coverage = self.attend(x, memory, state)
        x, above = self.climb(x, state, context, known, t)
        return DecoderState((bottom, *above), context, coverage, state.position + 1), x, context, alignment


class ConditionalDecoder(ContextInStateDecoder):
    """Nematus's conditional GRU (Sennrich 2017), of any cell: cells with one state, and attention between.

    The first reads the token, its state queries; the second reads the context, those that follow only the state.
    """

    def __init__(self, config: Model) -> None:
        decoder = config.decoder
        above = [decoder.size] * (decoder.layers - 1)
        super().__init__(config, [config.read_size, *above], bottom_transitions=1)
        self.reader = RecurrentLayer(
            decoder.cell,
            config.encoder.size,
            decoder.size,
            decoder.transitions,
            decoder.gate_norm,
            config.dropout.recurrent,
        )

    def precompute(self, embedded: Tensor) -> Precomputed:
        """See `Decoder.precompute`."""
        return dataclasses.replace(super().precompute(embedded), reader=self.reader.all_gate_weights())

    def _advance(
        self, embedded: Tensor, state: DecoderState, memory: Memory, known: Precomputed | None = None, t: int = 0
    ) -> tuple[DecoderState, Tensor, Tensor, Tensor]:
        _, middle = self.enter(embedded, state, known=known, t=t)
        context, alignment, coverage = self.attend(middle[0], memory, state)
        output, bottom = self.reader.step(context.to(embedded.dtype), middle, None if known is None else known.reader)
        x, above = self.climb(self.add_and_norm(0, output, embedded), state, known=known, t=t)
        state = DecoderState((bottom, *above), coverage=coverage, position=state.position + 1)
        return state, x, context, alignment


DECODERS: dict[str, Callable[[Model], Decoder]] = {
    "start": PlainDecoder,
    "every_step": PlainDecoder,
    "output": OutputDecoder,
    "upper_layers": UpperLayersDecoder,
    "next_input": NextInputDecoder,
    "all_layers": AllLayersDecoder,
    "same_step": SameStepDecoder,
    "conditional": ConditionalDecoder,
}
