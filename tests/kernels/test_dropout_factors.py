"""Dropout factors drop the right share of the units, independently of each other."""

import pytest
import torch

from nmt.kernels.dropout_factors import dropout_factors


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_share_of_dropped_units_and_mean_of_factors(probability):
    torch.manual_seed(0)
    factors = dropout_factors(probability, (400, 251), torch.zeros(()))
    assert float((factors == 0).float().mean()) == pytest.approx(probability, abs=0.01)
    assert float(factors.mean()) == pytest.approx(1.0, abs=0.06)
    assert len(factors.unique()) == 2


@pytest.mark.parametrize("distance", [1, 2, 3, 4])
def test_factors_of_one_random_number_are_independent(distance):
    torch.manual_seed(0)
    is_kept = dropout_factors(0.5, (100_000,), torch.zeros(())) > 0
    assert float((is_kept[distance:] == is_kept[:-distance]).float().mean()) == pytest.approx(0.5, abs=0.01)
