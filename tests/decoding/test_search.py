"""Properties of every search algorithm, tested with toy models."""

import itertools

import numpy as np
import pytest
from toy_model import ToyModel, all_targets, batch, random_batch, search

from nmt.data.token_ids import EOS, UNK
from nmt.decoding.beam import beam_search
from nmt.decoding.forced_decoding import score_targets
from nmt.decoding.greedy import greedy_search
from nmt.decoding.penalties import coverage_penalty, length_divisor
from nmt.decoding.search_options import SearchOptions
from nmt.engine import Wanted
from nmt.errors import NmtError

PENALTIES = [("none", 1.0, 0.0), ("average", 1.0, 0.0), ("average", 0.6, 0.3), ("gnmt", 0.8, 0.2), ("gnmt", 1.0, 0.0)]


def make_options(penalty=("average", 1.0, 0.0), **rest):
    kind, alpha, beta = penalty
    return SearchOptions(length_penalty=kind, alpha=alpha, coverage_penalty=beta, with_alignment=True, **rest)


def forced(model, sources, targets):
    pairs = batch(sources, [0] * len(sources)), batch(targets, [0] * len(targets))
    return score_targets(model, pairs[0].source, pairs[0].lengths, pairs[1].source, pairs[1].lengths)


def same(one, other):
    assert one.tokens == other.tokens
    assert one.score == other.score and one.token_log_probs == other.token_log_probs
    assert (one.alignment == other.alignment).all()


def exhaustive(model, source, max_length, penalty):
    """Return every possible target with its score, computed step by step, best first."""
    kind, alpha, beta = penalty
    memory = model.encode(np.array([[*source, EOS]]), np.array([len(source) + 1]))
    scored = []
    for target in all_targets(model.table.shape[1], max_length):
        state, total, attention = model.start(memory, 1), 0.0, np.zeros(memory.is_real.shape, np.float32)
        for previous, token in zip([2, *target], [*target, EOS], strict=True):
            state, prediction = model.step(np.array([previous]), state, memory, Wanted(None, True))
            total += float(prediction.log_probs[0, token])
            attention += prediction.alignment
        score = total / length_divisor(kind, alpha, len(target) + 1)
        score += beta * float(coverage_penalty(attention, memory.is_real)[0])
        scored.append((score, total, tuple(target)))
    return sorted(scored, reverse=True)


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("seed", range(3))
def test_an_unlimited_beam_is_exhaustive_search(penalty, seed):
    model = ToyModel(7, seed, sharpness=1.0)
    sources = [[4, 5], [6], [5, 5, 4]]
    every = len(all_targets(7, 3))
    found = beam_search(model, batch(sources, [3, 2, 3]), make_options(penalty, beam_size=every, n_best=every))
    for source, limit, hypotheses in zip(sources, [3, 2, 3], found, strict=True):
        expected = exhaustive(model, source, limit, penalty)
        assert len(hypotheses) == len(expected)
        for hypothesis, (score, total, tokens) in zip(hypotheses, expected, strict=True):
            assert hypothesis.tokens == tokens
            assert hypothesis.score == pytest.approx(score, abs=1e-5)
            assert hypothesis.log_prob == pytest.approx(total, abs=1e-5)


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("min_length", [0, 3])
def test_greedy_search_equals_a_beam_of_one(penalty, rounded, min_length):
    model = ToyModel(40, rounded=rounded)
    sources, limits = random_batch(1, 30, limit=12)
    options = make_options(penalty, beam_size=1, min_length=min_length)
    greedy = greedy_search(model, batch(sources, limits), options)
    for one, other in zip(greedy, beam_search(model, batch(sources, limits), options), strict=True):
        assert len(one) == len(other) == 1
        assert one[0].tokens == other[0].tokens
        assert one[0].token_log_probs == other[0].token_log_probs
        assert one[0].score == pytest.approx(other[0].score, abs=1e-6)
        assert (one[0].alignment == other[0].alignment).all()


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("end", [0.0, 3.0])
def test_a_larger_n_best_never_changes_the_first_hypotheses(penalty, end):
    model = ToyModel(40, end=end)
    sources, limits = random_batch(2, 25, limit=15)
    full = beam_search(model, batch(sources, limits), make_options(penalty, beam_size=6, n_best=6))
    for count in (1, 2, 5):
        fewer = beam_search(model, batch(sources, limits), make_options(penalty, beam_size=6, n_best=count))
        for all_of_them, first in zip(full, fewer, strict=True):
            assert len(first) == min(count, len(all_of_them))
            for one, other in zip(all_of_them, first, strict=False):
                same(one, other)
    assert all(h.score >= later.score for found in full for h, later in itertools.pairwise(found))
    assert all(len({h.tokens for h in found}) == len(found) for found in full)


@pytest.mark.parametrize("options", [make_options(beam_size=4, n_best=4), make_options(method="sample", n_best=3)])
def test_search_and_forced_decoding_give_the_same_scores(options):
    model = ToyModel(30)
    sources, limits = random_batch(3, 20)
    found = search(model, batch(sources, limits), options)
    pairs = [(source, h) for source, hypotheses in zip(sources, found, strict=True) for h in hypotheses]
    scores = forced(model, [source for source, _ in pairs], [list(h.tokens) for _, h in pairs])
    for (_, hypothesis), score in zip(pairs, scores, strict=True):
        assert hypothesis.token_log_probs == pytest.approx(score, abs=1e-6)
        assert hypothesis.log_prob == pytest.approx(sum(score), abs=1e-5)
        assert hypothesis.score == pytest.approx(hypothesis.log_prob / len(score), abs=1e-6)


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("prune", [0.5, 1.5, 4.0])
def test_the_model_is_not_called_for_pruned_hypotheses(penalty, prune, monkeypatch):
    sources, limits = random_batch(8, 30, limit=12)
    options = make_options(penalty, beam_size=5, n_best=5, beam_prune=prune)
    models = [ToyModel(40) for _ in range(3)]
    found = beam_search(models[0], batch(sources, limits), options)
    whole = beam_search(models[1], batch(sources, limits), options.changed(beam_prune=0.0))
    monkeypatch.setattr("nmt.decoding.beam._active_slots", lambda totals, rounds_rows: None)
    masked = beam_search(models[2], batch(sources, limits), options)
    assert models[0].rows_seen < models[2].rows_seen
    for one, other in zip(found, masked, strict=True):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            same(left, right)
    assert sum(map(len, found)) < sum(map(len, whole))


@pytest.mark.parametrize("penalty", PENALTIES)
def test_pruning_ranges_from_no_effect_to_greedy_search(penalty):
    model = ToyModel(40)
    sources, limits = random_batch(9, 30, limit=12)
    options = make_options(penalty, beam_size=5)
    whole = beam_search(model, batch(sources, limits), options)
    for one, other in zip(
        beam_search(model, batch(sources, limits), options.changed(beam_prune=1e5)), whole, strict=True
    ):
        same(one[0], other[0])
    greedy = greedy_search(model, batch(sources, limits), options)
    least = beam_search(model, batch(sources, limits), options.changed(beam_prune=1e-9))
    assert [one[0].tokens for one in least] == [one[0].tokens for one in greedy]


@pytest.mark.parametrize("method, prune", [("beam", 0.0), ("beam", 1.5), ("greedy", 0.0), ("sample", 0.0)])
@pytest.mark.parametrize("rounded", [False, True])
def test_results_do_not_depend_on_the_batch(method, prune, rounded):
    model = ToyModel(40, rounded=rounded)
    sources, limits = random_batch(4, 24, limit=12)
    n_best = 1 if method == "greedy" else 3
    options = make_options(("gnmt", 0.9, 0.1), method=method, beam_size=4, n_best=n_best, beam_prune=prune)
    random_keys = [(row,) for row in range(24)]
    whole = search(model, batch(sources, limits, random_keys=random_keys), options)
    order = np.random.default_rng(0).permutation(24).tolist()
    for size in (1, 5):
        for begin in range(0, 24, size):
            rows = order[begin : begin + size]
            part = batch([sources[i] for i in rows], [limits[i] for i in rows], (), [random_keys[i] for i in rows])
            for row, hypotheses in zip(rows, search(model, part, options), strict=True):
                assert len(hypotheses) == len(whole[row])
                for one, other in zip(hypotheses, whole[row], strict=True):
                    assert one.tokens == other.tokens and one.token_log_probs == other.token_log_probs
                    assert one.score == pytest.approx(other.score, abs=1e-6)  # the attention is summed in another order
                    assert one.alignment.shape == (len(one.tokens), len(sources[row]) + 1)
                    assert one.alignment == pytest.approx(other.alignment, abs=1e-6)


def test_each_hypothesis_has_its_own_alignment():
    model = ToyModel(40)
    sources, limits = random_batch(5, 10)
    for source, found in zip(
        sources, beam_search(model, batch(sources, limits), make_options(beam_size=5, n_best=5)), strict=True
    ):
        memory = model.encode(np.array([[*source, EOS]]), np.array([len(source) + 1]))
        for hypothesis in found:
            state, rows = model.start(memory, 1), []
            for previous in [2, *hypothesis.tokens][: len(hypothesis.tokens)]:
                state, prediction = model.step(np.array([previous]), state, memory, Wanted(None, True))
                rows.append(prediction.alignment[0].tolist())
            assert hypothesis.alignment.tolist() == [pytest.approx(row, abs=1e-6) for row in rows]


@pytest.mark.parametrize("method", ["beam", "greedy", "sample"])
def test_lengths_prefixes_and_forbidden_tokens_are_respected(method):
    model = ToyModel(10, end=-30.0)
    sources, limits = random_batch(6, 12, limit=6, vocabulary=10)
    prefixes = [[UNK, 5, 6][: row % 4] for row in range(12)]
    options = make_options(method=method, beam_size=3, forbid_unknown=True)
    for row, found in enumerate(search(model, batch(sources, limits, prefixes), options)):
        tokens = found[0].tokens
        assert len(tokens) == max(limits[row], len(prefixes[row]))  # EOS is improbable until it is forced
        assert list(tokens[: len(prefixes[row])]) == prefixes[row]
        assert not set(tokens[len(prefixes[row]) :]) & {0, UNK, 2, EOS}
        assert forced(model, [sources[row]], [list(tokens)])[0] == pytest.approx(found[0].token_log_probs, abs=1e-6)
    eager = ToyModel(10, end=30.0)
    assert min(limits) < 3 < max(limits)
    for found in search(eager, batch(sources, limits), make_options(method=method, min_length=3)):
        assert len(found[0].tokens) == 3
    for found in search(eager, batch(sources, limits), make_options(method=method, min_length=9)):
        assert len(found[0].tokens) == 9 > max(limits)


def test_finished_sentences_are_removed_from_the_batch():
    model = ToyModel(20, end=2.0)
    sources, _ = random_batch(7, 40)
    greedy_search(model, batch(sources, [30] * 40), make_options())
    steps = max(
        len(found[0].tokens) + 1
        for found in greedy_search(ToyModel(20, end=2.0), batch(sources, [30] * 40), make_options())
    )
    assert model.rows_seen < 40 * steps / 2


@pytest.mark.parametrize("method", ["beam", "greedy", "sample"])
def test_nan_probabilities_raise_an_error(method):
    model = ToyModel(20)
    model.table[:] = np.nan
    with pytest.raises(NmtError, match="not numbers"):
        search(model, batch([[4, 5], [6]], [3, 3]), make_options(method=method))
    with pytest.raises(NmtError, match="not numbers"):
        forced(model, [[4, 5], [6]], [[4], [5, 6]])
