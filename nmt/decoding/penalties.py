"""Length and coverage penalties: what makes hypotheses of different lengths comparable.

Axes: S source tokens.
"""

from typing import Literal

import torch
from torch import Tensor

LengthPenalty = Literal["none", "average", "gnmt"]


def divisor(penalty: LengthPenalty, alpha: float, length: int) -> float:
    """Return what the log-probability of a hypothesis of `length` tokens, EOS counted, is divided by.

    Never falls with `length`, which is what makes the early stopping of beam search sound.
    """
    if penalty == "none":
        return 1.0
    if penalty == "average":
        return float(length**alpha)
    return float(((5 + length) / 6) ** alpha)  # Wu 2016, eq. 14


def coverage(cumulated: Tensor, is_real: Tensor) -> Tensor:
    """Return GNMT's coverage penalty (Wu 2016, eq. 14, without beta), at most 0.

    `cumulated` (..., S) sums the alignments of all target tokens, EOS counted; `is_real` (..., S) bool.
    """
    covered = cumulated.clamp(torch.finfo(torch.float32).tiny, 1.0).log()
    return covered.masked_fill(~is_real, 0.0).sum(-1)
