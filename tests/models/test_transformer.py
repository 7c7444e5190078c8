"""The Transformer layers equal torch's layers with the same weights."""

import math

import torch
from architectures import batch, build
from torch import nn

from nmt.models.transformer import TransformerEncoderLayer, add_positions


@torch.no_grad()
def test_encoder_layer_equals_torch():
    torch.manual_seed(0)
    ours = TransformerEncoderLayer(8, 2, 12, 0.0)
    theirs = nn.TransformerEncoderLayer(8, 2, 12, 0.0, batch_first=True)
    attention = ours.attention
    theirs.self_attn.in_proj_weight.copy_(
        torch.cat([attention.query.weight, attention.key.weight, attention.value.weight])
    )
    theirs.self_attn.in_proj_bias.copy_(torch.cat([attention.query.bias, attention.key.bias, attention.value.bias]))
    theirs.self_attn.out_proj.load_state_dict(attention.merge.state_dict())
    theirs.linear1.load_state_dict(ours.feed_forward.enter.state_dict())
    theirs.linear2.load_state_dict(ours.feed_forward.leave.state_dict())
    x, is_real = torch.randn(2, 5, 8), torch.arange(5) < torch.tensor([[5], [3]])
    expected = theirs.train()(x, src_key_padding_mask=~is_real)
    found = ours(x, is_real[:, None, None])
    torch.testing.assert_close(found[is_real], expected[is_real])


def test_positions_are_added_as_sinusoids():
    found = add_positions(torch.full((1, 2, 4), 0.5), first=3)
    for row, position in enumerate((3, 4)):
        waves = [math.sin(position), math.cos(position), math.sin(position / 100), math.cos(position / 100)]
        torch.testing.assert_close(found[0, row], torch.tensor([0.5 + wave for wave in waves]))


@torch.no_grad()
def test_decoder_layer_equals_torch():
    model = build(encoder="transformer", decoder="transformer", layers=1, tie="none")
    [layer], theirs = model.decoder.layers, nn.TransformerDecoderLayer(8, 2, 12, 0.0, batch_first=True)
    for ours, other in ((layer.self_attention, theirs.self_attn), (layer.attention, theirs.multihead_attn)):
        other.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]))
        other.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key.bias, ours.value.bias]))
        other.out_proj.load_state_dict(ours.merge.state_dict())
    theirs.linear1.load_state_dict(layer.feed_forward.enter.state_dict())
    theirs.linear2.load_state_dict(layer.feed_forward.leave.state_dict())
    for number, norm in enumerate(layer.norms, 1):
        getattr(theirs, f"norm{number}").load_state_dict(norm.state_dict())
    source, lengths, previous = batch()
    memory, embedded = model.encode(source, lengths), model.target_embedding(previous)
    later = torch.ones(5, 5, dtype=torch.bool).triu(1)
    masks = {"tgt_mask": later, "memory_key_padding_mask": ~memory.is_real}
    expected = theirs(add_positions(embedded), memory.states, **masks)
    torch.testing.assert_close(model.decoder.unroll(embedded, memory)[0], expected, rtol=1e-4, atol=1e-4)
