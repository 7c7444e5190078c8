"""Choose the device (CPU or GPU) and the arithmetic (fp32, bf16 or int8) of a model."""

import copy
from typing import TypeVar

import torch
from torch import nn

from nmt.engine import Arithmetic, Device, Precision, is_gpu
from nmt.errors import NmtError

Network = TypeVar("Network", bound=nn.Module)


def choose_device(name: Device, local_rank: int | None = None) -> torch.device:
    """Return the device; auto is the NVIDIA GPU if there is one. Raise `NmtError` if the device is not available.

    With several processes on a machine, process `local_rank` gets the GPU of that number.
    """
    is_missing = not torch.cuda.is_available() if name.startswith("cuda") else not torch.backends.mps.is_available()
    if is_gpu(name) and is_missing:
        raise NmtError(
            f"--device {name}, or training.device: torch sees no such GPU; choose cpu, or install a torch built for it"
        )
    if name == "mps":
        return torch.device("mps")
    if name == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    if (number := torch.device("cuda" if name == "auto" else name).index) is not None:
        if number >= torch.cuda.device_count():
            raise NmtError(
                f"--device {name}, or training.device: the GPUs of this machine are cuda:0 to "
                f"cuda:{torch.cuda.device_count() - 1}"
            )
        return torch.device("cuda", number)
    if local_rank is None:
        return torch.device("cuda")
    if local_rank >= torch.cuda.device_count():
        raise NmtError(
            f"process {local_rank} of this machine has no GPU: there are {torch.cuda.device_count()}; start at most "
            "one process for each, or set training.device: cpu"
        )
    return torch.device("cuda", local_rank)


def set_cudnn_precision(arithmetic: Arithmetic, device: torch.device) -> None:
    """Let cuDNN compute in float32 if `arithmetic` is fp32: by default it rounds factors to 10 bits (TF32)."""
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = arithmetic != "fp32"


def choose_arithmetic(precision: Precision, device: torch.device) -> Arithmetic:
    """Return the arithmetic of matrix products; auto is bfloat16 if the hardware has instructions for it.

    Raise `NmtError` if int8, which is for search on the CPU, is requested elsewhere or without oneDNN.
    """
    if precision == "int8" and (device.type != "cpu" or not hasattr(torch.ops.onednn, "qlinear_pointwise")):
        raise NmtError("--precision int8 needs --device cpu and a torch with oneDNN; use bf16 or fp32")
    if precision != "auto":
        return precision
    if device.type == "mps":
        has_bf16 = False
    elif device.type == "cuda":
        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        has_bf16 = torch.cpu._is_avx512_bf16_supported()
    return "bf16" if has_bf16 else "fp32"


def choose_training_arithmetic(precision: Precision, device: torch.device) -> Arithmetic:
    """Return the arithmetic of training: as `choose_arithmetic`, but auto is fp16 on an NVIDIA GPU without bfloat16."""
    found = choose_arithmetic(precision, device)
    return "fp16" if precision == "auto" and found == "fp32" and device.type == "cuda" else found


def search_arithmetic(arithmetic: Arithmetic) -> Arithmetic:
    """Return the arithmetic of search during training; there is no search in fp16."""
    return "fp32" if arithmetic == "fp16" else arithmetic


def autocast(device: torch.device, arithmetic: Arithmetic) -> torch.autocast:
    """Return a context in which matrix products are computed in this arithmetic during training."""
    dtype = torch.float16 if arithmetic == "fp16" else torch.bfloat16
    return torch.autocast(device.type, dtype=dtype, enabled=arithmetic in ("bf16", "fp16"))


def sum_dtype(device: torch.device) -> torch.dtype:
    """Return the data type for sums over many steps: float64, which the GPUs of Apple lack."""
    return torch.float32 if device.type == "mps" else torch.float64


def has_bf16_lstm() -> bool:
    """Return whether this CPU can train an LSTM in bfloat16: oneDNN has one, or torch was built without oneDNN."""
    return not torch._C._has_mkldnn or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def check_trainable(arithmetic: Arithmetic, device: torch.device) -> None:
    """Raise `NmtError` if the CPU cannot train in this arithmetic: oneDNN has no such LSTM, bf16 without AVX-512."""
    if arithmetic == "fp16" and device.type == "cpu":
        raise NmtError("training.precision fp16 is for GPUs; on a CPU set training.precision: auto")
    if arithmetic == "bf16" and device.type == "cpu" and not has_bf16_lstm():
        raise NmtError(
            "training.precision bf16: this CPU has no AVX-512, which training in bfloat16 needs; set "
            "training.precision: fp32 (or auto)"
        )


def copy_network(model: Network) -> Network:
    """Return a copy of `model` on its device.

    `.to()` re-flattens the weights of each recurrent layer for cuDNN, which deepcopy leaves scattered.
    """
    return copy.deepcopy(model).to(next(model.parameters()).device)
