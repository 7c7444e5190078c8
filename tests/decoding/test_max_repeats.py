"""`max_repeats`: translations do not loop, unless the source does."""

import numpy as np
import pytest
from toy_model import ToyModel, batch, random_batch, search

from nmt.config import Decoding
from nmt.data.token_ids import EOS, PAD
from nmt.decoding.repetition import has_loop, next_copy_tokens
from nmt.decoding.search_options import SearchOptions
from nmt.errors import NmtError

VOCABULARY = 9


def begins_copy(tokens, limit, shortest=2):
    """Return whether `tokens` end with `limit` copies of a phrase and the first token of another one."""
    *before, last = tokens
    for size in range(shortest, len(before) // limit + 1):
        part = before[len(before) - limit * size :]
        if part == part[:size] * limit and last == part[0]:
            return True
    return False


def loops(tokens, limit, shortest=2):
    return any(begins_copy(tokens[:end], limit, shortest) for end in range(1, len(tokens) + 1))


@pytest.mark.parametrize("limit", [2, 3])
def test_the_tokens_that_begin_another_copy_are_found(limit):
    draw = np.random.default_rng(0)
    for length in range(14):
        history = draw.integers(4, 6, (200, length))
        found = next_copy_tokens(history, limit)
        for row, tokens in enumerate(history.tolist()):
            expected = {token for token in (4, 5) if begins_copy([*tokens, token], limit)}
            assert (set() if found is None else set(found[row].tolist()) - {PAD}) == expected


def test_hypotheses_that_have_ended_have_no_loop():
    assert next_copy_tokens(np.array([[4, 5, EOS, EOS, EOS, EOS, EOS, EOS]]), 2) is None


@pytest.mark.parametrize("limit", [2, 3])
def test_sources_with_loops_are_found(limit):
    draw = np.random.default_rng(1)
    sources = [draw.integers(4, 6, draw.integers(0, 13)).tolist() for _ in range(300)]
    pairs = batch(sources, [1] * len(sources))
    expected = [loops(source, limit, shortest=1) for source in sources]
    assert has_loop(pairs.source, pairs.lengths, limit).tolist() == expected
    assert 20 < sum(expected) < 280


SEARCHES = {
    "beam": SearchOptions(beam_size=4, n_best=4),
    "pruned": SearchOptions(beam_size=4, n_best=2, beam_prune=2.0),
    "greedy": SearchOptions(method="greedy"),
}


def pairs_without_loops():
    """Return sources without loops, and maximum lengths that allow loops in the translations."""
    sources, _ = random_batch(2, 30, vocabulary=VOCABULARY)
    sources = [source for source in sources if not loops(source, 2, shortest=1)]
    return sources, [24] * len(sources)


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("limit", [2, 3])
def test_no_translation_has_more_copies(name, limit):
    model, (sources, limits) = ToyModel(VOCABULARY, end=-4.0), pairs_without_loops()
    model.table[:, 4:6] += 3.0
    options = SEARCHES[name].changed(max_repeats=limit)
    found, free = (
        [list(h.tokens) for found in search(model, batch(sources, limits), each) for h in found]
        for each in (options, options.changed(max_repeats=0))
    )
    assert not any(loops(tokens, limit) for tokens in found)
    assert sum(loops(tokens, limit) for tokens in free) > 5
    # The same with all probabilities in place of the best ones: a history that has no other effect.
    every = search(model, batch(sources, limits), options.changed(no_repeat_ngram=10_000))
    assert [list(h.tokens) for found in every for h in found] == found


def test_a_source_with_a_loop_is_translated_freely_and_the_batch_does_not_matter():
    model = ToyModel(VOCABULARY, end=-4.0)
    model.table[:, 4:6] += 3.0
    sources, limits = pairs_without_loops()
    sources[1::2] = [[4, 7, 4, 7, 4, *source] for source in sources[1::2]]
    for options in SEARCHES.values():
        whole = search(model, batch(sources, limits), options)
        assert whole[1::2] == search(model, batch(sources, limits), options.changed(max_repeats=0))[1::2]
        for row in range(4):
            assert search(model, batch([sources[row]], [limits[row]]), options) == [whole[row]]


def test_sampling_ignores_it():
    model, (sources, limits) = ToyModel(VOCABULARY, end=-4.0), pairs_without_loops()
    options = SearchOptions(method="sample", n_best=3)
    pairs = batch(sources, limits, random_keys=[(row,) for row in range(len(sources))])
    assert search(model, pairs, options) == search(model, pairs, options.changed(max_repeats=0))


def test_one_copy_is_rejected():
    with pytest.raises(NmtError, match="max_repeats: input should be 0"):
        SearchOptions(max_repeats=1)
    with pytest.raises(ValueError, match="max_repeats: input should be 0"):
        Decoding(max_repeats=1)
