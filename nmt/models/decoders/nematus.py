"""The conditional decoder of Nematus (Sennrich et al. 2017): two cells per step with attention between them.

Axes: N hypotheses, S source tokens, E embedding width, D width, M memory width.
"""

import dataclasses

from torch import Tensor

from nmt.config import Model
from nmt.models.decoders.base import LoopDecoder, PrecomputedStep
from nmt.models.recurrent_layer import RecurrentLayer
from nmt.models.state import DecoderState, Memory


class ConditionalDecoder(LoopDecoder):
    """The conditional GRU of Sennrich (2017, section 2) with any cell; `model.decoder.context_to: conditional`.

    s'_t = f'(s_{t-1}, e_{t-1})
    a_ts = softmax_s score(s'_t, h_s);  c_t = sum_s a_ts h_s
    s_t = f''(s'_t, c_t);  layer l > 1: s^l_t = f(s^l_{t-1}, s^{l-1}_t)

    With `transitions: n` f'' has n cells, of which only the first reads c_t.
    """

    def __init__(self, config: Model) -> None:
        decoder = config.decoder
        super().__init__(config, bottom_transitions=1)
        # f''; the name is that of its tensors in checkpoints
        self.reader = RecurrentLayer(
            decoder.cell,
            config.encoder.size,
            decoder.size,
            decoder.transitions,
            decoder.gate_norm,
            config.dropout.recurrent,
        )

    def precompute(self, embedded: Tensor) -> list[PrecomputedStep]:
        """See `LoopDecoder.precompute`; the last of `cells` are those of f''."""
        steps = super().precompute(embedded)
        reader = self.reader.loop_steps()
        return [dataclasses.replace(step, cells=[*step.cells, reader]) for step in steps]

    def step(
        self, embedded: Tensor, state: DecoderState, memory: Memory, given: PrecomputedStep | None = None
    ) -> tuple[DecoderState, Tensor, Tensor, Tensor]:
        """See `Decoder.step`."""
        middle = self.step_bottom_layer(embedded, state, given=given)
        context, alignment = self.attention(middle[0], memory, state.position, state.coverage)  # (N, M), (N, S)
        bottom = self.reader.step([context.to(embedded.dtype)], middle, None if given is None else given.cells[-1])
        x, above = self.step_upper_layers(self.add_and_norm(0, bottom[0], embedded), state, given=given)  # (N, D)
        return state.next([bottom, *above], alignment), x, context, alignment
