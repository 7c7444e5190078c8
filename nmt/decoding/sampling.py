"""Sampling: draw each token from the distribution of the model, with temperature, top-k and nucleus (top-p) sampling.

Axes: B sentences, N hypotheses, T target tokens, V vocabulary (or candidates).
"""

import numpy as np

from nmt.decoding.greedy import greedy_search
from nmt.decoding.hypothesis import Hypothesis, SearchBatch
from nmt.decoding.search_options import SearchOptions
from nmt.decoding.top_k import top_k
from nmt.engine import Doubles, Engine, Floats, Ints, MemoryT, StateT
from nmt.randomness import generator

MIN_TEMPERATURE, MAX_TEMPERATURE = 1e-30, 1e30
"""Temperatures outside this range give the same draws, the maximum or a uniform distribution, but would overflow."""


def sample(engine: Engine[MemoryT, StateT], batch: SearchBatch, options: SearchOptions) -> list[list[Hypothesis]]:
    """Return `n_best` independent draws of each sentence, in the order of drawing.

    They depend on the seed, the random key of the sentence and the number of the draw, not on the batch.
    """
    size = max(options.min_length, *batch.max_lengths, *map(len, batch.prefixes)) + 1
    keys = batch.random_keys or [(row,) for row in range(len(batch.source))]
    uniform = np.stack(
        [generator(options.seed, "sample", *key, draw).random(size) for key in keys for draw in range(options.n_best)]
    )  # (N, T) in [0, 1)

    def choose(ranks: Floats, step: int, rows: Ints) -> Ints:
        return draw_token(ranks, uniform[rows, step], options)

    return greedy_search(engine, batch, options, options.n_best, choose, options.top_k or None)


def draw_token(log_probs: Floats, uniform: Doubles, options: SearchOptions) -> Ints:
    """Return the column (N,) of `log_probs` (N, V) at the point `uniform` (N,) in [0, 1) of the cumulated distribution.

    The distribution is sharpened by the temperature, reduced to the top k tokens, then to the nucleus, and normalised.
    """
    temperature = np.float32(min(max(options.temperature, MIN_TEMPERATURE), MAX_TEMPERATURE))
    with np.errstate(over="ignore"):
        scores = log_probs / temperature
    columns: Ints | None = None
    if options.top_k:
        columns = top_k(scores, options.top_k)
    elif options.top_p < 1:
        columns = np.argsort(-scores, axis=1, kind="stable")
    if columns is not None:
        scores = np.take_along_axis(scores, columns, 1)
    probs = _softmax(scores.astype(np.float64))
    cumulative = probs.cumsum(-1)
    if options.top_p < 1:
        outside = cumulative - probs >= options.top_p
        cumulative = np.maximum.accumulate(np.where(outside, 0.0, cumulative), -1)
    total = cumulative[:, -1:]
    index = ((cumulative <= uniform[:, None] * total) & (cumulative < total)).sum(1)  # (N,)
    chosen: Ints = index if columns is None else columns[np.arange(len(columns)), index]
    return chosen


def _softmax(scores: Doubles) -> Doubles:
    exponential = np.exp(scores - scores.max(-1, keepdims=True))
    probabilities: Doubles = exponential / exponential.sum(-1, keepdims=True)
    return probabilities
