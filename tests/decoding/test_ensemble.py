"""Ensembles."""

import numpy as np
import pytest
from toy_model import ToyModel, batch, random_batch, search

from nmt.decoding.ensemble import Ensemble
from nmt.decoding.forced_decoding import score_targets
from nmt.decoding.search_options import SearchOptions


@pytest.mark.parametrize("method", ["beam", "greedy"])
def test_an_ensemble_of_a_model_with_itself_equals_the_model(method):
    model = ToyModel(30)
    sources, limits = random_batch(1, 12)
    options = SearchOptions(method=method, beam_size=4, with_alignment=True)
    alone = search(model, batch(sources, limits), options)
    for one, other in zip(alone, search(Ensemble([model, model]), batch(sources, limits), options), strict=True):
        assert one[0].tokens == other[0].tokens
        assert one[0].token_log_probs == pytest.approx(other[0].token_log_probs, abs=1e-5)
        assert one[0].alignment == pytest.approx(other[0].alignment, abs=1e-6)


def test_an_ensemble_averages_probabilities():
    models = [ToyModel(20, seed) for seed in range(3)]
    pair = batch([[4, 5, 6]], [0]), batch([[7, 8, 9, 10]], [0])
    arguments = (pair[0].source, pair[0].lengths, pair[1].source, pair[1].lengths)
    each = np.array([score_targets(model, *arguments)[0] for model in models])
    assert score_targets(Ensemble(models), *arguments)[0] == pytest.approx(np.log(np.exp(each).mean(0)), abs=1e-5)
