"""Properties of every search algorithm, tested with every architecture."""

import itertools

import pytest
import torch
from architectures import EVERY, build, name_of, unrolled_logits
from toy_model import all_targets, batch, random_batch

from nmt.data.token_ids import BOS, EOS
from nmt.decoding.beam import beam_search
from nmt.decoding.forced_decoding import score_targets
from nmt.decoding.greedy import greedy_search
from nmt.decoding.search_options import SearchOptions
from nmt.models.torch_engine import TorchEngine

TOLERANCE = 1e-4  # nats per token: matrix products of other shapes round differently, and steps add this up
SPREAD = 0.8  # of the weights: far from uniform probabilities, so that rounding changes no decision

every_architecture = pytest.mark.parametrize("architecture", EVERY, ids=name_of)


@every_architecture
def test_greedy_search_equals_a_beam_of_one(architecture):
    model = TorchEngine(build(50, SPREAD, **architecture))
    sources, limits = random_batch(0, 9)
    options = SearchOptions(beam_size=1)
    greedy = greedy_search(model, batch(sources, limits), options)
    for one, other in zip(greedy, beam_search(model, batch(sources, limits), options), strict=True):
        assert one[0].tokens == other[0].tokens
        assert one[0].token_log_probs == other[0].token_log_probs


@every_architecture
def test_an_unlimited_beam_is_exhaustive_search(architecture):
    model = TorchEngine(build(6, SPREAD, **architecture))
    source, targets = [4, 5, 5], all_targets(6, 3)
    options = SearchOptions(beam_size=len(targets), n_best=len(targets))
    found = beam_search(model, batch([source], [3]), options)[0]
    pairs = batch([source] * len(targets), [0] * len(targets)), batch(targets, [0] * len(targets))
    scores = score_targets(model, pairs[0].source, pairs[0].lengths, pairs[1].source, pairs[1].lengths)
    ranked = sorted(((sum(s) / len(s), tuple(t)) for s, t in zip(scores, targets, strict=True)), reverse=True)
    assert [h.tokens for h in found] == [tokens for _, tokens in ranked]
    assert [h.score for h in found] == pytest.approx([value for value, _ in ranked], abs=TOLERANCE)


@every_architecture
def test_the_model_is_not_called_for_pruned_hypotheses(architecture, monkeypatch):
    model = TorchEngine(build(50, SPREAD, **architecture))
    sources, limits = random_batch(2, 9)
    prefixes = [source[: row % 3] for row, source in enumerate(sources)]
    pairs = batch(sources, [limit + 5 for limit in limits], prefixes)
    options = SearchOptions(beam_size=4, n_best=4, beam_prune=1.5, with_alignment=model.network.has_attention)
    found = beam_search(model, pairs, options)
    monkeypatch.setattr("nmt.decoding.beam._active_slots", lambda totals, rounds_rows: None)
    for one, other in zip(found, beam_search(model, pairs, options), strict=True):
        assert [h.tokens for h in one] == [h.tokens for h in other]
        for left, right in zip(one, other, strict=True):
            assert left.token_log_probs == pytest.approx(right.token_log_probs, abs=TOLERANCE)
            if model.network.has_attention:
                assert left.alignment == pytest.approx(right.alignment, abs=TOLERANCE)


@every_architecture
def test_results_do_not_depend_on_the_batch_or_n_best(architecture):
    model = TorchEngine(build(50, SPREAD, **architecture))
    sources, limits = random_batch(1, 9)
    limits = [limit + 5 for limit in limits]
    options = SearchOptions(beam_size=4, with_alignment=True)
    whole = beam_search(model, batch(sources, limits), options)
    many = beam_search(model, batch(sources, limits), SearchOptions(beam_size=4, n_best=4))
    for row, (found, list_of_best) in enumerate(zip(whole, many, strict=True)):
        first = found[0]
        assert list_of_best[0].tokens == first.tokens and list_of_best[0].score == first.score
        alone = beam_search(model, batch([sources[row]], [limits[row]]), options)[0][0]
        assert alone.tokens == first.tokens
        assert alone.token_log_probs == pytest.approx(first.token_log_probs, abs=TOLERANCE)
        assert alone.alignment == pytest.approx(first.alignment, abs=TOLERANCE)
        for hypothesis in list_of_best:
            check_score(model, sources[row], hypothesis)


@every_architecture
def test_no_bigram_is_repeated(architecture):
    """Copied words, which have ids outside the vocabulary, are included."""
    model = TorchEngine(build(50, SPREAD, **architecture))
    sources, limits = random_batch(3, 6)
    pairs = batch(sources, [limit + 5 for limit in limits])
    options = SearchOptions(beam_size=3, n_best=3, no_repeat_ngram=2, repetition_penalty=1.3)
    for source, found in zip(sources, beam_search(model, pairs, options), strict=True):
        for hypothesis in found:
            bigrams = list(itertools.pairwise(hypothesis.tokens))
            assert len(set(bigrams)) == len(bigrams)
            check_score(model, source, hypothesis)
    single = options.changed(beam_size=1, n_best=1)
    assert greedy_search(model, pairs, single) == beam_search(model, pairs, single)


def check_score(model, source, hypothesis):
    """Check that search, forced decoding and the unrolled network of training give the same probabilities."""
    pair = batch([source], [0]), batch([list(hypothesis.tokens)], [0])
    by_steps = score_targets(model, pair[0].source, pair[0].lengths, pair[1].source, pair[1].lengths)[0]
    assert hypothesis.token_log_probs == pytest.approx(by_steps, abs=TOLERANCE)
    target = torch.tensor([[*hypothesis.tokens, EOS]])
    previous = torch.tensor([[BOS, *hypothesis.tokens]])
    with torch.no_grad():
        sides = torch.from_numpy(pair[0].source), torch.from_numpy(pair[0].lengths)
        log_probs = unrolled_logits(model.network, *sides, previous).log_softmax(-1)
    unrolled = log_probs.gather(2, target.unsqueeze(2)).flatten().tolist()
    assert hypothesis.token_log_probs == pytest.approx(unrolled, abs=TOLERANCE)
