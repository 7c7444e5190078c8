"""Call the fused kernels of oneDNN and cuDNN for a whole recurrent layer, and optionally return the final cell states.

Axes: B sentences, T steps, I input width, D width.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

FUSED_KERNELS: dict[str, Callable[..., Any]] = {"lstm": torch.lstm, "gru": torch.gru, "rnn": torch.rnn_tanh}
"""The kernel of each `cell`; called with weights, so that these may differ from the parameters of a module."""
SATURATION = 1e4
"""Gate input with a sigmoid of exactly 1; the sigmoid of its negative is exactly 0."""


@contextmanager
def fused_dtype(x: Tensor, weight: Tensor) -> Iterator[torch.dtype]:
    """Give the dtype in which to call a fused kernel with the input `x` and the layer's `weight`.

    On a GPU autocast would use float16, whatever dtype it is set to; there the kernel runs in the dtype of its weights.
    cuDNN's warning about weights that are not contiguous is suppressed: weights that are computed cannot be.
    """
    if x.device.type != "cuda":
        yield x.dtype
        return
    with torch.autocast("cuda", enabled=False), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous")
        yield weight.dtype


def mark_padding(x: Tensor, lengths: Tensor, weights: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """Return an input (B, T, I + 1) and LSTM weights with which padding after `lengths` (B,) keeps the memory cells.

    The fused kernel returns the memory cells after the last step only. The additional input is 1 on padding; its
    weights close the input gate and open the forget gate, so that c stays as it was after the last real token.
    """
    input_weight, *others = weights
    is_padding = torch.arange(x.shape[1], device=x.device) >= lengths.unsqueeze(1)  # (B, T)
    mark = input_weight.new_zeros(4, len(input_weight) // 4, 1)  # (4, D, 1) for the gates i, f, g, o
    mark[0], mark[1] = -SATURATION, SATURATION
    marked = torch.cat([x, is_padding.unsqueeze(2).to(x.dtype)], dim=-1)  # (B, T, I + 1)
    return marked, [torch.cat([input_weight, mark.flatten(0, 1)], dim=1), *others]
