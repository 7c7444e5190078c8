"""A network in torch as an engine for search (`nmt.engine`): arrays go to the device and predictions come back.

Each step copies only what the search wants from the device: on a GPU that is one small transfer, if it wants
candidates.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch

from nmt.engine import Bools, Ints, Prediction, Wanted
from nmt.kernels.top_k import top_k
from nmt.models.seq2seq import Seq2Seq
from nmt.models.state import DecoderState, Memory, StepOutput


@dataclass(frozen=True)
class TorchMemory:
    """An encoded source on the device."""

    memory: Memory
    is_real: Bools
    """(B, S)"""

    def select(self, rows: Ints) -> "TorchMemory":
        """See `nmt.engine.Memory`."""
        is_real = self.is_real[rows]
        longest = int(is_real.sum(1).max(initial=0))
        return TorchMemory(self.memory.select(_to(rows, self.memory.is_real.device)), is_real[:, :longest])

    def at(self, slots: Ints | None, width: int) -> "TorchMemory":
        """See `nmt.engine.Memory`."""
        device = self.memory.is_real.device
        return dataclasses.replace(self, memory=self.memory.at(None if slots is None else _to(slots, device), width))


@dataclass(frozen=True)
class TorchState:
    """The state of the decoder on the device."""

    state: DecoderState

    def select(self, rows: Ints) -> "TorchState":
        """See `nmt.engine.State`."""
        return TorchState(self.state.select(_to(rows, self.state.layers[0][0].device)))


class TorchEngine:
    """A network, prepared for search (`nmt.models.inference`)."""

    batches_at_once = 1
    batch_tokens = 1 << 30
    rounds_rows = True

    def __init__(self, network: Seq2Seq) -> None:
        self.network = network
        self.device = network.source_embedding.table.weight.device

    @torch.no_grad()
    def encode(self, source: Ints, lengths: Ints) -> TorchMemory:
        """See `nmt.engine.Engine`."""
        memory = self.network.encode(_to(source, self.device), _to(lengths, self.device))
        return TorchMemory(memory, np.arange(source.shape[1]) < lengths[:, None])

    @torch.no_grad()
    def restrict(self, memory: TorchMemory, tokens: Ints, is_allowed: Bools) -> TorchMemory:
        """See `nmt.engine.Engine`."""
        allowed = torch.from_numpy(is_allowed).to(self.device)
        restricted = self.network.restrict(memory.memory, _to(tokens, self.device), allowed)
        return dataclasses.replace(memory, memory=restricted)

    @torch.no_grad()
    def start(self, memory: TorchMemory, width: int) -> TorchState:
        """See `nmt.engine.Engine`."""
        return TorchState(self.network.start(memory.memory, width))

    @torch.no_grad()
    def step(
        self, token: Ints, state: TorchState, memory: TorchMemory, wanted: Wanted
    ) -> tuple[TorchState, Prediction]:
        """See `nmt.engine.Engine`."""
        following, output = self.network.step(_to(token, self.device), state.state, memory.memory)
        return TorchState(following), _predict(output, wanted)


def log_probs_of(logits: torch.Tensor) -> torch.Tensor:
    """Return the log-probabilities (N, V) of `logits` (N, V) in float32; float32 logits are overwritten."""
    if logits.dtype != torch.float32:
        return torch.log_softmax(logits, dim=-1, dtype=torch.float32)
    return torch.log_softmax(logits, dim=-1, out=logits)


def _predict(output: StepOutput, wanted: Wanted) -> Prediction:
    log_probs, tokens = log_probs_of(output.logits), output.tokens
    if wanted.candidates is not None:
        log_probs, columns = top_k(log_probs, wanted.candidates)
        tokens = columns if tokens is None else tokens[columns]
    return Prediction(
        log_probs.cpu().numpy(),
        None if tokens is None else tokens.cpu().numpy(),
        output.alignment.float().cpu().numpy() if wanted.alignment else None,
    )


def _to(array: Ints, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(array).to(device)
