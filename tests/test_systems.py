"""Every configuration file, with small layers, trains a model that translates."""

import random
from pathlib import Path

import pytest

from nmt import config
from nmt.decoding.loading import load
from nmt.kernels.device import has_bf16_lstm
from nmt.training.session import train

ROOT = Path(__file__).resolve().parents[1]
SYSTEMS = sorted((ROOT / "configs" / "systems").glob("*.yaml"))
OTHERS = sorted([*(ROOT / "configs").glob("*.yaml"), *(ROOT / "configs" / "benchmark").glob("*.yaml")])
SIZE = 16


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    draw = random.Random(0)
    words = [f"{a}{b}" for a in "bdfgk" for b in "aeiou"]
    for name, count in (("train", 60), ("valid", 6)):
        lines = [" ".join(draw.choices(words, k=draw.randint(1, 6))) + "\n" for _ in range(count)]
        (folder / f"{name}.src").write_text("".join(lines))
        (folder / f"{name}.tgt").write_text("".join(line.upper() for line in lines))
    return folder


def shrunk(path, corpus, folder):
    """Return the configuration of a file with small layers and a small corpus, and all other settings unchanged."""
    values = config.load(path).model_dump(mode="json")
    tag = values["data"]["train"][0]["tag"]
    pairs = {
        name: {"source": str(corpus / f"{name}.src"), "target": str(corpus / f"{name}.tgt"), "tag": tag}
        for name in ("train", "valid")
    }
    values["data"] |= {"train": [pairs["train"]], "valid": pairs["valid"], "test": {}, "workers": 1}
    values["data"]["prepared"] = str(folder / "prepared")
    values["subword"] |= {"vocab_size": 90, "byte_fallback": False, "reuse": None}
    values["training"]["init_from"] = None
    for section in ("embedding", "encoder", "decoder"):
        values["model"][section]["size"] = SIZE
    if values["model"]["attention"]["size"] != config.Attention().size:
        values["model"]["attention"]["size"] = SIZE
    for section in ("encoder", "decoder"):
        values["model"][section]["feed_forward"] = 2 * SIZE if values["model"][section]["kind"] != "recurrent" else 1024
    if values["training"]["precision"] == "bf16" and not has_bf16_lstm():
        values["training"]["precision"] = "fp32"
    values["training"] |= {"max_steps": 2, "validate_every": 2, "save_every": 2, "log_every": 1, "warmup_steps": 1}
    return config.parse(values, str(path))


@pytest.mark.parametrize("path", [*SYSTEMS, *OTHERS], ids=lambda path: path.stem)
def test_a_system_trains_and_translates(path, corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = shrunk(path, corpus, tmp_path)
    run = train(settings)
    translator = load(run.folder)
    lines = ["ba be bi", "", "do fu"]
    translations = list(translator.translate(lines))
    assert [translation.source for translation in translations] == lines
    assert all(translation.targets[0].log_prob < 0 for translation in translations if translation.source)


@pytest.mark.parametrize("path", SYSTEMS, ids=lambda path: path.stem)
def test_the_file_of_a_system_begins_with_its_paper(path):
    first = path.read_text(encoding="utf-8").split("\n")[0]
    assert first.startswith("# ")
    if path.stem[-4:].isdigit():
        assert path.stem[-4:] in first
