"""Scoring given translations: log p(target | source) with the same steps as search.

Axes: B pairs, S source tokens, T target tokens with EOS, V vocabulary.
"""

import itertools
import math

import torch
from torch import Tensor

from nmt.data.token_ids import BOS
from nmt.decoding.hypothesis import not_numbers
from nmt.decoding.model_protocol import AMemory, AState, Model
from nmt.decoding.token_constraints import log_probs_of


@torch.no_grad()
def score_targets(
    model: Model[AMemory, AState], source: Tensor, lengths: Tensor, target: Tensor, target_lengths: Tensor
) -> list[tuple[float, ...]]:
    """Return the natural log-probability of each real target token, EOS included, of each of B pairs.

    `source` (B, S) and `target` (B, T) are ids with EOS, padded; `lengths` and `target_lengths` (B,) count real tokens.
    Raises `NmtError` where the model gives NaN.
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
    real = [tuple(row[:length]) for row, length in zip(table, target_lengths.tolist(), strict=True)]
    if any(map(math.isnan, itertools.chain.from_iterable(real))):
        raise not_numbers()
    return real
