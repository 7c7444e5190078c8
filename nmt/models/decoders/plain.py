"""Decoders without attention: Sutskever et al. (2014) and Cho et al. (2014).

Axes: B sentences, N hypotheses, T target tokens, S source tokens, D width, M memory width.
"""

import torch
from torch import Tensor

from nmt.config import Model
from nmt.models.decoders.base import Decoder
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
