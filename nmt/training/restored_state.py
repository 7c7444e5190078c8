"""Restore the weights, the optimizer and torch's random generators after steps that must leave no trace."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def restored(
    model: nn.Module, averaged: nn.Module | None, optimizer: torch.optim.Optimizer, device: torch.device
) -> Iterator[int]:
    """Restore the state at the end of this block, to the bit and in the same memory.

    The copy is in the memory of the CPU. Yield its size in bytes.
    """
    networks = [network for network in (model, averaged) if network is not None]
    values = [weight for network in networks for weight in (*network.parameters(), *network.buffers())]
    weights = [value.detach().to("cpu", copy=True) for value in values]
    states = {
        weight: {key: value.detach().to("cpu", copy=True) for key, value in state.items()}
        for weight, state in optimizer.state.items()
    }
    rates = [group["lr"] for group in optimizer.param_groups]
    copies = [*weights, *(value for state in states.values() for value in state.values())]
    devices = [torch.cuda.current_device()] if device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=devices):
            yield sum(copy.nbytes for copy in copies)
    finally:
        optimizer.zero_grad(set_to_none=True)
        _copy(weights, values)
        for weight in list(optimizer.state):
            if weight in states:
                _copy(list(states[weight].values()), [optimizer.state[weight][key] for key in states[weight]])
            else:
                del optimizer.state[weight]
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate


@torch.no_grad()
def _copy(saved: list[Tensor], values: list[Tensor]) -> None:
    for tensor, value in zip(saved, values, strict=True):
        value.copy_(tensor)
