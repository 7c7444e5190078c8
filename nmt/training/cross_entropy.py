"""Label-smoothed cross-entropy straight from the readouts, without ever holding the logits of a whole batch.

Axes: N real target tokens of a batch, n those of one chunk, P passes, R readout width, V target vocabulary.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

CHUNK_ELEMENTS = 1 << 23
"""Most logits held at once."""
SLICE_ELEMENTS = 1 << 19
"""Most of them in float32 at once on a processor, whose cache then holds them from one operation to the next."""
ROWS = 64
"""Matrix products get a multiple of so many rows: oneDNN keeps a compiled kernel for every shape it has met."""


def output_cross_entropy(
    output: nn.Linear, readouts: list[Tensor], target: Tensor, smoothing: float, divergence: float
) -> tuple[Tensor, Tensor]:
    """Return loss and NLL of `target` (N,), in nats: sums over the tokens, means over one or two `readouts` (N, R).

    To the loss of two passes `divergence` / 4 times their two Kullback-Leibler divergences are added: half the loss of
    R-Drop (Liang 2021, eq. 4). The NLL is without smoothing or gradient.
    """
    kind = target.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else output.weight.dtype
    with torch.autocast(kind, enabled=False):
        loss, nll = _OutputCrossEntropy.apply(  # type: ignore[no-untyped-call]
            torch.stack(readouts, 1),
            output.weight,
            output.bias,
            target,
            smoothing,
            divergence,
            dtype,
            torch.is_grad_enabled(),  # within `forward` it never is
        )
    return loss, nll


def token_log_probs(output: nn.Linear, readout: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return log p of each `target` (N,) and the mean of log p over the vocabulary, (N,) each, from `readout` (N, R).

    Differentiable token by token, for losses that weigh tokens differently; logits are computed again for the gradient.
    """
    size = _chunk_rows(len(readout), len(output.weight))
    parts: list[tuple[Tensor, Tensor]] = [
        checkpoint(_log_probs, output, x, y, use_reentrant=False)
        for x, y in zip(torch.split(readout, size), torch.split(target, size), strict=True)
    ]
    log_probs, means = (torch.cat(part) for part in zip(*parts, strict=True))
    return log_probs, means


def _log_probs(output: nn.Linear, readout: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    logits = F.linear(readout, output.weight, output.bias)
    log_probs = torch.log_softmax(logits, dim=-1, dtype=torch.promote_types(logits.dtype, torch.float32))
    return log_probs.gather(1, target.unsqueeze(1)).squeeze(1), log_probs.mean(1)


class _OutputCrossEntropy(torch.autograd.Function):
    """Loss and gradient of output layer and softmax over chunks of tokens.

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
        divergence: float,
        dtype: torch.dtype,
        needs_gradient: bool,
    ) -> tuple[Tensor, Tensor]:
        vocabulary, passes = len(weight), readout.shape[1]
        x, w, b = readout.flatten(0, 1).to(dtype), weight.to(dtype), bias.to(dtype)  # the passes of a token together
        expected = target.unsqueeze(1).expand(-1, passes).reshape(-1, 1)  # (N P, 1)
        sums = torch.zeros(3, device=x.device, dtype=torch.promote_types(dtype, torch.float32))
        x_gradients = []
        w_gradient = torch.zeros_like(weight) if needs_gradient else None
        b_gradient = torch.zeros_like(bias) if needs_gradient else None
        size = _chunk_rows(len(x), vocabulary)
        for begin in range(0, len(x), size):
            tokens = expected[begin : begin + size]
            count = len(tokens)
            chunk = F.pad(x[begin : begin + size], (0, 0, 0, -count % ROWS))
            logits = torch.addmm(b, chunk, w.t())  # (n, V)
            sums += _score(logits[:count], tokens, smoothing, divergence, b_gradient)
            if w_gradient is None:
                continue
            gradient = logits
            gradient[count:] = 0.0
            w_gradient += gradient.t() @ chunk
            x_gradients.append((gradient @ w)[:count])
        if w_gradient is not None and b_gradient is not None:
            x_gradient = torch.cat(x_gradients).to(readout.dtype).view_as(readout)
            ctx.save_for_backward(x_gradient / passes, w_gradient / passes, b_gradient / passes)
        nll, uniform, apart = (sums / passes).unbind()
        ctx.mark_non_differentiable(nll)
        return (1 - smoothing) * nll + smoothing * uniform + apart, nll

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        outer = gradients[0]
        x_gradient, w_gradient, b_gradient = ctx.saved_tensors
        ours = x_gradient * outer.to(x_gradient.dtype), w_gradient * outer, b_gradient * outer
        return *ours, None, None, None, None, None


def _score(logits: Tensor, expected: Tensor, smoothing: float, divergence: float, b_gradient: Tensor | None) -> Tensor:
    """Return the sums (3,) over tokens of -log p of the `expected` (n, 1), of its mean over all, and of the divergence.

    Where `b_gradient` (V,) is given, what `logits` (n, V) add to it is added, and their gradient takes their place.
    """
    rows = _slice_rows(logits)
    vocabulary = logits.shape[1]
    sums = []
    for part, tokens in zip(torch.split(logits, rows), torch.split(expected, rows), strict=True):
        log_probs = torch.log_softmax(part, dim=-1, dtype=torch.promote_types(part.dtype, torch.float32))
        nll = -log_probs.gather(1, tokens).sum()
        uniform = -log_probs.sum() / vocabulary if smoothing else nll
        pulled, apart = _diverge(log_probs, divergence) if divergence else (None, torch.zeros_like(nll))
        sums.append(torch.stack([nll, uniform, apart]))
        if b_gradient is None:
            continue
        gradient = log_probs.exp_()  # in place: the softmax
        if smoothing:
            gradient.sub_(smoothing / vocabulary)
        gradient.scatter_add_(1, tokens, gradient.new_full((1, 1), smoothing - 1).expand_as(tokens))
        if pulled is not None:
            gradient += pulled
        b_gradient += gradient.sum(0)
        part.copy_(gradient)
    return torch.stack(sums).sum(0)


def _diverge(log_probs: Tensor, weight: float) -> tuple[Tensor, Tensor]:
    """Return what pairs of rows of `log_probs` (2 n, V) are apart: the gradient of their logits, and the sum.

    The sum is `weight` / 2 times both Kullback-Leibler divergences, which halves when means over the passes are taken.
    """
    pairs = log_probs.view(-1, 2, log_probs.shape[1])
    probs = pairs.exp()
    gap = pairs - pairs.flip(1)  # of each: log p - log q
    divergence = (probs * gap).sum(-1, keepdim=True)  # KL(p || q)
    gradient = probs * (gap - divergence) + probs - probs.flip(1)
    return gradient.mul_(weight / 2).flatten(0, 1), divergence.sum() * (weight / 2)


def _chunk_rows(tokens: int, vocabulary: int) -> int:
    """Return how many tokens to take at once: about equal shares, and none larger than `CHUNK_ELEMENTS` allows."""
    chunks = math.ceil(tokens * vocabulary / CHUNK_ELEMENTS) or 1
    return max(1, math.ceil(tokens / chunks / ROWS)) * ROWS


def _slice_rows(logits: Tensor) -> int:
    """Return how many rows of a chunk to take at once: an even number, which holds whole pairs of passes."""
    return max(1, SLICE_ELEMENTS // logits.shape[1] // 2) * 2 if logits.device.type == "cpu" else len(logits)
