"""The global state of torch during training: set as training needs it, and restored for the caller afterwards."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

from nmt.errors import NmtError

_training = threading.Lock()
"""Held while this process trains."""


@contextmanager
def training_state(device: torch.device, threads: int) -> Iterator[None]:
    """Give torch the state that training needs in this block: the result must not depend on that of the caller.

    At the end the default dtype, the random generators of the CPU and of the current GPU, the number of threads and the
    precision of cuDNN are those of the caller again. `threads` is the number of threads for the CPU; 0 keeps it. Raise
    `NmtError` if another thread of this process trains, because all threads share this state.
    """
    if not _training.acquire(blocking=False):
        raise NmtError(
            "this process trains already, and torch has one random generator for all threads: train in another "
            "process, or wait for the end of the other training"
        )
    with ExitStack() as stack:
        stack.callback(_training.release)
        stack.callback(torch.set_default_dtype, torch.get_default_dtype())
        torch.set_default_dtype(torch.float32)
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        if threads:
            stack.callback(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(threads)
        gpus = []
        if device.type == "cuda":
            stack.enter_context(torch.cuda.device(device))
            gpus.append(torch.cuda.current_device())
            stack.callback(setattr, torch.backends.cudnn, "allow_tf32", torch.backends.cudnn.allow_tf32)
        stack.enter_context(torch.random.fork_rng(devices=gpus))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        yield


def seed_generators(seed: int, device: torch.device) -> None:
    """Seed the generators of the CPU and of `device`. `torch.manual_seed` would seed those of every other GPU, too."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)
