"""Learning rates as a table, and averages of weights."""

import copy

import pytest
import torch
from torch import nn

from nmt.config import Training
from nmt.training.optimization import MovingAverage, build_optimizer, learning_rate, mean_weights

COMMON = {"learning_rate": 1.0, "warmup_steps": 10, "max_steps": 110}


@pytest.mark.parametrize(
    ("settings", "plateaus", "table"),
    [
        ({"schedule": "constant"}, 0, {1: 0.1, 5: 0.5, 10: 1.0, 110: 1.0}),
        ({"schedule": "inverse_sqrt"}, 0, {1: 0.1, 10: 1.0, 40: 0.5, 90: 1 / 3}),
        ({"schedule": "cosine"}, 0, {10: 1.0, 60: 0.5, 110: 0.0}),
        ({"schedule": "cosine", "min_learning_rate": 0.2}, 0, {1: 0.1, 60: 0.5, 110: 0.2}),
        ({"schedule": "plateau", "plateau_factor": 0.1}, 2, {10: 0.01, 110: 0.01}),
        ({"schedule": "constant", "warmup_steps": 0}, 0, {1: 1.0}),
    ],
)
def test_learning_rate(settings, plateaus, table):
    training = Training(**{**COMMON, **settings})
    assert {step: learning_rate(step, training, plateaus) for step in table} == pytest.approx(table)


def test_biases_are_not_decayed():
    model = nn.Linear(3, 3)
    optimizer = build_optimizer(model, Training(optimizer="adamw", weight_decay=0.5, learning_rate=0.1))
    before = copy.deepcopy(model)
    for weight in model.parameters():
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    torch.testing.assert_close(model.weight, before.weight * (1 - 0.1 * 0.5))
    assert torch.equal(model.bias, before.bias)


def test_moving_average_follows_the_weights():
    model = nn.Linear(1, 1, bias=False)
    averaged = copy.deepcopy(model)
    average = MovingAverage(model, averaged, 0.5)
    nn.init.constant_(model.weight, 1.0)
    nn.init.constant_(averaged.weight, 0.0)
    average.update(0)  # decay 0.1: the first weights are soon forgotten
    assert float(averaged.weight.detach()) == pytest.approx(0.9)
    average.update(1000)
    assert float(averaged.weight.detach()) == pytest.approx(0.95)


def test_mean_weights():
    mean = mean_weights({"w": torch.tensor([float(i), 2.0])} for i in (1, 2, 6))
    assert mean["w"].tolist() == [3.0, 2.0]
