"""Sampling: draw each token from the distribution of the model, with temperature, top-k and nucleus (top-p) sampling.

Axes: B sentences, N hypotheses, T target tokens, V vocabulary.
"""

import numpy as np
import torch
from torch import Tensor

from nmt.decoding.greedy import greedy_search
from nmt.decoding.hypothesis import Hypothesis, SearchBatch
from nmt.decoding.model_protocol import MemoryT, Model, StateT
from nmt.decoding.search_options import SearchOptions
from nmt.kernels.top_k import top_k
from nmt.randomness import generator

MIN_TEMPERATURE, MAX_TEMPERATURE = 1e-30, 1e30
"""Temperatures outside this range give the same draws, the maximum or a uniform distribution, but would overflow."""


@torch.no_grad()
def sample(model: Model[MemoryT, StateT], batch: SearchBatch, options: SearchOptions) -> list[list[Hypothesis]]:
    """Return `n_best` independent draws of each sentence, in the order of drawing.

    They depend on the seed, the random key of the sentence and the number of the draw, not on the batch.
    """
    size = max(options.min_length, *batch.max_lengths, *map(len, batch.prefixes)) + 1
    keys = batch.random_keys or [(row,) for row in range(len(batch.source))]
    draws = np.stack(
        [generator(options.seed, "sample", *key, draw).random(size) for key in keys for draw in range(options.n_best)]
    )
    uniform = torch.from_numpy(draws).to(batch.source.device)  # (N, T) in [0, 1)

    def choose(ranks: Tensor, step: int, rows: Tensor) -> tuple[Tensor, Tensor]:
        column = draw_token(ranks, uniform[rows, step], options).unsqueeze(1)
        return ranks.gather(1, column), column

    return greedy_search(model, batch, options, options.n_best, choose)


def draw_token(log_probs: Tensor, uniform: Tensor, options: SearchOptions) -> Tensor:
    """Return the column (N,) of `log_probs` (N, V) at the point `uniform` (N,) in [0, 1) of the cumulated distribution.

    The distribution is sharpened by the temperature, reduced to the top k tokens, then to the nucleus, and normalised.
    """
    scores = log_probs / min(max(options.temperature, MIN_TEMPERATURE), MAX_TEMPERATURE)
    columns: Tensor | None = None
    if options.top_k:
        scores, columns = top_k(scores, options.top_k)
    elif options.top_p < 1:
        scores, columns = scores.sort(dim=1, descending=True, stable=True)
    probs = scores.double().softmax(-1)
    cumulative = probs.cumsum(-1)
    if options.top_p < 1:
        cumulative = cumulative.masked_fill(cumulative - probs >= options.top_p, 0.0).cummax(-1)[0]
    total = cumulative[:, -1:]
    index = ((cumulative <= uniform.unsqueeze(1) * total) & (cumulative < total)).sum(1)
    return index if columns is None else columns.gather(1, index.unsqueeze(1)).squeeze(1)
