"""The pretended GPU: it computes as the processor does, refuses what a GPU would, and counts who waits for it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pretended_gpu
import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
TENSORS = """
import torch
from torch import nn
from pretended_gpu import PretendedGpu

for kind in (nn.LSTM, nn.GRU, nn.RNN):
    torch.manual_seed(1)
    layer, x = kind(3, 4, batch_first=True), torch.randn(2, 5, 3)
    output, final = layer(x)
    (output.square().sum() + sum(part.sum() for part in final)).backward()
    wanted = [output.detach(), *(weight.grad.clone() for weight in layer.parameters())]
    layer.zero_grad()
    with PretendedGpu() as gpu:
        there = layer.to("cuda")
        assert {weight.device.type for weight in there.parameters()} == {"cuda"}
        output, final = there(x.to("cuda"))
        (output.square().sum() + sum(part.sum() for part in final)).backward()
        found = [output.detach().cpu(), *(weight.grad.cpu() for weight in there.parameters())]
    torch.testing.assert_close(found, wanted)

with PretendedGpu() as gpu:
    there, here = torch.ones(3, device="cuda"), torch.ones(3)
    for mixed in (lambda: there + here, lambda: here[there.long()], lambda: here.add_(there)):
        try:
            mixed()
        except RuntimeError as error:
            assert "both devices" in str(error)
        else:
            raise AssertionError("taken")
    assert (there + 1.0 + torch.tensor(2.0)).device.type == "cuda"
    assert not gpu.waits
    there.sum().item(), there[there > 0], there.cpu(), there.tolist()
    assert sorted(key.split()[1] for key in gpu.waits) == ["_local_scalar_dense", "index", "to", "tolist"], gpu.waits
"""
COMMANDS = """
import contextlib
from pretended_gpu import PretendedGpu
from nmt.cli.main import cli

found = []
for device in ("cpu", "cuda"):
    with PretendedGpu() if device == "cuda" else contextlib.nullcontext():
        keys = [f"--set=name={device}", f"--set=training.device={device}", "--set=training.ema_decay=0.9"]
        keys += ["--set=training.precision=fp32"]
        cli.main(["train", "--config", "tiny.yaml", *keys], standalone_mode=False)
        for search in (["--greedy"], ["--beam-size=3", "--no-repeat-ngram=2", "--repetition-penalty=1.2"]):
            line = ["translate", "--model", f"runs/{device}", "--device", device, *search, "-i", "s", "-o", "out"]
            line += ["--precision", "fp32"]
            cli.main(line, standalone_mode=False)
            found.append(open("out").read())
assert found[:2] == found[2:], found
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    if shutil.which("c++") is None:
        pytest.skip("there is no C++ compiler")
    library = pretended_gpu.build(tmp_path_factory.mktemp("gpu"))
    return pretended_gpu.loaded(library) | {"PYTHONPATH": f"{SCRIPTS}:{SCRIPTS.parent}"}


@pytest.mark.parametrize("program", [TENSORS, COMMANDS], ids=["tensors", "commands"])
def test_on_it(environment, tiny, program):
    line = [sys.executable, "-W", "ignore", "-c", program]
    found = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


def test_some_architectures_on_it(environment):
    line = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("architectures_on_gpu.py")), "20"]
    found = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
