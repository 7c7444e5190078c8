"""A network prepared for search predicts what the original network predicts."""

import pytest
import torch
from architectures import EVERY, build, name_of

from nmt.kernels.int8 import Int8Product
from nmt.kernels.packed import PackedProduct
from nmt.models.inference import prepare_for_search

HAS_INT8 = hasattr(torch.ops.onednn, "qlinear_pointwise")


def second_logits(model):
    """Return the logits of the second step of a batch with two hypotheses per sentence."""
    source, lengths = torch.tensor([[4, 5, 6, 3], [7, 8, 3, 0]]), torch.tensor([4, 3])
    memory = model.encode(source, lengths)
    state = model.start(memory, 2)
    state, _ = model.step(torch.full((4,), 2), state, memory)
    return model.step(torch.tensor([5, 6, 7, 8]), state, memory)[1].logits


@pytest.mark.parametrize("architecture", EVERY, ids=name_of)
@torch.no_grad()
def test_every_architecture_predicts_the_same_in_every_arithmetic(architecture):
    model = build(**architecture).eval()
    expected = second_logits(model)
    torch.testing.assert_close(second_logits(prepare_for_search(model, "fp32")), expected)
    close = {"rtol": 0, "atol": 0.15 * float(expected.std())}
    torch.testing.assert_close(second_logits(prepare_for_search(model, "bf16")), expected, **close)
    if HAS_INT8:
        made = prepare_for_search(model, "int8")
        assert all(any(isinstance(part, Int8Product) for part in layer.modules()) for layer in made.decoder.layers)
        torch.testing.assert_close(second_logits(made), expected, **close)


@pytest.mark.parametrize("architecture", [{}, {"context_to": "next_input"}], ids=name_of)
@pytest.mark.parametrize("pack", [True, False])
@torch.no_grad()
def test_a_network_without_packed_matrices_predicts_the_same(architecture, pack, monkeypatch):
    monkeypatch.setattr("nmt.models.inference.can_pack", lambda weight: False)
    model = build(**architecture).eval()
    made = prepare_for_search(model, "fp32", pack=pack)
    assert not any(isinstance(part, PackedProduct) for part in made.modules())
    torch.testing.assert_close(second_logits(made), second_logits(model))


def test_the_original_is_not_changed():
    model = build().train()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    prepare_for_search(model, "bf16")
    assert model.training and all(weight.requires_grad for weight in model.parameters())
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
