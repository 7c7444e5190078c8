"""Which units are dropped, and how many."""

import pytest
import torch

from nmt.models.dropout import SequenceDropout, WordDropout, keep_factors


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_share_and_mean(probability):
    torch.manual_seed(0)
    factors = keep_factors(probability, (400, 251), torch.zeros(()))
    assert float((factors == 0).float().mean()) == pytest.approx(probability, abs=0.01)
    assert float(factors.mean()) == pytest.approx(1.0, abs=0.06)
    assert len(factors.unique()) == 2


def test_neighbours_are_independent():
    torch.manual_seed(0)
    kept = keep_factors(0.5, (100_000,), torch.zeros(())) > 0
    for shift in (1, 2, 3, 4):
        assert float((kept[shift:] == kept[:-shift]).float().mean()) == pytest.approx(0.5, abs=0.01)


def test_sentence_mask_is_the_same_along_a_sentence():
    torch.manual_seed(0)
    dropout = SequenceDropout(0.5, "sentence").train()
    x = dropout(torch.ones(4, 6, 50))
    assert torch.equal(x, x[:, :1].expand_as(x))
    assert not torch.equal(x[0], x[1])


def test_word_dropout_drops_whole_words():
    torch.manual_seed(0)
    x = WordDropout(0.5).train()(torch.ones(20, 10, 8))
    assert torch.equal(x, x[..., :1].expand_as(x))
    assert 0 < int((x[..., 0] == 0).sum()) < 200
