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

CHUNK_ELEMENTS = 1 << 22
"""Most logits held at once."""
ROWS = 64
"""Matrix products get a multiple of so many rows: oneDNN keeps a compiled kernel for every shape it has met."""


class _OutputCrossEntropy(torch.autograd.Function):
    """Loss and gradient of output layer and softmax in one pass over chunks of tokens.

    The gradient of the logits, softmax(z) - (1 - e) onehot - e / V, is known as soon as the logits are, so it is
    folded into the gradients of readout, weight and bias at once, and the logits are forgotten.
    """

    @staticmethod
    def forward(
        ctx: Any, readout: Tensor, weight: Tensor, bias: Tensor, target: Tensor, smoothing: float, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        vocabulary = len(weight)
        x, w, b = readout.to(dtype), weight.to(dtype), bias.to(dtype)
        needs_gradient = any(ctx.needs_input_grad)
        loss = torch.zeros((), device=x.device)
        nll = torch.zeros((), device=x.device)
        x_gradients = []
        w_gradient = torch.zeros_like(weight) if needs_gradient else None
        b_gradient = torch.zeros_like(bias) if needs_gradient else None
        size = _chunk_rows(len(x), vocabulary)
        for begin in range(0, len(x), size):
            expected = target[begin : begin + size].unsqueeze(1)
            count = len(expected)
            chunk = F.pad(x[begin : begin + size], (0, 0, 0, -count % ROWS))
            logits = torch.addmm(b, chunk, w.t())[:count]
            log_probs = torch.log_softmax(logits, dim=-1, dtype=torch.promote_types(dtype, torch.float32))  # (n, V)
            chunk_nll = -log_probs.gather(1, expected).sum()
            nll += chunk_nll
            uniform = -log_probs.mean(-1).sum() if smoothing else 0.0
            loss += (1 - smoothing) * chunk_nll + smoothing * uniform
            if w_gradient is None or b_gradient is None:
                continue
            gradient = log_probs.exp_()  # in place: the softmax
            if smoothing:
                gradient.sub_(smoothing / vocabulary)
            gradient.scatter_add_(1, expected, gradient.new_full((1, 1), smoothing - 1).expand_as(expected))
            b_gradient += gradient.sum(0)
            low = F.pad(gradient.to(dtype), (0, 0, 0, -count % ROWS))
            w_gradient += low.t() @ chunk
            x_gradients.append((low @ w)[:count])
        if needs_gradient:
            ctx.save_for_backward(torch.cat(x_gradients).to(readout.dtype), w_gradient, b_gradient)
        ctx.mark_non_differentiable(nll)
        return loss, nll

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        outer = gradients[0]
        x_gradient, w_gradient, b_gradient = ctx.saved_tensors
        return x_gradient * outer.to(x_gradient.dtype), w_gradient * outer, b_gradient * outer, None, None, None


def _chunk_rows(tokens: int, vocabulary: int) -> int:
    """Return how many tokens to take at once: about equal shares, and none larger than `CHUNK_ELEMENTS` allows."""
    chunks = math.ceil(tokens * vocabulary / CHUNK_ELEMENTS) or 1
    return math.ceil(tokens / chunks / ROWS) * ROWS


@dataclass(frozen=True)
class Loss:
    """Sums over the real target tokens of a batch, in nats."""

    smoothed: Tensor
    """What training minimises; a scalar with gradient."""
    nll: Tensor
    """Negative log-likelihood, without smoothing or gradient."""


def cross_entropy(model: Seq2Seq, readout: Tensor, target: Tensor, is_real: Tensor, smoothing: float) -> Loss:
    """Score `target` (B, T) under the readouts (B, T, R), on real tokens (`is_real`, (B, T)) only."""
    kind = readout.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else model.output.weight.dtype
    with torch.autocast(kind, enabled=False):
        loss, nll = _OutputCrossEntropy.apply(  # type: ignore[no-untyped-call]
            readout[is_real], model.output.weight, model.output.bias, target[is_real], smoothing, dtype
        )
    return Loss(loss, nll)
