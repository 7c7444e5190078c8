"""The encoder merges directions, reads both ways in the chosen layers, and summarises sentences."""

import pytest
import torch

from nmt import config
from nmt.models.encoder import Encoder, EncoderLayer, summarize

X, LENGTHS = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0)), torch.tensor([5, 3])


MERGED = {
    "concat": lambda a, b: torch.cat([a, b], -1),
    "sum": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "average": lambda a, b: (a + b) / 2,
}


@pytest.mark.parametrize("merge", MERGED)
@torch.no_grad()
def test_directions_are_merged(merge):
    torch.manual_seed(0)
    layer = EncoderLayer(config.Encoder(size=6, merge=merge), 4)
    output, (h, c) = layer(X, X, LENGTHS, with_cells=True)
    assert output.shape == (2, 5, 6) and h.shape == c.shape == (2, 6)
    for row, length in enumerate(LENGTHS.tolist()):
        x = X[row : row + 1, :length]
        forward, backward = layer.forwards(x)[0][0], layer.backwards(x.flip(1))[0].flip(1)[0]
        torch.testing.assert_close(output[row, :length], MERGED[merge](forward, backward))
        torch.testing.assert_close(h[row], MERGED[merge](forward[-1], backward[0]))


@pytest.mark.parametrize(
    ("keys", "expected"),
    [({}, [1, 1, 1]), ({"bidirectional": False}, [0, 0, 0]), ({"bidirectional_layers": 2}, [1, 1, 0])],
)
def test_the_lowest_layers_are_bidirectional(keys, expected):
    settings = config.Encoder(size=6, layers=3, **keys)
    encoder = Encoder(settings, config.Dropout(), 4, with_cells=False)
    assert [layer.backwards is not None for layer in encoder.layers] == expected


@torch.no_grad()
def test_a_reversed_encoder_reads_the_source_backwards():
    torch.manual_seed(0)
    plain = Encoder(config.Encoder(size=6, bidirectional=False), config.Dropout(), 4, with_cells=True).eval()
    backward = Encoder(config.Encoder(size=6, bidirectional=False, reverse=True), config.Dropout(), 4, True).eval()
    backward.load_state_dict(plain.state_dict())
    states, final = backward(X, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        expected, ends = plain(X[row : row + 1, :length].flip(1), LENGTHS[row : row + 1])
        torch.testing.assert_close(states[row, :length], expected[0].flip(0))
        torch.testing.assert_close(final[0][1][row], ends[0][1][0])


def test_a_sentence_is_summarised_as_one_vector():
    states = torch.tensor([[[1.0, 5.0], [3.0, 1.0], [9.0, 9.0]]])
    lengths, final = torch.tensor([2]), ((torch.tensor([[7.0, 8.0]]),),)
    assert summarize("last", states, final, lengths).tolist() == [[7.0, 8.0]]
    assert summarize("last", states, (), lengths).tolist() == [[3.0, 1.0]]
    assert summarize("mean", states, final, lengths).tolist() == [[2.0, 3.0]]
    assert summarize("max", states, final, lengths).tolist() == [[3.0, 5.0]]


def test_a_residual_connection_adds_the_input_before_dropout():
    torch.manual_seed(0)
    layer = EncoderLayer(config.Encoder(size=4, residual=True, bidirectional=False), 4)
    dropped = torch.zeros_like(X)
    without, _ = layer(dropped, dropped, LENGTHS, with_cells=False)
    output, _ = layer(dropped, X, LENGTHS, with_cells=False)
    torch.testing.assert_close(output - without, X)


@pytest.mark.parametrize(
    ("first", "expected"), [(1, [True, True, True]), (2, [False, True, True]), (3, [False, False, True])]
)
def test_residual_connections_start_at_residual_from(first, expected):
    torch.manual_seed(0)
    keys = config.Encoder(size=4, layers=3, residual=True, residual_from=first, bidirectional=False)
    found = []
    for depth in range(3):
        layer = EncoderLayer(keys, 4, depth)
        dropped = torch.zeros_like(X)
        without, _ = layer(dropped, dropped, LENGTHS, with_cells=False)
        output, _ = layer(dropped, X, LENGTHS, with_cells=False)
        found.append(not torch.equal(output, without))
    assert found == expected
