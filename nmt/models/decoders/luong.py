"""Luong's decoder (2015), with and without input feeding.

Axes: B sentences, N hypotheses, T target tokens, S source tokens, D width, M memory width.
"""

import torch
from torch import Tensor

from nmt.config import Model
from nmt.kernels.deferred_gradients import deferred_gradients
from nmt.models.decoders.base import Decoder, Precomputed
from nmt.models.state import DecoderState, Memory


class LuongDecoder(Decoder):
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


class InputFeedingDecoder(Decoder):
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
