"""Matrix products whose weight is packed once in oneDNN's layout, for fp32 and bf16 search on the CPU.

Axes: N rows, I input width, O output width, U chosen outputs.
"""

import torch
from torch import Tensor, nn


class PackedProduct(nn.Module):
    """x W' + b with `weight` W (O, I) packed in advance.

    `F.linear` packs the weight in every call, which takes longer than the product with the few rows of a search step.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.bias = bias
        self.packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous())
        self._unpacked: Tensor | None = None

    def select_outputs(self, outputs: Tensor) -> "PackedProduct":
        """Return the product for the `outputs` (U,) only."""
        if self._unpacked is None:
            self._unpacked = self.packed.to_dense()
        return PackedProduct(self._unpacked[outputs], self.bias[outputs])

    def forward(self, x: Tensor) -> Tensor:
        """Return x W' + b, (..., O), for `x` (..., I)."""
        product: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, "none", [], "")
        return product


def can_pack(weight: Tensor) -> bool:
    """Return whether oneDNN can pack `weight` here."""
    if weight.device.type != "cpu" or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    return weight.dtype == torch.float32 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
