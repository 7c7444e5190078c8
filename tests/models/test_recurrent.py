"""A layer against torch's cells, a hand-computed step, and the helpers that respect lengths."""

import math

import pytest
import torch
from torch import nn

from nmt.models.cells import INPUT_GAIN
from nmt.models.recurrent_layer import RecurrentLayer, last_real, reverse


@pytest.mark.parametrize(("cell", "reference"), [("lstm", nn.LSTMCell), ("gru", nn.GRUCell), ("rnn", nn.RNNCell)])
@torch.no_grad()
def test_step_and_sequence_equal_torch_cells(cell, reference):
    torch.manual_seed(0)
    layer, other = RecurrentLayer(cell, 3, 4), reference(3, 4)
    for name, weight in layer.network.named_parameters():
        weight.normal_()
        getattr(other, name.removesuffix("_l0")).copy_(weight)
    x = torch.randn(2, 5, 3)
    start = tuple(torch.randn(2, 4) for _ in range(layer.states))
    state, expected = start, start if cell == "lstm" else start[0]
    outputs = layer(x, start)
    for t in range(5):
        output, state = layer.step(x[:, t], state)
        expected = other(x[:, t], expected)
        h = expected[0] if cell == "lstm" else expected
        torch.testing.assert_close(output, h)
        torch.testing.assert_close(outputs[:, t], h)


@pytest.mark.parametrize(("cell", "reference"), [("lstm", nn.LSTMCell), ("gru", nn.GRUCell), ("rnn", nn.RNNCell)])
@torch.no_grad()
def test_transitions_equal_torch_cells_one_after_the_other(cell, reference):
    torch.manual_seed(0)
    layer, others = RecurrentLayer(cell, 3, 4, transitions=3), [reference(width, 4) for width in (3, 0, 0)]
    for part, other in zip((layer, *layer.further), others, strict=True):
        for name, weight in part.network.named_parameters():
            getattr(other, name).copy_(weight.normal_())
    x = torch.randn(2, 5, 3)
    start = tuple(torch.randn(2, 4) for _ in range(layer.states))
    outputs, state = layer(x, start), start
    expected = start if cell == "lstm" else start[0]
    for t in range(5):
        output, state = layer.step(x[:, t], state)
        for read, other in zip((x[:, t], x[:, t, :0], x[:, t, :0]), others, strict=True):
            expected = other(read, expected)
        h = expected[0] if cell == "lstm" else expected
        torch.testing.assert_close(output, h)
        torch.testing.assert_close(outputs[:, t], h)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("more", [{}, {"transitions": 2}, {"gate_norm": True}], ids=str)
@torch.no_grad()
def test_dropped_weights_are_the_same_in_every_step_of_training(cell, more):
    torch.manual_seed(0)
    layer, by_hand = (RecurrentLayer(cell, 3, 4, weight_dropout=0.5, **more) for _ in range(2))
    by_hand.load_state_dict(layer.state_dict())
    x, lengths = torch.randn(2, 5, 3), torch.tensor([5, 3])
    layer.train()
    by_hand.eval()
    assert torch.equal(layer.eval()(x), by_hand(x))
    torch.manual_seed(1)
    outputs = layer.train()(x)
    torch.manual_seed(1)
    to_end, final = layer.forward_to_end(x, lengths)
    assert not torch.equal(layer(x), outputs)
    torch.manual_seed(1)
    for part in (by_hand, *by_hand.further):
        weight = part.weights[1]
        weight.copy_(nn.functional.dropout(weight, 0.5))
        assert 0 < int((weight == 0).sum()) < weight.numel()
    torch.testing.assert_close(outputs, by_hand(x))
    expected, expected_final = by_hand.forward_to_end(x, lengths)
    torch.testing.assert_close(to_end, expected)
    torch.testing.assert_close(final, expected_final)


def normalised(part):
    centred = part - part.mean(1, keepdim=True)
    return centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()


def normalising_layer(cell):
    torch.manual_seed(0)
    layer = RecurrentLayer(cell, 3, 4, gate_norm=True)
    for weight in layer.parameters():
        nn.init.normal_(weight)
    return layer


@torch.no_grad()
def test_each_gate_of_an_lstm_is_normalised_before_its_bias():
    layer = normalising_layer("lstm")
    x, h, c = torch.randn(2, 3), torch.randn(2, 4), torch.randn(2, 4)
    of_input, of_state, *biases = layer.weights
    products, gains = x @ of_input.T + h @ of_state.T, layer.norm.gain
    parts = zip(products.chunk(4, 1), gains.chunk(4), sum(biases).chunk(4), strict=True)
    gates = [normalised(part) * gain + bias for part, gain, bias in parts]
    expected = gates[1].sigmoid() * c + gates[0].sigmoid() * gates[2].tanh()
    output, (_, memory) = layer.step(x, (h, c))
    torch.testing.assert_close(memory, expected)
    torch.testing.assert_close(output, gates[3].sigmoid() * expected.tanh())


@torch.no_grad()
def test_each_gate_of_a_gru_is_normalised_before_its_bias():
    layer = normalising_layer("gru")
    x, h = torch.randn(2, 3), torch.randn(2, 4)
    of_input, of_state = ((y @ weight.T).chunk(3, 1) for y, weight in zip((x, h), layer.weights, strict=False))
    bias_of_input, bias_of_state = (bias.chunk(3) for bias in layer.weights[2:])
    gain = layer.norm.gain.chunk(4)
    reset, update = (
        (normalised(of_input[i] + of_state[i]) * gain[i] + bias_of_input[i] + bias_of_state[i]).sigmoid()
        for i in (0, 1)
    )
    x_new, h_new = normalised(of_input[2]) * gain[2], normalised(of_state[2]) * gain[3]
    new = (x_new + bias_of_input[2] + reset * (h_new + bias_of_state[2])).tanh()
    torch.testing.assert_close(layer.step(x, (h,))[0], (1 - update) * new + update * h)


@torch.no_grad()
def test_what_a_normalised_gru_reads_does_not_change_with_its_loudness():
    torch.manual_seed(0)
    layer = RecurrentLayer("gru", 30, 40, gate_norm=True)
    x, zero = torch.randn(2, 30), torch.zeros(2, 40)
    torch.testing.assert_close(layer.step(x, (zero,))[0], layer.step(9 * x, (zero,))[0], atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(layer.step(0 * x, (zero,))[0], zero)


@torch.no_grad()
def test_lstm_by_hand():
    layer = RecurrentLayer("lstm", 1, 1)
    layer.network.weight_ih_l0.copy_(torch.tensor([[1.0], [2.0], [3.0], [4.0]]))
    layer.network.weight_hh_l0.copy_(torch.tensor([[0.5], [0.5], [0.5], [0.5]]))
    layer.network.bias_ih_l0.zero_()
    output, (h, c) = layer.step(torch.tensor([[0.1]]), (torch.tensor([[0.2]]), torch.tensor([[0.3]])))

    def squash(x):
        return 1 / (1 + math.exp(-x))

    cell = squash(0.3) * 0.3 + squash(0.2) * math.tanh(0.4)
    assert float(c) == pytest.approx(cell, rel=1e-6)
    assert float(h) == float(output) == pytest.approx(squash(0.5) * math.tanh(cell), rel=1e-6)


@torch.no_grad()
def test_gru_by_hand():
    layer = RecurrentLayer("gru", 1, 1)
    layer.network.weight_ih_l0.copy_(torch.tensor([[1.0], [2.0], [3.0]]))
    layer.network.weight_hh_l0.copy_(torch.tensor([[0.5], [0.5], [0.5]]))
    _, (h,) = layer.step(torch.tensor([[0.1]]), (torch.tensor([[0.2]]),))
    reset, update = 1 / (1 + math.exp(-0.2)), 1 / (1 + math.exp(-0.3))
    assert float(h) == pytest.approx((1 - update) * math.tanh(0.3 + reset * 0.1) + update * 0.2, rel=1e-6)


@torch.no_grad()
def test_rnn_by_hand():
    layer = RecurrentLayer("rnn", 1, 1)
    layer.network.weight_ih_l0.fill_(2.0)
    layer.network.weight_hh_l0.fill_(0.5)
    output, (h,) = layer.step(torch.tensor([[0.1]]), (torch.tensor([[0.2]]),))
    assert float(h) == float(output) == pytest.approx(math.tanh(0.2 + 0.1), rel=1e-6)


LAYERS = [{}, {"transitions": 2}, {"gate_norm": True}, {"transitions": 3, "gate_norm": True}]


@pytest.mark.parametrize("kind", LAYERS, ids=str)
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@torch.no_grad()
def test_forward_to_end_gives_the_state_after_the_last_real_token(cell, kind):
    torch.manual_seed(0)
    layer = RecurrentLayer(cell, 3, 4, **kind)
    x, lengths = torch.randn(2, 5, 3), torch.tensor([3, 5])
    output, final = layer.forward_to_end(x, lengths)
    for i, length in enumerate(lengths.tolist()):
        state = tuple(torch.zeros(1, 4) for _ in range(layer.states))
        for t in range(length):
            _, state = layer.step(x[i : i + 1, t], state)
        for part, expected in zip(final, state, strict=True):
            torch.testing.assert_close(part[i : i + 1], expected)
    torch.testing.assert_close(last_real(output, lengths), final[0])
    assert len(layer.forward_to_end(x, lengths, with_cells=False)[1]) == 1


@pytest.mark.parametrize("kind", LAYERS, ids=str)
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_a_projected_part_of_the_input_and_the_rest_make_a_whole_step(cell, kind):
    torch.manual_seed(0)
    layer = RecurrentLayer(cell, 5, 4, **kind)
    for weight in layer.parameters():
        nn.init.normal_(weight)
    x, state = torch.randn(2, 5), tuple(torch.randn(2, 4) for _ in range(layer.states))
    projected, weights = layer.project_input(x[:, :2], slice(0, 2)), layer.all_gate_weights(slice(2, None))
    output, _ = layer.step(x[:, 2:], state, weights, projected)
    torch.testing.assert_close(output, layer.step(x, state)[0])


def test_lstm_gradient():
    layer = RecurrentLayer("lstm", 2, 3).double()
    x, h, c = (torch.randn(2, size, dtype=torch.float64, requires_grad=True) for size in (2, 3, 3))
    assert torch.autograd.gradcheck(lambda *given: layer.step(given[0], given[1:])[1], (x, h, c))


def test_reverse_keeps_padding_in_place():
    x = torch.tensor([[1, 2, 3, 0], [4, 5, 6, 7]]).unsqueeze(2)
    assert reverse(x, torch.tensor([3, 4])).squeeze(2).tolist() == [[3, 2, 1, 0], [7, 6, 5, 4]]


@pytest.mark.parametrize(("cell", "gates"), [("lstm", 4), ("gru", 3), ("rnn", 1)])
def test_each_gate_is_drawn_by_itself(cell, gates):
    torch.manual_seed(0)
    layer = RecurrentLayer(cell, 96, 160)
    limit = INPUT_GAIN[cell] * math.sqrt(6 / (96 + 160))
    for block in layer.weights[0].chunk(gates):
        assert 0.98 * limit < block.abs().max() <= limit
    for block in layer.weights[1].chunk(gates):
        torch.testing.assert_close(block @ block.T, torch.eye(160), atol=1e-5, rtol=0)


def test_a_stack_does_not_fall_silent():
    torch.manual_seed(0)
    x = torch.randn(8, 20, 256) * 0.25
    for _ in range(4):
        x = RecurrentLayer("lstm", 256, 256)(x)
    assert x[:, -1].std() > 0.1
