"""`no_repeat_ngram` and `repetition_penalty`, compared with a search in plain Python."""

import dataclasses

import numpy as np
import pytest
from toy_model import ToyModel, all_targets, batch, log_softmax, random_batch, search

from nmt.data.token_ids import BOS, EOS, PAD
from nmt.decoding.beam import beam_search
from nmt.decoding.ensemble import Ensemble
from nmt.decoding.forced_decoding import score_targets
from nmt.decoding.greedy import greedy_search
from nmt.decoding.penalties import length_divisor
from nmt.decoding.search_options import SearchOptions
from nmt.decoding.token_constraints import Constraints
from nmt.engine import Prediction

SIZES_AND_PENALTIES = [(0, 1.5), (1, 1.0), (2, 1.0), (2, 1.5), (3, 1.2)]
both = pytest.mark.parametrize(("size", "penalty"), SIZES_AND_PENALTIES)


def ngrams(tokens, size):
    return [tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1)]


def log_probs(model, source, target):
    """Return the log-probabilities of the next token after BOS and after each token of `target`, (T + 1, V)."""
    memory = model.encode(np.array([[*source, EOS]]), np.array([len(source) + 1]))
    state, rows = model.start(memory, 1), []
    for token in [BOS, *target]:
        state, prediction = model.step(np.array([token]), state, memory)
        rows.append(prediction.log_probs[0])
    return np.stack(rows)


def reference(model, source, target, size, penalty):
    """Return the score and the log-probability of a target; None if it repeats an n-gram."""
    if size and len(set(ngrams(target, size))) < len(ngrams(target, size)):
        return None
    table, rank, total = log_probs(model, source, target), 0.0, 0.0
    for step, token in enumerate([*target, EOS]):
        value = float(table[step, token])
        total += value
        rank += value * (penalty if token in target[:step] else 1)
    return rank / (len(target) + 1), total


@both
def test_an_unlimited_beam_is_exhaustive_search(size, penalty):
    model, every = ToyModel(7, 1, sharpness=1.0), all_targets(7, 4)
    sources, limits = [[4, 5], [6]], [4, 3]
    options = SearchOptions(
        beam_size=len(every),
        n_best=len(every),
        no_repeat_ngram=size,
        repetition_penalty=penalty,
        length_penalty="average",
    )
    for source, limit, found in zip(sources, limits, beam_search(model, batch(sources, limits), options), strict=True):
        scored = {tuple(t): reference(model, source, t, size, penalty) for t in every if len(t) <= limit}
        expected = sorted(((*value, t) for t, value in scored.items() if value is not None), reverse=True)
        assert [h.tokens for h in found] == [tokens for _, _, tokens in expected]
        for hypothesis, (score, total, _) in zip(found, expected, strict=True):
            assert hypothesis.score == pytest.approx(score, abs=1e-5)
            assert hypothesis.log_prob == pytest.approx(total, abs=1e-5)


@both
def test_greedy_search_takes_the_best_allowed_token(size, penalty):
    model = ToyModel(14, 3, end=-2.0)
    sources, limits = random_batch(1, 20, limit=12, vocabulary=14)
    options = SearchOptions(method="greedy", no_repeat_ngram=size, repetition_penalty=penalty)
    found = greedy_search(model, batch(sources, limits), options)
    for source, limit, [hypothesis] in zip(sources, limits, found, strict=True):
        tokens: list[int] = []
        while len(tokens) < limit:
            ranks = log_probs(model, source, tokens)[-1]
            for token in set(tokens):
                ranks[token] *= penalty
            for token in range(14):
                longer = ngrams([*tokens, token], size) if size else []
                if token in (PAD, BOS) or (token != EOS and longer and longer[-1] in longer[:-1]):
                    ranks[token] = -np.inf
            best = int(ranks.argmax())
            if best == EOS:
                break
            tokens.append(best)
        assert list(hypothesis.tokens) == tokens


@both
@pytest.mark.parametrize("prune", [0.0, 2.0])
def test_reported_log_probabilities_are_those_of_the_model(size, penalty, prune):
    model = ToyModel(16, 4, end=-1.0)
    sources, limits = random_batch(2, 20, limit=12, vocabulary=16)
    base = SearchOptions(beam_size=4, n_best=4, no_repeat_ngram=size, repetition_penalty=penalty, beam_prune=prune)
    for options in (
        base,
        base.changed(method="sample"),
        base.changed(method="greedy", n_best=1),
    ):
        for source, found in zip(sources, search(model, batch(sources, limits), options), strict=True):
            for hypothesis in found:
                pair = batch([source], [0]), batch([list(hypothesis.tokens)], [0])
                [score] = score_targets(model, pair[0].source, pair[0].lengths, pair[1].source, pair[1].lengths)
                assert hypothesis.token_log_probs == pytest.approx(score, abs=1e-6)
                assert hypothesis.log_prob == pytest.approx(sum(score), abs=1e-5)
                expected = reference(model, source, list(hypothesis.tokens), size, penalty)
                assert expected is not None, "an n-gram is repeated"
                assert hypothesis.score == pytest.approx(expected[0], abs=1e-5)


@both
@pytest.mark.parametrize("rounded", [False, True])
def test_greedy_search_equals_a_beam_of_one_and_sampling_from_one_token(size, penalty, rounded):
    model = ToyModel(20, rounded=rounded, end=-1.0)
    sources, limits = random_batch(3, 20, limit=12, vocabulary=20)
    options = SearchOptions(beam_size=1, no_repeat_ngram=size, repetition_penalty=penalty)
    drawn = options.changed(method="sample", top_k=1)
    pairs = batch(sources, limits)
    for one, other, third in zip(
        greedy_search(model, pairs, options),
        beam_search(model, pairs, options),
        search(model, pairs, drawn),
        strict=True,
    ):
        assert one == other == third


def test_both_options_change_translations():
    model = ToyModel(20, end=-1.0)
    sources, limits = random_batch(3, 20, limit=12, vocabulary=20)
    found = [
        [
            h[0].tokens
            for h in beam_search(model, batch(sources, limits), SearchOptions(no_repeat_ngram=n, repetition_penalty=p))
        ]
        for n, p in [(0, 1.0), (1, 1.0), (0, 1.5)]
    ]
    assert found[0] != found[1] != found[2] != found[0]


@pytest.mark.parametrize("method", ["beam", "greedy", "sample"])
@pytest.mark.parametrize("prune", [0.0, 1.5])
def test_results_do_not_depend_on_the_batch(method, prune):
    model = ToyModel(16, end=-1.0)
    sources, limits = random_batch(4, 16, limit=12, vocabulary=16)
    options = SearchOptions(
        method=method, beam_size=4, n_best=1 if method == "greedy" else 3, no_repeat_ngram=2, repetition_penalty=1.3,
        beam_prune=prune if method == "beam" else 0.0,
    )  # fmt: skip
    random_keys = [(row,) for row in range(16)]
    whole = search(model, batch(sources, limits, random_keys=random_keys), options)
    for row in range(16):
        [alone] = search(model, batch([sources[row]], [limits[row]], (), [random_keys[row]]), options)
        assert alone == whole[row]


@pytest.mark.parametrize("method", ["beam", "greedy", "sample"])
def test_a_prefix_may_repeat_an_ngram_but_the_rest_may_not(method):
    model = ToyModel(16, end=-30.0)
    sources, _ = random_batch(5, 12, limit=10, vocabulary=16)
    prefix = [5, 6, 5, 6, 7]
    options = SearchOptions(method=method, beam_size=3, no_repeat_ngram=2, repetition_penalty=1.3)
    found = search(model, batch(sources, [10] * 12, [prefix] * 12), options)
    for source, [hypothesis] in zip(sources, found, strict=True):
        assert list(hypothesis.tokens[:5]) == prefix
        pairs = ngrams(hypothesis.tokens, 2)
        assert all(pair not in pairs[:place] for place, pair in enumerate(pairs) if place >= 4)
        table = log_probs(model, source, hypothesis.tokens)
        true = [float(table[step, token]) for step, token in enumerate([*hypothesis.tokens, EOS])]
        assert hypothesis.token_log_probs == pytest.approx(true, abs=1e-6)
        seen = [step >= 5 and token in hypothesis.tokens[:step] for step, token in enumerate(hypothesis.tokens)]
        rank = sum(value * (1.3 if again else 1) for value, again in zip(true, [*seen, False], strict=True))
        assert hypothesis.score == pytest.approx(rank / len(true), abs=1e-5), "forced tokens have no penalty"


@pytest.mark.parametrize("method", ["beam", "greedy", "sample"])
def test_a_translation_may_be_too_short_if_all_tokens_are_forbidden(method):
    model = ToyModel(9, end=-5.0)
    options = SearchOptions(method=method, beam_size=3, no_repeat_ngram=1, min_length=30, forbid_unknown=True)
    for [hypothesis] in search(model, batch([[4, 5], [6]], [10, 40]), options):
        assert sorted(hypothesis.tokens) == [4, 5, 6, 7, 8]
        assert length_divisor("average", 1.0, 6) * hypothesis.score == pytest.approx(hypothesis.log_prob)


@both
@pytest.mark.parametrize("method", ["beam", "greedy", "sample"])
def test_an_ensemble_of_a_model_with_itself_equals_the_model(size, penalty, method):
    models = [ToyModel(16, seed, end=-1.0) for seed in (1, 1)]
    sources, limits = random_batch(6, 12, limit=10, vocabulary=16)
    options = SearchOptions(method=method, beam_size=3, no_repeat_ngram=size, repetition_penalty=penalty)
    alone = search(models[0], batch(sources, limits), options)
    for [one], [other] in zip(alone, search(Ensemble(models), batch(sources, limits), options), strict=True):
        assert one.tokens == other.tokens
        assert one.score == pytest.approx(other.score, abs=1e-5)


class Shortened(ToyModel):
    """Predicts the tokens of the shortlist only."""

    def restrict(self, memory, tokens, is_allowed):
        self.tokens = tokens
        return memory

    def step(self, token, state, memory, wanted):
        state, prediction = super().step(token, state, memory)
        return state, Prediction(log_softmax(prediction.log_probs[:, self.tokens]), self.tokens)


@both
@pytest.mark.parametrize("method", ["beam", "greedy", "sample"])
def test_the_tokens_of_a_shortlist_are_mapped_to_its_columns(size, penalty, method):
    tokens = np.array([0, 1, 2, 3, 5, 8, 9, 13, 15])
    whole, short = ToyModel(16, end=-1.0), Shortened(16, end=-1.0)
    others = [token for token in range(16) if token not in tokens.tolist()]
    whole.table[:, others] = -np.inf
    sources, limits = random_batch(7, 12, limit=10, vocabulary=16)
    options = SearchOptions(method=method, beam_size=3, no_repeat_ngram=size, repetition_penalty=penalty)
    expected = search(whole, batch(sources, limits), options)
    shortlist = tokens, np.ones((12, len(tokens)), np.bool_)
    found = search(short, dataclasses.replace(batch(sources, limits), shortlist=shortlist), options)
    for [one], [other] in zip(expected, found, strict=True):
        assert one.tokens == other.tokens
        assert one.score == pytest.approx(other.score, abs=1e-5)


def test_without_these_options_there_is_no_history_and_no_copy():
    constraints = Constraints(batch([[4]], [3]), SearchOptions(max_repeats=0))
    assert not constraints.needs_history
    table = np.zeros((1, 9), np.float32)
    assert constraints.rank(table, 0) is table
