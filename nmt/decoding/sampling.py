"""Random translations: each token is drawn from the model's distribution.

Axes: B sentences, N hypotheses, T target tokens, V vocabulary.
"""

import numpy as np
import torch
from torch import Tensor

from nmt.decoding.greedy import extend_hypotheses
from nmt.decoding.hypothesis import Hypothesis, Sentences
from nmt.decoding.model_protocol import AMemory, AState, Model
from nmt.decoding.search_options import Options
from nmt.kernels.top_k import top_k
from nmt.randomness import generator

COLDEST, HOTTEST = 1e-30, 1e30
"""Temperatures beyond these draw no differently, but make quotients that are not numbers: at the one only the maximum
comes, at the other everything alike."""


@torch.no_grad()
def sample(model: Model[AMemory, AState], sentences: Sentences, options: Options) -> list[list[Hypothesis]]:
    """Return `n_best` independent draws of each sentence, in the order of drawing.

    They depend on the seed, the sentence's address and the number of the draw, not on the batch.
    """
    size = max(options.min_length, *sentences.max_lengths, *map(len, sentences.prefixes)) + 1
    addresses = sentences.addresses or [(row,) for row in range(len(sentences.source))]
    draws = np.stack(
        [
            generator(options.seed, "sample", *address, draw).random(size)
            for address in addresses
            for draw in range(options.n_best)
        ]
    )
    uniform = torch.from_numpy(draws).to(sentences.source.device)  # (N, T) in [0, 1)

    def choose(ranks: Tensor, step: int, rows: Tensor) -> Tensor:
        return draw_token(ranks, uniform[rows, step], options)

    return extend_hypotheses(model, sentences, options, options.n_best, choose)


def draw_token(log_probs: Tensor, uniform: Tensor, options: Options) -> Tensor:
    """Return the token (N,) at the point `uniform` (N,) in [0, 1) of the cumulated distribution.

    `log_probs` (N, V) is sharpened by the temperature, cut to the top k, then to the nucleus, and renormalised.
    """
    scores = log_probs / min(max(options.temperature, COLDEST), HOTTEST)
    ids: Tensor | None = None
    if options.top_k:
        scores, ids = top_k(scores, options.top_k)
    elif options.top_p < 1:
        scores, ids = scores.sort(dim=1, descending=True, stable=True)
    probs = scores.double().softmax(-1)
    upto = probs.cumsum(-1)
    if options.top_p < 1:
        upto = upto.masked_fill(upto - probs >= options.top_p, 0.0).cummax(-1)[0]
    whole = upto[:, -1:]
    index = ((upto <= uniform.unsqueeze(1) * whole) & (upto < whole)).sum(1)
    return index if ids is None else ids.gather(1, index.unsqueeze(1)).squeeze(1)
