"""Linear maps in int8: against torch, row by row, and with numbers that are not finite.

Axes: N rows, I input width, O output width.
"""

import numpy as np
import onnx
import pytest
import torch
from runtime.sessions import session

from nmt.kernels import int8
from nmt.runtime.graph import FLOAT, Graph
from nmt.runtime.products import MAX_WEIGHT_LEVEL, linear, nan_rows
from nmt.runtime.weights import Linear

HAS_INT8 = hasattr(torch.ops.onednn, "qlinear_pointwise")
ROWS, INPUTS, OUTPUTS = 7, 41, 37


def draw(*shape):
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


def product(weight, bias, bound=None, precision="int8"):
    """Return the function that multiplies rows (N, I) by `weight` (O, I) and adds `bias` (O,) in ONNX Runtime."""
    graph = Graph("product")
    x = graph.input("x", FLOAT, ["N", weight.shape[1]])
    graph.output("y", linear(graph, precision, Linear("map", weight, bias), x, bound), FLOAT, ["N", len(weight)])
    graph.output("nan_rows", nan_rows(graph, x, weight.shape[1]), FLOAT, ["N", 1])
    model = graph.model()
    onnx.checker.check_model(model, full_check=True)
    made = session(model)
    return lambda rows: made.run(None, {"x": rows})


@pytest.mark.skipif(not HAS_INT8, reason="torch has no int8 products on this CPU")
@pytest.mark.parametrize("bound", [None, 1.0])
def test_int8_products_are_those_of_torch(bound, monkeypatch):
    monkeypatch.setattr(int8, "max_weight_level", lambda: MAX_WEIGHT_LEVEL)
    weight, bias, x = draw(OUTPUTS, INPUTS), draw(OUTPUTS), np.tanh(draw(ROWS, INPUTS)) * np.float32(0.9)
    expected = int8.Int8Product.of(torch.from_numpy(weight), torch.from_numpy(bias), bound)(torch.from_numpy(x))
    found = product(weight, bias, bound)(x)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    exact = product(weight, bias, precision="fp32")(x)[0]
    np.testing.assert_allclose(exact, x @ weight.T + bias, rtol=1e-4, atol=1e-5)
    assert 0.001 < np.abs(found - exact).max() < 0.03 * np.abs(exact).max()


@pytest.mark.parametrize("bound", [None, 1.0])
def test_a_row_does_not_depend_on_the_other_rows(bound):
    run = product(draw(OUTPUTS, INPUTS), draw(OUTPUTS), bound)
    x = np.tanh(draw(ROWS, INPUTS))
    x[3] *= 1e-3
    together = run(x)[0]
    for number, row in enumerate(x):
        np.testing.assert_array_equal(run(row[None])[0][0], together[number])


def test_a_row_of_zeros_gives_the_bias():
    bias = draw(OUTPUTS)
    x = draw(ROWS, INPUTS)
    x[2] = 0.0
    np.testing.assert_array_equal(product(draw(OUTPUTS, INPUTS), bias)(x)[0][2], bias)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 13, INPUTS - 1])
def test_int8_products_do_not_hide_numbers_that_are_not_finite(value, place):
    run = product(draw(OUTPUTS, INPUTS), draw(OUTPUTS))
    x = draw(ROWS, INPUTS)
    expected = run(x)[0]
    x[4, place] = value
    found, is_nan = run(x)
    assert np.isnan(found[4]).all() and np.isnan(is_nan[4]).all()
    others = np.arange(ROWS) != 4
    np.testing.assert_array_equal(found[others], expected[others])
    assert (is_nan[others] == 0).all()


def test_a_weight_that_is_nan_gives_nan():
    weight = draw(OUTPUTS, INPUTS)
    weight[5, 3] = np.nan
    found = product(weight, draw(OUTPUTS))(draw(ROWS, INPUTS))[0]
    assert np.isnan(found[:, 5]).all() and np.isfinite(np.delete(found, 5, 1)).all()


def test_the_largest_sums_are_exact():
    """With 63 levels no CPU saturates: see `MAX_WEIGHT_LEVEL`."""
    weight = np.ones((OUTPUTS, 512), np.float32)
    found = product(weight, np.zeros(OUTPUTS, np.float32))(np.ones((3, 512), np.float32))[0]
    np.testing.assert_allclose(found, 512.0, rtol=1e-6)
