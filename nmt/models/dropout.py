"""Dropout over sequences, per position or per sentence, and word dropout.

Axes: B sentences, T tokens, D width.
"""

from torch import Tensor, nn

from nmt.kernels.dropout_factors import dropout_factors


class SequenceDropout(nn.Module):
    """Drop units of a sequence, drawn for every position (`model.dropout.mask: step`) or sentence (`mask: sentence`).

    The latter drops the same units at all positions of a sentence (Gal & Ghahramani 2016).
    """

    def __init__(self, probability: float, mask: str) -> None:
        super().__init__()
        self.probability = probability
        self.per_sentence = mask == "sentence"

    def factors(self, shape: tuple[int, ...], like: Tensor) -> Tensor | None:
        """Return dropout factors of `shape` (B, T, D) in the dtype of `like`, or None if nothing is dropped."""
        if not self.training or self.probability == 0.0:
            return None
        batch, steps, width = shape
        return dropout_factors(self.probability, (batch, 1 if self.per_sentence else steps, width), like).expand(shape)

    def forward(self, x: Tensor) -> Tensor:
        """Drop units of `x` (B, T, D)."""
        factors = self.factors(x.shape, x)
        return x if factors is None else x * factors


class WordDropout(nn.Module):
    """Drop whole token embeddings (Sennrich & Zhang 2019, section 3.2); `model.dropout.word`."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        """Drop positions of `x` (B, T, D)."""
        if not self.training or self.probability == 0.0:
            return x
        return x * dropout_factors(self.probability, (*x.shape[:-1], 1), x)
