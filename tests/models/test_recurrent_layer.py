"""Recurrent layers equal torch's cells and equations worked out by hand; padding never changes their states."""

import math

import pytest
import torch
from torch import nn

from nmt.models.cells import INPUT_GAIN
from nmt.models.recurrent_layer import RecurrentLayer, last_real, reverse

CELLS = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn": nn.RNNCell}
KINDS = [{}, {"transitions": 2}, {"gate_norm": True}, {"transitions": 3, "gate_norm": True}]


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


@pytest.mark.parametrize("transitions", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
@torch.no_grad()
def test_steps_and_sequences_equal_the_cells_of_torch(cell, transitions):
    torch.manual_seed(0)
    layer = RecurrentLayer(cell, 3, 4, transitions)
    references = [CELLS[cell](3 if number == 0 else 0, 4) for number in range(transitions)]
    for part, reference in zip((layer, *layer.further), references, strict=True):
        for weight, copy in zip(part.network.parameters(), reference.parameters(), strict=True):
            copy.copy_(weight.normal_())
    x = torch.randn(2, 5, 3)
    start = tuple(torch.randn(2, 4) for _ in range(layer.state_count))
    outputs, _ = layer(x, start)
    state, expected = start, start if cell == "lstm" else start[0]
    for t in range(5):
        state = layer.step([x[:, t]], state)
        for number, reference in enumerate(references):
            expected = reference(x[:, t, :0] if number else x[:, t], expected)
        h = expected[0] if cell == "lstm" else expected
        torch.testing.assert_close(state[0], h)
        torch.testing.assert_close(outputs[:, t], h)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("kind", KINDS[:3], ids=str)
@torch.no_grad()
def test_training_drops_the_same_recurrent_weights_in_every_step(cell, kind):
    torch.manual_seed(0)
    layer, by_hand = (RecurrentLayer(cell, 3, 4, weight_dropout=0.5, **kind) for _ in range(2))
    by_hand.load_state_dict(layer.state_dict())
    x, lengths = torch.randn(2, 5, 3), torch.tensor([5, 3])
    by_hand.eval()
    assert torch.equal(layer.eval()(x)[0], by_hand(x)[0])
    layer.train()
    outputs = []
    for asked in ({}, {"lengths": lengths, "with_cells": True}):
        torch.manual_seed(1)
        outputs.append(layer(x, **asked))
    assert not torch.equal(layer(x)[0], outputs[0][0])
    torch.manual_seed(1)
    for part in (by_hand, *by_hand.further):
        weight = part.weights[1]
        weight.copy_(nn.functional.dropout(weight, 0.5))
        assert 0 < int((weight == 0).sum()) < weight.numel()
    torch.testing.assert_close(outputs[0], by_hand(x))
    torch.testing.assert_close(outputs[1], by_hand(x, lengths=lengths, with_cells=True))


def normalised(part):
    centred = part - part.mean(1, keepdim=True)
    return centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()


def layer_with_gate_norm(cell):
    torch.manual_seed(0)
    layer = RecurrentLayer(cell, 3, 4, gate_norm=True)
    for weight in layer.parameters():
        nn.init.normal_(weight)
    return layer


@torch.no_grad()
def test_each_gate_of_an_lstm_is_normalised_before_its_bias():
    layer = layer_with_gate_norm("lstm")
    x, h, c = torch.randn(2, 3), torch.randn(2, 4), torch.randn(2, 4)
    input_weight, state_weight, *biases = layer.weights
    products, gains = x @ input_weight.T + h @ state_weight.T, layer.norm.gain
    parts = zip(products.chunk(4, 1), gains.chunk(4), sum(biases).chunk(4), strict=True)
    gates = [normalised(part) * gain + bias for part, gain, bias in parts]
    expected = gates[1].sigmoid() * c + gates[0].sigmoid() * gates[2].tanh()
    output, memory = layer.step([x], (h, c))
    torch.testing.assert_close(memory, expected)
    torch.testing.assert_close(output, gates[3].sigmoid() * expected.tanh())


@torch.no_grad()
def test_each_gate_of_a_gru_is_normalised_before_its_bias():
    layer = layer_with_gate_norm("gru")
    x, h = torch.randn(2, 3), torch.randn(2, 4)
    of_input, of_state = ((y @ weight.T).chunk(3, 1) for y, weight in zip((x, h), layer.weights, strict=False))
    input_bias, state_bias = (bias.chunk(3) for bias in layer.weights[2:])
    gain = layer.norm.gain.chunk(4)
    reset, update = (
        (normalised(of_input[i] + of_state[i]) * gain[i] + input_bias[i] + state_bias[i]).sigmoid() for i in (0, 1)
    )
    x_new, h_new = normalised(of_input[2]) * gain[2], normalised(of_state[2]) * gain[3]
    new = (x_new + input_bias[2] + reset * (h_new + state_bias[2])).tanh()
    torch.testing.assert_close(layer.step([x], (h,))[0], (1 - update) * new + update * h)


@torch.no_grad()
def test_gate_normalisation_removes_the_scale_of_the_input():
    torch.manual_seed(0)
    layer = RecurrentLayer("gru", 30, 40, gate_norm=True)
    x, zero = torch.randn(2, 30), torch.zeros(2, 40)
    torch.testing.assert_close(layer.step([x], (zero,))[0], layer.step([9 * x], (zero,))[0], atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(layer.step([0 * x], (zero,))[0], zero)


def one_unit(cell, input_weights):
    """Return a layer of one unit whose recurrent weights are 0.5 and whose biases are as initialised."""
    layer = RecurrentLayer(cell, 1, 1)
    layer.weights[0].copy_(torch.tensor(input_weights).unsqueeze(1))
    layer.weights[1].fill_(0.5)
    return layer


@torch.no_grad()
def test_an_lstm_step_equals_its_equations_with_a_forget_bias_of_1():
    h, c = one_unit("lstm", [1.0, 2.0, 3.0, 4.0]).step(
        [torch.tensor([[0.1]])], (torch.tensor([[0.2]]), torch.ones(1, 1))
    )
    expected = sigmoid(0.1 * 2 + 0.2 * 0.5 + 1) + sigmoid(0.1 + 0.2 * 0.5) * math.tanh(0.1 * 3 + 0.2 * 0.5)
    assert float(c) == pytest.approx(expected, rel=1e-6)
    assert float(h) == pytest.approx(sigmoid(0.1 * 4 + 0.2 * 0.5) * math.tanh(expected), rel=1e-6)


@torch.no_grad()
def test_a_gru_step_equals_its_equations():
    [h] = one_unit("gru", [1.0, 2.0, 3.0]).step([torch.tensor([[0.1]])], (torch.tensor([[0.2]]),))
    reset, update = sigmoid(0.1 + 0.2 * 0.5), sigmoid(0.1 * 2 + 0.2 * 0.5)
    new = math.tanh(0.1 * 3 + reset * 0.2 * 0.5)
    assert float(h) == pytest.approx((1 - update) * new + update * 0.2, rel=1e-6)


@torch.no_grad()
def test_an_rnn_step_equals_its_equation():
    [h] = one_unit("rnn", [2.0]).step([torch.tensor([[0.1]])], (torch.tensor([[0.2]]),))
    assert float(h) == pytest.approx(math.tanh(0.1 * 2 + 0.2 * 0.5), rel=1e-6)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("cell", CELLS)
@torch.no_grad()
def test_the_final_state_is_that_after_the_last_real_token(cell, kind):
    torch.manual_seed(0)
    layer = RecurrentLayer(cell, 3, 4, **kind)
    x, lengths = torch.randn(2, 5, 3), torch.tensor([3, 5])
    output, final = layer(x, lengths=lengths, with_cells=True)
    for i, length in enumerate(lengths.tolist()):
        state = tuple(torch.zeros(1, 4) for _ in range(layer.state_count))
        for t in range(length):
            state = layer.step([x[i : i + 1, t]], state)
        for part, expected in zip(final, state, strict=True):
            torch.testing.assert_close(part[i : i + 1], expected)
    torch.testing.assert_close(last_real(output, lengths), final[0])
    assert len(layer(x, lengths=lengths)[1]) == 1 and layer(x)[1] == ()


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_a_step_with_a_projected_part_of_the_input_equals_a_whole_step(cell, kind):
    torch.manual_seed(0)
    layer = RecurrentLayer(cell, 5, 4, **kind)
    for weight in layer.parameters():
        nn.init.normal_(weight)
    x, state = torch.randn(2, 5), tuple(torch.randn(2, 4) for _ in range(layer.state_count))
    found = layer.step([x[:, 2:]], state, layer.loop_steps(2), layer.project_input(x[:, :2]))
    torch.testing.assert_close(found, layer.step([x], state))


def test_the_gradient_of_an_lstm_step_equals_differences():
    layer = RecurrentLayer("lstm", 2, 3).double()
    x, h, c = (torch.randn(2, size, dtype=torch.float64, requires_grad=True) for size in (2, 3, 3))
    assert torch.autograd.gradcheck(lambda x, *state: layer.step([x], state), (x, h, c))


def test_reverse_keeps_padding_in_place():
    x = torch.tensor([[1, 2, 3, 0], [4, 5, 6, 7]]).unsqueeze(2)
    assert reverse(x, torch.tensor([3, 4])).squeeze(2).tolist() == [[3, 2, 1, 0], [7, 6, 5, 4]]


@pytest.mark.parametrize(("cell", "gates"), [("lstm", 4), ("gru", 3), ("rnn", 1)])
def test_each_gate_is_initialised_separately(cell, gates):
    torch.manual_seed(0)
    layer = RecurrentLayer(cell, 96, 160)
    limit = INPUT_GAIN[cell] * math.sqrt(6 / (96 + 160))
    for block in layer.weights[0].chunk(gates):
        assert 0.98 * limit < block.abs().max() <= limit
    for block in layer.weights[1].chunk(gates):
        torch.testing.assert_close(block @ block.T, torch.eye(160), atol=1e-5, rtol=0)


def test_the_signal_does_not_vanish_in_a_new_stack_of_layers():
    torch.manual_seed(0)
    x = torch.randn(8, 20, 256) * 0.25
    for _ in range(4):
        x, _ = RecurrentLayer("lstm", 256, 256)(x)
    assert x[:, -1].std() > 0.1


def test_dropped_words_at_the_start_of_a_sentence_leave_the_gradient_small():
    """With gate normalisation and a deep transition their gradient was thousands of times as large as all others."""
    torch.manual_seed(0)
    layer = RecurrentLayer("gru", 8, 16, transitions=2, gate_norm=True)
    x = 0.1 * torch.randn(20, 10, 8)
    norms = []
    for dropped in (0, 3):
        x[:, :dropped] = 0.0
        layer.zero_grad()
        layer(x)[0].sum().backward()
        norms.append(float(torch.nn.utils.get_total_norm(w.grad for w in layer.parameters() if w.grad is not None)))
    assert norms[1] < 2 * norms[0]
