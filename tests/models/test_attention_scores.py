"""Attention scores, windows, coverage and heads equal their formulas and torch's multi-head attention."""

import math

import pytest
import torch
from torch import nn

from nmt import config
from nmt.models.attention import Attention, MultiHeadAttention, Window, build_attention
from nmt.models.state import Memory


def memory_of(attention, states, lengths):
    is_real = torch.arange(states.shape[1]) < torch.tensor(lengths).unsqueeze(1)
    keys = attention.keys(states)
    return Memory(states, keys, is_real, (), states[:, 0], torch.zeros(states.shape[:2], dtype=torch.int64))


def make(score, **more):
    torch.manual_seed(0)
    if score in ("dot", "general"):
        more = {"scaled": False, **more}
    if score in ("additive", "concat") or more.get("local") == "predictive":
        more = {"size": 5, **more}
    attention = Attention(config.Attention(score=score, **more), 4, 4)
    for weight in attention.parameters():
        nn.init.normal_(weight)
    return attention


@pytest.mark.parametrize(("position", "first", "end"), [(0, 0, 2), (2, 1, 4), (9, 3, 5)])
@torch.no_grad()
def test_a_monotonic_window_is_at_the_target_position_or_the_last_real_token(position, first, end):
    attention = make("dot", local="monotonic", window=1)
    states, query = torch.randn(1, 6, 4), torch.randn(1, 4)
    context, alignment = attention(query, memory_of(attention, states, [5]), position)
    expected = torch.zeros(6)
    expected[first:end] = (states[0] @ query[0])[first:end].softmax(0)
    torch.testing.assert_close(alignment[0], expected)
    torch.testing.assert_close(context, alignment @ states[0])


@pytest.mark.parametrize("local", ["none", "monotonic", "predictive"])
@torch.no_grad()
def test_queries_of_all_positions_equal_queries_of_one_position_at_a_time(local):
    attention = make("general", local=local, **({} if local == "none" else {"window": 1}))
    states, query = torch.randn(2, 6, 4), torch.randn(2, 3, 4)
    memory = memory_of(attention, states, [6, 4])
    contexts, alignments = attention(query, memory)
    for position in range(3):
        context, alignment = attention(query[:, position], memory, position)
        torch.testing.assert_close(context, contexts[:, position])
        torch.testing.assert_close(alignment, alignments[:, position])


@torch.no_grad()
def test_a_predicted_window_multiplies_the_alignment_by_a_gaussian():
    attention = make("general", local="predictive", window=2)
    states, query = torch.randn(1, 8, 4), torch.randn(1, 1, 4)
    _, alignment = attention(query, memory_of(attention, states, [7]))
    window = attention.window
    centre = 6 * (window.centre.weight @ (window.hidden.weight @ query[0, 0]).tanh()).sigmoid()
    scores = states[0] @ attention.score.key.weight.T @ query[0, 0]
    seen = [s for s in range(7) if abs(s - float(centre)) <= 2]
    expected = torch.zeros(8)
    expected[seen] = scores[seen].softmax(0) * torch.tensor(
        [math.exp(-((s - float(centre)) ** 2) / (2 * 1.0**2)) for s in seen]
    )
    torch.testing.assert_close(alignment[0, 0], expected)


@pytest.mark.parametrize("score", ["dot", "general"])
@torch.no_grad()
def test_scaled_scores_are_divided_by_the_square_root_of_the_width(score):
    plain, scaled = make(score), make(score, scaled=True)
    states, query = torch.randn(2, 5, 4), torch.randn(2, 3, 4)
    expected = plain.score(query, plain.keys(states)[0], None) / 2
    torch.testing.assert_close(scaled.score(query, scaled.keys(states)[0], None), expected)


@torch.no_grad()
def test_the_location_score_covers_the_positions_with_weights():
    attention = make("location", positions=3)
    states, query = torch.randn(1, 5, 4), torch.randn(1, 1, 4)
    _, alignment = attention(query, memory_of(attention, states, [5]))
    expected = (attention.score.score.weight @ query[0, 0]).softmax(0)
    torch.testing.assert_close(alignment[0, 0], torch.cat([expected, torch.zeros(2)]))


@torch.no_grad()
def test_the_additive_score_adds_the_coverage():
    attention = make("additive", coverage=True)
    states, query, covered = torch.randn(1, 3, 4), torch.randn(1, 4), torch.rand(1, 3)
    _, alignment = attention(query, memory_of(attention, states, [3]), 0, covered)
    score = attention.score
    hidden = score.query(query) + score.key(states[0]) + covered[0].unsqueeze(1) * score.covered.weight.T
    torch.testing.assert_close(alignment[0], score.energy(hidden.tanh()).squeeze(1).softmax(0))


@torch.no_grad()
def test_several_heads_equal_multi_head_attention_of_torch():
    torch.manual_seed(0)
    ours = MultiHeadAttention(heads=2, size=8, query_size=8, memory_size=8, context_size=8)
    theirs = nn.MultiheadAttention(8, 2, batch_first=True)
    theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]))
    theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key.bias, ours.value.bias]))
    theirs.out_proj.weight.copy_(ours.merge.weight)
    theirs.out_proj.bias.copy_(ours.merge.bias)
    states, query = torch.randn(2, 5, 8), torch.randn(2, 3, 8)
    memory = memory_of(ours, states, [5, 3])
    context, alignment = ours(query, memory)
    expected = theirs(query, states, states, key_padding_mask=~memory.is_real)
    torch.testing.assert_close(context, expected[0])
    torch.testing.assert_close(alignment, expected[1])


@pytest.mark.parametrize("length", [1, 2, 30])
@torch.no_grad()
def test_a_predicted_window_always_contains_a_real_token(length):
    window = Window(config.Attention(local="predictive", window=1), 4)
    is_real = torch.arange(30).unsqueeze(0) < length
    for size in (0.0, 1e3, -1e3):
        nn.init.constant_(window.centre.weight, size)
        distance = window(torch.ones(1, 1, 4), is_real, torch.tensor([0]))
        assert (distance[0, 0, :length].abs() <= 1).any()


@pytest.mark.parametrize("heads", [1, 2])
@torch.no_grad()
def test_concat_is_the_additive_score(heads):
    additive, concat = (
        build_attention(config.Attention(score=score, size=6, heads=heads), 4, 4) for score in ("additive", "concat")
    )
    concat.load_state_dict(additive.state_dict())
    query, states = torch.randn(2, 3, 4), torch.randn(2, 5, 4)
    expected, _ = additive(query, memory_of(additive, states, [5, 2]))
    assert torch.equal(concat(query, memory_of(concat, states, [5, 2]))[0], expected)
