"""Dropout over sequences. Axes: B sentences, T tokens, D width."""

import torch
from torch import Tensor, nn


class SequenceDropout(nn.Module):
    """Drops units of a (B, T, D) sequence: anew at every position, or the same units along each sentence (Gal 2016)."""

    def __init__(self, probability: float, mask: str) -> None:
        super().__init__()
        self.probability = probability
        self.per_sentence = mask == "sentence"

    def mask(self, batch: int, steps: int, width: int, like: Tensor) -> Tensor | None:
        """Return factors (B, T, D), 0 or 1 / (1 - p), in the type of `like`; None where nothing is dropped."""
        if not self.training or self.probability == 0.0:
            return None
        keep = 1.0 - self.probability
        drawn = torch.empty(batch, 1 if self.per_sentence else steps, width, dtype=like.dtype, device=like.device)
        return drawn.bernoulli_(keep).div_(keep).expand(batch, steps, width)

    def forward(self, x: Tensor) -> Tensor:
        """Drop units of `x` (B, T, D)."""
        if not self.per_sentence:
            return nn.functional.dropout(x, self.probability, self.training)
        factors = self.mask(*x.shape, like=x)
        return x if factors is None else x * factors


class WordDropout(nn.Module):
    """Zeroes whole token embeddings of a (B, T, D) sequence (Sennrich & Zhang 2019, section 3.2)."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        """Drop positions of `x` (B, T, D)."""
        if not self.training or self.probability == 0.0:
            return x
        keep = 1.0 - self.probability
        return x * torch.empty_like(x[..., :1]).bernoulli_(keep).div_(keep)
