"""Scheduled sampling (Bengio 2015): feed the decoder its own samples in place of some true previous tokens.

Axes: B sentences, N rows, T target tokens, V vocabulary.
"""

import math

import torch
from torch import Tensor

from nmt.config import Training
from nmt.data.token_ids import BOS, PAD
from nmt.models.seq2seq import Seq2Seq
from nmt.models.torch_engine import log_probs_of
from nmt.training.microbatches import DeviceBatch


def teacher_probability(step: int, settings: Training) -> float:
    """Return e_i, the probability of feeding the true previous token at step i (section 2.4).

    With k = `teacher_decay`, and `teacher_floor` as the lowest value:

    - `linear`: e_i = 1 - i / k
    - `exponential`: e_i = k^i
    - `inverse_sigmoid`: e_i = k / (k + exp(i / k))
    - `always` (teacher forcing): e_i = 1
    """
    k, kind = settings.teacher_decay, settings.teacher_forcing
    if kind == "always" or k is None:
        return 1.0
    if kind == "linear":
        probability = 1.0 - step / k
    elif kind == "exponential":
        probability = k**step
    else:
        probability = k / (k + math.exp(min(step / k, 700.0)))  # exp(710) is too large for a float
    return max(settings.teacher_floor, probability)


@torch.no_grad()
def sampled_previous(searched: Seq2Seq, batch: DeviceBatch, probability: float, seed: int) -> Tensor:
    """Return `batch.previous` (B, T) with each token after BOS kept with this `probability`, else drawn from the model.

    y_t ~ p(y | y'_{<t}, x), where y' are the tokens fed so far, true or drawn (section 2.3). There is no gradient
    through the draws. `searched` is the model, prepared for search (no dropout).
    """
    previous = batch.previous
    generator = torch.Generator().manual_seed(seed)
    is_kept = (torch.rand(previous.shape, generator=generator) < probability).to(previous.device) | (previous == PAD)
    uniform = torch.rand(previous.shape, generator=generator).to(previous.device)
    banned = torch.tensor([PAD, BOS], device=previous.device)
    memory = searched.encode(batch.source, batch.lengths)
    state = searched.start(memory, 1)
    fed = [previous[:, 0]]
    for t in range(1, previous.shape[1]):
        state, output = searched.step(fed[-1], state, memory)
        log_probs = log_probs_of(output.logits).index_fill_(1, banned, -torch.inf)  # (B, V)
        drawn = _draw(log_probs, uniform[:, t])
        fed.append(torch.where(is_kept[:, t], previous[:, t], drawn))
    return torch.stack(fed, 1)


def _draw(log_probs: Tensor, uniform: Tensor) -> Tensor:
    """Return the token (N,) at the point `uniform` (N,) in [0, 1) of the cumulated distribution of `log_probs` (N, V).

    This is `nmt.decoding.sampling.draw_token` on the device.
    """
    cumulative = log_probs.double().softmax(-1).cumsum(-1)
    total = cumulative[:, -1:]
    return ((cumulative <= uniform.unsqueeze(1) * total) & (cumulative < total)).sum(1)
