"""The energies of additive attention, v . tanh(x), with a backward pass that keeps only tanh(x).

Axes: A width; any number of axes before it.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


class _AdditiveEnergy(torch.autograd.Function):
    """With the gradient g of v . tanh(x), those of v and x are the sum of g tanh(x), and g v (1 - tanh(x)^2)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        hidden, weight = x.tanh(), weight.to(x.dtype)
        ctx.save_for_backward(hidden, weight)
        return F.linear(hidden, weight).squeeze(-1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        hidden, weight = ctx.saved_tensors
        gradient = gradients[0].unsqueeze(-1)  # (..., 1)
        of_weight = gradient.flatten(0, -2).mT @ hidden.flatten(0, -2)  # (1, A)
        slope = torch.addcmul(weight, hidden * hidden, weight, value=-1)  # v (1 - tanh(x)^2)
        return slope.mul_(gradient), of_weight


def additive_energy(x: Tensor, weight: Tensor) -> Tensor:
    """Return v . tanh(x), (...), for `x` (..., A) and `weight` v (1, A)."""
    energy: Tensor = _AdditiveEnergy.apply(x, weight)  # type: ignore[no-untyped-call]
    return energy
