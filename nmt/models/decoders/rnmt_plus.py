"""The decoder of RNMT+ (Chen et al. 2018).

Axes: B sentences, N hypotheses, T target tokens, S source tokens, D width, M memory width.
"""

from torch import Tensor

from nmt.config import Model
from nmt.models.decoders.base import ContextInStateDecoder, Precomputed
from nmt.models.state import DecoderState, Memory


class RNMTPlusDecoder(ContextInStateDecoder):
    """The bottom layer queries, the layers above read the context, and the bottom one in the next step (Chen 2018)."""

    def __init__(self, config: Model) -> None:
        above = config.decoder.size + config.encoder.size
        bottom = config.read_size + config.encoder.size
        super().__init__(config, [bottom] + [above] * (config.decoder.layers - 1))
        self.feed_size = config.encoder.size

    def _advance(
        self, embedded: Tensor, state: DecoderState, memory: Memory, known: Precomputed | None = None, t: int = 0
    ) -> tuple[DecoderState, Tensor, Tensor, Tensor]:
        assert state.feed is not None
        output, bottom = self.enter(embedded, state, state.feed, known, t)
        x = self.add_and_norm(0, output, embedded)
        context, alignment, coverage = self.attend(x, memory, state)
        x, above = self.climb(x, state, context, known, t)
        return DecoderState((bottom, *above), context, coverage, state.position + 1), x, context, alignment
