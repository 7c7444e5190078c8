"""Bahdanau's decoder (2015): attention is computed from the previous state; the current step reads the context.

Axes: N hypotheses, S source tokens, D width, M memory width.
"""

from torch import Tensor

from nmt.config import Model
from nmt.models.decoders.base import LoopDecoder, PrecomputedStep
from nmt.models.state import DecoderState, Memory


class BahdanauDecoder(LoopDecoder):
    """Bahdanau (2015, section 3.1 and appendix A.2.2; `model.decoder.context_to: same_step`).

    a_ts = softmax_s score(s^L_{t-1}, h_s), eq. 6, for the top layer L;  c_t = sum_s a_ts h_s, eq. 5
    s_t = f(s_{t-1}, [e_{t-1}; c_t]);  layer l > 1: s^l_t = f(s^l_{t-1}, s^{l-1}_t)
    """

    def __init__(self, config: Model) -> None:
        super().__init__(config, bottom_extra=config.encoder.size)

    def step(
        self, embedded: Tensor, state: DecoderState, memory: Memory, given: PrecomputedStep | None = None
    ) -> tuple[DecoderState, Tensor, Tensor, Tensor]:
        """See `Decoder.step`."""
        query = state.layers[-1][0]  # (N, D)
        context, alignment = self.attention(query, memory, state.position, state.coverage)  # (N, M), (N, S)
        bottom = self.step_bottom_layer(embedded, state, context, given)
        x, above = self.step_upper_layers(self.add_and_norm(0, bottom[0], embedded), state, given=given)  # (N, D)
        return state.next([bottom, *above], alignment), x, context, alignment
