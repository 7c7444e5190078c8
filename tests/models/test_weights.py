"""Weights are the same after saving and loading, for every architecture; messages name a wrong file."""

import json

import pytest
import torch
from architectures import EVERY, batch, build, name_of, parts_of, unrolled_logits
from safetensors.torch import load_file, save_file, save_model
from torch import nn

from nmt import config
from nmt.errors import NmtError
from nmt.models.weights import load_mean, load_model, load_weights, save_weights
from nmt.storage.checkpoint_meta import load_meta


def settings(**architecture):
    data = {"train": {"source": "a", "target": "b"}, "valid": {"source": "a", "target": "b"}}
    parts = parts_of(**architecture).model_dump(mode="json")
    return config.parse({"name": "x", "data": data, "model": parts}, "test")


def flatten_weights(model):
    """Put the weights of each recurrent layer into one block of memory, as cuDNN has them on a GPU."""
    for layer in model.modules():
        if isinstance(layer, nn.RNNBase):
            weights = list(layer.parameters())
            whole = torch.cat([weight.detach().flatten() for weight in weights])
            for weight, part in zip(weights, whole.split([weight.numel() for weight in weights]), strict=True):
                weight.data = part.view(weight.shape)
    return model


@pytest.mark.parametrize("architecture", [{"tie": "none"}, {"tie": "target"}, {"tie": "all"}, *EVERY], ids=name_of)
@torch.no_grad()
def test_a_network_predicts_the_same_after_saving_and_loading(tmp_path, architecture):
    model = build(**architecture)
    save_weights(model, tmp_path / "model.safetensors")
    loaded = load_model(tmp_path, settings(**architecture), 19, 19, torch.device("cpu"))
    assert not loaded.training
    assert torch.equal(unrolled_logits(loaded, *batch()), unrolled_logits(model, *batch()))
    assert loaded.state_dict().keys() == model.state_dict().keys()


@pytest.mark.parametrize("tie", ["none", "target", "all"])
@torch.no_grad()
def test_files_written_by_save_model_of_safetensors_can_be_loaded(tmp_path, tie):
    """nmt used it until 2026-11; it stores a shared weight under another of its names."""
    model = build(tie=tie)
    save_model(model, str(tmp_path / "model.safetensors"))
    loaded = load_model(tmp_path, settings(tie=tie), 19, 19, torch.device("cpu"))
    assert torch.equal(unrolled_logits(loaded, *batch()), unrolled_logits(model, *batch()))


RECURRENT = [*EVERY[::5], {"bidirectional_layers": 1, "start": "last", "residual": True}]
"""Networks with every kind of recurrent layer."""


@pytest.mark.parametrize("architecture", RECURRENT, ids=name_of)
@torch.no_grad()
def test_weights_in_one_block_of_memory_can_be_saved_and_loaded(tmp_path, architecture):
    model = flatten_weights(build(**architecture))
    save_weights(model, tmp_path / "model.safetensors")
    found = flatten_weights(build(**architecture))
    for weight in found.parameters():
        weight.zero_()
    load_weights(found, tmp_path / "model.safetensors")
    assert torch.equal(unrolled_logits(found, *batch()), unrolled_logits(model, *batch()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found: found.pop("output.bias"), "tensor output.bias is missing"),
        (
            lambda found: found.update({"output.bias": torch.zeros(3)}),
            r"tensor output.bias has shape \(3,\), not \(19,\)",
        ),
        (lambda found: found.update({"input.bias": torch.zeros(3)}), "unexpected tensor input.bias"),
    ],
)
def test_weights_that_do_not_fit_are_rejected_and_change_nothing(tmp_path, change, message):
    path = tmp_path / "model.safetensors"
    save_weights(build(), path)
    found = load_file(path)
    change(found)
    save_file({name: tensor + 1 for name, tensor in found.items()}, path)
    model = build()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    with pytest.raises(NmtError, match=f"does not fit the configuration: {message}"):
        load_weights(model, path)
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "damaged or missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-20]), "damaged"),
        (lambda path: path.write_bytes(b"junk"), "damaged"),
    ],
)
def test_the_message_names_a_damaged_file(tmp_path, damage, message):
    path = tmp_path / "model.safetensors"
    save_weights(build(tie="all"), path)
    damage(path)
    with pytest.raises(NmtError, match=message) as caught:
        load_model(tmp_path, settings(tie="all"), 19, 19, torch.device("cpu"))
    assert str(path) in str(caught.value)


def test_weights_of_another_vocabulary_are_rejected(tmp_path):
    save_weights(build(tie="all"), tmp_path / "model.safetensors")
    with pytest.raises(NmtError, match="does not fit the configuration"):
        load_model(tmp_path, settings(tie="all"), 25, 25, torch.device("cpu"))


@pytest.mark.parametrize("written", [{}, {"format": 1}, {"format": 4}])
def test_a_checkpoint_of_another_format_is_rejected(tmp_path, written):
    (tmp_path / "meta.json").write_text(json.dumps(written))
    with pytest.raises(NmtError, match=r"this version of nmt reads format 3; .* or train again"):
        load_meta(tmp_path)


@pytest.mark.parametrize("text", ["", "[1]", "{"])
def test_the_message_names_a_damaged_meta_json(tmp_path, text):
    (tmp_path / "meta.json").write_text(text)
    with pytest.raises(NmtError, match=r"meta\.json"):
        load_meta(tmp_path)


def test_the_mean_of_files_is_loaded_and_a_misfit_changes_nothing(tmp_path):
    paths = [tmp_path / f"{number}.safetensors" for number in (1, 2, 6)]
    for path, number in zip(paths, (1.0, 2.0, 6.0), strict=True):
        save_file({"weight": torch.tensor([[number, 2.0]])}, path)
    layer = nn.Linear(2, 1, bias=False)
    load_mean(layer, paths)
    assert layer.weight.tolist() == [[3.0, 2.0]]
    save_file({"weight": torch.ones(1, 3)}, paths[2])
    with pytest.raises(NmtError, match=r"6\.safetensors: .* shape \(1, 3\), not \(1, 2\)"):
        load_mean(layer, paths)
    assert layer.weight.tolist() == [[3.0, 2.0]]


def test_the_mean_of_a_network_with_tied_weights(tmp_path):
    one, other, mean = (build(tie="all") for _ in range(3))
    with torch.no_grad():
        for weight in other.parameters():
            weight += 2.0
    for number, model in enumerate((one, other)):
        save_weights(model, tmp_path / f"{number}.safetensors")
    load_mean(mean, [tmp_path / "0.safetensors", tmp_path / "1.safetensors"])
    first, second = one.state_dict(), other.state_dict()
    for name, weight in mean.state_dict().items():
        assert torch.allclose(weight, (first[name] + second[name]) / 2, atol=1e-6)
