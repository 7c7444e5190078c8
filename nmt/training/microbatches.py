"""Gradient accumulation: split a batch into micro-batches, more of them if memory runs out; copy them to the device.

Axes: B sentences, S source tokens, T target tokens, N real target tokens (no padding).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from nmt.data.batching import Batch
from nmt.data.token_ids import BOS, PAD
from nmt.kernels.out_of_memory import OutOfMemory, free_after_shortage

LENGTH_MULTIPLE = 2
"""Sequences are padded to a multiple of this, because oneDNN compiles and keeps a kernel for each length.

Smaller caches are no replacement (see `nmt.kernels.row_counts`), and without padding a seed gives another network.
"""


@dataclass(frozen=True)
class DeviceBatch:
    """The tensors of a batch that the network and the loss read."""

    source: Tensor
    """(B, S) token ids, each sentence with EOS at its end, then padding."""
    lengths: Tensor
    """(B,) source tokens of each sentence, EOS included."""
    previous: Tensor
    """(B, T) input of the decoder: BOS and all target tokens but the last."""
    target: Tensor
    """(B, T) the tokens to predict, with EOS at the end."""
    real: Tensor
    """(N,) positions of the real tokens in `target.flatten()`; computed on the CPU, so that no step waits for a GPU."""


def to_device(batch: Batch, device: torch.device) -> DeviceBatch:
    """Copy `batch` to `device`, without waiting for a GPU."""

    def move(array: npt.NDArray[np.int64]) -> Tensor:
        tensor = torch.from_numpy(array)
        if tensor.dim() == 2:
            tensor = F.pad(tensor, (0, -tensor.shape[1] % LENGTH_MULTIPLE), value=PAD)
        return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor

    source, lengths = move(batch.source), move(batch.source_lengths)
    target = move(batch.target)
    previous = torch.cat([target.new_full((len(target), 1), BOS), target[:, :-1]], dim=1)
    is_real = np.arange(target.shape[1]) < batch.target_lengths[:, None]
    return DeviceBatch(source, lengths, previous, target, move(np.flatnonzero(is_real)))


def split(batch: Batch, count: int) -> list[Batch]:
    """Return at most `count` micro-batches of similar sentence lengths, each cut to its longest sentence."""
    return [_take(batch, slice(first, None, count)) for first in range(min(count, batch.pairs))]


def share_out(batch: Batch, ranks: int) -> list[Batch]:
    """Return the shares of at most `ranks` ranks, each cut to its longest sentence. The first one is the largest.

    A batch has the longest sentences first. Of each group of `ranks` sentences every rank gets one, in the order of the
    ranks and in the opposite order alternately, so that no rank has the longest of each group.
    """
    if ranks == 1:
        return [batch]
    group, place = np.divmod(np.arange(batch.pairs), ranks)
    is_complete = (group + 1) * ranks <= batch.pairs
    owner = np.where((group % 2 == 1) & is_complete, ranks - 1 - place, place)
    return [_take(batch, np.flatnonzero(owner == rank)) for rank in range(min(ranks, batch.pairs))]


def _take(batch: Batch, rows: slice | npt.NDArray[np.intp]) -> Batch:
    source_lengths, target_lengths = batch.source_lengths[rows], batch.target_lengths[rows]
    source = batch.source[rows, : source_lengths.max()]
    target = batch.target[rows, : target_lengths.max()]
    return Batch(source, source_lengths, target, target_lengths)


def increase_count(error: BaseException, batch: Batch, count: int, place: str, remedy: str) -> int:
    """Return twice `count`, the number of micro-batches of `batch` with which memory ran out, at most one per pair.

    Raises `OutOfMemory`, whose message begins with `place` and contains the `remedy`, if each micro-batch was one pair
    already, and `error` again if it does not say that memory ran out.
    """
    free_after_shortage(error)
    if count >= batch.pairs:
        raise OutOfMemory(
            f"{place}: out of memory for one pair at a time, of up to {batch.source_lengths.max():,} source and "
            f"{batch.target_lengths.max():,} target tokens; {remedy}, or use a smaller model"
        ) from None
    return min(2 * count, batch.pairs)
