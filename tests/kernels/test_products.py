"""Packed and quantised products equal ordinary matrix products."""

import os
import subprocess
import sys

import pytest
import torch
from torch.nn import functional as F

from nmt.kernels.int8 import MAX_LEVEL, Int8Product, max_weight_level
from nmt.kernels.packed import PackedProduct, can_pack

needs_packing = pytest.mark.skipif(not can_pack(torch.zeros(1)), reason="this torch has no oneDNN")
needs_int8 = pytest.mark.skipif(not hasattr(torch.ops.onednn, "qlinear_pointwise"), reason="this torch has no oneDNN")


@needs_packing
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_packed_product_equals_a_linear_map(dtype):
    torch.manual_seed(0)
    weight, bias, x = (torch.randn(size).to(dtype) for size in ((19, 40), (19,), (6, 40)))
    if not can_pack(weight):
        pytest.skip("no bfloat16 on this CPU")
    product = PackedProduct(weight, bias)
    expected = F.linear(x.double(), weight.double(), bias.double())
    close = {"rtol": 0, "atol": 1e-4 if dtype == torch.float32 else 0.1}
    torch.testing.assert_close(product(x).double(), expected, **close)
    torch.testing.assert_close(product(x[2:3]).double(), expected[2:3], **close)
    outputs = torch.tensor([3, 0, 7])
    for _ in range(2):
        torch.testing.assert_close(product.select_outputs(outputs)(x).double(), expected[:, outputs], **close)
    assert product(torch.full_like(x, torch.nan)).isnan().all()


@needs_int8
@pytest.mark.parametrize("bound", [None, 1.0])
def test_an_int8_product_is_close_and_its_rows_are_independent(bound):
    torch.manual_seed(0)
    weight, bias, x = torch.randn(19, 40), torch.randn(19), torch.rand(6, 40) * 2 - 1
    product = Int8Product.of(weight, bias, bound)
    expected = F.linear(x, weight, bias)
    assert float((product(x) - expected).norm() / expected.norm()) < 0.01 * MAX_LEVEL / max_weight_level()
    assert torch.equal(product(x)[2:3], product(x[2:3]))
    assert torch.equal(product.select_outputs(torch.tensor([3, 0]))(x), product(x)[:, [3, 0]])
    torch.testing.assert_close(product(torch.zeros(1, 40)), bias.unsqueeze(0))


@needs_int8
@pytest.mark.parametrize("bound", [None, 1.0])
def test_an_int8_product_of_nan_is_nan(bound):
    product = Int8Product.of(torch.randn(5, 16), torch.zeros(5), bound)
    assert product(torch.full((2, 16), torch.nan)).isnan().all()


@needs_int8
def test_the_error_of_an_int8_product_does_not_depend_on_the_scale_of_a_row():
    weight, bias = torch.randn(5, 16), torch.zeros(5)
    x = torch.randn(3, 16) * torch.tensor([[1e-6], [1.0], [1e6]])
    expected = F.linear(x, weight)
    error = (Int8Product.of(weight, bias)(x) - expected).norm(dim=1) / expected.norm(dim=1)
    assert float(error.max()) < 0.03


@needs_int8
def test_an_int8_product_is_right_with_and_without_vnni_instructions():
    code = (
        "import torch\n"
        "from nmt.kernels.int8 import Int8Product\n"
        "torch.manual_seed(0)\n"
        "weight, x = torch.randn(64, 384).abs(), torch.randn(5, 384).abs()\n"
        "true = x @ weight.T\n"
        "error = float((Int8Product.of(weight, torch.zeros(64))(x) - true).abs().max() / true.abs().max())\n"
        "print(error)\n"
    )
    found = {}
    exec(code, found)  # with all instructions of the CPU
    assert found["error"] < 0.01
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"}  # oneDNN reads it once, when it starts
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert float(done.stdout) < 0.01
