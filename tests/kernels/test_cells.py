"""The fused GRU cell, gate normalisation and additive energies equal their equations, and so do their gradients."""

import pytest
import torch
from torch.nn import functional as F

from nmt.kernels.additive_energy import additive_energy
from nmt.kernels.gate_norm import MAX_SLOPE, gate_norm
from nmt.kernels.gru_cell import gru_cell

ROWS, SIZE = 3, 5


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def equation(product, state_product, h, bias, gain):
    """The GRU of torch, with four separate gate inputs."""
    x = torch.zeros_like(state_product) if product is None else product
    (x_r, x_z, x_n), (h_r, h_z, h_n) = x.chunk(3, 1), state_product.chunk(3, 1)
    inputs = torch.stack([x_r + h_r, x_z + h_z, x_n, h_n], 1)
    if gain is not None:
        inputs = F.layer_norm(inputs, (SIZE,)) * gain.view(4, SIZE)
    r, z, x_n, h_n = (inputs + bias.view(4, SIZE)).unbind(1)
    new = (x_n + r.sigmoid() * h_n).tanh()
    return (1 - z.sigmoid()) * new + z.sigmoid() * h


@pytest.mark.parametrize("is_normed", [False, True])
@pytest.mark.parametrize("has_input", [False, True])
def test_a_fused_gru_equals_its_equation(has_input, is_normed):
    torch.manual_seed(0)
    product = draw(ROWS, 3 * SIZE) if has_input else None
    rest = draw(ROWS, 3 * SIZE), draw(ROWS, SIZE), draw(4 * SIZE), draw(4 * SIZE) if is_normed else None
    found, expected = gru_cell(product, *rest), equation(product, *rest)
    torch.testing.assert_close(found, expected)
    inputs = [each for each in (product, *rest) if each is not None]
    weights = torch.randn_like(found)
    found, expected = (torch.autograd.grad((weights * each).sum(), inputs) for each in (found, expected))
    torch.testing.assert_close(found, expected)


def test_gate_norm_equals_that_of_torch():
    torch.manual_seed(0)
    x, weights = draw(ROWS, 4, SIZE), torch.randn(ROWS, 4, SIZE)
    found, expected = gate_norm(x), F.layer_norm(x, (SIZE,))
    torch.testing.assert_close(found, expected)
    found, expected = (torch.autograd.grad((weights * each).sum(), x)[0] for each in (found, expected))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("deviation", [0.0, 1e-6, 1e-4, 1e-3, 1e-2, 0.05, 1.0])
def test_an_almost_constant_gate_input_does_not_multiply_the_gradient(deviation):
    x = (1.0 + deviation * torch.tensor([[[-1.0, 1.0, -1.0, 1.0]]])).requires_grad_()
    (gate_norm(x) * torch.tensor([1.0, 1.0, -1.0, -1.0])).sum().backward()
    assert x.grad.abs().max() < 1.01 * MAX_SLOPE
    if deviation > 1 / MAX_SLOPE:
        expected = torch.tensor([1.0, 1.0, -1.0, -1.0]) / deviation
        torch.testing.assert_close(x.grad[0, 0], expected, rtol=5e-3, atol=0.0)


def test_additive_energies_equal_their_equation():
    torch.manual_seed(0)
    x, weight = draw(2, 3, 4, SIZE), draw(1, SIZE)
    assert torch.autograd.gradcheck(additive_energy, (x, weight))
    torch.testing.assert_close(additive_energy(x, weight), (x.tanh() * weight).sum(-1))
