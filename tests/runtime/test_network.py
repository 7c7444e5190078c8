"""The graphs of a network compute what the network in torch computes.

Axes: B sentences, K slots of a sentence, N hypotheses, S source tokens, C candidates.
"""

import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from architectures import EVERY, VOCABULARY, batch, build, name_of, parts_of
from runtime.sessions import Network, arrays_of, session

from nmt import config
from nmt.errors import NmtError
from nmt.kernels import int8
from nmt.kernels.top_k import top_k
from nmt.models import inference
from nmt.models.seq2seq import Seq2Seq
from nmt.runtime import output
from nmt.runtime.graph import FLOAT, INT64, Graph
from nmt.runtime.network import build_graphs
from nmt.runtime.onnx_engine import ROUND_LENGTH
from nmt.runtime.products import MAX_WEIGHT_LEVEL

HAS_INT8 = hasattr(torch.ops.onednn, "qlinear_pointwise")
CLOSE = {"rtol": 1e-4, "atol": 1e-4}
COUNT = 5


def parts_of_state(state):
    """Return the tensors of a decoder state in the order of the graph."""
    others = [part for part in (state.feed, state.coverage) if part is not None]
    return [*(part for layer in state.layers for part in layer), *others]


class Pair:
    """The same network in torch and in ONNX Runtime, driven through the same steps."""

    def __init__(self, model, network, source, lengths):
        self.model, self.network = model.eval(), network
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


@pytest.mark.parametrize("architecture", EVERY[::3] + EVERY[-4:], ids=name_of)
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


@pytest.mark.skipif(not HAS_INT8, reason="torch has no int8 products on this CPU")
@pytest.mark.parametrize("architecture", EVERY[::7] + EVERY[-4:], ids=name_of)
@torch.no_grad()
def test_int8_predicts_the_same_as_int8_in_torch(architecture, tmp_path, monkeypatch):
    monkeypatch.setattr(int8, "max_weight_level", lambda: MAX_WEIGHT_LEVEL)
    monkeypatch.setattr(inference, "choose_arithmetic", lambda *_: "fp32")
    model = build(**architecture)
    arrays = arrays_of(model, tmp_path)
    exact, network = (Network(parts_of(**architecture), arrays, precision) for precision in ("fp32", "int8"))
    source, lengths, _ = batch()
    pair = Pair(inference.prepare_for_search(model, "int8"), network, source, lengths)
    exact.encode(source.numpy(), lengths.numpy())
    first = [2] * 3, [0, 1, 2], [0, 1, 2], 1
    assert np.abs(exact.step(*first)["log_probs"] - network.step(*first)["log_probs"]).max() > 1e-3
    network.encode(source.numpy(), lengths.numpy())
    pair.step(*first)
    pair.step([4, 5, 6, 7, 8, 9], [0, 0, 1, 1, 2, 2], list(range(6)), 2)
    pair.step([10, 11, 12, 13], [1, 0, 3, 5], [0, 1, 2, 4], 2)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize(
    "architecture",
    [
        {},
        {"context_to": "next_input", "score": "additive", "coverage": True, "copy_source": True},
        {"cell": "gru", "readout": "deep", "context_to": "same_step"},
        {"encoder": "transformer", "decoder": "transformer"},
    ],
    ids=name_of,
)
def test_nan_is_not_hidden(architecture, precision, tmp_path):
    network = Network(parts_of(**architecture), arrays_of(build(**architecture), tmp_path), precision)
    source, lengths, _ = batch()
    network.encode(source.numpy(), lengths.numpy())
    network.step([2] * 3, [0, 1, 2], [0, 1, 2], 1)
    state = dict(network.state)
    arguments = [4, 5, 6], [0, 1, 2], [0, 1, 2], 1
    for options in ({"wants_all": True}, {"wants_all": False, "count": 3}):
        name = "log_probs" if options["wants_all"] else "values"
        network.state, network.position = state, 1
        expected = network.step(*arguments, **options)[name]
        network.state, network.position = {**state, "state.0": state["state.0"].copy()}, 1
        network.state["state.0"][1].flat[-1] = np.nan
        found = network.step(*arguments, **options)[name]
        assert np.isnan(found[1]).all()
        np.testing.assert_array_equal(found[[0, 2]], expected[[0, 2]])


MISFITS = {
    "decoder.readout.bias": "tensor decoder.readout.bias is missing",
    "decoder.attention.score.key.weight": "decoder.attention.score.key.weight has shape (8, 9), not (8, 8)",
    "output.bias": "tensor output.bias has shape (20,), not (19)",
    "target_embedding.table.weight": "target_embedding.table.weight has shape (20, 8), not (19, 8)",
    "decoder.layers.2.weight": "unexpected tensor decoder.layers.2.weight",
}


@pytest.mark.parametrize(("name", "message"), MISFITS.items())
def test_weights_that_do_not_fit_the_configuration_are_rejected(name, message, tmp_path):
    arrays = arrays_of(build(tie="none"), tmp_path)
    if "missing" in message:
        del arrays[name]
    else:
        found = arrays.get(name, np.zeros((8, 8), np.float32))
        axis = 0 if "table" in name else found.ndim - 1
        arrays[name] = np.pad(found, [(0, number == axis) for number in range(found.ndim)])
    with pytest.raises(NmtError, match=re.escape(message)):
        build_graphs(parts_of(tie="none"), arrays, "fp32")


def test_weights_too_large_for_the_format_are_rejected(tmp_path, monkeypatch):
    arrays = arrays_of(build(), tmp_path)
    monkeypatch.setattr("nmt.runtime.network.MAX_BYTES", 1000)
    with pytest.raises(NmtError, match=r"the weights of the encoder take .* GiB"):
        build_graphs(parts_of(), arrays, "fp32")


@pytest.mark.parametrize("architecture", [{}, {"copy_source": True, "readout": "deep"}], ids=name_of)
def test_no_more_candidates_than_tokens(architecture, tmp_path):
    network = Network(parts_of(**architecture), arrays_of(build(**architecture), tmp_path))
    source, lengths, _ = batch()
    extra_words = 2 if "copy_source" in architecture else 0
    found = []
    for wants_all in (True, False):
        network.encode(source.numpy(), lengths.numpy(), extra_words)
        found.append(network.step([2] * 3, [0, 1, 2], [0, 1, 2], 1, count=99, wants_all=wants_all))
    log_probs = found[0]["log_probs"]
    assert log_probs.shape == found[1]["tokens"].shape == (3, VOCABULARY + extra_words)
    np.testing.assert_array_equal(found[1]["tokens"], np.argsort(-log_probs, axis=1, kind="stable"))


@pytest.mark.parametrize("positions", [5, 9])
@torch.no_grad()
def test_positions_of_the_location_score_are_more_or_fewer_than_source_tokens(positions, tmp_path):
    parts = parts_of(score="location")
    parts = parts.model_copy(update={"attention": config.Attention(score="location", positions=positions)})
    torch.manual_seed(0)
    model = Seq2Seq(parts, VOCABULARY, VOCABULARY)
    source, lengths, _ = batch()
    pair = Pair(model, Network(parts, arrays_of(model, tmp_path)), source, lengths)
    pair.step([2] * 3, [0, 1, 2], [0, 1, 2], 1)
    pair.step([4, 5, 6, 7], [0, 0, 1, 2], [0, 1, 3, 4], 2)


def test_building_needs_no_torch():
    code = "import sys, nmt.runtime.network; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_equal_values_have_the_lower_token_first():
    size, count = 70, 9
    graph = Graph("best")
    x, number = graph.input("x", FLOAT, ["N", 96]), graph.input("count", INT64, [1])
    for name, value, dtype in zip(("values", "tokens"), output.top_k(graph, x, number), (FLOAT, INT64), strict=True):
        graph.output(name, value, dtype, ["N", "C"])
    made = session(graph.model())
    draw = np.random.default_rng(0)
    rows = np.full((200, 96), -np.inf, np.float32)
    rows[:, :size] = draw.integers(-3, 4, (200, size))
    rows[100:, :size] = np.where(draw.random((100, size)) < 0.9, -np.inf, rows[100:, :size])
    found = made.run(None, {"x": rows, "count": np.array([count])})
    order = np.argsort(-rows, axis=1, kind="stable")[:, :count]
    np.testing.assert_array_equal(found[1], order)
    np.testing.assert_array_equal(found[0], np.take_along_axis(rows, order, 1))


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize(
    "architecture",
    [
        {},
        {"context_to": "next_input", "score": "general", "layers": 1, "start": "last"},
        {"cell": "gru", "context_to": "same_step", "score": "dot", "readout": "deep"},
        {"encoder": "transformer", "decoder": "transformer"},
    ],
    ids=name_of,
)
def test_a_sentence_does_not_depend_on_the_others_of_its_batch(architecture, precision, tmp_path):
    """It is the same to the last bit if the number of source tokens is padded to a multiple of `ROUND_LENGTH`."""
    network = Network(parts_of(**architecture), arrays_of(build(**architecture), tmp_path), precision)
    lengths = np.array([12, 7, 2, 5])
    source = np.random.default_rng(0).integers(4, VOCABULARY, (4, 12))
    source[np.arange(12) >= lengths[:, None]] = 0

    def steps(rows, width):
        length = -(-lengths[rows].max() // ROUND_LENGTH) * ROUND_LENGTH
        network.encode(source[rows, :length], lengths[rows])
        tokens, count = np.full(len(rows) * width, 2), len(rows) * width
        parents, found = np.repeat(np.arange(len(rows)), width), []
        for number in range(3):
            made = network.step(tokens, parents, np.arange(count), width)["log_probs"]
            found.append(made.reshape(len(rows), width, -1))
            tokens, parents = np.tile(np.arange(4 + number, 4 + number + width), len(rows)), np.arange(count)
        return found

    for width in (1, 3):
        together = steps(np.arange(4), width)
        for row in range(4):
            for expected, alone in zip(together, steps(np.array([row]), width), strict=True):
                np.testing.assert_array_equal(alone[0], expected[row])
