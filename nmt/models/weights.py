"""Save and load the weights of a network as a safetensors file, and load a network from a checkpoint folder.

safetensors has functions for whole networks, but these reject weights that share one block of memory, as the weights of
a recurrent layer do for cuDNN on a GPU.
"""

from collections.abc import Sequence
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


def save_weights(model: nn.Module, path: Path) -> None:
    """Write the weights of `model` to the safetensors file `path`; a shared weight has its first name there."""
    save_file({names[0]: weight.detach().cpu().contiguous() for names, weight in _unique_weights(model)}, path)


def load_weights(model: nn.Module, path: Path) -> None:
    """Copy the weights in the safetensors file `path` into `model`.

    Raise `NmtError` if the file is damaged, or if it does not have exactly the weights of `model`. Then `model` is not
    changed.
    """
    _copy_weights(load_tensors(path), model, path)


@torch.no_grad()
def load_mean(model: nn.Module, paths: Sequence[Path]) -> None:
    """Copy the mean of the weights in several safetensors files into `model`.

    The sums are in float64. The weights are read one after another, so that besides `model` only one of them is in
    memory. Raise `NmtError` as `load_weights` does; then `model` is not changed.
    """
    for path in paths:
        _match(load_tensors(path), model, path)
    for names, weight in _unique_weights(model):
        total = torch.zeros(weight.shape, dtype=torch.float64)
        for path in paths:
            with safe_open(path, framework="pt") as file:
                stored = set(file.keys())
                total += file.get_tensor(next(name for name in names if name in stored))
        weight.copy_(total.div_(len(paths)))


@torch.no_grad()
def _copy_weights(tensors: dict[str, Tensor], model: nn.Module, path: Path) -> None:
    for tensor, weight in _match(tensors, model, path):
        weight.copy_(tensor)


def _match(tensors: dict[str, Tensor], model: nn.Module, path: Path) -> list[tuple[Tensor, Tensor]]:
    """Return the tensor of the file `path` for each weight of `model`, and the weight.

    Raise `NmtError` if a tensor is missing, unexpected or of another shape.
    """
    misfit = f"{path}: does not fit the configuration:"
    matches = []
    for names, weight in _unique_weights(model):
        name = next((name for name in names if name in tensors), None)
        if name is None:
            raise NmtError(f"{misfit} tensor {names[0]} is missing")
        shape, expected = tuple(tensors[name].shape), tuple(weight.shape)
        if shape != expected:
            raise NmtError(f"{misfit} tensor {name} has shape {shape}, not {expected}")
        matches.append((tensors[name], weight))
    if unexpected := tensors.keys() - model.state_dict().keys():
        raise NmtError(f"{misfit} unexpected tensor {min(unexpected)}")
    return matches


def _unique_weights(model: nn.Module) -> list[tuple[list[str], Tensor]]:
    """Return each weight of `model` once, with all its names; a shared weight has several."""
    found: dict[int, tuple[list[str], Tensor]] = {}
    for name, weight in model.state_dict(keep_vars=True).items():
        found.setdefault(id(weight), ([], weight))[0].append(name)
    return list(found.values())


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of the safetensors file `path`."""
    checksums.verify_file(path)
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise checksums.corruption_error(path, str(error)) from None
    return tensors


def load_model(checkpoint: Path, config: Config, source_size: int, target_size: int, device: torch.device) -> Seq2Seq:
    """Return the network of a checkpoint folder in evaluation mode.

    Memory for the weights is allocated only after the names and shapes in the file have been checked against `config`.
    """
    path = checkpoint / "model.safetensors"
    tensors = load_tensors(path)
    with _SkipInitialization(), torch.device("meta"):
        _match(tensors, Seq2Seq(config.model, source_size, target_size), path)
    with _SkipInitialization():
        model = Seq2Seq(config.model, source_size, target_size).to(device)
    _copy_weights(tensors, model, path)
    return model.eval()


class _SkipInitialization(TorchFunctionMode):
    """Leave new weights uninitialised, since they are read from a file: drawing them takes longer than reading them."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Return the argument of `func` if it would initialise a weight, else the result of `func`."""
        if func in (nn.init.normal_, nn.init.uniform_, torch.Tensor.normal_, torch.Tensor.uniform_):
            return kwargs["tensor"] if kwargs and "tensor" in kwargs else args[0]
        if func is torch.linalg.qr:
            return args[0], args[0]
        return func(*args, **(kwargs or {}))
