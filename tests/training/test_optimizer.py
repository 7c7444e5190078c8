"""Learning-rate schedules as a table, weight decay, clipping and averages of weights."""

import copy

import pytest
import torch
from torch import nn

from nmt.config import Training
from nmt.models.recurrent_layer import RecurrentLayer
from nmt.training.learning_rate import learning_rate
from nmt.training.optimizer import build_optimizer, clipped_step, update_moving_average

COMMON = {"learning_rate": 1.0, "warmup_steps": 10, "max_steps": 110}


@pytest.mark.parametrize(
    ("settings", "plateaus", "table"),
    [
        ({"schedule": "constant"}, 0, {1: 0.1, 5: 0.5, 10: 1.0, 110: 1.0}),
        ({"schedule": "inverse_sqrt"}, 0, {1: 0.1, 10: 1.0, 40: 0.5, 90: 1 / 3}),
        ({"schedule": "cosine"}, 0, {10: 1.0, 60: 0.5, 110: 0.0}),
        ({"schedule": "cosine", "min_learning_rate": 0.2}, 0, {1: 0.1, 60: 0.6, 110: 0.2}),
        ({"schedule": "plateau", "plateau_factor": 0.1}, 2, {10: 0.01, 110: 0.01}),
        ({"schedule": "constant", "warmup_steps": 0}, 0, {1: 1.0}),
    ],
)
def test_learning_rate_schedules(settings, plateaus, table):
    training = Training(**{**COMMON, **settings})
    assert {step: learning_rate(step, training, plateaus) for step in table} == pytest.approx(table)


def test_normalisation_gains_have_no_weight_decay():
    layer = RecurrentLayer("gru", 2, 3, transitions=2, gate_norm=True)
    groups = build_optimizer(layer, Training(optimizer="adamw", weight_decay=0.5)).param_groups
    decayed = {id(weight) for weight in groups[0]["params"]}
    names = {name.split(".")[-1] for name, weight in layer.named_parameters() if id(weight) in decayed}
    assert names == {"weight_ih", "weight_hh"}


def test_biases_have_no_weight_decay():
    model = nn.Linear(3, 3)
    optimizer = build_optimizer(model, Training(optimizer="adamw", weight_decay=0.5, learning_rate=0.1))
    before = copy.deepcopy(model)
    for weight in model.parameters():
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    torch.testing.assert_close(model.weight, before.weight * (1 - 0.1 * 0.5))
    assert torch.equal(model.bias, before.bias)


@pytest.mark.parametrize("clip_norm", [0.0, 0.5, 1e6])
@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_clipping_in_the_step_equals_torch(name, clip_norm):
    model, expected = nn.Linear(3, 4), nn.Linear(3, 4)
    expected.load_state_dict(model.state_dict())
    settings = Training(optimizer=name, weight_decay=0.1, learning_rate=0.1, epsilon=1.0)
    optimizers = [build_optimizer(one, settings) for one in (model, expected)]
    for scale in (1.0, 100.0, 0.01):
        for one in (model, expected):
            torch.manual_seed(0)
            for weight in one.parameters():
                weight.grad = scale * torch.randn_like(weight)
        clipped_step(optimizers[0], torch.nn.utils.get_total_norm([w.grad for w in model.parameters()]), clip_norm)
        torch.nn.utils.clip_grad_norm_(expected.parameters(), clip_norm or torch.inf)
        optimizers[1].step()
    torch.testing.assert_close(model.state_dict(), expected.state_dict(), rtol=1e-4, atol=1e-5)


def test_moving_average_follows_the_weights():
    model = nn.Linear(1, 1, bias=False)
    averaged = copy.deepcopy(model)
    nn.init.constant_(model.weight, 1.0)
    nn.init.constant_(averaged.weight, 0.0)
    update_moving_average(averaged, model, 0.5, step=0)  # decay 0.1: the average soon forgets the first weights
    assert float(averaged.weight.detach()) == pytest.approx(0.9)
    update_moving_average(averaged, model, 0.5, step=1000)
    assert float(averaged.weight.detach()) == pytest.approx(0.95)
