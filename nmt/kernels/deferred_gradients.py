"""Matrix products inside a loop over time, whose weight gradients are computed once, after the loop.

Autograd would compute the gradient of a weight at every step and add it up: for a decoder of 512 units, megabytes
written and read again for each target position, by products too small to be fast. Inside `deferred_gradients`,
`linear` and `weighted_sum` remember what went in and what came back at each step, and the last step back multiplies
them all at once. For a reader `linear(x, W, b)` is x W' + b, in a loop and outside.

Axes: B sentences, N rows, I input width, O output width, U chosen outputs, S source tokens.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

Record: TypeAlias = list[tuple[Tensor, Tensor]]
"""(input, gradient of the output) of each step: (N, I) and (N, O), or (B, N, I) and (B, N, O)."""


class _Collect(torch.autograd.Function):
    """Stands between a matrix and the steps that use it: its backward runs after that of every step."""

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
        over_steps = 0 if ctx.record[0][0].dim() == 2 else 1
        x, gradient = (torch.cat(parts, dim=over_steps) for parts in zip(*ctx.record, strict=True))
        ctx.record.clear()
        matrix_type, bias_type = ctx.types
        bias_gradient = None if bias_type is None else gradient.sum(0, dtype=bias_type)
        if ctx.is_transposed:  # laid out as the weight is, whose gradient then needs no copy
            matrix_gradient = (gradient.transpose(-1, -2) @ x).to(matrix_type).transpose(-1, -2)
        else:
            matrix_gradient = (x.transpose(-1, -2) @ gradient).to(matrix_type)
        return matrix_gradient, bias_gradient, None, None


class _Step(torch.autograd.Function):
    """x @ matrix + bias, tied by `anchor` to the `_Collect` of the matrix."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, anchor: Tensor, matrix: Tensor, bias: Tensor | None, record: Record) -> Tensor:
        ctx.save_for_backward(x, matrix)
        ctx.record = record
        return by_sentence(x, matrix) if matrix.dim() == 3 else _multiply(x, matrix, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, matrix = ctx.saved_tensors
        x = x.detach()  # with its history the record would keep the graph alive, where a later step fails
        if matrix.dim() == 2:
            ctx.record.append((x.flatten(0, -2), gradients[0].flatten(0, -2)))
        else:
            ctx.record.append((x, gradients[0]))
        return gradients[0] @ matrix.transpose(-1, -2), None, None, None, None


class _Loop:
    """The matrices met in one loop, each cast once, with the record of its uses."""

    def __init__(self) -> None:
        self._met: dict[object, tuple[Tensor, Tensor, Tensor | None, Record]] = {}
        self._sources: list[Tensor] = []  # kept, so that an identity stands for one tensor

    def multiply(self, x: Tensor, source: Tensor, is_transposed: bool, bias: Tensor | None) -> Tensor:
        key = (id(source), is_transposed)
        if key not in self._met:
            matrix = source.transpose(-1, -2) if is_transposed else source
            dtype = _loop_dtype(matrix)
            record: Record = []
            anchor: Tensor = _Collect.apply(matrix, bias, record, is_transposed)  # type: ignore[no-untyped-call]
            cast = None if bias is None else bias.detach().to(dtype)
            self._met[key] = anchor, matrix.detach().to(dtype), cast, record
            self._sources.append(source)
        anchor, ready, cast, record = self._met[key]
        product: Tensor = _Step.apply(x.to(ready.dtype), anchor, ready, cast, record)  # type: ignore[no-untyped-call]
        return product


def _loop_dtype(matrix: Tensor) -> torch.dtype:
    """Return the type in which a loop multiplies by `matrix`: that of the same product outside a loop."""
    kind = matrix.device.type
    if matrix.dim() == 3 and kind == "cpu":  # as `by_sentence` does
        return torch.promote_types(matrix.dtype, torch.float32)
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else matrix.dtype


_LOOP: ContextVar[_Loop | None] = ContextVar("loop", default=None)


@contextmanager
def deferred_gradients() -> Iterator[None]:
    """Run a loop over time in this context to put off the gradients of what `linear` and `weighted_sum` multiply."""
    token = _LOOP.set(_Loop() if torch.is_grad_enabled() else None)
    try:
        yield
    finally:
        _LOOP.reset(token)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return x W' + b, (..., O), for `x` (..., I), `weight` (O, I) and `bias` (O,).

    With three axes, sentence by sentence: (B, N, I) and (B, O, I) give (B, N, O).
    """
    loop = _LOOP.get()
    if loop is not None:
        return loop.multiply(x, weight, True, bias)
    matrix = weight.transpose(-1, -2)
    return by_sentence(x, matrix) if matrix.dim() == 3 else _multiply(x, matrix, bias)


class Linear(nn.Linear):
    """A linear map that may stand in a loop over time; drawn as Glorot & Bengio (2010) do, the bias zero."""

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        nn.init.xavier_uniform_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor) -> "Linear":
        """Return the map of a given `weight` (O, I) and `bias` (O,), which do not learn."""
        made = cls(weight.shape[1], weight.shape[0], device="meta")
        made.weight, made.bias = (nn.Parameter(part.detach(), requires_grad=False) for part in (weight, bias))
        return made

    def columns(self, wanted: Tensor) -> "Linear":
        """Return the map to the outputs `wanted` (U,) only."""
        return Linear.of(self.weight[wanted], self.bias[wanted])

    def forward(self, x: Tensor) -> Tensor:
        """Return x W' + b, (..., O), for `x` (..., I)."""
        return linear(x, self.weight, self.bias)


def weighted_sum(weights: Tensor, states: Tensor) -> Tensor:
    """Return the sums (B, N, O) of `states` (B, S, O), weighted by `weights` (B, N, S)."""
    loop = _LOOP.get()
    if loop is not None:
        return loop.multiply(weights, states, False, None)
    return by_sentence(weights, states)


def cast_once(states: Tensor) -> Tensor:
    """Return `states` (B, S, O) in the type that `by_sentence` needs: in search cast here, not at every step."""
    return _wide(states) if states.device.type == "cpu" and not torch.is_grad_enabled() else states


def _wide(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _multiply(x: Tensor, matrix: Tensor, bias: Tensor | None) -> Tensor:
    if bias is not None:
        return torch.nn.functional.linear(x, matrix.transpose(-1, -2), bias)
    return x @ matrix


def by_sentence(x: Tensor, matrices: Tensor) -> Tensor:
    """Return the products (B, N, O) of `x` (B, N, I) and `matrices` (B, I, O); on a processor never in bfloat16.

    oneDNN would compile a product for every pair of lengths, and keep a thousand of them, 0.7 MB each.
    """
    if x.device.type != "cpu":
        return x @ matrices
    if not torch.is_autocast_enabled("cpu"):
        return _wide(x) @ _wide(matrices)
    with torch.autocast("cpu", enabled=False):
        return _wide(x) @ _wide(matrices)
