"""The decoder of GNMT (Wu et al. 2016).

Axes: B sentences, N hypotheses, T target tokens, S source tokens, D width, M memory width.
"""

import torch
from torch import Tensor

from nmt.config import Model
from nmt.models.decoders.base import Decoder
from nmt.models.state import DecoderState, Memory


class GNMTDecoder(Decoder):
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
