"""Length penalty, and coverage penalty for source words without attention (Wu 2016).

Axes: S source tokens.
"""

from typing import Literal

import numpy as np

from nmt.engine import Bools, Floats


def length_divisor(penalty: Literal["none", "average", "gnmt"], alpha: float, length: int) -> float:
    """Return the divisor of the log-probability of a hypothesis with `length` tokens, EOS included.

    It never decreases with `length`. The early stopping of beam search relies on this.
    """
    if penalty == "none":
        return 1.0
    if penalty == "average":
        return float(length**alpha)
    return float(((5 + length) / 6) ** alpha)  # Wu 2016, eq. 14


def coverage_penalty(cumulated: Floats, is_real: Bools) -> Floats:
    """Return GNMT's coverage penalty, at most 0, without its factor beta (Wu 2016, eq. 14).

    sum_s log(min(cumulated_s, 1)), where `cumulated` (..., S) is the sum of the alignments of all target tokens, EOS
    included, and s runs over the real source tokens; `is_real` (..., S).
    """
    covered = np.log(np.clip(cumulated, np.finfo(np.float32).tiny, 1.0))  # (..., S)
    penalty: Floats = np.where(is_real, covered, np.float32(0)).sum(-1)
    return penalty
