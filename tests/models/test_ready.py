"""A network made ready for search says what the network says, in the arithmetic asked for."""

import os
import subprocess
import sys

import pytest
import torch
from architectures import EVERY, VOCABULARY, build, name_of
from torch.nn import functional as F

from nmt.errors import NmtError
from nmt.kernels.device import check_trainable, choose_arithmetic
from nmt.kernels.int8 import LEVELS, Int8Product, weight_levels
from nmt.kernels.packed import PackedProduct
from nmt.kernels.packed import can_pack as can_pack
from nmt.models.inference import prepare_for_search

HAS_INT8 = hasattr(torch.ops.onednn, "qlinear_pointwise")
needs_packing = pytest.mark.skipif(not can_pack(torch.zeros(1)), reason="this torch has no oneDNN")
needs_int8 = pytest.mark.skipif(not HAS_INT8, reason="this torch has no oneDNN")


def step(model):
    """Return the logits of the second step of a batch."""
    source, lengths = torch.tensor([[4, 5, 6, 3], [7, 8, 3, 0]]), torch.tensor([4, 3])
    memory = model.encode(source, lengths)
    state = model.start(memory, 2)
    state, _ = model.step(torch.full((4,), 2), state, memory)
    return model.step(torch.tensor([5, 6, 7, 8]), state, memory)[1].logits


@pytest.mark.parametrize("architecture", EVERY, ids=name_of)
@torch.no_grad()
def test_every_architecture(architecture):
    model = build(**architecture).eval()
    expected = step(model)
    torch.testing.assert_close(step(prepare_for_search(model, "fp32")), expected)
    spread = float(expected.std())
    torch.testing.assert_close(step(prepare_for_search(model, "bf16")), expected, rtol=0, atol=0.15 * spread)
    if HAS_INT8:
        layers = prepare_for_search(model, "int8").decoder.layers
        assert all(any(isinstance(part, Int8Product) for part in layer.modules()) for layer in layers)
        torch.testing.assert_close(step(prepare_for_search(model, "int8")), expected, rtol=0, atol=0.15 * spread)


@pytest.mark.parametrize("architecture", [{}, {"context_to": "next_input"}], ids=name_of)
@torch.no_grad()
def test_where_nothing_can_be_packed(architecture, monkeypatch):
    monkeypatch.setattr("nmt.models.inference._can_pack", lambda weight: False)
    model = build(**architecture).eval()
    for made in (prepare_for_search(model, "fp32"), prepare_for_search(model, "fp32", is_packed=False)):
        assert not any(isinstance(part, PackedProduct) for part in made.modules())
        torch.testing.assert_close(step(made), step(model))


@needs_packing
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_packed_product(dtype):
    torch.manual_seed(0)
    weight, bias, x = (torch.randn(size).to(dtype) for size in ((VOCABULARY, 40), (VOCABULARY,), (6, 40)))
    if not can_pack(weight):
        pytest.skip("no bfloat16 on this processor")
    product = PackedProduct(weight, bias)
    expected = F.linear(x.double(), weight.double(), bias.double())
    close = {"rtol": 0, "atol": 1e-4 if dtype == torch.float32 else 0.1}
    torch.testing.assert_close(product(x).double(), expected, **close)
    torch.testing.assert_close(product(x[2:3]).double(), expected[2:3], **close)
    wanted = torch.tensor([3, 0, 7])
    for _ in range(2):
        torch.testing.assert_close(product.columns(wanted)(x).double(), expected[:, wanted], **close)
    assert product(torch.full_like(x, torch.nan)).isnan().all()


def test_the_original_is_left_alone():
    model = build().train()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    prepare_for_search(model, "bf16")
    assert model.training and all(weight.requires_grad for weight in model.parameters())
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


@needs_int8
@pytest.mark.parametrize("bound", [None, 1.0])
def test_int8_product(bound):
    torch.manual_seed(0)
    weight, bias, x = torch.randn(VOCABULARY, 40), torch.randn(VOCABULARY), torch.rand(6, 40) * 2 - 1
    product = Int8Product.of(weight, bias, bound)
    expected = F.linear(x, weight, bias)
    assert float((product(x) - expected).norm() / expected.norm()) < 0.01 * LEVELS / weight_levels()
    assert torch.equal(product(x)[2:3], product(x[2:3])), "a row does not depend on its neighbours"
    torch.testing.assert_close(product(torch.zeros(1, 40)), bias.unsqueeze(0))


@needs_int8
@pytest.mark.parametrize("bound", [None, 1.0])
def test_int8_does_not_hide_what_is_not_a_number(bound):
    product = Int8Product.of(torch.randn(5, 16), torch.zeros(5), bound)
    assert product(torch.full((2, 16), torch.nan)).isnan().all()


@needs_int8
def test_int8_rows_of_any_size():
    weight, bias = torch.randn(5, 16), torch.zeros(5)
    x = torch.randn(3, 16) * torch.tensor([[1e-6], [1.0], [1e6]])
    expected = F.linear(x, weight)
    error = (Int8Product.of(weight, bias)(x) - expected).norm(dim=1) / expected.norm(dim=1)
    assert float(error.max()) < 0.03


def test_int8_is_for_the_processor():
    with pytest.raises(NmtError, match="--device cpu"):
        choose_arithmetic("int8", torch.device("cuda"))


def test_training_in_bf16_is_refused_where_the_cpu_has_no_lstm_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt.kernels.device.has_bf16_lstm", lambda: False)
    with pytest.raises(NmtError, match=r"training\.precision bf16: this CPU has no AVX-512.*fp32"):
        check_trainable("bf16", torch.device("cpu"))
    check_trainable("fp32", torch.device("cpu"))
    check_trainable("bf16", torch.device("cuda"))


@needs_int8
@pytest.mark.parametrize("isa", ["DEFAULT", "AVX2"])
def test_int8_is_right_without_vnni(isa):
    """oneDNN is told to do without newer instructions, of which it looks only at its start."""
    code = (
        "import torch\n"
        "from nmt.models.ready import Int8Product\n"
        "torch.manual_seed(0)\n"
        "weight, x = torch.randn(64, 384).abs(), torch.randn(5, 384).abs()\n"
        "true = x @ weight.T\n"
        "print(float((Int8Product.of(weight, torch.zeros(64))(x) - true).abs().max() / true.abs().max()))\n"
    )
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": isa}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert float(done.stdout) < 0.01
