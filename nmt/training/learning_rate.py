"""The learning rate as a function of the step: warm-up, cosine, inverse square root and plateau schedules."""

import math

from nmt.config import Training


def learning_rate(step: int, settings: Training, plateaus: int = 0) -> float:
    """Return the learning rate of `step` (1 is the first); `plateaus` counts the plateaus met so far."""
    warmup, highest, lowest = max(1, settings.warmup_steps), settings.learning_rate, settings.min_learning_rate
    if step < warmup:
        return highest * step / warmup
    if settings.schedule == "cosine":  # Loshchilov & Hutter 2017, eq. 5, one period
        progress = min(1.0, (step - warmup) / max(1, settings.max_steps - warmup))
        return lowest + 0.5 * (highest - lowest) * (1.0 + math.cos(math.pi * progress))
    if settings.schedule == "inverse_sqrt":  # Vaswani 2017, eq. 3
        return max(lowest, highest * math.sqrt(warmup / step))
    return max(lowest, highest * settings.plateau_factor**plateaus)
