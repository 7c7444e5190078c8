"""The conditional decoder of Nematus (Sennrich et al. 2017).

Axes: B sentences, N hypotheses, T target tokens, S source tokens, D width, M memory width.
"""

import dataclasses

from torch import Tensor

from nmt.config import Model
from nmt.models.decoders.base import ContextInStateDecoder, Precomputed
from nmt.models.recurrent_layer import RecurrentLayer
from nmt.models.state import DecoderState, Memory


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
