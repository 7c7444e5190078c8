"""Label-smoothed cross-entropy straight from the readouts, without ever holding the logits of a whole batch.

Axes: N real target tokens of a batch, n those of one chunk, R readout width, V target vocabulary.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from nmt.models.seq2seq import Seq2Seq

CHUNK_ELEMENTS = 1 << 23
"""Most logits held at once."""
SLICE_ELEMENTS = 1 << 19
"""Most of them in float32 at once on a processor, whose cache then holds them from one operation to the next."""
ROWS = 64
"""Matrix products get a multiple of so many rows: oneDNN keeps a compiled kernel for every shape it has met."""


class _OutputCrossEntropy(torch.autograd.Function):
    """Loss and gradient of output layer and softmax in one pass over chunks of tokens.

    The gradient of the logits, softmax(z) - (1 - e) onehot - e / V, is known as soon as the logits are, so it takes
    their place, is folded into the gradients of readout, weight and bias at once, and is forgotten.
    """

    @staticmethod
    def forward(
        ctx: Any,
        readout: Tensor,
        weight: Tensor,
        bias: Tensor,
        target: Tensor,
        smoothing: float,
        dtype: torch.dtype,
        needs_gradient: bool,
    ) -> tuple[Tensor, Tensor]:
        vocabulary = len(weight)
        x, w, b = readout.to(dtype), weight.to(dtype), bias.to(dtype)
        sums = torch.zeros(2, device=x.device, dtype=torch.promote_types(dtype, torch.float32))
        x_gradients = []
        w_gradient = torch.zeros_like(weight) if needs_gradient else None
        b_gradient = torch.zeros_like(bias) if needs_gradient else None
        size = _chunk_rows(len(x), vocabulary)
        for begin in range(0, len(x), size):
            expected = target[begin : begin + size].unsqueeze(1)
            count = len(expected)
            chunk = F.pad(x[begin : begin + size], (0, 0, 0, -count % ROWS))
            logits = torch.addmm(b, chunk, w.t())  # (n, V)
            sums += _score(logits[:count], expected, smoothing, b_gradient)
            if w_gradient is None:
                continue
            gradient = logits
            gradient[count:] = 0.0
            w_gradient += gradient.t() @ chunk
            x_gradients.append((gradient @ w)[:count])
        if needs_gradient:
            ctx.save_for_backward(torch.cat(x_gradients).to(readout.dtype), w_gradient, b_gradient)
        nll = sums[0]
        ctx.mark_non_differentiable(nll)
        return (1 - smoothing) * nll + smoothing * sums[1], nll

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        outer = gradients[0]
        x_gradient, w_gradient, b_gradient = ctx.saved_tensors
        return x_gradient * outer.to(x_gradient.dtype), w_gradient * outer, b_gradient * outer, None, None, None, None


def _score(logits: Tensor, expected: Tensor, smoothing: float, b_gradient: Tensor | None) -> Tensor:
    """Return the sums (2,) over tokens of -log p of the `expected` tokens (n, 1), and of its mean over all tokens.

    Where `b_gradient` (V,) is given, what `logits` (n, V) add to it is added, and their gradient takes their place.
    """
    rows = _slice_rows(logits)
    vocabulary = logits.shape[1]
    sums = []
    for part, tokens in zip(torch.split(logits, rows), torch.split(expected, rows), strict=True):
        log_probs = torch.log_softmax(part, dim=-1, dtype=torch.promote_types(part.dtype, torch.float32))
        nll = -log_probs.gather(1, tokens).sum()
        sums.append(torch.stack([nll, -log_probs.sum() / vocabulary if smoothing else nll]))
        if b_gradient is None:
            continue
        gradient = log_probs.exp_()  # in place: the softmax
        if smoothing:
            gradient.sub_(smoothing / vocabulary)
        gradient.scatter_add_(1, tokens, gradient.new_full((1, 1), smoothing - 1).expand_as(tokens))
        b_gradient += gradient.sum(0)
        part.copy_(gradient)
    return torch.stack(sums).sum(0)


def _chunk_rows(tokens: int, vocabulary: int) -> int:
    """Return how many tokens to take at once: about equal shares, and none larger than `CHUNK_ELEMENTS` allows."""
    chunks = math.ceil(tokens * vocabulary / CHUNK_ELEMENTS) or 1
    return math.ceil(tokens / chunks / ROWS) * ROWS


def _slice_rows(logits: Tensor) -> int:
    """Return how many rows of a chunk to take at once."""
    return max(1, SLICE_ELEMENTS // logits.shape[1]) if logits.device.type == "cpu" else len(logits)


@dataclass(frozen=True)
class Loss:
    """Sums over the real target tokens of a batch, in nats."""

    smoothed: Tensor
    """What training minimises; a scalar with gradient."""
    nll: Tensor
    """Negative log-likelihood, without smoothing or gradient."""


def cross_entropy(model: Seq2Seq, readout: Tensor, target: Tensor, real: Tensor, smoothing: float) -> Loss:
    """Score `target` (B, T) under the readouts (B, T, R), at the positions `real` (N,) of their rows end to end."""
    kind = readout.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else model.output.weight.dtype
    with torch.autocast(kind, enabled=False):
        loss, nll = _OutputCrossEntropy.apply(  # type: ignore[no-untyped-call]
            readout.flatten(0, 1)[real],
            model.output.weight,
            model.output.bias,
            target.flatten()[real],
            smoothing,
            dtype,
            torch.is_grad_enabled(),  # within `forward` it never is
        )
    return Loss(loss, nll)
