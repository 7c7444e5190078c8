"""A batch of numpy arrays as the tensors that a step reads.

Axes: B sentences, S source tokens, T target tokens, N real target tokens.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from nmt.data.batching import Batch
from nmt.data.token_ids import BOS, PAD
from nmt.errors import NmtError
from nmt.kernels.out_of_memory import NoMemory, run_with_retry

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class DeviceBatch:
    """What one forward pass needs."""

    source: Tensor
    """(B, S) ids with EOS, padded to an even length."""
    lengths: Tensor
    """(B,) real source tokens."""
    previous: Tensor
    """(B, T) BOS and all target tokens but the last: what the decoder has read."""
    target: Tensor
    """(B, T) what it must predict, EOS last."""
    real: Tensor
    """(N,) which of `target.flatten()` are no padding; found on the processor, so that no step waits for a GPU."""


EVEN = 2
"""Lengths are padded to a multiple of this: half as many shapes on each side, whose kernels oneDNN all keeps."""


def to_device(batch: Batch, device: torch.device) -> DeviceBatch:
    """Copy `batch` to `device`, without waiting for a GPU."""

    def move(array: npt.NDArray[np.int64]) -> Tensor:
        tensor = torch.from_numpy(array)
        if tensor.dim() == 2:
            tensor = F.pad(tensor, (0, -tensor.shape[1] % EVEN), value=PAD)
        return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor

    source, lengths = move(batch.source), move(batch.source_lengths)
    target = move(batch.target)
    previous = torch.cat([target.new_full((len(target), 1), BOS), target[:, :-1]], dim=1)
    is_real = np.arange(target.shape[1]) < batch.target_lengths[:, None]
    return DeviceBatch(source, lengths, previous, target, move(np.flatnonzero(is_real)))


def split(batch: Batch, parts: int) -> list[Batch]:
    """Deal the sentences of `batch` into at most `parts` batches of like lengths, each trimmed to its longest."""
    dealt = []
    for part in range(min(parts, batch.pairs)):
        rows = slice(part, None, parts)
        source_lengths, target_lengths = batch.source_lengths[rows], batch.target_lengths[rows]
        source = batch.source[rows, : source_lengths.max()]
        target = batch.target[rows, : target_lengths.max()]
        dealt.append(Batch(source, source_lengths, target, target_lengths))
    return dealt


def run_in_microbatches(
    batch: Batch, parts: int, work: Callable[[int], Answer], name: str, remedy: str
) -> tuple[Answer, int]:
    """Return `work(parts)` and `parts`, which is doubled as long as memory does not suffice for a part of `batch`.

    Raises `NmtError`, which begins with `name` and tells the `remedy`, where one pair at a time does not fit.
    """
    while True:
        try:
            return run_with_retry(functools.partial(work, parts)), parts
        except NoMemory:
            if parts >= batch.pairs:
                raise NmtError(
                    f"{name}: out of memory for one pair at a time, of up to {batch.source_lengths.max():,} source and "
                    f"{batch.target_lengths.max():,} target tokens; {remedy}, or take a smaller model"
                ) from None
            parts = min(2 * parts, batch.pairs)
