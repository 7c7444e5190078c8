"""Scheduled sampling: the probability of true tokens, and the tokens that replace the others."""

import math

import pytest
import torch
from architectures import batch, build

from nmt import config
from nmt.data.token_ids import BOS, PAD
from nmt.training.microbatches import DeviceBatch
from nmt.training.scheduled_sampling import sampled_previous, teacher_probability


@pytest.mark.parametrize(
    ("kind", "k", "step", "probability"),
    [
        ("linear", 100.0, 25, 0.75),
        ("linear", 100.0, 90, 0.2),
        ("exponential", 0.99, 30, 0.99**30),
        ("inverse_sigmoid", 50.0, 100, 50 / (50 + math.exp(2))),
        ("inverse_sigmoid", 1.0, 10**9, 0.2),
    ],
)
def test_probability_of_the_true_token(kind, k, step, probability):
    settings = config.Training(teacher_forcing=kind, teacher_decay=k, teacher_floor=0.2)
    assert teacher_probability(step, settings) == pytest.approx(probability)
    assert teacher_probability(step, config.Training()) == 1.0


def pairs():
    source, lengths, previous = batch()
    previous[:, 0] = BOS
    previous[2, 3:] = PAD
    return DeviceBatch(source, lengths, previous, previous, torch.arange(1))


@pytest.mark.parametrize("context_to", ["upper_layers", "next_input"])
def test_tokens_are_kept_or_drawn_reproducibly(context_to):
    model = build(context_to=context_to)
    assert torch.equal(sampled_previous(model, pairs(), 1.0, seed=1), pairs().previous)
    fed = sampled_previous(model, pairs(), 0.0, seed=1)
    assert (fed[:, 0] == BOS).all() and (fed[2, 3:] == PAD).all()
    assert not ((fed[:2, 1:] == PAD) | (fed[:, 1:] == BOS)[:2]).any()
    assert not torch.equal(fed, pairs().previous)
    assert torch.equal(fed, sampled_previous(model, pairs(), 0.0, seed=1))
    assert not torch.equal(fed, sampled_previous(model, pairs(), 0.0, seed=2))


def test_draws_follow_the_probabilities_of_the_model():
    """A model that always prefers one token feeds that one in place of each true token that is not kept."""
    model = build()
    with torch.no_grad():
        model.output.bias[7] = 1e4
    fed = sampled_previous(model, pairs(), 0.5, seed=3)
    changed = fed != pairs().previous
    assert changed.any() and not changed[:, 1:].all() and (fed[changed] == 7).all()


def test_each_draw_depends_on_the_tokens_fed_before():
    model = build(context_to="next_input", tie="none")
    with torch.no_grad():
        model.output.weight.mul_(1e4)  # a draw is then the maximum
        fed = sampled_previous(model, pairs(), 0.0, seed=1)
        memory = model.encode(pairs().source, pairs().lengths)
        state = model.start(memory, 1)
        for t in range(1, 5):
            state, output = model.step(fed[:, t - 1], state, memory)
            output.logits[:, [PAD, BOS]] = -torch.inf
            is_free = pairs().previous[:, t] != PAD
            assert torch.equal(fed[is_free, t], output.logits.argmax(1)[is_free])
