"""Decoders without attention: Sutskever et al. (2014) and Cho et al. (2014).

Axes: B sentences, N hypotheses, T target tokens, S source tokens, E embedding width, D width, M memory width.
"""

import torch
from torch import Tensor

from nmt.config import Model
from nmt.models.decoders.base import Decoder
from nmt.models.state import DecoderState, Memory


class PlainDecoder(Decoder):
    """The decoder sees the source only as one vector c, the summary of the sentence.

    Sutskever (2014, section 2; `model.decoder.context_to: start`): c makes the first state, s_0.
        s_t = f(s_{t-1}, e_{t-1});  the readout reads [s_t]
    Cho (2014, section 2.2; `model.decoder.context_to: every_step`): c is also read at every step.
        s_t = f(s_{t-1}, [e_{t-1}; c]);  the readout reads [s_t; c]

    Layer l > 1: s^l_t = f(s^l_{t-1}, s^{l-1}_t). Training runs one layer after the other over the whole sequence.
    """

    def __init__(self, config: Model) -> None:
        super().__init__(config, bottom_extra=config.context_size)
        self.reads_summary = config.decoder.context_to == "every_step"

    def keys(self, states: Tensor) -> tuple[Tensor, ...]:
        """Return no keys."""
        return ()

    def unroll(self, embedded: Tensor, memory: Memory) -> tuple[Tensor, Tensor | None, Tensor]:
        """See `Decoder.unroll`; the alignments are uniform."""
        steps, context, x = embedded.shape[1], None, embedded
        if self.reads_summary:
            context = memory.summary.unsqueeze(1).expand(-1, steps, -1)  # (B, T, M)
            x = torch.cat([embedded, context.to(embedded.dtype)], dim=-1)  # (B, T, E + M)
        alignment = uniform_alignment(memory).unsqueeze(1).expand(-1, steps, -1)  # (B, T, S)
        return self.unroll_layers(x, embedded, memory), context, alignment

    def step(
        self, embedded: Tensor, state: DecoderState, memory: Memory
    ) -> tuple[DecoderState, Tensor, Tensor | None, Tensor]:
        """See `Decoder.step`."""
        context = memory.repeat(memory.summary, len(embedded)) if self.reads_summary else None  # (N, M)
        bottom = self.step_bottom_layer(embedded, state, context)
        x, above = self.step_upper_layers(self.add_and_norm(0, bottom[0], embedded), state)  # (N, D)
        alignment = memory.repeat(uniform_alignment(memory), len(embedded))  # (N, S)
        return state.next([bottom, *above], alignment), x, context, alignment


def uniform_alignment(memory: Memory) -> Tensor:
    """Return the same weight (B, S) for each real source token of a sentence."""
    return memory.is_real / memory.is_real.sum(1, keepdim=True)
