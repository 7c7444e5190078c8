"""Forced decoding: log p(target | source) of given translations, with the same steps as search.

Axes: B pairs, S source tokens, T target tokens with EOS, V vocabulary.
"""

import itertools
import math

import torch
from torch import Tensor

from nmt.data.token_ids import BOS
from nmt.decoding.hypothesis import NanProbabilities
from nmt.decoding.model_protocol import MemoryT, Model, StateT
from nmt.decoding.token_constraints import log_probs_of


@torch.no_grad()
def score_targets(
    model: Model[MemoryT, StateT], source: Tensor, lengths: Tensor, target: Tensor, target_lengths: Tensor
) -> list[tuple[float, ...]]:
    """Return the natural log of the probability of each real target token, EOS included, of each of B pairs.

    `source` (B, S) and `target` (B, T) are ids with EOS, padded; `lengths` and `target_lengths` (B,) are the numbers of
    real tokens. Raise `NmtError` if the model returns NaN.
    """
    memory = model.encode(source, lengths)
    state = model.start(memory, 1)
    token = torch.full_like(target[:, 0], BOS)
    values = []
    for step in range(target.shape[1]):
        state, output = model.step(token, state, memory)
        token = target[:, step]
        log_probs = log_probs_of(output.logits)  # (B, V)
        values.append(log_probs.gather(1, token.unsqueeze(1)).squeeze(1))
    table = torch.stack(values, 1).double().tolist()  # (B, T)
    scores = [tuple(row[:length]) for row, length in zip(table, target_lengths.tolist(), strict=True)]
    if any(map(math.isnan, itertools.chain.from_iterable(scores))):
        raise NanProbabilities
    return scores
