"""Luong's decoder (2015), without and with input feeding.

Axes: B sentences, N hypotheses, T target tokens, S source tokens, E embedding width, D width, M memory width, R readout
width.
"""

from torch import Tensor

from nmt.config import Model
from nmt.models.decoders.base import Decoder, LoopDecoder, PrecomputedStep
from nmt.models.state import DecoderState, Memory


class LuongDecoder(Decoder):
    """Luong (2015, section 3): only the readout reads the context (`model.decoder.context_to: output`).

    s_t = f(s_{t-1}, e_{t-1});  layer l > 1: s^l_t = f(s^l_{t-1}, s^{l-1}_t)
    a_ts = softmax_s score(s^L_t, h_s), eq. 7, for the top layer L;  c_t = sum_s a_ts h_s
    readout: tanh(W [s^L_t; c_t]), eq. 5

    Training runs one layer after the other over the whole sequence.
    """

    def unroll(self, embedded: Tensor, memory: Memory) -> tuple[Tensor, Tensor | None, Tensor]:
        """See `Decoder.unroll`."""
        x = self.unroll_layers(embedded, embedded, memory)  # (B, T, D)
        context, alignment = self.attention(x, memory)  # (B, T, M), (B, T, S)
        return x, context, alignment

    def step(
        self, embedded: Tensor, state: DecoderState, memory: Memory
    ) -> tuple[DecoderState, Tensor, Tensor | None, Tensor]:
        """See `Decoder.step`."""
        bottom = self.step_bottom_layer(embedded, state)
        x, above = self.step_upper_layers(self.add_and_norm(0, bottom[0], embedded), state)  # (N, D)
        context, alignment = self.attention(x, memory, state.position)  # (N, M), (N, S)
        return state.next([bottom, *above], alignment), x, context, alignment


class InputFeedingDecoder(LoopDecoder):
    """Luong (2015, section 3.3): the readout r_t joins the next input (`model.decoder.context_to: next_input`).

    s_t = f(s_{t-1}, [e_{t-1}; r_{t-1}]);  layer l > 1: s^l_t = f(s^l_{t-1}, s^{l-1}_t)
    a_ts = softmax_s score(s^L_t, h_s), eq. 7, for the top layer L;  c_t = sum_s a_ts h_s
    r_t = tanh(W [s^L_t; c_t]), eq. 5, the attentional vector
    """

    def __init__(self, config: Model) -> None:
        super().__init__(config, bottom_extra=config.readout_size)
        self.feed_size = config.readout_size

    def step(
        self, embedded: Tensor, state: DecoderState, memory: Memory, given: PrecomputedStep | None = None
    ) -> tuple[DecoderState, Tensor, Tensor, Tensor]:
        """See `Decoder.step`; the output is the readout (N, R)."""
        bottom = self.step_bottom_layer(embedded, state, state.feed, given)
        x, above = self.step_upper_layers(self.add_and_norm(0, bottom[0], embedded), state, given=given)  # (N, D)
        context, alignment = self.attention(x, memory, state.position, state.coverage)  # (N, M), (N, S)
        readout = super().read_out(x, context, embedded)  # (N, R)
        return state.next([bottom, *above], alignment, feed=readout), readout, context, alignment

    def read_out(self, output: Tensor, context: Tensor | None, embedded: Tensor) -> Tensor:
        """Return `output`: it is the readout already, since the next step reads it."""
        return output
