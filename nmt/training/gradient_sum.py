"""Sum the gradients of all ranks while the backward pass still computes the rest of them.

The weights are grouped into buckets, the last layers first, because their gradients are complete first. As soon as all
gradients of a bucket are complete, its sum over the ranks begins. This is what `DistributedDataParallel` does (Li 2020,
section 3.2), which is not used for two reasons. If memory runs out in the middle of a backward pass on one rank, its
state cannot be used any more, and the other ranks lose the connection; here that rank still takes part in all sums, and
all ranks repeat the step in smaller parts. And its buckets change after the first step, so that a resumed run would add
the gradients of three or more ranks in another order; here the buckets depend on the network only.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from nmt.training.ranks import RankLost, Ranks

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Work

BUCKET_BYTES = 8 << 20
"""Approximate size of a bucket: large enough for the network, small enough to begin early."""
_ALIGNMENT = 16
"""Each gradient begins at a multiple of this many elements, 64 bytes, for vector instructions."""


class GradientSum:
    """The gradients of some weights, summed over the ranks. With one rank, it does nothing."""

    def __init__(self, weights: Iterable[nn.Parameter], ranks: Ranks, bucket_bytes: int = BUCKET_BYTES) -> None:
        """Take the weights in the order of the network; all ranks must give the same."""
        self._weights = [weight for weight in weights if weight.requires_grad]
        self._ranks = ranks
        self._buckets = [_Bucket(group) for group in _group(self._weights, bucket_bytes)] if ranks.size > 1 else []
        self._incomplete = [len(bucket.weights) for bucket in self._buckets]
        """The number of weights of each bucket whose gradient is not complete."""
        self._sums: list[Work | None] = []
        """The sums that have begun, in the order of the buckets."""
        self.is_last = False
        """Whether the next backward pass is the last one of the step, after which its gradients are complete."""
        for number, bucket in enumerate(self._buckets):
            for weight in bucket.weights:
                weight.register_post_accumulate_grad_hook(  # type: ignore[no-untyped-call]
                    partial(self._complete, number)
                )

    @contextmanager
    def summed(self, losses: Tensor) -> Iterator[None]:
        """Let the backward passes in this block compute the gradients of a step; at its end replace all by their sums.

        `losses` is replaced by its sum over the ranks, too. If the block fails on one rank, an exception is raised on
        all (`Ranks.agree`), and the gradients are of no use.
        """
        self._start()
        failure: Exception | None = None
        try:
            yield
        except RankLost:
            raise
        except Exception as error:
            failure = error
        self._finish(losses)
        self._ranks.agree(failure)

    def _start(self) -> None:
        """Clear the gradients, before the first backward pass of a step."""
        self.is_last = False
        self._sums = []
        self._incomplete = [len(bucket.weights) for bucket in self._buckets]
        for bucket in self._buckets:
            bucket.clear()
        if not self._buckets:
            for weight in self._weights:
                weight.grad = None

    def _finish(self, more: Tensor) -> None:
        """Wait for the sums of all gradients, and replace `more` by its sum.

        Every rank must call this, also one whose backward pass failed or that had nothing to compute: the sums of the
        buckets that it has not begun begin now.
        """
        while len(self._sums) < len(self._buckets):
            self._begin()
        for work in [*self._sums, self._ranks.sum(more)]:
            self._ranks.wait(work)

    def _complete(self, number: int, _: Tensor) -> None:
        """Note that a backward pass has added to the gradient of a weight of bucket `number`."""
        if not self.is_last:
            return
        self._incomplete[number] -= 1
        # All ranks must begin the sums in the same order, although gradients may be completed in another one.
        while len(self._sums) < len(self._buckets) and not self._incomplete[len(self._sums)]:
            self._begin()

    def _begin(self) -> None:
        self._sums.append(self._ranks.sum(self._buckets[len(self._sums)].gradients))


class _Bucket:
    """Weights whose gradients are parts of one tensor."""

    def __init__(self, weights: list[nn.Parameter]) -> None:
        self.weights = weights
        starts, end = [], 0
        for weight in weights:
            starts.append(end)
            end += -(-weight.numel() // _ALIGNMENT) * _ALIGNMENT
        self.gradients = torch.zeros(end, dtype=weights[0].dtype, device=weights[0].device)
        self._views = [
            self.gradients[start : start + weight.numel()].view_as(weight)
            for start, weight in zip(starts, weights, strict=True)
        ]

    def clear(self) -> None:
        """Set the gradients to zero, and let the weights have them."""
        self.gradients.zero_()
        for weight, view in zip(self.weights, self._views, strict=True):
            weight.grad = view


def _group(weights: list[nn.Parameter], size: int) -> list[list[nn.Parameter]]:
    """Return the weights from the last to the first, in groups of at least `size` bytes."""
    groups: list[list[nn.Parameter]] = [[]]
    for weight in reversed(weights):
        if sum(each.nbytes for each in groups[-1]) >= size:
            groups.append([])
        groups[-1].append(weight)
    return groups
