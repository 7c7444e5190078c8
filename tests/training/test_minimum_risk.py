"""The risk equals its definition, and a step of minimum-risk training lowers it."""

import dataclasses

import pytest
import torch
from architectures import batch, build

from nmt import config
from nmt.data.subword import UNK_SURFACE
from nmt.data.token_ids import BOS, EOS, PAD, UNK
from nmt.training import minimum_risk
from nmt.training.microbatches import DeviceBatch

SETTINGS = config.Training(objective="risk", init_from="x", risk_samples=4, risk_sharpness=0.5)


class Digits:
    """A subword model whose text shows the ids."""

    size = 1000

    def decode(self, ids):
        return " ".join(map(str, ids))


def overlap(hypothesis, reference):
    """A stand-in for BLEU: 100 times the share of words in common."""
    one, other = set(hypothesis.split()), set(reference.split())
    return 100.0 * len(one & other) / max(1, len(one | other))


def batch_of_pairs():
    source, lengths, _ = batch()
    target = torch.tensor([[5, 6, 7, EOS], [8, EOS, PAD, PAD], [9, 10, EOS, PAD]])
    previous = torch.cat([torch.full((3, 1), BOS), target[:, :-1]], 1)
    return DeviceBatch(source, lengths, previous, target, (target != PAD).flatten().nonzero().squeeze(1))


@pytest.mark.parametrize("architecture", [{}, {"context_to": "next_input", "copy_source": True}])
def test_the_risk_equals_its_definition(architecture):
    model = build(**architecture)
    loss = minimum_risk.risk_loss(model, model, batch_of_pairs(), SETTINGS, Digits(), overlap, seed=3)
    references = [(5, 6, 7), (8,), (9, 10)]
    candidates = minimum_risk._sample_candidates(model, batch_of_pairs(), [list(r) for r in references], 4, 3)
    assert [sentence[0] for sentence in candidates] == references and max(map(len, candidates)) > 2
    expected, nll = 0.0, 0.0
    for row, sentence in enumerate(candidates):
        log_probs = []
        for tokens in sentence:
            memory = model.encode(batch_of_pairs().source[row : row + 1], batch_of_pairs().lengths[row : row + 1])
            state, token, total = model.start(memory, 1), BOS, 0.0
            for after in [*tokens, EOS]:
                state, output = model.step(torch.tensor([token]), state, memory)
                total += output.logits.log_softmax(-1)[0, after]
                token = after
            log_probs.append(total)
        probabilities = (0.5 * torch.stack(log_probs)).softmax(0)
        costs = torch.tensor([1 - overlap(Digits().decode(t), Digits().decode(sentence[0])) / 100 for t in sentence])
        expected = expected + (probabilities * costs).sum()
        nll -= log_probs[0]
    torch.testing.assert_close(loss.minimised, expected)
    torch.testing.assert_close(loss.nll, nll.detach())


def test_a_step_lowers_the_risk(monkeypatch):
    model = build()
    candidates = minimum_risk._sample_candidates(model, batch_of_pairs(), [[5, 6, 7], [8], [9, 10]], 4, 3)
    monkeypatch.setattr(minimum_risk, "_sample_candidates", lambda *_: candidates)  # the same ones after the step
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    before = minimum_risk.risk_loss(model, model, batch_of_pairs(), SETTINGS, Digits(), overlap, seed=3).minimised
    before.backward()
    optimizer.step()
    assert (
        minimum_risk.risk_loss(model, model, batch_of_pairs(), SETTINGS, Digits(), overlap, seed=3).minimised < before
    )


def test_unknown_and_copied_words_match_only_themselves(monkeypatch):
    class Words(Digits):
        size = 10

        def decode(self, ids):
            return " ".join(UNK_SURFACE if i == UNK else str(i) for i in ids)

    scored = []

    def score(hypothesis, reference):
        scored.append((hypothesis.split(" "), reference.split(" ")))
        return overlap(hypothesis, reference)

    target = torch.tensor([[5, UNK, 11, EOS], [12, EOS, PAD, PAD], [9, 13, EOS, PAD]])
    pairs = dataclasses.replace(batch_of_pairs(), target=target)
    candidates = [[(5, UNK, 11), (5, UNK, 12)], [(12,), (UNK,)], [(9, 13), (9, 13, 4)]]
    monkeypatch.setattr(minimum_risk, "_sample_candidates", lambda *_: candidates)
    model = build(copy_source=True, context_to="next_input")
    minimum_risk.risk_loss(model, model, pairs, SETTINGS, Words(), score, seed=3)
    in_common = [[word for word in hypothesis if word in reference] for hypothesis, reference in scored]
    assert [len(words) for words in in_common] == [3, 1, 1, 0, 2, 2]
