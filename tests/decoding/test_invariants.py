"""Properties of every search algorithm, tested with every architecture in torch and in ONNX Runtime.

Properties of the algorithms alone are tested with toy models (test_search), and here with a few architectures.
"""

import itertools

import pytest
import torch
from architectures import EVERY, name_of, unrolled_logits
from engines import ENGINES
from toy_model import all_targets, batch, random_batch

from nmt.data.token_ids import BOS
from nmt.decoding.beam import beam_search
from nmt.decoding.forced_decoding import score_targets
from nmt.decoding.greedy import greedy_search
from nmt.decoding.search_options import SearchOptions
from nmt.models.torch_engine import TorchEngine

TOLERANCE = 1e-4  # nats per token: matrix products of other shapes round differently, and steps add this up
INT8_TOLERANCE = 1e-2  # in int8 such a difference can move a number by one of its 127 levels
VOCABULARY = 50
SOME = [*EVERY[::12], *EVERY[-4:]]
"""Architectures of every kind: cells, decoders, attentions, copying, Transformers."""

some_architectures = pytest.mark.parametrize("architecture", SOME, ids=name_of)
every_engine = pytest.mark.parametrize("engine", ENGINES)


def has_attention(architecture):
    return architecture.get("score") != "none"


def is_exact(architecture):
    """Whether a probability in int8 is the same to the last bit wherever its hypothesis is in a batch.

    The mixture of copied and generated words is not, nor are scores of heads whose width is less than a register's.
    """
    return not architecture.get("copy_source") and "heads" not in architecture


def check_close(one, other, is_equal=False):
    """Check that two searches for a sentence found the same hypotheses; `is_equal` to the last bit."""
    assert [h.tokens for h in one] == [h.tokens for h in other]
    for left, right in zip(one, other, strict=True):
        if is_equal:
            assert left.token_log_probs == right.token_log_probs and left.score == right.score
        assert left.token_log_probs == pytest.approx(right.token_log_probs, abs=TOLERANCE)
        if left.alignment is not None:
            assert left.alignment == pytest.approx(right.alignment, abs=TOLERANCE)


@pytest.mark.parametrize(
    ("architecture", "engine"),
    [
        (each, engine)
        for number, each in enumerate(EVERY)
        for engine in ENGINES
        if each in SOME or engine == ("torch", "int8")[number % 2]
    ],
    ids=lambda value: value if isinstance(value, str) else name_of(value),
)
def test_results_do_not_depend_on_the_batch_or_n_best(architecture, engine):
    """The scores of the search are those of forced decoding and those of the unrolled network in training.

    Some architectures on every engine, the others on torch and in int8 alternately: test_onnx_like_torch compares the
    engines for all of them.
    """
    model = ENGINES[engine](VOCABULARY, architecture)
    sources, _ = random_batch(1, 6)
    limits = [len(source) + 3 for source in sources]
    options = SearchOptions(beam_size=4, with_alignment=has_attention(architecture))
    whole = beam_search(model, batch(sources, limits), options)
    many = beam_search(model, batch(sources, limits), options.changed(n_best=4))
    for one, several in zip(whole, many, strict=True):
        check_close(one, several[:1], is_equal=True)
    is_equal = engine == "int8" and is_exact(architecture)
    for row in (0, 1, 2):
        alone = beam_search(model, batch([sources[row]], [limits[row]]), options)
        check_close(alone[0], whole[row], is_equal)
    check_scores(model, sources, many, engine)


@every_engine
@some_architectures
def test_greedy_search_equals_a_beam_of_one(architecture, engine):
    model = ENGINES[engine](VOCABULARY, architecture)
    pairs = batch(*random_batch(0, 9))
    options = SearchOptions(beam_size=1)
    for one, other in zip(greedy_search(model, pairs, options), beam_search(model, pairs, options), strict=True):
        check_close(one, other, is_equal=True)


@every_engine
@some_architectures
def test_an_unlimited_beam_is_exhaustive_search(architecture, engine):
    model = ENGINES[engine](6, architecture)
    source, targets = [4, 5, 5], all_targets(6, 3)
    options = SearchOptions(beam_size=len(targets), n_best=len(targets))
    found = beam_search(model, batch([source], [3]), options)[0]
    pairs = batch([source] * len(targets), [0] * len(targets)), batch(targets, [0] * len(targets))
    scores = score_targets(model, pairs[0].source, pairs[0].lengths, pairs[1].source, pairs[1].lengths)
    ranked = sorted(((sum(s) / len(s), tuple(t)) for s, t in zip(scores, targets, strict=True)), reverse=True)
    assert [h.tokens for h in found] == [tokens for _, tokens in ranked]
    assert [h.score for h in found] == pytest.approx([value for value, _ in ranked], abs=TOLERANCE)


@every_engine
@some_architectures
def test_the_model_is_not_called_for_pruned_hypotheses(architecture, engine, monkeypatch):
    model = ENGINES[engine](VOCABULARY, architecture)
    sources, limits = random_batch(2, 9)
    prefixes = [source[: row % 3] for row, source in enumerate(sources)]
    pairs = batch(sources, [limit + 5 for limit in limits], prefixes)
    options = SearchOptions(beam_size=4, n_best=4, beam_prune=1.5, with_alignment=has_attention(architecture))
    found = beam_search(model, pairs, options)
    monkeypatch.setattr("nmt.decoding.beam._active_slots", lambda totals, rounds_rows: None)
    for one, other in zip(found, beam_search(model, pairs, options), strict=True):
        check_close(one, other)


@every_engine
@some_architectures
def test_no_bigram_is_repeated(architecture, engine):
    """Copied words, which have ids outside the vocabulary, are included."""
    model = ENGINES[engine](VOCABULARY, architecture)
    sources, limits = random_batch(3, 6)
    pairs = batch(sources, [limit + 5 for limit in limits])
    options = SearchOptions(beam_size=3, n_best=3, no_repeat_ngram=2, repetition_penalty=1.3)
    found = beam_search(model, pairs, options)
    for hypothesis in itertools.chain(*found):
        bigrams = list(itertools.pairwise(hypothesis.tokens))
        assert len(set(bigrams)) == len(bigrams)
    check_scores(model, sources, found, engine)
    single = options.changed(beam_size=1, n_best=1)
    assert greedy_search(model, pairs, single) == beam_search(model, pairs, single)


def check_scores(model, sources, found, engine):
    """Check that search, forced decoding and, in torch, the unrolled network of training give the same probabilities.

    `found` has the hypotheses of each source.
    """
    pairs = [(source, h) for source, each in zip(sources, found, strict=True) for h in each]
    source = batch([source for source, _ in pairs], [0] * len(pairs))
    target = batch([list(h.tokens) for _, h in pairs], [0] * len(pairs))
    by_steps = score_targets(model, source.source, source.lengths, target.source, target.lengths)
    for (_, hypothesis), values in zip(pairs, by_steps, strict=True):
        tolerance = INT8_TOLERANCE if engine == "int8" else TOLERANCE
        assert hypothesis.token_log_probs == pytest.approx(values, abs=tolerance)
    if not isinstance(model, TorchEngine):
        return
    targets = torch.from_numpy(target.source)  # (pairs, T)
    previous = torch.cat([torch.full_like(targets[:, :1], BOS), targets[:, :-1]], 1)
    with torch.no_grad():
        sides = torch.from_numpy(source.source), torch.from_numpy(source.lengths)
        log_probs = unrolled_logits(model.network, *sides, previous).log_softmax(-1)
    unrolled = log_probs.gather(2, targets.unsqueeze(2)).squeeze(2)
    for (_, hypothesis), values in zip(pairs, unrolled, strict=True):
        count = len(hypothesis.token_log_probs)
        assert hypothesis.token_log_probs == pytest.approx(values[:count].tolist(), abs=TOLERANCE)
