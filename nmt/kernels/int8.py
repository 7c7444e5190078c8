"""Matrix products in 8-bit integers for search on the CPU (int8 quantisation).

Axes: N rows, I input width, O output width.
"""

from functools import cache

import torch
from torch import Tensor, nn

LEVELS = 127
"""Largest magnitude of a quantised number."""
SHIFT = 128.5
"""Makes it positive, and rounds it where what follows the point is cut off."""


@cache
def weight_levels() -> int:
    """Return the largest magnitude of a quantised weight whose products this processor sums exactly.

    Without VNNI instructions oneDNN adds each two products in 16 bits, which end at 32,767.
    """
    x, weight = torch.full((1, 64), 255, dtype=torch.uint8), torch.full((64, 64), LEVELS, dtype=torch.int8)
    ones, zeros = torch.ones(64), torch.zeros(64, dtype=torch.int64)
    packed = torch.ops.onednn.qlinear_prepack(weight, None)
    found = torch.ops.onednn.qlinear_pointwise(
        x, 1.0, 0, packed, ones, zeros, None, 1.0, 0, torch.float32, "none", [], ""
    )
    return LEVELS if bool((found == 64 * 255 * LEVELS).all()) else LEVELS // 2


class Int8Product(nn.Module):
    """x W' + b by 8-bit integers: a scale for each row of W (O, I), and one for each row of x, found as it comes.

    The integers are summed exactly and each row of x is scaled on its own, so that a hypothesis does not depend on
    its neighbours. Where |x| <= `bound` is known, the scale is fixed. oneDNN multiplies unsigned by signed bytes
    fastest: x is shifted by 128.
    """

    def __init__(self, integers: Tensor, scale: Tensor, bias: Tensor, bound: float | None = None) -> None:
        super().__init__()
        self.integers = integers
        self.scale = scale
        self.bias = bias
        self.bound = bound
        self.packed = torch.ops.onednn.qlinear_prepack(integers, None)
        self.zero = torch.zeros(len(scale), dtype=torch.int64)
        self.shift = torch.tensor(SHIFT)

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor, bound: float | None = None) -> "Int8Product":
        """Quantise `weight` (O, I)."""
        scale = weight.abs().amax(1).clamp(min=1e-12) / weight_levels()  # (O,)
        return cls((weight / scale.unsqueeze(1)).round().to(torch.int8), scale, bias, bound)

    def columns(self, wanted: Tensor) -> "Int8Product":
        """Return the product that makes the columns `wanted` of this one's."""
        return Int8Product(self.integers[wanted], self.scale[wanted], self.bias[wanted], self.bound)

    def forward(self, x: Tensor) -> Tensor:
        """Return the product (..., O) of `x` (..., I), float32."""
        return self._by_rows(x.flatten(0, -2)).view(*x.shape[:-1], len(self.scale))

    def _by_rows(self, x: Tensor) -> Tensor:
        if self.bound is not None:
            scale = self.bound / LEVELS
            bias = self.bias + 0.0 * x.sum()  # integers would hide what is not a number
            return self._multiply(_bytes(torch.add(SHIFT, x, alpha=1.0 / scale)), scale, bias)
        largest = x.abs().amax(-1, keepdim=True).clamp_(min=1e-12)  # (N, 1)
        product = self._multiply(_bytes(torch.addcdiv(self.shift, x, largest, value=LEVELS)), 1.0 / LEVELS, None)
        return torch.addcmul(self.bias, product, largest)

    def _multiply(self, x: Tensor, scale: float, bias: Tensor | None) -> Tensor:
        product: Tensor = torch.ops.onednn.qlinear_pointwise(
            x, scale, 128, self.packed, self.scale, self.zero, bias, 1.0, 0, torch.float32, "none", [], ""
        )
        return product


def _bytes(x: Tensor) -> Tensor:
    """Return the whole part of numbers from 0 to 255; by way of 16 bits, as torch has no fast kernel for 8."""
    return x.to(torch.int16).to(torch.uint8)
