"""The one door to the three searches."""

from nmt.decoding.beam import beam_search
from nmt.decoding.greedy import greedy_search
from nmt.decoding.hypothesis import Hypothesis, Sentences
from nmt.decoding.model_protocol import AMemory, AState, Model
from nmt.decoding.sampling import sample
from nmt.decoding.search_options import Options


def search(model: Model[AMemory, AState], sentences: Sentences, options: Options) -> list[list[Hypothesis]]:
    """Return `options.n_best` hypotheses of each sentence."""
    if options.method == "sample":
        return sample(model, sentences, options)
    if options.method == "greedy" or options.beam_size == 1:
        return greedy_search(model, sentences, options)
    return beam_search(model, sentences, options)
