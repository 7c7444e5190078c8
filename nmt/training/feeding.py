"""Scheduled sampling (Bengio 2015): training on what the network itself would have written.

Axes: B sentences, T target tokens.
"""

import math

import torch
from torch import Tensor

from nmt.config import Training
from nmt.data.subword import BOS, PAD
from nmt.decoding.hypothesis import Options
from nmt.decoding.sampling import draw_token
from nmt.models.seq2seq import Seq2Seq
from nmt.training.batch import DeviceBatch


def teacher_share(step: int, settings: Training) -> float:
    """Return the probability of feeding the true previous token at `step` (section 2.4).

    k is `teacher_decay`: `linear` falls to its floor over k steps, `exponential` is k^step, `inverse_sigmoid`
    k / (k + exp(step / k)).
    """
    k, kind = settings.teacher_decay, settings.teacher_forcing
    if kind == "always":
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

    Each draw follows what was fed before it, as in the paper; no gradient goes through them, there or here. The model
    draws without dropout.
    """
    previous = batch.previous
    generator = torch.Generator().manual_seed(seed)
    is_kept = (torch.rand(previous.shape, generator=generator) < share).to(previous.device) | (previous == PAD)
    uniform = torch.rand(previous.shape, generator=generator).to(previous.device)
    was_training = model.training
    model.eval()
    memory = model.encode(batch.source, batch.lengths)
    state = model.start(memory, 1)
    fed = [previous[:, 0]]
    for t in range(1, previous.shape[1]):
        state, output = model.step(fed[-1], state, memory)
        output.logits[:, [PAD, BOS]] = -torch.inf
        drawn = draw_token(output.logits.log_softmax(-1), uniform[:, t], Options(method="sample"))
        fed.append(torch.where(is_kept[:, t], previous[:, t], drawn))
    model.train(was_training)
    return torch.stack(fed, 1)
