"""A network made ready for search: its weights in the arithmetic of the search, what a step multiplies by in one piece.

Axes: N rows, I input width, O output width.
"""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn

from nmt.models.cells import Cell
from nmt.models.deferred import Linear
from nmt.models.device import Arithmetic, choose_arithmetic, copied
from nmt.models.seq2seq import Seq2Seq
from nmt.models.transformer import TransformerDecoderLayer

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


class PackedProduct(nn.Module):
    """x W' + b with W (O, I) laid out once as oneDNN multiplies by it; `F.linear` would do so at every step.

    For the few rows of a search that takes longer than multiplying.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.bias = bias
        self.packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous())
        self._plain: Tensor | None = None

    def columns(self, wanted: Tensor) -> "PackedProduct":
        """Return the product that makes the columns `wanted` of this one's."""
        if self._plain is None:
            self._plain = self.packed.to_dense()
        return PackedProduct(self._plain[wanted], self.bias[wanted])

    def forward(self, x: Tensor) -> Tensor:
        """Return the product (..., O) of `x` (..., I)."""
        product: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, "none", [], "")
        return product


def _can_pack(weight: Tensor) -> bool:
    if weight.device.type != "cpu" or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    return weight.dtype == torch.float32 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _bytes(x: Tensor) -> Tensor:
    """Return the whole part of numbers from 0 to 255; by way of 16 bits, as torch has no fast kernel for 8."""
    return x.to(torch.int16).to(torch.uint8)


@torch.no_grad()
def ready(model: Seq2Seq, arithmetic: Arithmetic, is_copied: bool = True, is_packed: bool = True) -> Seq2Seq:
    """Return a copy of `model` for search, which needs no autocast; the original stays as it is.

    Without `is_copied` it is `model` itself that changes. Laying its matrices out, `is_packed`, pays over many batches;
    what comes of it can be neither copied nor moved. With int8 the matrices of the decoder's step are quantised;
    what reads the source is in bfloat16 where the processor has it, and all else is float32.
    """
    made = (copied(model) if is_copied else model).eval().requires_grad_(False)
    if arithmetic == "bf16":
        made.to(torch.bfloat16)
    output = made.output
    product: Callable[[Tensor, Tensor], nn.Module] = Linear.of
    if arithmetic == "int8":
        product = Int8Product.of
    elif is_packed and _can_pack(output.weight):
        product = PackedProduct
    products: list[tuple[nn.Module, str]] = []
    if made.decoder.readout is not None:
        products.append((made.decoder, "readout"))
    for part in list(made.decoder.modules()):
        if isinstance(part, Cell):
            part.make_ready(product)
        elif isinstance(part, TransformerDecoderLayer):
            products += part.products()
    for part, name in products:
        weights = getattr(part, name)
        part.add_module(name, product(weights.weight, weights.bias))
    if arithmetic == "int8":
        made.add_module("output", Int8Product.of(output.weight, output.bias, made.readout_bound))
        if choose_arithmetic("auto", output.weight.device) == "bf16":
            made.encoder.to(torch.bfloat16)
            for name, part in made.decoder.named_modules():
                if isinstance(part, Linear) and name.split(".")[-1] in ("key", "value", "bridge"):
                    part.to(torch.bfloat16)
    else:
        made.add_module("output", product(output.weight, output.bias))
    return made
