"""The graphs of a network compute what the network in torch computes.

Axes: B sentences, K slots of a sentence, N hypotheses, S source tokens, C candidates.
"""


import numpy as np
import pytest
import torch
from architectures import EVERY, VOCABULARY, batch, build, name_of, parts_of
from runtime.sessions import Network, arrays_of

from nmt.kernels.top_k import top_k

CLOSE = {"rtol": 1e-4, "atol": 1e-4}
COUNT = 5


def parts_of_state(state):
    """Return the tensors of a decoder state in the order of the graph."""
    others = [part for part in (state.feed, state.coverage) if part is not None]
    return [*(part for layer in state.layers for part in layer), *others]


class Pair:
    """The same network in torch and in ONNX Runtime, driven through the same steps."""

    def __init__(self, model, network, source, lengths):
        self.model, self.network = model, network
        self.memory = model.encode(source, lengths)
        self.state = model.start(self.memory, 1)
        network.encode(source.numpy(), lengths.numpy(), self.memory.extra_words)
        for number, expected in enumerate(parts_of_state(self.state)):
            np.testing.assert_allclose(network.state[f"state.{number}"], expected, **CLOSE)
        real = self.memory.is_real.numpy()
        if "states" in network.memory:
            np.testing.assert_allclose(network.memory["states"][real], self.memory.states[real], **CLOSE)

    def select(self, sentences):
        self.memory = self.memory.select(torch.tensor(sentences))
        self.network.select(sentences)

    def step(self, token, parents, slots, width):
        """Compare a step in both, and the best tokens with those of all log-probabilities."""
        before = self.network.state, self.network.position
        found = self.network.step(token, parents, slots, width)
        after = self.network.state, self.network.position
        memory = self.memory.at(torch.tensor(slots), width)
        state = self.state.select(torch.tensor(parents))
        self.state, output = self.model.step(torch.tensor(token), state, memory)
        np.testing.assert_allclose(found["alignment"], output.alignment, **CLOSE)
        expected = output.logits.log_softmax(-1).numpy()
        np.testing.assert_allclose(found["log_probs"], expected, **CLOSE)
        assert found["values"].shape == found["tokens"].shape == (len(token), 0)
        for number, part in enumerate(parts_of_state(self.state)):
            np.testing.assert_allclose(found[f"next.{number}"], part, **CLOSE)
        self.network.state, self.network.position = before
        best = self.network.step(token, parents, slots, width, count=COUNT, wants_all=False)
        assert best["log_probs"].shape == (len(token), 0)
        values, tokens = top_k(torch.from_numpy(found["log_probs"]), COUNT)
        np.testing.assert_array_equal(best["values"], values)
        np.testing.assert_array_equal(best["tokens"], tokens)
        self.network.state, self.network.position = after


@pytest.mark.parametrize("architecture", EVERY, ids=name_of)
@torch.no_grad()
def test_every_architecture_predicts_the_same_as_in_torch(architecture, tmp_path):
    model = build(**architecture)
    source, lengths, _ = batch()
    if model.copy_gate is not None:
        source[0, 2:4], source[1, 1] = torch.tensor([VOCABULARY + 1, VOCABULARY]), VOCABULARY
    pair = Pair(model, Network(parts_of(**architecture), arrays_of(model, tmp_path)), source, lengths)
    pair.step([2] * 3, [0, 1, 2], [0, 1, 2], 1)
    pair.step([4, 5, 6, 7, 8, 9, 10, 11, 12], [0, 0, 0, 1, 1, 1, 2, 2, 2], list(range(9)), 3)
    # Slots 1, 6 and 7 of 9 are empty, and the rows of each sentence are reordered.
    pair.step([13, 14, 15, 16, VOCABULARY - 1, 3], [2, 0, 5, 5, 3, 8], [0, 2, 3, 4, 5, 8], 3)
    pair.select([1, 2])  # the longest sentence is finished
    pair.step([4, 5, 6], [4, 2, 5], [0, 1, 2], 2)
    pair.step([7, 8], [1, 2], [0, 1], 1)


def test_extra_words_are_read_as_unknown(tmp_path):
    model = build(copy_source=True)
    network = Network(parts_of(copy_source=True), arrays_of(model, tmp_path))
    source = np.array([[4, VOCABULARY, 3]])
    found = []
    for token in (1, VOCABULARY):
        network.encode(source, np.array([3]), 1)
        found.append(network.step([token], [0], [0], 1)["log_probs"])
    assert found[0].shape == (1, VOCABULARY + 1)
    np.testing.assert_array_equal(*found)
