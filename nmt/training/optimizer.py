"""The optimizer, the learning rate as a function of the step, and the moving average of the weights."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from nmt.config import Training

ADAM = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


def build_optimizer(model: nn.Module, settings: Training) -> torch.optim.Optimizer:
    """Return Adam or AdamW over all weights; biases and normalisation gains are not decayed."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    groups = [
        {"params": [weight for weight in weights if weight.dim() > 1], "weight_decay": settings.weight_decay},
        {"params": [weight for weight in weights if weight.dim() <= 1], "weight_decay": 0.0},
    ]
    optimizer: torch.optim.Optimizer = ADAM[settings.optimizer](
        groups, lr=settings.learning_rate, betas=settings.betas, eps=settings.epsilon, fused=True
    )
    return optimizer


def clipped_step(optimizer: torch.optim.Optimizer, norm: Tensor, clip_norm: float) -> None:
    """Take a step with gradients of total `norm`, scaled down to `clip_norm` where it is larger; 0 clips never.

    The kernel that takes the step scales as well, which saves a pass over all gradients; on a GPU, which is not waited
    for, it also leaves the weights alone where `norm` is not finite.
    """
    excess = (norm / (clip_norm or math.inf)).clamp(min=1.0)
    on_cpu = norm.device.type == "cpu"
    kernel: Any = optimizer  # torch.amp.GradScaler sets the same two
    kernel.grad_scale = None if on_cpu and float(excess) == 1.0 else excess
    kernel.found_inf = None if on_cpu else (~norm.isfinite()).float()
    optimizer.step()


class MovingAverage:
    """An exponential moving average of the weights (Polyak & Juditsky 1992).

    The decay of update n is at most (1 + n) / (10 + n), so that the first weights are soon forgotten.
    """

    def __init__(self, model: nn.Module, averaged: nn.Module, decay: float) -> None:
        """Keep the average of the weights of `model` in `averaged`, a copy of it."""
        self.model = model
        self.averaged = averaged
        self.decay = decay

    def update(self, step: int) -> None:
        """Take in the weights after `step`."""
        decay = min(self.decay, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(
                [weight.data for weight in self.averaged.parameters()],
                [weight.data for weight in self.model.parameters()],
                1.0 - decay,
            )


def mean_weights(states: Iterable[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the mean of several sets of weights of one network."""
    total: dict[str, Tensor] = {}
    count = 0
    for state in states:
        count += 1
        for name, weight in state.items():
            total[name] = total[name] + weight.double() if name in total else weight.double()
    return {name: (weight / count).float() for name, weight in total.items()}
