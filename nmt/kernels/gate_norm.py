"""Layer normalisation of the inputs of gates, with a limited slope.

Axes: N rows, K gates, D width.
"""

from typing import Any

import torch
from torch import Tensor

EPSILON = 1e-5
"""Added to the variance, as in `torch.nn.functional.layer_norm`."""
MAX_SLOPE = 30.0
"""The largest factor of the gradient in the backward pass.

Normalisation multiplies a gradient by f = 1 / standard deviation, which is up to 1 / sqrt(`EPSILON`) = 316 for an input
that is almost constant. The gates of an encoder are in this state if a sentence begins with a dropped word: input and
state are zero. Behind the two cells of a deep transition, the norm of the gradient of the whole network was 78,000 in
place of 1.0, and clipping left nothing of the rest. So a factor f above `MAX_SLOPE` is replaced by `MAX_SLOPE`^3 / f^2.
"""


def normalize(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return `x` (N, K, D) with mean 0 and variance 1 in each gate, the means, and 1 / standard deviations."""
    return torch.native_layer_norm(x, x.shape[-1:], None, None, EPSILON)


def normalize_backward(gradient: Tensor, x: Tensor, mean: Tensor, factor: Tensor) -> Tensor:
    """Return the gradient (N, K, D) of `x`, given that of its normalised values and what `normalize` returned."""
    limited = torch.minimum(factor, MAX_SLOPE**3 / factor**2)
    found: Tensor = torch.ops.aten.native_layer_norm_backward(
        gradient, x, x.shape[-1:], mean, limited, None, None, [True, False, False]
    )[0]
    return found


class _GateNorm(torch.autograd.Function):
    """`normalize`, without its statistics."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        normed, mean, factor = normalize(x)
        ctx.save_for_backward(x, mean, factor)
        return normed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return normalize_backward(gradients[0], *ctx.saved_tensors)


def gate_norm(x: Tensor) -> Tensor:
    """Return `x` (N, K, D) with mean 0 and variance 1 in each gate."""
    normed: Tensor = _GateNorm.apply(x) if torch.is_grad_enabled() else normalize(x)[0]  # type: ignore[no-untyped-call]
    return normed
