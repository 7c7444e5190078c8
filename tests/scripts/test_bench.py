"""The parts of scripts/bench_train.py and bench_translate.py that need no peer: logs, arithmetic, weights, tables."""

import argparse
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import bench_gpu  # noqa: E402
import bench_train  # noqa: E402
import bench_translate  # noqa: E402
import console  # noqa: E402
import opennmt_peer  # noqa: E402
import peer_logs  # noqa: E402
import peers  # noqa: E402
import roofline  # noqa: E402
import translation_task  # noqa: E402

from nmt import config as schema  # noqa: E402
from nmt.config import Config, Model  # noqa: E402
from nmt.data.preprocess import preprocess  # noqa: E402
from nmt.errors import NmtError  # noqa: E402
from nmt.models.seq2seq import Seq2Seq  # noqa: E402

OPENNMT = """\
[2026-11-21 15:24:20,325 INFO] * number of parameters: 12664640
[2026-11-21 15:24:22,824 INFO] Step 10/   30; acc: 0.0; ppl: 8002.7; xent: 9.0; lr: 0.00100; sents:     640; \
bsz:  640/ 900/64; 256/1000 tok/s;      2 sec;
[2026-11-21 15:24:23,612 INFO] Step 20/   30; acc: 5.9; ppl: 7712.7; xent: 9.0; lr: 0.00100; sents:     640; \
bsz:  960/1000/64; 1219/2000 tok/s;      3 sec;
[2026-11-21 15:24:23,612 INFO] Step 30/   30; acc: 5.9; ppl: 77.7; xent: 9.0; lr: 0.00100; sents:     640; \
bsz:  960/ 500/64;  909/ 500 tok/s;     13 sec;
"""
JOEYNMT = """\
2026-11-21 15:15:39,163 - INFO - joeynmt.model - Total params: 790048
2026-11-21 15:15:40,000 - INFO - joeynmt.training - EPOCH 1
2026-11-21 15:15:42,000 - INFO - joeynmt.training - Epoch   1, Step:        1, Batch Loss:     8.986751, \
Batch Acc: 0.000000, Tokens per Sec:      950, Lr: 0.001000
2026-11-21 15:15:43,500 - INFO - joeynmt.training - Epoch   1, Step:        2, Batch Loss:     8.986297, \
Batch Acc: 0.000000, Tokens per Sec:     1000, Lr: 0.001000
2026-11-21 15:15:44,000 - INFO - joeynmt.training - Epoch   1, Step:        3, Batch Loss:     8.984426, \
Batch Acc: 0.000000, Tokens per Sec:     3000, Lr: 0.001000
"""


def test_speed_is_the_mean_over_time_after_the_first_third() -> None:
    opennmt = peer_logs.opennmt_windows(OPENNMT, 10)
    assert opennmt == [
        peer_logs.Window(10, 9000, 9.0),
        peer_logs.Window(20, 10_000, 5.0),
        peer_logs.Window(30, 5000, 10.0),
    ]
    assert peer_logs.speed(opennmt, 30) == 1000
    joeynmt = peer_logs.joeynmt_windows(JOEYNMT)
    assert joeynmt == [peer_logs.Window(1, 1900, 2.0), peer_logs.Window(2, 1500, 1.5), peer_logs.Window(3, 1500, 0.5)]
    assert peer_logs.speed(joeynmt, 3) == 1500
    entries = [
        {"event": "start", "step": 0},
        {"event": "train", "step": 10, "tokens": 10, "tokens_per_second": 1.0},
        {"event": "train", "step": 20, "tokens": 3000, "tokens_per_second": 1000.0},
        {"event": "valid", "step": 20},
        {"event": "train", "step": 30, "tokens": 1000, "tokens_per_second": 1000.0},
    ]
    assert peer_logs.speed(peer_logs.own_windows(entries), 30) == 1000
    with pytest.raises(NmtError, match="no speed was logged"):
        peer_logs.speed(opennmt[:1], 30)


def test_parameters_are_read_from_the_logs() -> None:
    assert (peer_logs.parameters(OPENNMT), peer_logs.parameters(JOEYNMT)) == (12664640, 790048)
    with pytest.raises(NmtError, match="no number of parameters"):
        peer_logs.parameters("")


MODELS = [
    {"encoder": {"size": 16}, "decoder": {"size": 16, "layers": 1, "context_to": "next_input", "start": "last"}},
    {"encoder": {"size": 12, "layers": 2}, "decoder": {"size": 20}, "embedding": {"tie": "none"}},
    {"encoder": {"size": 12, "cell": "gru"}, "decoder": {"size": 20, "layers": 3, "context_to": "same_step"}},
    {"encoder": {"size": 16, "bidirectional": False}, "decoder": {"size": 16}, "attention": {"score": "dot"}},
    {"decoder": {"cell": "gru", "start": "zero"}, "attention": {"score": "additive", "size": 28}},
]


@pytest.mark.parametrize("values", MODELS)
def test_arithmetic_counts_every_matrix_of_the_network(values: dict[str, object]) -> None:
    model = Model.model_validate({"embedding": {"size": 24}, **values})
    one_token = roofline.Counts(sentences=1, source_tokens=1, target_tokens=1, products=0)
    network = Seq2Seq(model, 11, 13)
    tables = {id(network.source_embedding.table.weight), id(network.target_embedding.table.weight)}
    tables -= {id(network.output.weight)}
    sizes = [
        weight.numel()
        for name, weight in network.named_parameters()
        if weight.dim() == 2 and id(weight) not in tables and "energy" not in name
    ]
    assert sum(roofline.arithmetic(model, 13, one_token).values()) == 6 * sum(sizes)


def test_arithmetic_of_attention_is_per_pair_of_source_and_target_token() -> None:
    model = Model.model_validate({"encoder": {"size": 16}, "decoder": {"size": 20}})
    counts = roofline.Counts(sentences=2, source_tokens=5, target_tokens=10, products=26)
    parts = roofline.arithmetic(model, 13, counts)
    assert parts["attention"] == 6 * (20 + 16) * 26 / 10
    assert parts["keys"] == 6 * 20 * 16 * 5 / 10
    assert parts["bridge"] == 6 * 16 * 4 * 20 * 2 / 10


def test_shipped_configs_have_equally_many_parameters_and_the_first_is_one_for_the_peers() -> None:
    configs = [schema.load(path) for path in bench_train.CONFIGS]
    counts = [sum(weight.numel() for weight in Seq2Seq(c.model, 8000, 8000).parameters()) for c in configs]
    assert max(counts) < 1.03 * min(counts)
    peers.check_shared(configs[0], "first")
    with pytest.raises(NmtError, match=r"second: the peers can build only model\.decoder\.layers 1, not 2"):
        peers.check_shared(configs[1], "second")


def opennmt_logits(
    model: dict[str, torch.Tensor], generator: dict[str, torch.Tensor], source: torch.Tensor, previous: torch.Tensor
) -> torch.Tensor:
    """Compute (T, V) as OpenNMT-py's InputFeedRNNDecoder does, for one sentence (S,) and previous tokens (T,)."""
    words = "embeddings.make_embedding.emb_luts.0.weight"
    size = model["encoder.rnn.weight_hh_l0"].shape[1]
    encoder = torch.nn.LSTM(model[f"encoder.{words}"].shape[1], size, bidirectional=True)
    encoder.load_state_dict({name[12:]: tensor for name, tensor in model.items() if name.startswith("encoder.rnn.")})
    states, (h, c) = encoder(model[f"encoder.{words}"][source])
    cell = torch.nn.LSTMCell(model["decoder.rnn.layers.0.weight_ih"].shape[1], 2 * size)
    cell.load_state_dict({n[21:]: tensor for n, tensor in model.items() if n.startswith("decoder.rnn.layers.0.")})
    state, feed, logits = (h.view(1, -1), c.view(1, -1)), torch.zeros(1, 2 * size), []
    for token in model[f"decoder.{words}"][previous]:
        state = cell(torch.cat([token.unsqueeze(0), feed], 1), state)
        scores = (state[0] @ model["decoder.attn.linear_in.weight"].t()) @ states.t()
        joined = torch.cat([scores.softmax(-1) @ states, state[0]], 1)
        feed = F.linear(joined, model["decoder.attn.linear_out.weight"], model["decoder.attn.linear_out.bias"]).tanh()
        logits.append(F.linear(feed, generator["weight"], generator["bias"]))
    return torch.cat(logits)


def test_converted_weights_compute_the_same_in_opennmt() -> None:
    torch.manual_seed(1)
    values = {**MODELS[0], "embedding": {"size": 24, "tie": "none"}}
    network = Seq2Seq(Model.model_validate(values), 11, 13).eval()
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    to_source, to_target = torch.randperm(11), torch.randperm(13)  # our id of each entry of its vocabularies
    model, generator = opennmt_peer.opennmt_weights(network.state_dict(), to_source.tolist(), to_target.tolist())
    source, previous = torch.tensor([4, 10, 5, 3]), torch.tensor([2, 7, 12])
    with torch.no_grad():
        unrolled = network(source.unsqueeze(0), torch.tensor([4]), previous.unsqueeze(0))
        ours = network.output(unrolled.readout)[0]
        theirs = opennmt_logits(model, generator, to_source.argsort()[source], to_target.argsort()[previous])
    torch.testing.assert_close(theirs, ours[:, to_target], atol=1e-5, rtol=1e-5)


def small_config(folder: Path) -> Config:
    """Return a config over a handful of sentences in `folder`."""
    lines = [f"the {size} {animal} runs ." for size in ("big", "small", "old") for animal in ("dog", "cat", "horse")]
    for name in ("source", "target"):
        (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    corpus = {"source": str(folder / "source"), "target": str(folder / "target")}
    data = {"train": corpus, "valid": corpus, "prepared": str(folder / "prepared"), "workers": 1}
    return schema.parse({"name": "small", "data": data, "subword": {"vocab_size": 50, "byte_fallback": False}}, "test")


def test_the_peers_read_the_same_pieces_from_a_vocabulary_that_has_them_all(tmp_path: Path) -> None:
    prepared = preprocess(small_config(tmp_path))
    text = peers.write_text(prepared, tmp_path / "text")
    subword = prepared.vocabularies.source
    vocabulary = Path(text.path("vocabulary", "source")).read_text(encoding="utf-8").split("\n")[:-1]
    assert len(vocabulary) + len(peers.SPECIALS) == text.source_size == subword.size
    lines = Path(text.path("train", "target")).read_text(encoding="utf-8").split("\n")[:-1]
    assert len(lines) == text.pairs == 9
    for i, line in enumerate(lines):
        ids, _ = prepared.train[0][0].gather("target", np.array([i]))
        assert line.split(" ") == subword.pieces(ids)
        assert set(line.split(" ")) <= set(vocabulary)
    assert opennmt_peer.our_ids(["<unk>", "<blank>", "<s>", "</s>", *vocabulary], subword)[:5] == [1, 0, 2, 3, 4]
    with pytest.raises(NmtError, match="of our"):
        opennmt_peer.our_ids(vocabulary, subword)


def test_training_table_compares_with_its_first_system() -> None:
    def system(name: str, *speeds: float) -> bench_train.System:
        runs = [bench_train.Measured(speed, 100.0 + speed, 1234, "fp32") for speed in speeds]
        return bench_train.System(name, lambda folder: runs[0], measured=runs)

    lines = bench_train.results([system("peer", 900, 1000, 1400), system("nmt", 2500)]).split("\n")
    assert [line.split() for line in lines[1:]] == [
        ["peer,", "fp32", "1,000", "(900-1,400)", "1.00", "1,100", "1,234"],
        ["nmt,", "fp32", "2,500", "2.50", "2,600", "1,234"],
    ]


def test_translation_table_tells_which_lines_are_the_same() -> None:
    def system(name: str, first: str, log_prob: float) -> translation_task.System:
        found = {"seconds": 2.0, "single": [0.1], "pieces": [[first], ["b", "c", "d"]], "log_probs": [-1.0, log_prob]}
        usage = peers.Usage(3.0, 100.0)
        searches = translation_task.SEARCHES
        turn = translation_task.Round(dict.fromkeys(searches, found), dict.fromkeys(searches, usage))
        return translation_task.System(name, dict, lambda search: usage, [turn])

    task = SimpleNamespace(bleu=lambda pieces, tokenize: None)
    figures = bench_translate.figures([system("peer", "a", -2.0), system("nmt", "A", -2.25)], task, "none")
    assert figures[1]["same_lines"] == {"beam 5": 0.5, "greedy": 0.5}
    assert figures[1]["tokens_per_second"] == {"beam 5": 2.0, "greedy": 2.0}
    text = bench_translate.results(figures)
    assert "nmt: log p of the same lines differs from that of peer by at most 0.2 (beam 5), 0.2 (greedy)" in text
    assert text.split("\n")[2].split() == ["nmt", "2", "2", "3.00", "3.00", "-", "-", "50.0%", "50.0%", "100.0", "100"]


def test_precisions_are_those_of_the_command_line() -> None:
    assert {"fp32", "bf16"} <= set(bench_translate.precisions())
    assert "auto" not in bench_translate.precisions()


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        (bench_train, ["missing.yaml"], "missing.yaml: no such config file"),
        (bench_train, ["--opennmt", "missing/python"], "missing/python: no such Python"),
        (bench_train, ["--json", "missing/out.json"], "missing/out.json: no such folder"),
        (bench_translate, ["--model", "missing"], "missing: no such run folder"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    script: object,
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["script", *arguments])
    assert console.compare("script", script.compare, script.options()) == 1  # type: ignore[attr-defined]
    said = capsys.readouterr()
    assert message in said.err and said.err.count("\n") == 1 and not said.out


def test_training_and_search_on_made_up_text(tmp_path: Path) -> None:
    sizes = [f"model.{part}.size=16" for part in ("embedding", "encoder", "decoder", "attention")]
    overrides = ["subword.vocab_size=60", "training.sentences_per_batch=4", "training.precision=fp32", *sizes]
    given = argparse.Namespace(
        config=bench_gpu.CONFIG, device="cpu", steps=1, lines=6, batch=3, overrides=overrides, json=None
    )
    found = bench_gpu.measure(given, tmp_path)
    assert found["training"]["tokens_per_second"] > found["training"]["target_tokens_per_second"] > 0
    assert set(found["search"]) == {"greedy", "beam 5"} and min(found["search"].values()) > 0
    assert "search, beam 5, target" in bench_gpu.results(found)
