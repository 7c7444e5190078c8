"""Forced decoding: log p(target | source) of given translations, with the same steps as search.

Axes: B pairs, S source tokens, T target tokens with EOS, V vocabulary.
"""

import numpy as np

from nmt.data.token_ids import BOS
from nmt.decoding.hypothesis import NanProbabilities
from nmt.engine import ALL_TOKENS, Engine, Ints, MemoryT, StateT


def score_targets(
    engine: Engine[MemoryT, StateT], source: Ints, lengths: Ints, target: Ints, target_lengths: Ints
) -> list[tuple[float, ...]]:
    """Return the natural log of the probability of each real target token, EOS included, of each of B pairs.

    `source` (B, S) and `target` (B, T) are ids with EOS, padded; `lengths` and `target_lengths` (B,) are the numbers of
    real tokens. Raise `NmtError` if the model returns NaN.
    """
    memory = engine.encode(source, lengths)
    state = engine.start(memory, 1)
    token = np.full_like(target[:, 0], BOS)
    rows = np.arange(len(target))
    table = np.empty(target.shape)  # (B, T)
    for step in range(target.shape[1]):
        state, prediction = engine.step(token, state, memory, ALL_TOKENS)
        token = target[:, step]
        table[:, step] = prediction.log_probs[rows, token]
    if np.isnan(table[np.arange(target.shape[1]) < target_lengths[:, None]]).any():
        raise NanProbabilities
    return [tuple(row[:length].tolist()) for row, length in zip(table, target_lengths, strict=True)]
