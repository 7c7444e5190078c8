"""Fused GRU cell: all of a GRU step but its matrix products, forward and backward, with or without gate normalisation.

Axes: N rows, D width.
"""

from typing import Any

import torch
from torch import Tensor

from nmt.kernels.gate_norm import normalize, normalize_backward
from nmt.kernels.lstm_cell import fast_tanh


def gru_cell(
    input_product: Tensor | None, state_product: Tensor, h: Tensor, bias: Tensor, gain: Tensor | None
) -> Tensor:
    """Return h' (N, D), given h (N, D), W x (None is zero) and U h, (N, 3D) each: r, z and n.

    `bias` (4D,) is added to the inputs of the gates: those of r and z, W x of n, and U h of n. With `gain` (4D,) each
    of the four is normalised and multiplied by it before.
    """
    if gain is None:
        bias = bias.to(state_product.dtype)
    next_h: Tensor = _GRUCell.apply(input_product, state_product, h, bias, gain)  # type: ignore[no-untyped-call]
    return next_h


def _parts(inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the inputs of r and z, (N, 2D), and W x and U h of n, (N, D) each, which are parts of `inputs` (N, 4D)."""
    size = inputs.shape[1] // 4
    return inputs[:, : 2 * size], inputs[:, 2 * size : 3 * size], inputs[:, 3 * size :]


def next_state(inputs: Tensor, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return h' (N, D), r and z (N, 2D), and n (N, D), from the `inputs` (N, 4D) of the gates and `h` (N, D)."""
    both, x_new, h_new = _parts(inputs)
    both = both.sigmoid()
    reset, update = both.chunk(2, dim=1)
    new = fast_tanh(x_new + reset * h_new)
    return torch.lerp(new, h.to(new.dtype), update), both, new


def _gate_inputs(input_product: Tensor | None, state_product: Tensor) -> Tensor:
    """Return the four inputs (N, 4D) before normalisation and bias."""
    size = state_product.shape[1] // 3
    gates = state_product.new_empty(len(state_product), 4 * size)
    both, x_new, h_new = _parts(gates)
    h_new.copy_(state_product[:, 2 * size :])
    if input_product is None:
        both.copy_(state_product[:, : 2 * size])
        x_new.zero_()
    else:
        torch.add(input_product[:, : 2 * size], state_product[:, : 2 * size], out=both)
        x_new.copy_(input_product[:, 2 * size :])
    return gates


class _GRUCell(torch.autograd.Function):
    """h' = (1 - z) n + z h with r, z = sigmoid(a_r), sigmoid(a_z) and n = tanh(a_x + r a_h).

    With the gradient dh' given, and dn = dh' (1 - z) (1 - n^2), the gradients of the gate inputs are dn a_h r (1 - r)
    for a_r, dh' (h - n) z (1 - z) for a_z, dn for a_x and dn r for a_h.
    """

    @staticmethod
    def forward(
        ctx: Any,
        input_product: Tensor | None,
        state_product: Tensor,
        h: Tensor,
        bias: Tensor,
        gain: Tensor | None,
    ) -> Tensor:
        size = h.shape[1]
        gates = _gate_inputs(input_product, state_product)
        statistics: tuple[Tensor, ...] = ()
        if gain is None:
            inputs = gates.add_(bias)
        else:
            gates = gates.to(gain.dtype).view(-1, 4, size)
            normed, *factors = normalize(gates)
            normed = normed.view(-1, 4 * size)
            inputs = torch.addcmul(bias, normed, gain)
            statistics = gain, gates, normed, *factors
        next_h, both, new = next_state(inputs, h)
        ctx.save_for_backward(h, both, _parts(inputs)[2], new, *statistics)
        ctx.has_input, ctx.dtype = input_product is not None, state_product.dtype
        return next_h

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        h, both, h_new, new, *statistics = ctx.saved_tensors
        (dh,), size = gradients, h.shape[1]
        reset, update = both.chunk(2, dim=1)
        gradient = both.new_empty(len(h), 4 * size)
        dr, dz, dx, dn = gradient.chunk(4, dim=1)
        kept = dh * update
        torch.mul(dh - kept, 1 - new * new, out=dx)
        torch.mul(dx, reset, out=dn)
        torch.mul(dx, h_new, out=dr)
        torch.mul(dh, h.to(new.dtype) - new, out=dz)
        gradient[:, : 2 * size].mul_(both * (1 - both))
        dbias, dgain = gradient.sum(0), None
        if statistics:
            gain, gates, normed, *factors = statistics
            dgain = (gradient * normed).sum(0)
            gradient = normalize_backward((gradient * gain).view_as(gates), gates, *factors).view_as(gradient)
        gradient = gradient.to(ctx.dtype)
        state_gradient = torch.cat([gradient[:, : 2 * size], gradient[:, 3 * size :]], dim=1)
        input_gradient = gradient[:, : 3 * size] if ctx.has_input else None
        return input_gradient, state_gradient, kept.to(h.dtype), dbias, dgain
