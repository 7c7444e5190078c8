"""The losses equal those of torch, or a formula written out, for the same numbers."""

import pytest
import torch
from architectures import batch, build, unrolled_logits
from torch.nn import functional as F

from nmt import config
from nmt.data.token_ids import BOS, EOS, PAD
from nmt.training import cross_entropy
from nmt.training.cross_entropy import output_cross_entropy, token_log_probs
from nmt.training.microbatches import DeviceBatch
from nmt.training.objective import likelihood_loss


@pytest.fixture(params=[1, 50, 1 << 20])
def chunks(request, monkeypatch):
    """Compute this many logits at once."""
    monkeypatch.setattr(cross_entropy, "CHUNK_ELEMENTS", request.param)
    monkeypatch.setattr(cross_entropy, "SLICE_ELEMENTS", request.param)


def layer(width, vocabulary):
    torch.manual_seed(0)
    return torch.nn.Linear(width, vocabulary)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.usefixtures("chunks")
def test_cross_entropy_equals_torch(smoothing):
    output = layer(5, 11)
    readout, target = torch.randn(70, 5, requires_grad=True), torch.randint(0, 11, (70,))
    weights = [readout, output.weight, output.bias]
    loss, nll, correct = output_cross_entropy(output, [readout], target, smoothing, 0.0)
    gradients = torch.autograd.grad(3.0 * loss, weights)
    expected = F.cross_entropy(output(readout), target, label_smoothing=smoothing, reduction="sum")
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(nll, F.cross_entropy(output(readout), target, reduction="sum"))
    assert 0 < correct == (output(readout).argmax(1) == target).sum()
    torch.testing.assert_close(gradients, torch.autograd.grad(3.0 * expected, weights))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.usefixtures("chunks")
def test_r_drop_equals_its_formula(smoothing):
    """Half of Liang (2021), eq. 4: the mean cross-entropy, and alpha / 4 times the two divergences."""
    output = layer(5, 11)
    one, two, target = torch.randn(70, 5), torch.randn(70, 5), torch.randint(0, 11, (70,))
    weights = [one.requires_grad_(), two.requires_grad_(), output.weight, output.bias]
    loss, nll, correct = output_cross_entropy(output, [one, two], target, smoothing, 5.0)
    gradients = torch.autograd.grad(loss, weights)
    p, q = output(one).log_softmax(-1), output(two).log_softmax(-1)
    losses = [F.cross_entropy(x, target, label_smoothing=smoothing, reduction="sum") for x in (p, q)]
    divergence = F.kl_div(p, q, log_target=True, reduction="sum") + F.kl_div(q, p, log_target=True, reduction="sum")
    expected = sum(losses) / 2 + 5.0 / 4 * divergence
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(
        nll, (F.nll_loss(p, target, reduction="sum") + F.nll_loss(q, target, reduction="sum")) / 2
    )
    torch.testing.assert_close(gradients, torch.autograd.grad(expected, weights))
    assert 2 * correct == sum((x.argmax(1) == target).sum() for x in (p, q))


def test_log_probabilities_of_tokens_equal_torch(monkeypatch):
    monkeypatch.setattr(cross_entropy, "CHUNK_ELEMENTS", 1)
    output = layer(5, 11)
    readout, target = torch.randn(70, 5, requires_grad=True), torch.randint(0, 11, (70,))
    token_weights = torch.randn(70)
    log_prob, mean = token_log_probs(output, readout, target)
    table = output(readout).log_softmax(-1)
    torch.testing.assert_close(log_prob, table[torch.arange(70), target])
    torch.testing.assert_close(mean, table.mean(1))
    sums = ((token_weights * x).sum() for x in (log_prob, table[torch.arange(70), target]))
    gradients, expected = (torch.autograd.grad(x, [readout, output.weight]) for x in sums)
    torch.testing.assert_close(gradients, expected)


def test_the_loss_in_bfloat16_is_close_to_float32():
    output, readout, target = layer(32, 50), torch.randn(24, 32), torch.randint(0, 50, (24,))
    exact, *_ = output_cross_entropy(output, [readout], target, 0.1, 0.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low, *_ = output_cross_entropy(output, [readout], target, 0.1, 0.0)
    torch.testing.assert_close(low, exact, rtol=5e-3, atol=0)


def test_without_gradients_the_loss_has_none():
    with torch.no_grad():
        loss, *_ = output_cross_entropy(layer(5, 11), [torch.randn(2, 5)], torch.tensor([1, 2]), 0.0, 0.0)
    assert not loss.requires_grad


@pytest.mark.parametrize("copies", [False, True])
def test_likelihood_with_the_coverage_loss_equals_its_formula(copies):
    model = build(score="additive", coverage=True, context_to="next_input", copy_source=copies).double()
    source, lengths, _ = batch()
    target = torch.tensor([[5, 6, 7, EOS], [8, EOS, PAD, PAD], [9, 10, EOS, PAD]])
    previous, is_real = torch.cat([torch.full((3, 1), BOS), target[:, :-1]], 1), target != PAD
    inputs = DeviceBatch(source, lengths, previous, target, is_real.flatten().nonzero().squeeze(1))
    settings = config.Training(max_steps=10, label_smoothing=0.1, coverage_loss=0.5, coverage_after=0.4)
    weights = list(model.parameters())
    for step, weight in ((4, 0.0), (5, 0.5)):
        found = model(source, lengths, previous)
        log_prob = unrolled_logits(model, source, lengths, previous).log_softmax(-1)
        log_prob = log_prob.gather(2, target.unsqueeze(2)).squeeze(2)
        uniform = model.output(found.readout).log_softmax(-1).mean(-1)
        expected = -(0.9 * log_prob + 0.1 * uniform)[is_real].sum()
        for row, count in enumerate(is_real.sum(1).tolist()):
            covered = torch.zeros(7, dtype=torch.float64)
            for alignment in found.alignment[row, :count]:
                expected = expected + weight * torch.minimum(alignment, covered).sum()
                covered = covered + alignment
        loss = likelihood_loss(model, inputs, settings, step)
        torch.testing.assert_close(loss.minimised, expected)
        torch.testing.assert_close(loss.nll, -log_prob[is_real].sum().detach())
        gradients = (torch.autograd.grad(x, weights, retain_graph=True) for x in (loss.minimised, expected))
        torch.testing.assert_close(*gradients)
