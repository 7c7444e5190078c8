"""Adam and AdamW, gradient clipping, and the moving average of the weights (EMA)."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from nmt.config import Training


def _without_compiler(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of torch.optim without the decorator that imports the compiler of torch, which is not used.

    The import takes 2 seconds and 70 MB at the start of every training.
    """
    inner: Callable[..., Any] = getattr(method, "__wrapped__", method)
    return inner


class _Adam(torch.optim.Adam):
    """Adam whose methods do not import the compiler."""

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        _without_compiler(torch.optim.Adam.add_param_group)(self, param_group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        _without_compiler(torch.optim.Adam.zero_grad)(self, set_to_none)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        return _without_compiler(torch.optim.Adam.step)(self, closure)


class _AdamW(_Adam, torch.optim.AdamW):
    """AdamW, likewise."""


ADAM = {"adam": _Adam, "adamw": _AdamW}


def build_optimizer(model: nn.Module, settings: Training) -> torch.optim.Optimizer:
    """Return Adam or AdamW over all weights; biases and normalisation gains have no weight decay."""
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
    """Take a step with gradients of total `norm`, scaled down to `clip_norm` if it is larger; 0 disables clipping.

    The fused kernel scales the gradients itself, which saves a pass over all of them. On a GPU, which the CPU does not
    wait for, it also leaves the weights unchanged if `norm` is not finite.
    """
    excess = (norm / (clip_norm or math.inf)).clamp(min=1.0)
    on_cpu = norm.device.type == "cpu"
    kernel: Any = optimizer  # torch.amp.GradScaler sets the same two attributes
    kernel.grad_scale = None if on_cpu and float(excess) == 1.0 else excess
    kernel.found_inf = None if on_cpu else (~norm.isfinite()).float()
    optimizer.step()


def update_moving_average(averaged: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Update `averaged`, the exponential moving average of the weights of `model`, after `step`.

    a_n = d_n a_{n-1} + (1 - d_n) w_n with d_n = min(`decay`, (1 + n) / (10 + n)) (Polyak & Juditsky 1992; the bound on
    d_n lets the average soon forget the first weights).
    """
    decay = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        old, new = ([weight.data for weight in network.parameters()] for network in (averaged, model))
        torch._foreach_lerp_(old, new, 1.0 - decay)
