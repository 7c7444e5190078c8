"""Bahdanau's decoder (2015).

Axes: B sentences, N hypotheses, T target tokens, S source tokens, D width, M memory width.
"""

from torch import Tensor

from nmt.config import Model
from nmt.models.decoders.base import ContextInStateDecoder, Precomputed
from nmt.models.state import DecoderState, Memory


class BahdanauDecoder(ContextInStateDecoder):
    """The previous state queries, this step's bottom layer reads the context (Bahdanau 2015, section 3.1)."""

    def __init__(self, config: Model) -> None:
        above = [config.decoder.size] * (config.decoder.layers - 1)
        super().__init__(config, [config.read_size + config.encoder.size, *above])

    def _advance(
        self, embedded: Tensor, state: DecoderState, memory: Memory, known: Precomputed | None = None, t: int = 0
    ) -> tuple[DecoderState, Tensor, Tensor, Tensor]:
        context, alignment, coverage = self.attend(state.layers[-1][0], memory, state)
        output, bottom = self.enter(embedded, state, context, known, t)
        x, above = self.climb(self.add_and_norm(0, output, embedded), state, known=known, t=t)
        state = DecoderState((bottom, *above), coverage=coverage, position=state.position + 1)
        return state, x, context, alignment
