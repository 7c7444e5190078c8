"""What a training step minimises on a batch.

Axes: B sentences, S source tokens, T target tokens, N real target tokens of the batch.
"""

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
    """What training minimises: over real target tokens, in nats, or risk over sentences; a scalar with gradient."""
    nll: Tensor
    """Negative log-likelihood of the real target tokens in nats, without smoothing or gradient."""


def likelihood_loss(model: Seq2Seq, batch: DeviceBatch, settings: Training, step: int) -> Loss:
    """Return the label-smoothed cross-entropy of the batch, with what else `settings` adds to it at this `step`.

    R-Drop reads the batch twice with other dropout; coverage adds its loss (See 2017, eq. 12 and 13).
    """
    passes = 2 if settings.r_drop else 1
    unrolled = [model(batch.source, batch.lengths, batch.previous) for _ in range(passes)]
    loss = cross_entropy(model, unrolled, batch, settings.label_smoothing, settings.r_drop)
    if settings.coverage_loss and model.has_coverage and step > settings.coverage_after * settings.max_steps:
        repeated = torch.stack([coverage_loss(each.alignment, batch) for each in unrolled]).mean()
        loss = Loss(loss.minimised + settings.coverage_loss * repeated, loss.nll)
    return loss


def cross_entropy(
    model: Seq2Seq, unrolled: list[Unrolled], batch: DeviceBatch, smoothing: float = 0.0, divergence: float = 0.0
) -> Loss:
    """Return the cross-entropy of the target under one pass, or the mean of two and what they are apart."""
    readouts = [each.readout.flatten(0, 1)[batch.real] for each in unrolled]
    target = batch.target.flatten()[batch.real]
    if model.copy_gate is None:
        return Loss(*output_cross_entropy(model.output, readouts, target, smoothing, divergence))
    log_prob, mean = target_log_probs(model, unrolled[0], batch)
    nll = -log_prob.sum()
    return Loss((1 - smoothing) * nll - smoothing * mean.sum(), nll.detach())


def target_log_probs(model: Seq2Seq, unrolled: Unrolled, batch: DeviceBatch) -> tuple[Tensor, Tensor]:
    """Return log p of each real target token, copied ones included, and the mean of log p over the vocabulary.

    (N,) each; the mean, for label smoothing, is of what is generated, not copied.
    """
    readout = unrolled.readout.flatten(0, 1)[batch.real]
    target = batch.target.flatten()[batch.real]
    if model.copy_gate is None:
        return token_log_probs(model.output, readout, target)
    is_entry = target < model.vocabulary
    log_prob, mean = token_log_probs(model.output, readout, target.where(is_entry, UNK))
    log_prob = log_prob.masked_fill(~is_entry, -torch.inf)  # it can only be copied
    alignment = unrolled.alignment.flatten(0, 1)[batch.real]
    source = batch.source[batch.real // batch.target.shape[1]]  # (N, S)
    return model.copy_gate.log_prob(log_prob, readout, alignment, source, target), mean


def coverage_loss(alignment: Tensor, batch: DeviceBatch) -> Tensor:
    """Return the sum over real target tokens of sum_s min(a_t,s, c_t,s): attention to what has had attention.

    `alignment` (B, T, S); c_t is the sum of the alignments before t.
    """
    covered = alignment.cumsum(1) - alignment
    return torch.minimum(alignment, covered).sum(-1).flatten()[batch.real].sum()
