"""Matrix products in 8-bit integers for search on the CPU (int8 quantisation).

Axes: N rows, I input width, O output width, U chosen outputs.
"""

from functools import cache

import torch
from torch import Tensor, nn

MAX_LEVEL = 127
"""Largest magnitude of a quantised number."""
ZERO_POINT = 128
"""Unsigned byte that stands for 0 in a quantised input."""


@cache
def max_weight_level() -> int:
    """Return the largest magnitude of a quantised weight for which this CPU adds products exactly.

    Without VNNI instructions oneDNN adds pairs of products in 16 bits, up to 32,767.
    """
    x, weight = torch.full((1, 64), 255, dtype=torch.uint8), torch.full((64, 64), MAX_LEVEL, dtype=torch.int8)
    ones, zeros = torch.ones(64), torch.zeros(64, dtype=torch.int64)
    packed = torch.ops.onednn.qlinear_prepack(weight, None)
    found = torch.ops.onednn.qlinear_pointwise(
        x, 1.0, 0, packed, ones, zeros, None, 1.0, 0, torch.float32, "none", [], ""
    )
    return MAX_LEVEL if bool((found == 64 * 255 * MAX_LEVEL).all()) else MAX_LEVEL // 2


class Int8Product(nn.Module):
    """x W' + b in 8-bit integers, with one scale for each row of W (O, I) and one for each row of x.

    The integers are added exactly and each row of x has its own scale, so that a hypothesis does not depend on the
    other rows. If |x| <= `bound` is known, the scale is fixed. oneDNN is fastest with unsigned inputs and signed
    weights: so `ZERO_POINT` is added to the levels of x.
    """

    def __init__(self, integers: Tensor, scale: Tensor, bias: Tensor, bound: float | None = None) -> None:
        super().__init__()
        self.integers = integers
        self.scale = scale
        self.bias = bias
        self.bound = bound
        self.packed = torch.ops.onednn.qlinear_prepack(integers, None)
        self.zero = torch.zeros(len(scale), dtype=torch.int64)
        self.offset = torch.tensor(ZERO_POINT + 0.5)  # the cast to integers truncates, so + 0.5 rounds to the nearest

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor, bound: float | None = None) -> "Int8Product":
        """Quantise `weight` (O, I)."""
        scale = weight.abs().amax(1).clamp(min=1e-12) / max_weight_level()  # (O,)
        return cls((weight / scale.unsqueeze(1)).round().to(torch.int8), scale, bias, bound)

    def select_outputs(self, outputs: Tensor) -> "Int8Product":
        """Return the product for the `outputs` (U,) only."""
        return Int8Product(self.integers[outputs], self.scale[outputs], self.bias[outputs], self.bound)

    def forward(self, x: Tensor) -> Tensor:
        """Return x W' + b, (..., O) float32, for `x` (..., I)."""
        rows, row_scale = x.flatten(0, -2), None  # (N, I)
        if self.bound is not None:
            scale = self.bound / MAX_LEVEL
            levels = torch.add(ZERO_POINT + 0.5, rows, alpha=1.0 / scale)  # (N, I)
            bias = self.bias + 0.0 * rows.sum()  # NaN stays NaN, which integers would hide
        else:
            row_scale = rows.abs().amax(-1, keepdim=True).clamp_(min=1e-12)  # (N, 1)
            levels = torch.addcdiv(self.offset, rows, row_scale, value=MAX_LEVEL)  # (N, I)
            scale, bias = 1.0 / MAX_LEVEL, None
        quantised = levels.to(torch.int16).to(torch.uint8)  # via int16, as torch has no fast kernel for the direct cast
        product: Tensor = torch.ops.onednn.qlinear_pointwise(
            quantised,
            scale,
            ZERO_POINT,
            self.packed,
            self.scale,
            self.zero,
            bias,
            1.0,
            0,
            torch.float32,
            "none",
            [],
            "",
        )  # (N, O)
        if row_scale is not None:
            product = torch.addcmul(self.bias, product, row_scale)
        return product.view(*x.shape[:-1], len(self.scale))
