"""Sampling."""

import numpy as np
import pytest
from toy_model import ToyModel, batch

from nmt.decoding.sampling import draw_token, sample
from nmt.decoding.search_options import SearchOptions


def logs(*probabilities):
    with np.errstate(divide="ignore"):
        return np.log(np.array([probabilities], np.float32))


def shares(log_probs, options, draws=20_000):
    uniform = np.random.default_rng(0).random(draws)
    tokens = draw_token(log_probs.repeat(draws, 0), uniform, options)
    return (np.bincount(tokens, minlength=log_probs.shape[1]) / draws).tolist()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0.1, 0.4, 0.2, 0.0, 0.3]),
        ({"top_k": 2}, [0, 4 / 7, 0, 0, 3 / 7]),
        ({"top_k": 1}, [0, 1, 0, 0, 0]),
        ({"top_p": 0.35}, [0, 1, 0, 0, 0]),
        ({"top_p": 0.6}, [0, 4 / 7, 0, 0, 3 / 7]),
        ({"top_p": 0.75}, [0, 4 / 9, 2 / 9, 0, 3 / 9]),
        ({"temperature": 0.5}, [1 / 30, 16 / 30, 4 / 30, 0, 9 / 30]),
        ({"temperature": 1e-4}, [0, 1, 0, 0, 0]),
        ({"temperature": 1e-39}, [0, 1, 0, 0, 0]),
        ({"temperature": 5e-324, "top_p": 0.9}, [0, 1, 0, 0, 0]),
        ({"temperature": 1e-300, "top_k": 3}, [0, 1, 0, 0, 0]),
        ({"temperature": 1e300}, [0.25, 0.25, 0.25, 0, 0.25]),
    ],
)
def test_draws_follow_the_distribution(options, expected):
    log_probs = logs(0.1, 0.4, 0.2, 0.0, 0.3)
    assert shares(log_probs, SearchOptions(**options)) == pytest.approx(expected, abs=0.015)


def test_the_ends_of_the_unit_interval_draw_tokens_with_a_probability():
    log_probs = logs(0.0, 0.5, 0.5, 0.0).repeat(2, 0)
    ends = np.array([0.0, 1.0 - 2**-53])
    for options in ({}, {"top_k": 4}, {"top_p": 0.9}):
        assert draw_token(log_probs, ends, SearchOptions(**options)).tolist() == [1, 2]


def test_draws_depend_on_seed_and_random_key():
    model = ToyModel(30)
    options = SearchOptions(method="sample", n_best=4)
    sentences = batch([[4, 5, 6]] * 3, [12] * 3, random_keys=[(7,), (8,), (7,)])
    first, second, again = [[h.tokens for h in found] for found in sample(model, sentences, options)]
    assert first == again != second
    assert len(set(first)) > 1
    assert [h.tokens for h in sample(model, sentences, options.changed(n_best=1))[0]] == first[:1]
    assert [h.tokens for h in sample(model, sentences, options.changed(seed=2))[0]] != first
