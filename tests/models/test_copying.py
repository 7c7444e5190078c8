"""The mixture of generating and copying, spelled out."""

import torch

from nmt.models.copying import CopyGate


@torch.no_grad()
def test_the_mixture_by_hand():
    torch.manual_seed(0)
    gate = CopyGate(3)
    logits, readout = torch.randn(4, 6), torch.randn(4, 3)
    alignment = torch.rand(4, 5).softmax(1)
    rows = torch.tensor([[1, 4, 4, 5, 3], [2, 2, 3, 0, 0]]).repeat_interleave(2, dim=0)
    mixed = gate.mix(logits, readout, alignment, rows).exp()
    for row in range(4):
        share = float(gate.gate(readout[row]).sigmoid())
        expected = share * logits[row].softmax(0)
        for place, token in enumerate(rows[row].tolist()):
            expected[token] += (1 - share) * alignment[row, place]
        torch.testing.assert_close(mixed[row], expected)
    torch.testing.assert_close(mixed.sum(1), torch.ones(4))
    target = torch.tensor([4, 0, 2, 5])
    log_prob = logits.log_softmax(1).gather(1, target.unsqueeze(1)).squeeze(1)
    found = gate.log_prob(log_prob, readout, alignment, rows, target)
    torch.testing.assert_close(found.exp(), mixed.gather(1, target.unsqueeze(1)).squeeze(1))


def test_what_cannot_be_copied_has_a_gradient():
    gate = CopyGate(3)
    log_prob = torch.tensor([-1.0], requires_grad=True)
    alignment = torch.tensor([[1.0, 0.0]], requires_grad=True)
    found = gate.log_prob(log_prob, torch.ones(1, 3), alignment, torch.tensor([[4, 5]]), torch.tensor([7]))
    found.sum().backward()
    assert all(part.grad.isfinite().all() for part in (log_prob, alignment, gate.gate.weight))
