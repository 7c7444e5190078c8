"""A network's weights in a file, and a network from them.

Not by safetensors' own functions for networks, which refuse weights that lie in one piece of memory, as cuDNN wants
those of a recurrent layer on a GPU.
"""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from nmt.config import Config
from nmt.errors import NmtError
from nmt.models.seq2seq import Seq2Seq
from nmt.storage import checksums
from nmt.storage.json_text import parse_json

FORMAT = 3
"""What the weights of a checkpoint mean: 2 and 3 scale embeddings as the network reads them."""


def save_weights(model: nn.Module, path: Path) -> None:
    """Write the weights of `model` to the safetensors file `path`, those that have several names under the first."""
    save_file({names[0]: weight.detach().cpu().contiguous() for names, weight in _named(model)}, path)


def load_weights(model: nn.Module, path: Path) -> None:
    """Fill `model` from the safetensors file `path`; every weight must be there, whole, and fit, and no other."""
    found = load_tensors(path)
    places = _places(model, {name: tuple(tensor.shape) for name, tensor in found.items()}, path)
    with torch.no_grad():
        for name, weight in places:
            weight.copy_(found[name])


def _places(model: nn.Module, shapes: dict[str, tuple[int, ...]], path: Path) -> list[tuple[str, Tensor]]:
    """Return each weight of `model` after its name in the file `path`, which holds tensors of these `shapes`.

    Raises `NmtError` where one is missing or of another shape, or there is what the network has not.
    """
    places = []
    for names, weight in _named(model):
        name = next((name for name in names if name in shapes), None)
        if name is None:
            raise _misfit(path, f"{names[0]} is not there")
        if shapes[name] != weight.shape:
            raise _misfit(path, f"{name} is {shapes[name]}, not {tuple(weight.shape)}")
        places.append((name, weight))
    if further := shapes.keys() - model.state_dict().keys():
        raise _misfit(path, f"{min(further)} is of no use in it")
    return places


def _named(model: nn.Module) -> list[tuple[list[str], Tensor]]:
    """Return each weight of `model` once, after all its names."""
    found: dict[int, tuple[list[str], Tensor]] = {}
    for name, weight in model.state_dict(keep_vars=True).items():
        found.setdefault(id(weight), ([], weight))[0].append(name)
    return list(found.values())


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of the safetensors file `path`."""
    checksums.check(path)
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise checksums.damaged(path, str(error)) from None
    return tensors


def load_meta(checkpoint: Path) -> dict[str, Any]:
    """Return what `meta.json` says of a checkpoint: step, vocabulary fingerprint and sizes.

    Raises `NmtError` for a checkpoint of a version whose weights had another meaning.
    """
    meta = load_json(checkpoint / "meta.json")
    if meta.get("format") != FORMAT:
        raise NmtError(
            f"{checkpoint}: of format {meta.get('format', 1)}, and this version of nmt reads format {FORMAT}; "
            "translate with the version that trained it, or train again"
        )
    return meta


def load_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file of a checkpoint."""
    checksums.check(path)
    try:
        values = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise checksums.damaged(path, str(error)) from None
    if not isinstance(values, dict):
        raise checksums.damaged(path, "not a JSON object")
    return values


def load_model(checkpoint: Path, config: Config, source_size: int, target_size: int, device: torch.device) -> Seq2Seq:
    """Return the network of a checkpoint folder, ready for search.

    Nothing is allocated before it is known that the file holds the weights that `config` asks for.
    """
    path = checkpoint / "model.safetensors"
    with _Undrawn(), torch.device("meta"):
        _places(Seq2Seq(config.model, source_size, target_size), _shapes(path), path)
    with _Undrawn():
        model = Seq2Seq(config.model, source_size, target_size).to(device)
    load_weights(model, path)
    return model.eval()


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor that the safetensors file `path` says it holds."""
    try:
        with safe_open(path, "pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise checksums.damaged(path, str(error)) from None


def _misfit(path: Path, what: str) -> NmtError:
    checksums.check(path)  # a damaged file is named as such
    return NmtError(f"{path}: does not fit the configuration: {what}")


class _Undrawn(TorchFunctionMode):
    """Leaves the memory of weights as it is where they would be drawn, which takes longer than reading them."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Take the place of `func`."""
        if func in (nn.init.normal_, nn.init.uniform_, torch.Tensor.normal_, torch.Tensor.uniform_):
            return kwargs["tensor"] if kwargs and "tensor" in kwargs else args[0]
        if func is torch.linalg.qr:
            return args[0], args[0]
        return func(*args, **(kwargs or {}))
