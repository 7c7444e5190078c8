"""The decoder of GNMT (Wu et al. 2016): the bottom layer attends, the layers above read the context.

Axes: B sentences, N hypotheses, T target tokens, S source tokens, D width, M memory width.
"""

import torch
from torch import Tensor

from nmt.config import Model
from nmt.models.decoders.base import Decoder
from nmt.models.state import DecoderState, Memory


class GNMTDecoder(Decoder):
    """Wu (2016, section 3; `model.decoder.context_to: upper_layers`), with the current context as in GNMT v2.

    s_t = f(s_{t-1}, e_{t-1})
    a_ts = softmax_s score(s_t, h_s);  c_t = sum_s a_ts h_s
    layer l > 1: s^l_t = f(s^l_{t-1}, [s^{l-1}_t; c_t])

    Training runs one layer after the other over the whole sequence.
    """

    def __init__(self, config: Model) -> None:
        super().__init__(config, upper_extra=config.encoder.size)

    def unroll(self, embedded: Tensor, memory: Memory) -> tuple[Tensor, Tensor | None, Tensor]:
        """See `Decoder.unroll`."""
        start = self.begin(memory)
        x = self.add_and_norm(0, self.layers[0](embedded, start[0])[0], embedded)  # (B, T, D)
        context, alignment = self.attention(x, memory)  # (B, T, M), (B, T, S)
        for depth in range(1, len(self.layers)):
            joined = torch.cat([self.dropout(x), context.to(x.dtype)], dim=-1)  # (B, T, D + M)
            x = self.add_and_norm(depth, self.layers[depth](joined, start[depth])[0], x)
        return x, context, alignment

    def step(
        self, embedded: Tensor, state: DecoderState, memory: Memory
    ) -> tuple[DecoderState, Tensor, Tensor | None, Tensor]:
        """See `Decoder.step`."""
        bottom = self.step_bottom_layer(embedded, state)
        x = self.add_and_norm(0, bottom[0], embedded)  # (N, D)
        context, alignment = self.attention(x, memory, state.position)  # (N, M), (N, S)
        x, above = self.step_upper_layers(x, state, context)
        return state.next([bottom, *above], alignment), x, context, alignment
