"""Prepare a trained network for search: convert its weights to fp32, bf16 or int8, and pack its matrices.

Axes: N rows, I input width, O output width.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from nmt.engine import Arithmetic
from nmt.kernels.device import choose_arithmetic, copy_network
from nmt.kernels.int8 import Int8Product
from nmt.kernels.packed import PackedProduct, can_pack
from nmt.models.cells import Cell
from nmt.models.linear import Linear
from nmt.models.seq2seq import Seq2Seq
from nmt.models.transformer import TransformerDecoderLayer


@torch.no_grad()
def prepare_for_search(model: Seq2Seq, arithmetic: Arithmetic, copy: bool = True, pack: bool = True) -> Seq2Seq:
    """Return `model` with its weights converted, packed or quantised, so that search needs no autocast.

    The result is a copy, or `model` itself if `copy` is False. `pack` changes the matrices to the layout of oneDNN's
    products, which takes time and is worthwhile only for many batches. A packed or quantised network can neither be
    copied nor moved. With int8 the matrices of the decoder's step are quantised; the encoder and the attention keys are
    bfloat16 if the CPU has instructions for it, and everything else is float32.
    """
    made = (copy_network(model) if copy else model).eval().requires_grad_(False)
    if arithmetic == "bf16":
        made.to(torch.bfloat16)
    output = made.output
    product: Callable[[Tensor, Tensor], nn.Module] = Linear.of
    if arithmetic == "int8":
        product = Int8Product.of
    elif pack and can_pack(output.weight):
        product = PackedProduct
    products: list[tuple[nn.Module, str]] = []
    if made.decoder.readout is not None:
        products.append((made.decoder, "readout"))
    for part in list(made.decoder.modules()):
        if isinstance(part, Cell):
            part.set_product(product)
        elif isinstance(part, TransformerDecoderLayer):
            products += part.products()
    for part, name in products:
        weights = getattr(part, name)
        part.add_module(name, product(weights.weight, weights.bias))
    if arithmetic == "int8":
        made.add_module("output", Int8Product.of(output.weight, output.bias, made.decoder.readout_bound))
        if choose_arithmetic("auto", output.weight.device) == "bf16":
            made.encoder.to(torch.bfloat16)
            for name, part in made.decoder.named_modules():
                if isinstance(part, Linear) and name.split(".")[-1] in ("key", "value", "bridge"):
                    part.to(torch.bfloat16)
    else:
        made.add_module("output", product(output.weight, output.bias))
    return made
