"""Matrix products with weights that oneDNN has packed once, for search on the CPU.

Axes: N rows, I input width, O output width.
"""

import torch
from torch import Tensor, nn


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


def can_pack(weight: Tensor) -> bool:
    if weight.device.type != "cpu" or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    return weight.dtype == torch.float32 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
