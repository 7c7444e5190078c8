"""Dropout modules drop units along a sentence, or whole words."""

import torch

from nmt.models.dropout import SequenceDropout, WordDropout


def test_a_sentence_mask_drops_the_same_units_at_all_positions():
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
