"""The pointwise part of an LSTM cell in few kernels, forward and backward, and a fast tanh.

Axes: N rows, D width.
"""

from typing import Any

import torch
from torch import Tensor

FAST_TANH_MIN_ELEMENTS = 1 << 14
"""Numbers from which on a faster kernel is worth three more calls."""


def fast_tanh(x: Tensor) -> Tensor:
    """Return tanh(x).

    On a processor as 2 sigmoid(2x) - 1 where autograd does not watch: torch's tanh takes four times as long there.
    """
    if (
        x.numel() < FAST_TANH_MIN_ELEMENTS
        or x.dtype != torch.float32
        or x.device.type != "cpu"
        or torch.is_grad_enabled()
    ):
        return x.tanh()
    return (x * 2.0).sigmoid_().mul_(2.0).sub_(1.0)


def lstm_cell(gates: Tensor, c: Tensor) -> tuple[Tensor, ...]:
    """Return h and c after, (N, D) each, of an LSTM's `gates` (N, 4D) and `c` (N, D), and what led there."""
    candidate = fast_tanh(gates.chunk(4, dim=-1)[2])
    opened = gates.sigmoid()
    input_gate, forget_gate, _, output_gate = opened.chunk(4, dim=-1)
    after = torch.addcmul(forget_gate * c, input_gate, candidate)
    squashed = fast_tanh(after)
    return output_gate * squashed, after, opened, candidate, squashed


class LSTMCellFunction(torch.autograd.Function):
    """What an LSTM does with its gates (N, 4D) and memory cells (N, D): few kernels forward, few back.

    Back, with dh and dc' given: dc = dc' + dh o (1 - tanh(c')^2); before its sigmoid or tanh i has dc g i (1 - i),
    f dc c f (1 - f), o dh tanh(c') o (1 - o) and g dc i (1 - g^2).
    """

    @staticmethod
    def forward(ctx: Any, gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        h, after, opened, candidate, squashed = lstm_cell(gates, c)
        ctx.save_for_backward(opened, candidate, c, squashed)
        return h, after

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        opened, candidate, c, squashed = ctx.saved_tensors
        input_gate, forget_gate, _, output_gate = opened.chunk(4, dim=-1)
        h_gradient, c_gradient = gradients
        c_gradient = torch.addcmul(c_gradient, h_gradient * output_gate, 1 - squashed * squashed)
        outer = torch.empty_like(opened)
        of_input, of_forget, of_candidate, of_output = outer.chunk(4, dim=-1)
        torch.mul(c_gradient, candidate, out=of_input)
        torch.mul(c_gradient, c, out=of_forget)
        torch.mul(h_gradient, squashed, out=of_output)
        outer.mul_(opened * (1 - opened))  # the quarter of g, empty as yet, is filled below
        torch.mul(c_gradient * input_gate, 1 - candidate * candidate, out=of_candidate)
        return outer, c_gradient * forget_gate
