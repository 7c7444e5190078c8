"""The pointer-generator mixes generating and copying as in the equations of See (2017)."""

import dataclasses

import pytest
import torch
from architectures import VOCABULARY, batch, build

from nmt.data.token_ids import BOS, EOS, PAD, UNK
from nmt.decoding.forced_decoding import score_targets
from nmt.models.pointer_generator import CopyGate
from nmt.models.torch_engine import TorchEngine
from nmt.training.microbatches import DeviceBatch
from nmt.training.objective import target_log_probs


@torch.no_grad()
def test_the_mixture_equals_equation_9():
    torch.manual_seed(0)
    gate = CopyGate(3)
    logits, readout = torch.randn(4, 6), torch.randn(4, 3)
    alignment = torch.rand(4, 5).softmax(1)
    rows = torch.tensor([[1, 4, 4, 5, 3], [2, 2, 3, 0, 0]]).repeat_interleave(2, dim=0)
    mixed = gate.mix(logits, readout, alignment, rows).exp()
    for row in range(4):
        share = float(gate.gate(readout[row]).sigmoid())
        expected = share * logits[row].softmax(0)
        for position, token in enumerate(rows[row].tolist()):
            expected[token] += (1 - share) * alignment[row, position]
        torch.testing.assert_close(mixed[row], expected)
    torch.testing.assert_close(mixed.sum(1), torch.ones(4))
    target = torch.tensor([4, 0, 2, 5])
    log_prob = logits.log_softmax(1).gather(1, target.unsqueeze(1)).squeeze(1)
    found = gate.log_prob(log_prob, readout, alignment, rows, target)
    torch.testing.assert_close(found.exp(), mixed.gather(1, target.unsqueeze(1)).squeeze(1))


@torch.no_grad()
def test_a_word_outside_the_vocabulary_can_only_be_copied():
    torch.manual_seed(0)
    gate = CopyGate(3)
    logits, readout = torch.randn(2, 6), torch.randn(2, 3)
    alignment = torch.tensor([[0.5, 0.2, 0.3], [0.1, 0.9, 0.0]])
    source = torch.tensor([[6, 2, 6], [3, 7, 0]])  # six entries, so 6 and 7 are extra words
    mixed = gate.mix(logits, readout, alignment, source, 2)
    copy = 1 - gate.gate(readout).sigmoid().squeeze(1)
    torch.testing.assert_close(mixed[:, 6:].exp(), copy.unsqueeze(1) * torch.tensor([[0.8, 0.0], [0.0, 0.9]]))
    torch.testing.assert_close(mixed.exp().sum(1), torch.ones(2))
    found = gate.log_prob(torch.full((2,), -torch.inf), readout, alignment, source, torch.tensor([6, 7]))
    torch.testing.assert_close(found, mixed[[0, 1], [6, 7]])


@pytest.mark.parametrize("context_to", ["next_input", "same_step", "output", "upper_layers"])
def test_training_and_search_distinguish_words_outside_the_vocabulary(context_to):
    model = build(score="additive", context_to=context_to, copy_source=True)
    source, lengths, _ = batch()
    source[0, 2], source[0, 4], source[1, 0] = VOCABULARY, VOCABULARY + 1, VOCABULARY
    target = torch.tensor([[VOCABULARY + 1, 7, VOCABULARY, EOS], [VOCABULARY, 5, EOS, PAD], [UNK, 9, 4, EOS]])
    previous = torch.cat([torch.full((3, 1), BOS), target[:, :-1]], 1)
    real = (target != PAD).flatten().nonzero().squeeze(1)
    data = DeviceBatch(source, lengths, previous, target, real)
    log_prob, _ = target_log_probs(model, model(source, lengths, previous), data)
    sides = source, lengths, target, (target != PAD).sum(1)
    forced = score_targets(TorchEngine(model), *(side.numpy() for side in sides))
    torch.testing.assert_close(log_prob, torch.tensor([value for row in forced for value in row]), rtol=0, atol=2e-5)
    log_prob.sum().backward()
    assert all(weight.grad.isfinite().all() for weight in model.parameters())
    exchanged = source.clone()
    exchanged[0, 2], exchanged[0, 4] = VOCABULARY + 1, VOCABULARY
    other_data = dataclasses.replace(data, source=exchanged)
    other, _ = target_log_probs(model, model(exchanged, lengths, previous), other_data)
    assert abs(other[0] - log_prob[0]) > 1e-3 and torch.equal(other[4:], log_prob[4:])


def test_a_target_that_cannot_be_copied_has_finite_gradients():
    gate = CopyGate(3)
    log_prob = torch.tensor([-1.0], requires_grad=True)
    alignment = torch.tensor([[1.0, 0.0]], requires_grad=True)
    found = gate.log_prob(log_prob, torch.ones(1, 3), alignment, torch.tensor([[4, 5]]), torch.tensor([7]))
    found.sum().backward()
    assert all(part.grad.isfinite().all() for part in (log_prob, alignment, gate.gate.weight))
