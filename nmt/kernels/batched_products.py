"""Batched matrix products for attention: one product per sentence, on the CPU at least in float32.

Axes: B sentences, N rows, I input width, O output width.
"""

import torch
from torch import Tensor


def batched_matmul(x: Tensor, matrices: Tensor) -> Tensor:
    """Return the products (B, N, O) of `x` (B, N, I) and `matrices` (B, I, O); on the CPU never in bfloat16.

    oneDNN compiles a bfloat16 kernel for every pair of lengths, and keeps a thousand kernels of 0.7 MB each. Smaller
    caches are no replacement (see `row_counts`).
    """
    if x.device.type != "cpu":
        return x @ matrices
    if not torch.is_autocast_enabled("cpu"):
        return _widen(x) @ _widen(matrices)
    with torch.autocast("cpu", enabled=False):
        return _widen(x) @ _widen(matrices)


def cast_for_batched_matmul(states: Tensor) -> Tensor:
    """Return `states` in the dtype of `batched_matmul`: in search the cast is done here once, not at every step."""
    return _widen(states) if states.device.type == "cpu" and not torch.is_grad_enabled() else states


def _widen(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))
