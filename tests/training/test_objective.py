"""The chunked loss against torch's cross-entropy."""

import pytest
import torch
from torch.nn import functional as F

from nmt.training import objective


class Output:
    """The part of a network that the loss reads."""

    def __init__(self, width, vocabulary):
        torch.manual_seed(0)
        self.output = torch.nn.Linear(width, vocabulary)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("chunk", [1, 50, 1 << 20])
def test_equals_torch_on_real_tokens(monkeypatch, smoothing, chunk):
    monkeypatch.setattr(objective, "CHUNK_ELEMENTS", chunk)
    monkeypatch.setattr(objective, "SLICE_ELEMENTS", chunk)
    model = Output(5, 11)
    readout = torch.randn(3, 4, 5, requires_grad=True)
    target = torch.randint(0, 11, (3, 4))
    is_real = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]]).bool()
    real = is_real.flatten().nonzero().squeeze(1)
    weights = [readout, model.output.weight, model.output.bias]

    loss = objective.cross_entropy(model, readout, target, real, smoothing)
    ours = torch.autograd.grad(3.0 * loss.smoothed, weights)

    logits = model.output(readout)[is_real]
    expected = F.cross_entropy(logits, target[is_real], label_smoothing=smoothing, reduction="sum")
    theirs = torch.autograd.grad(3.0 * expected, weights)
    torch.testing.assert_close(loss.smoothed, expected)
    torch.testing.assert_close(loss.nll, F.cross_entropy(logits, target[is_real], reduction="sum"))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)


def test_bf16_is_close():
    model = Output(32, 50)
    readout, target = torch.randn(4, 6, 32), torch.randint(0, 50, (4, 6))
    real = torch.arange(24)
    exact = objective.cross_entropy(model, readout, target, real, 0.1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = objective.cross_entropy(model, readout, target, real, 0.1)
    torch.testing.assert_close(low.smoothed, exact.smoothed, rtol=5e-3, atol=0)


def test_no_gradient_wanted():
    model = Output(5, 11)
    with torch.no_grad():
        loss = objective.cross_entropy(model, torch.randn(1, 2, 5), torch.tensor([[1, 2]]), torch.arange(2), 0.0)
    assert not loss.smoothed.requires_grad
