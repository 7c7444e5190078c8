"""The decoder of RNMT+ (Chen et al. 2018): upper layers read the context, the bottom layer reads it in the next step.

Axes: N hypotheses, S source tokens, D width, M memory width.
"""

from torch import Tensor

from nmt.config import Model
from nmt.models.decoders.base import LoopDecoder, PrecomputedStep
from nmt.models.state import DecoderState, Memory


class RNMTPlusDecoder(LoopDecoder):
    """Chen (2018, figure 1; `model.decoder.context_to: all_layers`); with one layer also the decoder of See (2017).

    s_t = f(s_{t-1}, [e_{t-1}; c_{t-1}])
    a_ts = softmax_s score(s_t, h_s);  c_t = sum_s a_ts h_s
    layer l > 1: s^l_t = f(s^l_{t-1}, [s^{l-1}_t; c_t])
    """

    def __init__(self, config: Model) -> None:
        super().__init__(config, bottom_extra=config.encoder.size, upper_extra=config.encoder.size)
        self.feed_size = config.encoder.size

    def step(
        self, embedded: Tensor, state: DecoderState, memory: Memory, given: PrecomputedStep | None = None
    ) -> tuple[DecoderState, Tensor, Tensor, Tensor]:
        """See `Decoder.step`."""
        bottom = self.step_bottom_layer(embedded, state, state.feed, given)
        x = self.add_and_norm(0, bottom[0], embedded)  # (N, D)
        context, alignment = self.attention(x, memory, state.position, state.coverage)  # (N, M), (N, S)
        x, above = self.step_upper_layers(x, state, context, given)
        return state.next([bottom, *above], alignment, feed=context), x, context, alignment
