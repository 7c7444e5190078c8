"""Weights come back from a file as they were, for every architecture, or the file is named."""

import json

import pytest
import torch
from architectures import EVERY, batch, build, name_of, parts_of, unrolled_logits
from safetensors.torch import save_model

from nmt import config
from nmt.errors import NmtError
from nmt.models.loading import load_meta, load_model


def settings(**architecture):
    data = {"train": {"source": "a", "target": "b"}, "valid": {"source": "a", "target": "b"}}
    parts = parts_of(**architecture).model_dump(mode="json")
    return config.parse({"name": "x", "data": data, "model": parts}, "test")


@pytest.mark.parametrize("architecture", [{"tie": "none"}, {"tie": "target"}, {"tie": "all"}, *EVERY], ids=name_of)
@torch.no_grad()
def test_saved_and_loaded(tmp_path, architecture):
    """By way of the configuration, too, that a run folder holds."""
    model = build(**architecture)
    save_model(model, str(tmp_path / "model.safetensors"))
    loaded = load_model(tmp_path, settings(**architecture), 19, 19, torch.device("cpu"))
    assert not loaded.training
    assert torch.equal(unrolled_logits(loaded, *batch()), unrolled_logits(model, *batch()))
    assert loaded.state_dict().keys() == model.state_dict().keys()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.unlink(), "damaged or missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-20]), "damaged"),
        (lambda path: path.write_bytes(b"junk"), "damaged"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, spoil, words):
    path = tmp_path / "model.safetensors"
    save_model(build(tie="all"), str(path))
    spoil(path)
    with pytest.raises(NmtError, match=words) as caught:
        load_model(tmp_path, settings(tie="all"), 19, 19, torch.device("cpu"))
    assert str(path) in str(caught.value)


def test_weights_of_another_size_are_named(tmp_path):
    save_model(build(tie="all"), str(tmp_path / "model.safetensors"))
    with pytest.raises(NmtError, match="does not fit the configuration"):
        load_model(tmp_path, settings(tie="all"), 25, 25, torch.device("cpu"))


@pytest.mark.parametrize("written", [{}, {"format": 1}, {"format": 4}])
def test_weights_of_another_meaning_are_refused(tmp_path, written):
    (tmp_path / "meta.json").write_text(json.dumps(written))
    with pytest.raises(NmtError, match=r"this version of nmt reads format 3; .* or train again"):
        load_meta(tmp_path)


@pytest.mark.parametrize("text", ["", "[1]", "{"])
def test_a_damaged_description_is_named(tmp_path, text):
    (tmp_path / "meta.json").write_text(text)
    with pytest.raises(NmtError, match=r"meta\.json"):
        load_meta(tmp_path)
