"""scripts/benchmarks without the other toolkits: logs, arithmetic, weight conversion, tables, small measurements."""

import argparse
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from text_files import write_lines
from torch.nn import functional as F

from nmt import config as schema
from nmt.config import Config, Model
from nmt.data.preprocess import preprocess
from nmt.errors import NmtError
from nmt.models.seq2seq import Seq2Seq
from scripts import reporting
from scripts.benchmarks import (
    gpu,
    opennmt_system,
    processes,
    roofline,
    search_timing,
    toolkits,
    train,
    training_logs,
    training_profile,
    translate,
    translation_systems,
)

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


def test_speed_is_averaged_over_time_after_the_first_third_of_the_steps() -> None:
    opennmt = training_logs.opennmt_windows(OPENNMT, 10)
    assert opennmt == [
        training_logs.Window(10, 9000, 9.0),
        training_logs.Window(20, 10_000, 5.0),
        training_logs.Window(30, 5000, 10.0),
    ]
    assert training_logs.speed(opennmt, 30) == 1000
    joeynmt = training_logs.joeynmt_windows(JOEYNMT)
    assert joeynmt == [
        training_logs.Window(1, 1900, 2.0),
        training_logs.Window(2, 1500, 1.5),
        training_logs.Window(3, 1500, 0.5),
    ]
    assert training_logs.speed(joeynmt, 3) == 1500
    entries = [
        {"event": "start", "step": 0},
        {"event": "train", "step": 10, "tokens": 10, "tokens_per_second": 1.0},
        {"event": "train", "step": 20, "tokens": 3000, "tokens_per_second": 1000.0},
        {"event": "valid", "step": 20},
        {"event": "train", "step": 30, "tokens": 1000, "tokens_per_second": 1000.0},
    ]
    assert training_logs.speed(training_logs.nmt_windows(entries), 30) == 1000
    with pytest.raises(NmtError, match="no speed was logged"):
        training_logs.speed(opennmt[:1], 30)


def test_the_number_of_parameters_is_read_from_the_logs() -> None:
    assert (training_logs.parameters(OPENNMT), training_logs.parameters(JOEYNMT)) == (12664640, 790048)
    with pytest.raises(NmtError, match="no number of parameters"):
        training_logs.parameters("")


MODELS = [
    {"encoder": {"size": 16}, "decoder": {"size": 16, "layers": 1, "context_to": "next_input", "start": "last"}},
    {"encoder": {"size": 12, "layers": 2}, "decoder": {"size": 20}, "embedding": {"tie": "none"}},
    {"encoder": {"size": 12, "cell": "gru"}, "decoder": {"size": 20, "layers": 3, "context_to": "same_step"}},
    {"encoder": {"size": 16, "bidirectional": False}, "decoder": {"size": 16}, "attention": {"score": "dot"}},
    {"decoder": {"cell": "gru", "start": "zero"}, "attention": {"score": "additive", "size": 28}},
    {
        "encoder": {"cell": "gru", "size": 12, "transitions": 2, "gate_norm": True},
        "attention": {"score": "additive", "size": 28},
        "decoder": {
            "cell": "gru",
            "size": 20,
            "layers": 2,
            "transitions": 3,
            "gate_norm": True,
            "context_to": "conditional",
            "readout": "deep",
        },
    },
]


@pytest.mark.parametrize("values", MODELS)
def test_roofline_arithmetic_counts_every_matrix_of_the_network(values: dict[str, object]) -> None:
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


def test_roofline_arithmetic_of_attention_is_per_pair_of_source_and_target_tokens() -> None:
    model = Model.model_validate({"encoder": {"size": 16}, "decoder": {"size": 20}})
    counts = roofline.Counts(sentences=2, source_tokens=5, target_tokens=10, products=26)
    parts = roofline.arithmetic(model, 13, counts)
    assert parts["attention"] == 6 * (20 + 16) * 26 / 10
    assert parts["keys"] == 6 * 20 * 16 * 5 / 10
    assert parts["bridge"] == 6 * 16 * 4 * 20 * 2 / 10


def test_benchmark_configs_have_the_same_size_and_other_toolkits_can_build_the_first() -> None:
    configs = [schema.load(path) for path in train.CONFIGS]
    counts = [sum(weight.numel() for weight in Seq2Seq(c.model, 8000, 8000).parameters()) for c in configs]
    assert max(counts) < 1.03 * min(counts)
    toolkits.check_supported(configs[0], "first")
    with pytest.raises(NmtError, match=r"second: the other toolkits support only model\.decoder\.layers 1, not 2"):
        toolkits.check_supported(configs[1], "second")


def opennmt_logits(
    model: dict[str, torch.Tensor], generator: dict[str, torch.Tensor], source: torch.Tensor, previous: torch.Tensor
) -> torch.Tensor:
    """Compute (T, V) like OpenNMT-py's InputFeedRNNDecoder, for one sentence (S,) and previous tokens (T,)."""
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


def test_converted_weights_give_the_same_logits_in_opennmt() -> None:
    torch.manual_seed(1)
    values = {**MODELS[0], "embedding": {"size": 24, "tie": "none"}}
    network = Seq2Seq(Model.model_validate(values), 11, 13).eval()
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    to_source, to_target = torch.randperm(11), torch.randperm(13)  # our id of each entry of OpenNMT-py's vocabularies
    model, generator = opennmt_system.opennmt_weights(network.state_dict(), to_source.tolist(), to_target.tolist())
    source, previous = torch.tensor([4, 10, 5, 3]), torch.tensor([2, 7, 12])
    with torch.no_grad():
        unrolled = network(source.unsqueeze(0), torch.tensor([4]), previous.unsqueeze(0))
        ours = network.output(unrolled.readout)[0]
        theirs = opennmt_logits(model, generator, to_source.argsort()[source], to_target.argsort()[previous])
    torch.testing.assert_close(theirs, ours[:, to_target], atol=1e-5, rtol=1e-5)


def small_config(folder: Path) -> Config:
    """Return a config of a small network for a few sentences in `folder`."""
    lines = [f"the {size} {animal} runs ." for size in ("big", "small", "old") for animal in ("dog", "cat", "horse")]
    for name in ("source", "target"):
        write_lines(folder / name, lines)
    corpus = {"source": str(folder / "source"), "target": str(folder / "target")}
    data = {"train": corpus, "valid": corpus, "prepared": str(folder / "prepared"), "workers": 1}
    model = {part: {"size": 16} for part in ("embedding", "encoder", "decoder")}
    subword = {"vocab_size": 50, "byte_fallback": False}
    return schema.parse({"name": "small", "data": data, "subword": subword, "model": model}, "test")


def test_other_toolkits_read_the_same_pieces_from_a_complete_vocabulary(tmp_path: Path) -> None:
    prepared = preprocess(small_config(tmp_path), lambda line: None)
    text = toolkits.write_text(prepared, tmp_path / "text")
    subword = prepared.vocabularies.source
    vocabulary = Path(text.path("vocabulary", "source")).read_text(encoding="utf-8").split("\n")[:-1]
    assert len(vocabulary) + len(toolkits.SPECIALS) == text.source_size == subword.size
    lines = Path(text.path("train", "target")).read_text(encoding="utf-8").split("\n")[:-1]
    assert len(lines) == text.pairs == 9
    for i, line in enumerate(lines):
        ids, _ = prepared.train[0][0].gather("target", np.array([i]))
        assert line.split(" ") == subword.pieces(ids)
        assert set(line.split(" ")) <= set(vocabulary)
    assert opennmt_system.nmt_ids(["<unk>", "<blank>", "<s>", "</s>", *vocabulary], subword)[:5] == [1, 0, 2, 3, 4]
    with pytest.raises(NmtError, match="are not our"):
        opennmt_system.nmt_ids(vocabulary, subword)


def test_the_training_table_compares_with_its_first_system() -> None:
    def system(name: str, *speeds: float) -> train.System:
        runs = [train.Measured(speed, 100.0 + speed, 1234, "fp32") for speed in speeds]
        return train.System(name, lambda folder: runs[0], measured=runs)

    lines = train.results([system("other", 900, 1000, 1400), system("nmt", 2500)]).split("\n")
    assert [line.split() for line in lines[1:]] == [
        ["other,", "fp32", "1,000", "(900-1,400)", "1.00", "1,100", "1,234"],
        ["nmt,", "fp32", "2,500", "2.50", "2,600", "1,234"],
    ]


def test_the_translation_table_gives_the_share_of_equal_lines() -> None:
    def system(name: str, first: str, log_prob: float) -> translation_systems.System:
        found = {"seconds": 2.0, "single": [0.1], "pieces": [[first], ["b", "c", "d"]], "log_probs": [-1.0, log_prob]}
        usage = processes.Usage(3.0, 100.0, 2.0)
        searches = translation_systems.SEARCHES
        turn = translation_systems.Round(dict.fromkeys(searches, found), dict.fromkeys(searches, usage))
        return translation_systems.System(name, dict, lambda search: usage, [turn])

    task = SimpleNamespace(bleu=lambda pieces, tokenize: None)
    figures = translate.figures([system("other", "a", -2.0), system("nmt", "A", -2.25)], task, "none")
    assert figures[1]["same_lines"] == {"beam 5": 0.5, "greedy": 0.5}
    assert figures[1]["tokens_per_second"] == {"beam 5": 2.0, "greedy": 2.0}
    text = translate.results(figures)
    assert "nmt: log p of the same lines differs from that of other by at most 0.2 (beam 5), 0.2 (greedy)" in text
    assert text.split("\n")[2].split() == ["nmt", "2", "2", "3.00", "3.00", "-", "-", "50.0%", "50.0%", "100.0", "100"]


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        (train, ["missing.yaml"], "missing.yaml: no such config file"),
        (train, ["--opennmt", "missing/python"], "missing/python: no such Python"),
        (train, ["--json", "missing/out.json"], "missing/out.json: no such folder"),
        (translate, ["--model", "missing"], "missing: no such run folder"),
    ],
)
def test_a_user_error_is_reported_in_one_line(
    script: ModuleType,
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["script", *arguments])
    assert reporting.run_in_folder(script.compare, script.read_options()) == 1
    output = capsys.readouterr()
    assert message in output.err and output.err.count("\n") == 1 and not output.out


def test_training_and_search_are_measured_on_synthetic_text(tmp_path: Path) -> None:
    sizes = [f"model.{part}.size=16" for part in ("embedding", "encoder", "decoder", "attention")]
    overrides = ["subword.vocab_size=60", "training.sentences_per_batch=4", "training.precision=fp32", *sizes]
    given = argparse.Namespace(
        config=gpu.CONFIG, device="cpu", steps=1, lines=6, batch=3, overrides=overrides, json=None
    )
    found = gpu.measure(given, tmp_path)
    assert found["training"]["tokens_per_second"] > found["training"]["target_tokens_per_second"] > 0
    assert set(found["search"]) == {"greedy", "beam 5"} and min(found["search"].values()) > 0
    assert "search, beam 5, target" in gpu.results(found)


def test_every_part_of_a_training_step_is_timed(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    preprocess(config, lambda line: None)
    found = training_profile.profile(config, tmp_path, steps=2)
    assert set(found["parts"]) == {
        "encoder", "decoder", "output, loss", "backward", "clip, optimizer", "rest", "together",
    }  # fmt: skip
    assert all(ms > 0 for ms in found["parts"].values()) and len(found["operators"]) == training_profile.OPERATORS
    assert "calls per step" in training_profile.tables(found)


def test_a_search_is_timed_over_all_lines_and_line_by_line() -> None:
    calls: list[int] = []

    def reverse(lines: list[str]) -> list[str]:
        calls.append(len(lines))
        return [line[::-1] for line in lines]

    lines = [f"line {number}" for number in range(search_timing.WARM_UP_LINES + 6)]
    found = search_timing.time_search(reverse, lambda output: (output.split(), -1.0), lines, single=2)
    assert calls == [search_timing.WARM_UP_LINES, len(lines), 1, 1]
    assert found["pieces"][12] == ["21", "enil"] and found["log_probs"] == [-1.0] * len(lines)
    assert len(found["single"]) == 2 and found["seconds"] > 0
