"""Models, search and training on every device: equal results on the CPU and a GPU, and no host access on a GPU.

Tests with the parameter `cuda` need a GPU; on other machines they are skipped. The meta device, whose tensors have
shapes but no values, shows on every machine that training steps and search run without reading values on the host and
without mixing devices. It does not execute CUDA kernels and does not take branches that test for "cuda".
"""

import contextlib
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from architectures import EVERY, VOCABULARY, build, name_of
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nmt.cli.main import cli
from nmt.config import Training
from nmt.data.batching import Batch
from nmt.data.token_ids import BOS, EOS, PAD
from nmt.decoding.hypothesis import SearchBatch
from nmt.decoding.search import search_function
from nmt.decoding.search_options import SearchOptions
from nmt.engine import Wanted
from nmt.models.inference import prepare_for_search
from nmt.models.torch_engine import TorchEngine
from nmt.storage.run_folder import Run, read_log
from nmt.training.microbatches import DeviceBatch, to_device
from nmt.training.objective import likelihood_loss

GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")
DEVICES = ["cpu", pytest.param("cuda", marks=GPU)]
SAMPLE = EVERY[::16]
SEARCHES = (
    SearchOptions(method="greedy"),
    SearchOptions(beam_size=3, n_best=2),
    SearchOptions(beam_size=2, no_repeat_ngram=2),
)
STEPS = 6
"""Maximum target length."""
SHORT = (3, 2, 1, 3)
"""Numbers of source tokens on the meta device."""


def padded_tokens(lengths):
    """Return random ids (B, S) that end with EOS, padded, and their lengths (B,)."""
    draw = np.random.default_rng(1)
    table = np.full((len(lengths), max(lengths)), PAD, np.int64)
    for row, length in zip(table, lengths, strict=True):
        row[:length] = [*draw.integers(4, 19, length - 1), EOS]
    return table, np.array(lengths)


def make_batch(device, source=(8, 5, 3, 6), target=(5, 6, 2, 4)):
    """Return a batch of sentences with these numbers of tokens."""
    return to_device(Batch(*padded_tokens(source), *padded_tokens(target)), torch.device(device))


def results(architecture, device):
    """Return loss, gradients and translations, as values on the CPU."""
    torch.manual_seed(1)
    model = build(**architecture).to(device).train()
    batch = make_batch(device)
    loss = likelihood_loss(model, batch, Training(), 1).minimised
    loss.backward()
    gradients = {name: weight.grad.cpu() for name, weight in model.named_parameters() if weight.grad is not None}
    sentences = SearchBatch(*padded_tokens([8, 5, 3, 6]), [STEPS] * 4)
    engine = TorchEngine(prepare_for_search(model, "fp32"))
    found = [search_function(options)(engine, sentences, options) for options in SEARCHES]
    return loss.detach().cpu(), gradients, [[each.tokens for each in answer] for answers in found for answer in answers]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("architecture", SAMPLE, ids=name_of)
def test_loss_gradients_and_translations_equal_those_on_the_cpu(architecture, device):
    expected, found = results(architecture, "cpu"), results(architecture, device)
    torch.testing.assert_close(found[:2], expected[:2], rtol=1e-3, atol=1e-5)
    assert found[2] == expected[2]


@pytest.mark.parametrize("device", DEVICES)
def test_commands_give_equal_results_on_the_cpu_and_the_device(device, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = "".join(" ".join("abcdef"[i % n] for i in range(n)) + "\n" for n in range(2, 7))
    for side in ("source", "target"):
        Path(side).write_text(lines * 4, encoding="utf-8")
    corpus = {"source": "source", "target": "target"}
    values = {
        "name": "tiny",
        "data": {"train": corpus, "valid": corpus, "workers": 1},
        "subword": {"kind": "char", "vocab_size": 20},
        "model": {part: {"size": 8} for part in ("embedding", "encoder", "decoder")},
        "training": {"max_steps": 4, "save_every": 2, "log_every": 1, "ema_decay": 0.9, "precision": "fp32"},
    }
    Path("tiny.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")

    def run(name, device):
        train = ["train", "--config", "tiny.yaml", f"--set=name={name}", f"--set=training.device={device}"]
        cli.main(train, standalone_mode=False)
        cli.main([*train, "--resume", "--checkpoint", "step-2"], standalone_mode=False)
        line = [
            "translate",
            "--model",
            f"runs/{name}",
            "--device",
            device,
            "--precision",
            "fp32",
            "-i",
            "source",
            "-o",
            "out",
        ]
        texts = []
        for method in (["--greedy"], ["--beam-size=3", "--no-repeat-ngram=2", "--repetition-penalty=1.2"]):
            cli.main([*line, *method], standalone_mode=False)
            texts.append(Path("out").read_text(encoding="utf-8"))
        return [entry["loss"] for entry in read_log(Run(Path("runs") / name).log) if entry["event"] == "train"], texts

    expected, found = run("reference", "cpu"), run("tested", device)
    assert found[0] == pytest.approx(expected[0], rel=1e-3) and found[1] == expected[1]


class OneDevice(TorchDispatchMode):
    """Raise RuntimeError if an operator has both CPU and meta tensors, except scalars, which any device accepts."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor) and leaf.dim()]
        if len({tensor.device.type for tensor in tensors}) > 1:
            raise RuntimeError(f"{function}: tensors on two devices")
        return function(*args, **kwargs)


def test_an_operator_with_tensors_on_two_devices_is_an_error():
    with OneDevice(), pytest.raises(RuntimeError, match="two devices"):
        torch.nn.functional.embedding(torch.tensor([1]), torch.ones(3, 2, device="meta"))


def meta_batch():
    """Return a batch of short sentences, because each step of a layer takes long on the meta device."""
    batch = make_batch("cpu", SHORT, (2, 3, 1, 3))
    return DeviceBatch(**{name: tensor.to("meta") for name, tensor in vars(batch).items()})


@pytest.mark.parametrize("architecture", SAMPLE, ids=name_of)
def test_a_training_step_reads_no_value_on_the_host(architecture, monkeypatch):
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda kind: False)  # autocast does not support the meta device
    monkeypatch.setattr(torch, "autocast", lambda *arguments, **options: contextlib.nullcontext())
    model, batch = build(**architecture).to("meta").train(), meta_batch()
    with OneDevice():
        loss = likelihood_loss(model, batch, Training(), 1).minimised
        loss.backward()
        norm = torch.nn.utils.get_total_norm([weight.grad for weight in model.parameters() if weight.grad is not None])
    assert norm.device.type == "meta"


@pytest.mark.parametrize("wanted", [Wanted(4), Wanted(4, True), Wanted()], ids=["best", "with alignment", "all tokens"])
@pytest.mark.parametrize("architecture", [each for each in SAMPLE if not each.get("copy_source")], ids=name_of)
def test_a_step_reads_only_what_the_search_wants(architecture, wanted, monkeypatch):
    """Except networks that copy: they read the largest source id once."""
    engine = TorchEngine(prepare_for_search(build(**architecture).to("meta"), "fp32"))
    with OneDevice():
        memory = engine.encode(*padded_tokens(SHORT))
        state, read = engine.start(memory, 2), []
        cpu = torch.Tensor.cpu
        monkeypatch.setattr(
            torch.Tensor, "cpu", lambda x: read.append(x.shape[1:]) or torch.zeros_like(x, device="cpu")
        )
        state, _ = engine.step(np.full(8, BOS), state, memory, wanted)
        monkeypatch.setattr(torch.Tensor, "cpu", cpu)
        with pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor"):
            engine.step(np.full(8, BOS), state.select(np.arange(8)), memory, wanted)
    assert read == [(4,), (4,), (max(SHORT),)][: 2 + wanted.alignment] if wanted.candidates else read == [(VOCABULARY,)]
