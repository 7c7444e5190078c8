"""A network from a checkpoint's weights."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import load_model as fill_model
from torch import nn
from torch.overrides import TorchFunctionMode

from nmt import checksums
from nmt.config import Config
from nmt.errors import NmtError
from nmt.models.seq2seq import Seq2Seq

FORMAT = 2
"""What the weights of a checkpoint mean; since 2, embeddings are scaled as the network reads them."""


def load_weights(model: nn.Module, path: Path) -> None:
    """Fill `model` from the safetensors file `path`; every weight must be there, whole, and fit."""
    checksums.check(path)
    try:
        fill_model(model, path)
    except (SafetensorError, OSError) as error:
        raise checksums.damaged(path, str(error)) from None
    except RuntimeError as error:
        first = str(error).split("\n")[1:2] or [str(error)]
        raise NmtError(f"{path}: does not fit the configuration: {first[0].strip()}") from None


def load_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of the safetensors file `path`."""
    checksums.check(path)
    try:
        tensors: dict[str, torch.Tensor] = load_file(path)
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
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise checksums.damaged(path, str(error)) from None
    if not isinstance(values, dict):
        raise checksums.damaged(path, "not a JSON object")
    return values


def load_model(checkpoint: Path, config: Config, source_size: int, target_size: int, device: torch.device) -> Seq2Seq:
    """Return the network of a checkpoint folder, ready for search."""
    with _Undrawn():
        model = Seq2Seq(config.model, source_size, target_size).to(device)
    load_weights(model, checkpoint / "model.safetensors")
    return model.eval()


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
