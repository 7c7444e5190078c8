"""Scheduled sampling (Bengio 2015): training on what the network itself would have written.

Axes: B sentences, T target tokens.
"""

import math

import torch
from torch import Tensor

from nmt.config import Training
from nmt.data.token_ids import BOS, PAD
from nmt.decoding.sampling import draw_token
from nmt.decoding.search_options import Options
from nmt.decoding.token_constraints import log_probs_of
from nmt.models.seq2seq import Seq2Seq
from nmt.training.microbatches import DeviceBatch


def teacher_probability(step: int, settings: Training) -> float:
    """Return the probability of feeding the true previous token at `step` (section 2.4).

    k is `teacher_decay`: `linear` is 1 - step / k, `exponential` k^step, `inverse_sigmoid` k / (k + exp(step / k)), and
    none falls below its floor.
    """
    k, kind = settings.teacher_decay, settings.teacher_forcing
    if kind == "always" or k is None:
        return 1.0
    if kind == "linear":
        share = 1.0 - step / k
    elif kind == "exponential":
        share = k**step
    else:
        share = k / (k + math.exp(min(step / k, 700.0)))
    return max(settings.teacher_floor, share)


@torch.no_grad()
def sampled_previous(model: Seq2Seq, batch: DeviceBatch, share: float, seed: int) -> Tensor:
    """Return `batch.previous` (B, T), each token after BOS kept with probability `share`, else drawn from the model.

    Each draw follows what was fed before it, as in the paper; no gradient goes through them, there or here. `model`
    is ready for search, so without dropout.
    """
    previous = batch.previous
    generator = torch.Generator().manual_seed(seed)
    is_kept = (torch.rand(previous.shape, generator=generator) < share).to(previous.device) | (previous == PAD)
    uniform = torch.rand(previous.shape, generator=generator).to(previous.device)
    banned = torch.tensor([PAD, BOS], device=previous.device)
    memory = model.encode(batch.source, batch.lengths)
    state = model.start(memory, 1)
    fed = [previous[:, 0]]
    for t in range(1, previous.shape[1]):
        state, output = model.step(fed[-1], state, memory)
        log_probs = log_probs_of(output.logits).index_fill_(1, banned, -torch.inf)
        drawn = draw_token(log_probs, uniform[:, t], Options(method="sample"))
        fed.append(torch.where(is_kept[:, t], previous[:, t], drawn))
    return torch.stack(fed, 1)
