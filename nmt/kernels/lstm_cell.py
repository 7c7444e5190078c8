"""Fused LSTM cell: the elementwise part of an LSTM step in few kernels, forward and backward, and a fast tanh.

Axes: N rows, D width.
"""

from typing import Any

import torch
from torch import Tensor

FAST_TANH_MIN_ELEMENTS = 1 << 14
"""Number of elements from which on the faster kernel is worth three more calls."""


def fast_tanh(x: Tensor) -> Tensor:
    """Return tanh(x).

    On the CPU without gradients it is computed as 2 sigmoid(2x) - 1: torch's tanh takes four times as long there.
    """
    if (
        x.numel() < FAST_TANH_MIN_ELEMENTS
        or x.dtype != torch.float32
        or x.device.type != "cpu"
        or torch.is_grad_enabled()
    ):
        return x.tanh()
    return (x * 2.0).sigmoid_().mul_(2.0).sub_(1.0)


def lstm_cell(gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Return h' and c', (N, D) each, from the inputs `gates` (N, 4D) of the gates i, f, g, o and from `c` (N, D)."""
    if torch.is_grad_enabled():
        fused: tuple[Tensor, Tensor] = _LSTMCell.apply(gates, c)  # type: ignore[no-untyped-call]
        return fused
    return _forward(gates, c)[:2]


def _forward(gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return h' and c', and the tensors that the backward pass needs: sigmoid(gates), tanh of g, tanh(c')."""
    g = fast_tanh(gates.chunk(4, dim=-1)[2])  # (N, D)
    sigmoids = gates.sigmoid()  # (N, 4D); the third quarter is not used
    i, f, _, o = sigmoids.chunk(4, dim=-1)  # (N, D) each
    next_c = torch.addcmul(f * c, i, g)  # (N, D)
    tanh_c = fast_tanh(next_c)  # (N, D)
    return o * tanh_c, next_c, sigmoids, g, tanh_c


class _LSTMCell(torch.autograd.Function):
    """Backward pass of the LSTM cell in few kernels.

    With the gradients dh' and dc' given, dc = dc' + dh' o (1 - tanh(c')^2). The gradients of the inputs of the gates
    are dc g i (1 - i) for i, dc c f (1 - f) for f, dc i (1 - g^2) for g and dh' tanh(c') o (1 - o) for o.
    """

    @staticmethod
    def forward(ctx: Any, gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        h, next_c, sigmoids, g, tanh_c = _forward(gates, c)
        ctx.save_for_backward(sigmoids, g, c, tanh_c)
        return h, next_c

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        sigmoids, g, c, tanh_c = ctx.saved_tensors
        i, f, _, o = sigmoids.chunk(4, dim=-1)
        dh, dc = gradients
        dc = torch.addcmul(dc, dh * o, 1 - tanh_c * tanh_c)
        gate_gradients = torch.empty_like(sigmoids)  # (N, 4D)
        di, df, dg, do = gate_gradients.chunk(4, dim=-1)  # (N, D) each
        torch.mul(dc, g, out=di)
        torch.mul(dc, c, out=df)
        torch.mul(dh, tanh_c, out=do)
        gate_gradients.mul_(sigmoids * (1 - sigmoids))  # also multiplies the quarter of g, which is written next
        torch.mul(dc * i, 1 - g * g, out=dg)
        return gate_gradients, dc * f
