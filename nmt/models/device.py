"""Where and in what arithmetic a model runs."""

from typing import Literal

import torch

from nmt.errors import NmtError

Precision = Literal["auto", "fp32", "bf16"]


def choose_device(name: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """Return the device; auto is the GPU where there is one. Raises `NmtError` where cuda is asked for and missing."""
    if name == "cuda" and not torch.cuda.is_available():
        raise NmtError("--device cuda: torch sees no GPU; use --device cpu, or install a torch built for your GPU")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def uses_bf16(precision: Precision, device: torch.device) -> bool:
    """Return whether matrix products run in bfloat16: auto takes it where the hardware has the instructions."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported())
