"""The numbers of docs/tutorial are those that nmt computes; the pictures are made by their script; the site builds."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from decoding.toy_model import ToyMemory, predict

from nmt import config
from nmt.config import Attention as AttentionConfig
from nmt.data.token_ids import BOS, EOS
from nmt.decoding.hypothesis import SearchBatch
from nmt.decoding.search import search_function
from nmt.decoding.search_options import SearchOptions
from nmt.engine import ALL_TOKENS
from nmt.models.attention import Attention
from nmt.models.cells import CellState
from nmt.models.encoder import EncoderLayer
from nmt.models.recurrent_layer import RecurrentLayer
from nmt.models.state import Memory
from scripts.documentation import build_site, tutorial_figures

DOCS = Path(__file__).resolve().parents[1] / "docs"
GATES = {"rnn": [""], "gru": ["_r", "_z", "_n"], "lstm": ["_i", "_f", "_g", "_o"]}
"""The blocks of rows of each cell, in the order of torch."""


def page(name: str) -> str:
    return (DOCS / "tutorial" / f"{name}.md").read_text(encoding="utf-8")


def example(name: str, cell: str) -> dict[str, torch.Tensor]:
    """Return the numbers of the block of text that begins with the name of the cell, and of the block after it."""
    blocks = re.findall(r"^```text\n(.*?)^```", page(name), re.DOTALL | re.MULTILINE)
    first = next(number for number, block in enumerate(blocks) if block.startswith(f"{cell}\n"))
    values: dict[str, torch.Tensor] = {}
    for line in (blocks[first] + blocks[first + 1]).splitlines():
        if re.search("sigmoid|tanh|·", line):  # a computation, which ends with its result
            found = re.match(r"(\w+'?) += .*= (\[[^=]*\])$", line)
            assert found is not None, line
            values[found[1]] = torch.tensor(yaml.safe_load(found[2]), dtype=torch.float32)
        else:
            for key, numbers in re.findall(r"(\w+'?) += (\[[^=]*\])(?=\s|$)", line):
                values[key] = torch.tensor(yaml.safe_load(numbers), dtype=torch.float32)
    return values


@pytest.mark.parametrize(("name", "cell"), [("2-vanilla-cell", "rnn"), ("3-gates", "gru"), ("3-gates", "lstm")])
def test_the_cells_by_hand_agree_with_the_cells_of_nmt(name: str, cell: str) -> None:
    given = example(name, cell)
    layer = RecurrentLayer(cell, 1, 2)
    with torch.no_grad():
        for weight, kind in zip(layer.weights, "WUb", strict=False):
            weight.copy_(torch.cat([given[f"{kind}{gate}"] for gate in GATES[cell]]))
        layer.weights[3].zero_()
        keys = ["h", "c"] if cell == "lstm" else ["h"]
        state: CellState = tuple(given[key].unsqueeze(0) for key in keys)
        following = layer.step([given["x"].unsqueeze(0)], state)
    for key, value in zip(keys, following, strict=True):
        assert value[0].tolist() == pytest.approx(given[f"{key}'"].tolist(), abs=6e-4), key


@pytest.mark.parametrize(("name", "cell"), [("3-gates", "gru"), ("3-gates", "lstm")])
def test_the_gates_by_hand_are_those_of_the_equations(name: str, cell: str) -> None:
    given = example(name, cell)
    inputs = {
        gate: given[f"W{gate}"] @ given["x"] + given[f"U{gate}"] @ given["h"] + given[f"b{gate}"]
        for gate in GATES[cell]
    }
    for gate in "rz" if cell == "gru" else "ifo":
        assert given[gate].tolist() == pytest.approx(inputs[f"_{gate}"].sigmoid().tolist(), abs=6e-4)


def test_the_merge_modes_by_hand() -> None:
    rows = re.findall(r"^\| `(\w+)`.*?\| (\[.*?\]) \|", page("4-encoder"), re.MULTILINE)
    assert len(rows) == 4
    for mode, expected in rows:
        layer = EncoderLayer(config.Encoder(size=4 if mode == "concat" else 2, merge=mode), 3)
        merged = layer._merge(torch.tensor([1.0, 2.0]), torch.tensor([3.0, -1.0]))
        assert merged.tolist() == yaml.safe_load(expected)


def test_the_attention_by_hand() -> None:
    attention = Attention(AttentionConfig(score="dot", scaled=False), 2, 2)
    states = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])
    memory = Memory(
        states, attention.keys(states), torch.ones(1, 2, dtype=torch.bool), (), states[:, 0], torch.ones(1, 2)
    )
    context, alignment = attention(torch.tensor([[1.0, 1.0]]), memory)
    numbers = re.findall(r"= (\[[\d., ]+\])\n", page("7-attention"))
    assert [alignment[0].tolist(), context[0].tolist()] == [pytest.approx(yaml.safe_load(n), abs=6e-4) for n in numbers]


class ExampleModel:
    """The three tokens of chapter 8: a has the id 4, b the id 5."""

    batches_at_once, batch_tokens, rounds_rows = 1, 1 << 30, True

    def __init__(self) -> None:
        rows = re.findall(r"^after (\w+) +a ([\d.]+) +b ([\d.]+) +</s> ([\d.]+)$", page("8-search"), re.MULTILINE)
        self.table = np.full((6, 6), 1e-9, np.float32)
        for token, (_, *values) in zip((BOS, 4, 5), rows, strict=True):
            self.table[token, [4, 5, EOS]] = [float(value) for value in values]

    def encode(self, source, lengths):
        return ToyMemory(source[:, 0], np.arange(source.shape[1]) < lengths[:, None])

    def start(self, memory, width):
        return ToyMemory(memory.key.repeat(width), memory.is_real.repeat(width, 0))

    def step(self, token, state, memory, wanted=ALL_TOKENS):
        uniform = np.ones((len(token), memory.is_real.shape[1]), np.float32)
        return state, predict(np.log(self.table[token]), uniform, wanted)


@pytest.mark.parametrize(("beam", "tokens", "probability"), [(1, (4,), 0.20), (2, (5,), 0.36)])
def test_the_beam_search_by_hand(beam, tokens, probability) -> None:
    options = SearchOptions(beam_size=beam)
    batch = SearchBatch(np.array([[7, EOS]]), np.array([2]), [5])
    ((best, *_),) = search_function(options)(ExampleModel(), batch, options)
    assert best.tokens == tokens
    assert math.exp(best.log_prob) == pytest.approx(probability, rel=1e-4)
    assert f"= {probability:.2f}" in page("8-search")
    assert f"/ 2 = {best.score:.2f}" in page("8-search")


def test_the_gradients_are_those_of_the_table() -> None:
    rows = re.findall(r"^\| ([\d.]+) × orthogonal \| ([\d.]+) \| ([\d.]+) \|", page("2-vanilla-cell"), re.MULTILINE)
    assert len(rows) == 3
    for scale, ten, forty in rows:
        norms = tutorial_figures.jacobian_norms(float(scale))
        assert [norms[10], norms[40]] == pytest.approx([float(ten), float(forty)], rel=0.1)


def test_the_script_draws_the_pictures_that_the_pages_show(tmp_path: Path) -> None:
    shown = set(re.findall(r"images/tutorial/(\w+)\.svg", "".join(p.read_text("utf-8") for p in DOCS.rglob("*.md"))))
    assert shown == {*tutorial_figures.WITHOUT_RUNS, *tutorial_figures.WITH_RUNS}
    assert shown == {path.stem for path in (DOCS / "images" / "tutorial").iterdir()}
    assert tutorial_figures.main(["--only", "gradients", "teacher"], tmp_path) == 0
    for name in ("gradients", "teacher"):
        drawn, committed = (
            (folder / f"{name}.svg").read_text("utf-8") for folder in (tmp_path, DOCS / "images/tutorial")
        )
        assert re.findall(r"<text[^>]*>(.*?)</text>", drawn) == re.findall(r"<text[^>]*>(.*?)</text>", committed)
    assert max(path.stat().st_size for path in DOCS.glob("images/**/*.*")) < 150_000


def test_all_pages_are_in_the_site_and_their_links_lead_somewhere() -> None:
    assert build_site.main(["--check"]) == 0
