"""Learning-rate schedules: warm-up, constant, cosine, inverse square root, and plateau (reduce when the metric stalls).

When a plateau is counted is decided in `best_checkpoint`.
"""

import math

from nmt.config import Training


def learning_rate(step: int, settings: Training, plateaus: int = 0) -> float:
    """Return the learning rate of `step` (1 is the first); `plateaus` is the number of plateaus so far.

    Warm-up is linear: `lr * step / warmup_steps`. After it, with `t` the share of the remaining steps:

    - `cosine`: `min_lr + (lr - min_lr) (1 + cos(pi t)) / 2` (Loshchilov & Hutter 2017, eq. 5, one period)
    - `inverse_sqrt`: `lr sqrt(warmup_steps / step)` (Vaswani 2017, eq. 3)
    - `plateau`: `lr plateau_factor^plateaus`
    - `constant`: `lr`, as there are no plateaus

    The last three never fall below `min_learning_rate`.
    """
    warmup, highest, lowest = max(1, settings.warmup_steps), settings.learning_rate, settings.min_learning_rate
    if step < warmup:
        return highest * step / warmup
    if settings.schedule == "cosine":
        progress = min(1.0, (step - warmup) / max(1, settings.max_steps - warmup))
        return lowest + 0.5 * (highest - lowest) * (1.0 + math.cos(math.pi * progress))
    if settings.schedule == "inverse_sqrt":
        return max(lowest, highest * math.sqrt(warmup / step))
    return max(lowest, highest * settings.plateau_factor**plateaus)
