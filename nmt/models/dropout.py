"""Dropout over sequences. Axes: B sentences, T tokens, D width."""

import torch
from torch import Tensor, nn

LANES = 4
"""16-bit numbers in one 64-bit draw."""


def keep_factors(probability: float, shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Return factors of `shape`, 0 with `probability` (to 1/65536), else 1 / (1 - probability).

    Every 64-bit draw of the generator decides four units: four times as fast on a processor as `bernoulli_`.
    """
    count = torch.Size(shape).numel()
    draws = torch.empty(-(-count // LANES), dtype=torch.int64, device=like.device).random_(-(2**63), None)
    level = min(65535, round(probability * 65536))
    kept = draws.view(torch.int16)[:count].view(shape) >= level - 32768
    return kept.to(like.dtype).mul_(65536 / (65536 - level))


class SequenceDropout(nn.Module):
    """Drops units of a (B, T, D) sequence: anew at every position, or the same units along each sentence (Gal 2016)."""

    def __init__(self, probability: float, mask: str) -> None:
        super().__init__()
        self.probability = probability
        self.per_sentence = mask == "sentence"

    def mask(self, batch: int, steps: int, width: int, like: Tensor) -> Tensor | None:
        """Return factors (B, T, D) in the type of `like`, or None where nothing is dropped."""
        if not self.training or self.probability == 0.0:
            return None
        factors = keep_factors(self.probability, (batch, 1 if self.per_sentence else steps, width), like)
        return factors.expand(batch, steps, width)

    def forward(self, x: Tensor) -> Tensor:
        """Drop units of `x` (B, T, D)."""
        batch, steps, width = x.shape
        factors = self.mask(batch, steps, width, x)
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
        return x * keep_factors(self.probability, (*x.shape[:-1], 1), x)
