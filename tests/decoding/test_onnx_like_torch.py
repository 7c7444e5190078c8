"""Search in ONNX Runtime gives the translations that it gives in torch, in fp32, with every architecture.

Networks and sources are such that no two continuations are so close that rounding decides between them.
"""

import itertools

import numpy as np
import pytest
from architectures import EVERY, name_of
from engines import onnx_engine, torch_engine
from toy_model import batch, random_batch, search

from nmt.data.token_ids import BOS, EOS, PAD, UNK
from nmt.decoding.ensemble import Ensemble
from nmt.decoding.forced_decoding import score_targets
from nmt.decoding.hypothesis import SearchBatch
from nmt.decoding.search_options import SearchOptions
from nmt.models.torch_engine import TorchEngine

TOLERANCE = 1e-4  # nats per token
VOCABULARY, EXTRA_WORDS, LINES = 50, 3, 20
DRAWN = 50
"""Lines that are drawn, of which the first `LINES` are translated."""
METHODS = {
    "greedy": SearchOptions(method="greedy"),
    "beam": SearchOptions(beam_size=4, n_best=4),
    "sample": SearchOptions(method="sample", n_best=2),
}
OPTIONS = {
    "pruning": SearchOptions(beam_size=4, n_best=4, beam_prune=1.5),
    "coverage": SearchOptions(beam_size=4, n_best=4, length_penalty="gnmt", alpha=0.8, coverage_penalty=0.3),
    "repetition": SearchOptions(beam_size=3, n_best=3, no_repeat_ngram=2, repetition_penalty=1.3),
    "greedy repetition": SearchOptions(method="greedy", no_repeat_ngram=1, min_length=3),
    "lengths": SearchOptions(beam_size=3, n_best=3, min_length=5, forbid_unknown=True),
    "all finished": SearchOptions(beam_size=3, n_best=3, return_all_finished=True),
    "top-k": SearchOptions(method="sample", n_best=2, top_k=5, temperature=0.7),
    "top-p": SearchOptions(method="sample", n_best=2, top_p=0.8),
}
SOME = [
    {},
    {"cell": "gru", "context_to": "next_input", "score": "additive", "coverage": True},
    {"context_to": "conditional", "score": "additive", "coverage": True, "copy_source": True},
    {"copy_source": True, "score": "dot", "heads": 2, "context_to": "next_input"},
    {"score": "general", "local": "predictive", "window": 2, "context_to": "same_step"},
    {"score": "none", "context_to": "every_step", "feedback": False},
    {"score": "none", "context_to": "start", "cell": "rnn"},
    {"encoder": "transformer", "decoder": "transformer"},
]
COPYING = [each for each in EVERY if "copy_source" in each and "heads" not in each]


def lines(architecture, seed=5, prefixes=(), count=LINES):
    """Return a batch of sources and their maximum lengths; a copying network gets words outside the vocabulary."""
    extra_words = EXTRA_WORDS if architecture.get("copy_source") else 0
    sources = random_batch(seed, DRAWN, vocabulary=VOCABULARY + extra_words)[0][:count]
    return batch(sources, [len(source) + 2 for source in sources], prefixes)


def with_alignment(options, architecture):
    """Return the options without what needs attention if the architecture has none."""
    if architecture.get("score") == "none":
        return options.changed(coverage_penalty=0.0)
    return options.changed(with_alignment=True)


def check_equal(expected, found):
    """Check that two searches return the same hypotheses."""
    assert [[h.tokens for h in each] for each in found] == [[h.tokens for h in each] for each in expected]
    for one, other in zip(itertools.chain(*expected), itertools.chain(*found), strict=True):
        assert other.token_log_probs == pytest.approx(one.token_log_probs, abs=TOLERANCE)
        assert other.score == pytest.approx(one.score, abs=TOLERANCE)
        assert (one.alignment is None) == (other.alignment is None)
        if one.alignment is not None:
            np.testing.assert_allclose(other.alignment, one.alignment, rtol=0, atol=TOLERANCE)


def both(architecture):
    return torch_engine(VOCABULARY, architecture), onnx_engine(VOCABULARY, architecture)


@pytest.mark.parametrize("architecture", EVERY, ids=name_of)
def test_every_architecture_translates_the_same(architecture):
    """The beam reads the best tokens of a step, a sample all of them; greedy search is tested with some networks."""
    pairs = lines(architecture)
    for name in ("beam", "sample"):
        options = with_alignment(METHODS[name], architecture)
        expected, found = (search(engine, pairs, options) for engine in both(architecture))
        check_equal(expected, found)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("architecture", SOME, ids=name_of)
def test_every_option_has_the_same_effect(architecture, options):
    pairs, options = lines(architecture, 6), with_alignment(options, architecture)
    expected, found = (search(engine, pairs, options) for engine in both(architecture))
    check_equal(expected, found)


@pytest.mark.parametrize("architecture", SOME, ids=name_of)
def test_prefixes(architecture):
    sources = random_batch(7, DRAWN, vocabulary=VOCABULARY)[0][:LINES]
    prefixes = [source[: row % 4] for row, source in enumerate(sources)]
    pairs = lines(architecture, 8, prefixes)
    for options in METHODS.values():
        options = with_alignment(options, architecture)
        expected, found = (search(engine, pairs, options) for engine in both(architecture))
        check_equal(expected, found)
        assert all(h.tokens[: len(p)] == tuple(p) for each, p in zip(found, prefixes, strict=True) for h in each)


@pytest.mark.parametrize("architecture", [each for each in SOME if "copy_source" not in each], ids=name_of)
def test_shortlists(architecture):
    draw = np.random.default_rng(0)
    tokens = np.array([PAD, UNK, BOS, EOS, *range(4, VOCABULARY, 2)])
    is_allowed = draw.random((LINES, len(tokens))) < 0.5
    is_allowed[:, :4] = True
    plain = lines(architecture, 9)
    pairs = SearchBatch(plain.source, plain.lengths, plain.max_lengths, shortlist=(tokens, is_allowed))
    for options in (*METHODS.values(), OPTIONS["repetition"], OPTIONS["pruning"]):
        options = with_alignment(options, architecture)
        expected, found = (search(engine, pairs, options) for engine in both(architecture))
        check_equal(expected, found)
        for row, each in enumerate(found):
            assert all(set(h.tokens) <= set(tokens[is_allowed[row]].tolist()) for h in each)


@pytest.mark.parametrize("architecture", COPYING, ids=name_of)
def test_words_outside_the_vocabulary_are_copied(architecture):
    torch_network, onnx_network = both(architecture)
    pairs = lines(architecture, count=DRAWN)  # few lines have a copied word
    found = search(onnx_network, pairs, METHODS["beam"])
    copied = [
        (set(h.tokens) - set(range(VOCABULARY)), set(source.tolist()))
        for source, each in zip(pairs.source, found, strict=True)
        for h in each
    ]
    assert sum(map(bool, (words for words, _ in copied))) > 3
    assert all(words <= source for words, source in copied)
    targets = batch([list(each[0].tokens) for each in found], [0] * len(found))
    scores = [
        score_targets(engine, pairs.source, pairs.lengths, targets.source, targets.lengths)
        for engine in (torch_network, onnx_network)
    ]
    for expected, score, each in zip(*scores, found, strict=True):
        assert score == pytest.approx(expected, abs=TOLERANCE)
        assert score == pytest.approx(each[0].token_log_probs, abs=TOLERANCE)


@pytest.mark.parametrize("options", [*METHODS.values(), OPTIONS["pruning"]], ids=[*METHODS, "pruning"])
def test_ensembles(options):
    """Of two networks, each in torch or in ONNX Runtime."""
    architectures = {"cell": "lstm"}, {"encoder": "transformer", "decoder": "transformer"}
    pairs, options = lines({}), options.changed(with_alignment=True)
    first, second = (both(architecture) for architecture in architectures)
    expected = search(Ensemble([first[0], second[0]]), pairs, options)
    for engines in ((first[1], second[1]), (first[0], second[1]), (first[1], second[0])):
        check_equal(expected, search(Ensemble(engines), pairs, options))
    alone = search(first[0], pairs, options)
    assert [each[0].tokens for each in alone] != [each[0].tokens for each in expected]
    assert isinstance(first[0], TorchEngine) and not isinstance(first[1], TorchEngine)
