"""Choose and combine the training losses of a batch: cross-entropy, R-Drop and the coverage loss.

Axes: B sentences, S source tokens, T target tokens, N real target tokens (no padding).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nmt.config import Training
from nmt.data.token_ids import UNK
from nmt.models.seq2seq import Seq2Seq, Unrolled
from nmt.training.cross_entropy import output_cross_entropy, token_log_probs
from nmt.training.microbatches import DeviceBatch


@dataclass(frozen=True)
class Loss:
    """Sums over a batch."""

    minimised: Tensor
    """What training minimises, a scalar with gradient: nats summed over real target tokens, or risk over sentences."""
    nll: Tensor
    """Negative log-likelihood of the real target tokens in nats, without label smoothing or gradient."""
    correct: Tensor | float = math.nan
    """Real target tokens that are the most probable ones; NaN with a copy gate and for minimum-risk training."""


def likelihood_loss(model: Seq2Seq, batch: DeviceBatch, settings: Training, step: int) -> Loss:
    """Return the label-smoothed cross-entropy of `batch`, with R-Drop or the coverage loss if `settings` asks for it.

    R-Drop (Liang 2021) runs the network twice with different dropout. The coverage loss (See 2017, eq. 13) is added
    once `step` has passed `coverage_after`.
    """
    unrolled = []
    for _ in range(2 if settings.r_drop else 1):
        unrolled.append(model(batch.source, batch.lengths, batch.previous))
    loss = cross_entropy(model, unrolled, batch, settings.label_smoothing, settings.r_drop)
    if settings.coverage_loss and model.has_coverage and step > settings.coverage_after * settings.max_steps:
        coverage = torch.stack([coverage_loss(one.alignment, batch) for one in unrolled]).mean()
        loss = Loss(loss.minimised + settings.coverage_loss * coverage, loss.nll, loss.correct)
    return loss


def cross_entropy(
    model: Seq2Seq, unrolled: list[Unrolled], batch: DeviceBatch, smoothing: float = 0.0, r_drop: float = 0.0
) -> Loss:
    """Return the cross-entropy of the target tokens, given one forward pass or, for R-Drop, the two of it."""
    readouts = [one.readout.flatten(0, 1)[batch.real] for one in unrolled]  # (N, R) each
    target = batch.target.flatten()[batch.real]  # (N,)
    if model.copy_gate is None:
        return Loss(*output_cross_entropy(model.output, readouts, target, smoothing, r_drop))
    log_prob, mean = target_log_probs(model, unrolled[0], batch)
    nll = -log_prob.sum()
    return Loss((1 - smoothing) * nll - smoothing * mean.sum(), nll.detach())


def target_log_probs(model: Seq2Seq, unrolled: Unrolled, batch: DeviceBatch) -> tuple[Tensor, Tensor]:
    """Return log p of each real target token and the mean of log p over the vocabulary, (N,) each.

    Target tokens may be copied. The mean, which label smoothing needs, is over generated tokens only.
    """
    readout = unrolled.readout.flatten(0, 1)[batch.real]  # (N, R)
    target = batch.target.flatten()[batch.real]  # (N,)
    if model.copy_gate is None:
        return token_log_probs(model.output, readout, target)
    is_entry = target < model.vocabulary
    log_prob, mean = token_log_probs(model.output, readout, target.where(is_entry, UNK))
    log_prob = log_prob.masked_fill(~is_entry, -torch.inf)  # a word outside the vocabulary can only be copied
    alignment = unrolled.alignment.flatten(0, 1)[batch.real]  # (N, S)
    source = batch.source[batch.real // batch.target.shape[1]]  # (N, S)
    return model.copy_gate.log_prob(log_prob, readout, alignment, source, target), mean


def coverage_loss(alignment: Tensor, batch: DeviceBatch) -> Tensor:
    """Return the coverage loss sum_t sum_s min(a_ts, c_ts) over the real target tokens (See 2017, eq. 12).

    `alignment` is a, (B, T, S); the coverage c_t = sum_{u < t} a_u is the attention that each source token had before.
    """
    coverage = alignment.cumsum(1) - alignment  # (B, T, S)
    return torch.minimum(alignment, coverage).sum(-1).flatten()[batch.real].sum()
