"""A network made ready for search: its weights in the arithmetic of the search, what a step multiplies by in one piece.

Axes: N rows, I input width, O output width.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.models.device import Arithmetic
from nmt.models.recurrent import RecurrentLayer
from nmt.models.seq2seq import Seq2Seq


class Product(nn.Module):
    """x W' + b."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight = nn.Buffer(weight.detach().contiguous())
        self.bias = nn.Buffer(bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        """Return the product (N, O) of `x` (N, I)."""
        return F.linear(x.to(self.weight.dtype), self.weight, self.bias)


@torch.no_grad()
def ready(model: Seq2Seq, arithmetic: Arithmetic) -> Seq2Seq:
    """Return a copy of `model` for search, which needs no autocast; the original stays as it is."""
    copied = copy.deepcopy(model).eval()
    copied.requires_grad_(False)
    if arithmetic == "bf16":
        copied.to(torch.bfloat16)
    for layer in copied.decoder.layers:
        assert isinstance(layer, RecurrentLayer)
        layer.product = Product(*layer.joint())
    return copied
