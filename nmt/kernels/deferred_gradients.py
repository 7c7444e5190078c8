"""Defer the weight gradients of a loop over time: compute each of them once after the loop, not at every step.

Autograd computes the gradient of a weight at every step and adds it up. For a decoder of 512 units it reads and writes
megabytes for each target position, with products that are too small to be fast. Inside `deferred_gradients`, the
products of this module record their inputs and the gradients of their outputs. The backward pass then multiplies the
records of all steps at once. Outside of it they are ordinary products.

Axes: B sentences, N rows, I input width, O output width, S source tokens.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from nmt.kernels.batched_products import batched_matmul

Record: TypeAlias = list[tuple[Tensor, Tensor]]
"""(input, gradient of the output) of each step: (N, I) and (N, O), or (B, N, I) and (B, N, O)."""


class _Collect(torch.autograd.Function):
    """Node between a matrix and the steps that use it: its backward runs after the backward of every step."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, bias: Tensor | None, record: Record, is_transposed: bool) -> Tensor:
        ctx.record = record
        ctx.is_transposed = is_transposed
        ctx.types = matrix.dtype, None if bias is None else bias.dtype
        return matrix.new_zeros(())

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> tuple[Tensor | None, ...]:
        if not ctx.record:
            return None, None, None, None
        step_axis = 0 if ctx.record[0][0].dim() == 2 else 1
        x, gradient = (torch.cat(parts, dim=step_axis) for parts in zip(*ctx.record, strict=True))
        ctx.record.clear()
        matrix_type, bias_type = ctx.types
        bias_gradient = None if bias_type is None else gradient.sum(0, dtype=bias_type)
        if ctx.is_transposed:  # The gradient gets the layout of the weight, so that it is not copied.
            matrix_gradient = (gradient.transpose(-1, -2) @ x).to(matrix_type).transpose(-1, -2)
        else:
            matrix_gradient = (x.transpose(-1, -2) @ gradient).to(matrix_type)
        return matrix_gradient, bias_gradient, None, None


class _Step(torch.autograd.Function):
    """x @ matrix + bias of one step, connected by `anchor` to the `_Collect` of the matrix."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, anchor: Tensor, matrix: Tensor, bias: Tensor | None, record: Record) -> Tensor:
        ctx.save_for_backward(x, matrix)
        ctx.record = record
        return batched_matmul(x, matrix) if matrix.dim() == 3 else F.linear(x, matrix.transpose(0, 1), bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, matrix = ctx.saved_tensors
        x = x.detach()  # With its history, the record would keep the graph alive if the backward of another step fails.
        if matrix.dim() == 2:
            ctx.record.append((x.flatten(0, -2), gradients[0].flatten(0, -2)))
        else:
            ctx.record.append((x, gradients[0]))
        return gradients[0] @ matrix.transpose(-1, -2), None, None, None, None


class _Loop:
    """The matrices used in one loop, each cast once."""

    def __init__(self) -> None:
        self._matrices: dict[tuple[int, bool], tuple[Any, ...]] = {}

    def multiply(self, x: Tensor, source: Tensor, bias: Tensor | None, is_transposed: bool) -> Tensor:
        """Return x @ source + bias, or x @ source' + bias if `is_transposed`."""
        key = id(source), is_transposed
        if key not in self._matrices:
            matrix = source.transpose(-1, -2) if is_transposed else source
            record: Record = []
            anchor = _Collect.apply(matrix, bias, record, is_transposed)  # type: ignore[no-untyped-call]
            dtype = _loop_dtype(matrix)
            factors = matrix.detach().to(dtype), None if bias is None else bias.detach().to(dtype)
            self._matrices[key] = source, anchor, *factors, record  # `source` is kept so that its id stays unique
        _, anchor, matrix, bias, record = self._matrices[key]
        product: Tensor = _Step.apply(x.to(matrix.dtype), anchor, matrix, bias, record)  # type: ignore[no-untyped-call]
        return product


def _loop_dtype(matrix: Tensor) -> torch.dtype:
    """Return the dtype in which a loop multiplies by `matrix`: that of the same product outside a loop."""
    kind = matrix.device.type
    if matrix.dim() == 3 and kind == "cpu":  # as in `batched_matmul`
        return torch.promote_types(matrix.dtype, torch.float32)
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else matrix.dtype


_LOOP: ContextVar[_Loop | None] = ContextVar("loop", default=None)


@contextmanager
def deferred_gradients() -> Iterator[None]:
    """Defer the gradients of the weights, keys and states that the products of this module use in this context."""
    token = _LOOP.set(_Loop() if torch.is_grad_enabled() else None)
    try:
        yield
    finally:
        _LOOP.reset(token)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return x W' + b, (..., O), for `x` (..., I), `weight` (O, I) and `bias` (O,)."""
    loop = _LOOP.get()
    return F.linear(x, weight, bias) if loop is None else loop.multiply(x, weight, bias, True)


def linear_function(weight: Tensor, bias: Tensor | None) -> Callable[[Tensor], Tensor]:
    """Return the function from `x` (..., I) to x W' + b, (..., O), for use in the current context."""
    return partial(F.linear if _LOOP.get() is None else linear, weight=weight, bias=bias)


def dot_products(queries: Tensor, keys: Tensor) -> Tensor:
    """Return the dot products (B, N, S) of `queries` (B, N, I) and `keys` (B, S, I)."""
    loop = _LOOP.get()
    return batched_matmul(queries, keys.mT) if loop is None else loop.multiply(queries, keys, None, True)


def weighted_sum(weights: Tensor, states: Tensor) -> Tensor:
    """Return the sums (B, N, O) of `states` (B, S, O), weighted by `weights` (B, N, S)."""
    loop = _LOOP.get()
    return batched_matmul(weights, states) if loop is None else loop.multiply(weights, states, None, False)
