"""Where and in what arithmetic a model runs."""

import ctypes
import sys
from typing import Literal

import torch

from nmt.errors import NmtError

Precision = Literal["auto", "fp32", "bf16", "int8"]
Arithmetic = Literal["fp32", "bf16", "int8"]


def choose_device(name: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """Return the device; auto is the GPU where there is one. Raises `NmtError` where cuda is asked for and missing."""
    if name == "cuda" and not torch.cuda.is_available():
        raise NmtError("--device cuda: torch sees no GPU; use --device cpu, or install a torch built for your GPU")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def choose_arithmetic(precision: Precision, device: torch.device) -> Arithmetic:
    """Return in what matrix products run: auto takes bfloat16 where the hardware has the instructions.

    Raises `NmtError` where int8, which is for search on a processor, is asked of what cannot do it.
    """
    if precision == "int8" and (device.type != "cpu" or not hasattr(torch.ops.onednn, "qlinear_pointwise")):
        raise NmtError("--precision int8 needs --device cpu and a torch with oneDNN; use bf16 or fp32")
    if precision != "auto":
        return precision
    if device.type == "cuda":
        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        has_bf16 = torch.cpu._is_avx512_bf16_supported()
    return "bf16" if has_bf16 else "fp32"


_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # of glibc's malloc.h


def return_freed_memory() -> None:
    """Give the system what it was spared by `keep_freed_memory`, where memory did not suffice."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform.startswith("linux") else None
    if trim is not None:
        trim(0)


def keep_freed_memory() -> None:
    """Let the process reuse the memory of freed tensors instead of returning it to the system.

    glibc gives large blocks back at once, and the system clears each page anew at the next step: about a tenth of the
    time of training. Does nothing where the C library is another.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        # Before version 2.35 glibc takes no larger threshold than 32 MiB; without one the rest would do harm.
        if not (mallopt(_MMAP_THRESHOLD, 1 << 30) or mallopt(_MMAP_THRESHOLD, 1 << 25)):
            return
        mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)
        mallopt(_TOP_PAD, 1 << 24)
