"""Label smoothing, R-Drop and the cross-entropy of the output layer, computed in chunks of tokens to save memory.

The logits of a whole batch are never in memory at once. Two sizes divide the work:

- A chunk is the number of tokens whose logits come from one matrix product (at most `CHUNK_ELEMENTS` logits).
- A slice is the part of a chunk for which the softmax is computed at once in float32 on the CPU (at most
  `SLICE_ELEMENTS`), so that the cache holds it from one operation to the next.

Axes: N real target tokens of a batch, n tokens of one chunk or slice, P forward passes, R readout width, V target
vocabulary.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

CHUNK_ELEMENTS = 1 << 23
"""Most logits in memory at once."""
SLICE_ELEMENTS = 1 << 19
"""Most logits of a slice."""
ROW_MULTIPLE = 64
"""Matrix products get a multiple of this many rows, because oneDNN compiles and keeps a kernel for each shape.

Smaller caches are no replacement (see `nmt.kernels.row_counts`), and without padding the sums are rounded differently.
"""


def output_cross_entropy(
    output: nn.Linear, readouts: list[Tensor], target: Tensor, smoothing: float, r_drop: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return loss and NLL of `target` (N,) in nats, and how many of its tokens are the most probable ones.

    All three are summed over tokens and averaged over the passes `readouts`, (N, R) each.

    With e = `smoothing`, p = softmax(W h + b) for a readout h, and the correct token y, the loss of a token is

        (1 - e) (-log p_y) + e (-1/V sum_v log p_v)

    the cross-entropy of p and the smoothed target q = (1 - e) onehot(y) + e / V (Szegedy 2016, section 7). Two passes
    with distributions p and p' add `r_drop` / 4 (KL(p || p') + KL(p' || p)), so that the sum is half the loss of R-Drop
    (Liang 2021, eq. 4). The NLL has no label smoothing. Only the loss has a gradient.
    """
    kind = target.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else output.weight.dtype
    with torch.autocast(kind, enabled=False):
        loss, nll, correct = _OutputCrossEntropy.apply(  # type: ignore[no-untyped-call]
            torch.stack(readouts, 1),
            output.weight,
            output.bias,
            target,
            smoothing,
            r_drop,
            dtype,
            torch.is_grad_enabled(),  # always False within `forward`
        )
    return loss, nll, correct


def token_log_probs(output: nn.Linear, readout: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return log p of each `target` (N,) and the mean of log p over the vocabulary, (N,) each, from `readout` (N, R).

    For losses that weight tokens differently. The logits are computed again for the gradient, chunk by chunk.
    """
    size = _rows_per_chunk(len(readout), len(output.weight))
    chunks: list[tuple[Tensor, Tensor]] = [
        checkpoint(_log_probs, output, x, y, use_reentrant=False)
        for x, y in zip(torch.split(readout, size), torch.split(target, size), strict=True)
    ]
    log_probs, means = (torch.cat(values) for values in zip(*chunks, strict=True))
    return log_probs, means


def _log_probs(output: nn.Linear, readout: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    logits = F.linear(readout, output.weight, output.bias)  # (n, V)
    log_probs = torch.log_softmax(logits, dim=-1, dtype=torch.promote_types(logits.dtype, torch.float32))
    return log_probs.gather(1, target.unsqueeze(1)).squeeze(1), log_probs.mean(1)


class _OutputCrossEntropy(torch.autograd.Function):
    """Loss and gradient of the output layer and the softmax, one chunk of tokens after the other.

    The gradient of the loss with respect to the logits z of a token,

        dL/dz = p - q = softmax(z) - (1 - e) onehot(y) - e / V,

    is known as soon as the logits are. So `forward` writes it over the logits, multiplies it into the gradients of the
    readout, the weight and the bias, and continues with the next chunk. `backward` only scales the three gradients.
    """

    @staticmethod
    def forward(
        ctx: Any,
        readout: Tensor,
        weight: Tensor,
        bias: Tensor,
        target: Tensor,
        smoothing: float,
        r_drop: float,
        dtype: torch.dtype,
        needs_gradient: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        vocabulary, passes = len(weight), readout.shape[1]
        x, w, b = readout.flatten(0, 1).to(dtype), weight.to(dtype), bias.to(dtype)  # x: (N P, R)
        expected = target.unsqueeze(1).expand(-1, passes).reshape(-1, 1)  # (N P, 1)
        sums = torch.zeros(4, device=x.device, dtype=torch.promote_types(dtype, torch.float32))
        x_gradients = []
        w_gradient = torch.zeros_like(weight) if needs_gradient else None
        b_gradient = torch.zeros_like(bias) if needs_gradient else None
        size = _rows_per_chunk(len(x), vocabulary)
        for begin in range(0, len(x), size):
            tokens = expected[begin : begin + size]
            count = len(tokens)
            chunk = F.pad(x[begin : begin + size], (0, 0, 0, -count % ROW_MULTIPLE))
            logits = torch.addmm(b, chunk, w.t())  # (n, V)
            sums += _loss_terms(logits[:count], tokens, smoothing, r_drop, b_gradient)
            if w_gradient is None:
                continue
            gradient = logits
            gradient[count:] = 0.0
            w_gradient += gradient.t() @ chunk
            x_gradients.append((gradient @ w)[:count])
        if w_gradient is not None and b_gradient is not None:
            x_gradient = torch.cat(x_gradients).to(readout.dtype).view_as(readout)
            ctx.save_for_backward(x_gradient / passes, w_gradient / passes, b_gradient / passes)
        nll, uniform, divergence, correct = (sums / passes).unbind()
        ctx.mark_non_differentiable(nll, correct)
        return (1 - smoothing) * nll + smoothing * uniform + divergence, nll, correct

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        outer = gradients[0]
        x_gradient, w_gradient, b_gradient = ctx.saved_tensors
        inner = x_gradient * outer.to(x_gradient.dtype), w_gradient * outer, b_gradient * outer
        return *inner, None, None, None, None, None


def _loss_terms(logits: Tensor, expected: Tensor, smoothing: float, r_drop: float, b_gradient: Tensor | None) -> Tensor:
    """Return the sums (4,) over tokens of -log p_y, -1/V sum_v log p_v, the R-Drop term, and 1 if p_y = max_v p_v.

    `expected` (n, 1) is y. If `b_gradient` (V,) is given, write the gradient of `logits` (n, V) over them and add it to
    `b_gradient`.
    """
    rows = _rows_per_slice(logits)
    vocabulary = logits.shape[1]
    sums = []
    for part, tokens in zip(torch.split(logits, rows), torch.split(expected, rows), strict=True):
        log_probs = torch.log_softmax(part, dim=-1, dtype=torch.promote_types(part.dtype, torch.float32))
        log_prob = log_probs.gather(1, tokens)
        nll, correct = -log_prob.sum(), (log_prob >= log_probs.amax(1, keepdim=True)).sum()
        uniform = -log_probs.sum() / vocabulary if smoothing else nll
        r_drop_gradient, divergence = _kl_divergence(log_probs, r_drop) if r_drop else (None, torch.zeros_like(nll))
        sums.append(torch.stack([nll, uniform, divergence, correct.to(nll.dtype)]))
        if b_gradient is None:
            continue
        gradient = log_probs.exp_()  # in place: p
        if smoothing:
            gradient.sub_(smoothing / vocabulary)
        gradient.scatter_add_(1, tokens, gradient.new_full((1, 1), smoothing - 1).expand_as(tokens))
        if r_drop_gradient is not None:
            gradient += r_drop_gradient
        b_gradient += gradient.sum(0)
        part.copy_(gradient)
    return torch.stack(sums).sum(0)


def _kl_divergence(log_probs: Tensor, weight: float) -> tuple[Tensor, Tensor]:
    """Return gradient and value of `weight` / 2 (KL(p || q) + KL(q || p)), summed over pairs of rows p, q of (2 n, V).

    The gradient, (2 n, V), is with respect to the logits z of p, and of q likewise:

        dKL(p || q)/dz_v = p_v (log p_v - log q_v - KL(p || q)),    dKL(q || p)/dz_v = p_v - q_v

    The mean over the two passes halves both later.
    """
    pairs = log_probs.view(-1, 2, log_probs.shape[1])  # (n, 2, V)
    probs = pairs.exp()
    log_ratio = pairs - pairs.flip(1)  # log p - log q, and log q - log p
    divergence = (probs * log_ratio).sum(-1, keepdim=True)  # (n, 2, 1)
    gradient = probs * (log_ratio - divergence) + probs - probs.flip(1)
    return gradient.mul_(weight / 2).flatten(0, 1), divergence.sum() * (weight / 2)


def _rows_per_chunk(tokens: int, vocabulary: int) -> int:
    """Return the number of rows of a chunk: about equal chunks, none with more than about `CHUNK_ELEMENTS` logits."""
    chunks = math.ceil(tokens * vocabulary / CHUNK_ELEMENTS) or 1
    return max(1, math.ceil(tokens / chunks / ROW_MULTIPLE)) * ROW_MULTIPLE


def _rows_per_slice(logits: Tensor) -> int:
    """Return the number of rows of a slice: even, so that both passes of a token are in the same one."""
    return max(1, SLICE_ELEMENTS // logits.shape[1] // 2) * 2 if logits.device.type == "cpu" else len(logits)
