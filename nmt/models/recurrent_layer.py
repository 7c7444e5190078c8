"""One recurrent layer in one direction: a whole sequence at once, or one step, over the same weights.

Axes: B sentences, N rows, T steps, I input width, D width, G gates: 4D, of a plain RNN D.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from nmt.kernels.deferred_gradients import deferred_gradients
from nmt.models.cells import Cell, CellState, GateWeights

FUSED: dict[str, Callable[..., nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
KERNELS: dict[str, Callable[..., Any]] = {"lstm": torch.lstm, "gru": torch.gru, "rnn": torch.rnn_tanh}
CELLS: dict[str, Callable[..., nn.RNNCellBase]] = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn": nn.RNNCell}
_SHUT = 1e4
"""Its sigmoid is exactly 1, and that of its negative exactly 0."""


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence cuDNN about weights that lie in pieces, as they must where they are made anew."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous")
        yield


class RecurrentLayer(Cell):
    """A layer of cells, of which it is the first itself: so a plain layer's weights are named `network.*`.

    `forward` is one fused call (oneDNN, cuDNN); `step` is the same arithmetic, one step at a time. With several
    `transitions` a step goes through so many cells, of which the first alone reads the input (deep transition, Pascanu
    2014). No fused call does that, nor normalised gates: `forward` is then a loop over `step`, and slower.
    """

    def __init__(
        self,
        cell: str,
        input_size: int,
        size: int,
        transitions: int = 1,
        gate_norm: bool = False,
        weight_dropout: float = 0.0,
    ) -> None:
        further = [Cell(cell, CELLS[cell](0, size), size, gate_norm, weight_dropout) for _ in range(transitions - 1)]
        is_fused = transitions == 1 and input_size > 0 and not gate_norm
        network = FUSED[cell](input_size, size, batch_first=True) if is_fused else CELLS[cell](input_size, size)
        super().__init__(cell, network, size, gate_norm, weight_dropout)
        self.is_fused = is_fused
        self.further = cast("Sequence[Cell]", nn.ModuleList(further))

    def forward(self, x: Tensor, start: CellState | None = None) -> Tensor:
        """Return the outputs (B, T, D) over `x` (B, T, I), from the state `start` or from zero."""
        if not self.is_fused:
            return self._states(x, start, with_cells=False)[0]
        with self._type(x) as dtype:
            state = None if start is None else tuple(part.to(dtype) for part in start)
            if self.weight_dropout and self.training:
                first = self._pack_state(state or (x.new_zeros(len(x), self.size, dtype=dtype),) * self.states)
                output = self._fused(x.to(dtype), first, self.weights_in_use())[0]
            else:
                output = self.network(x.to(dtype), self._pack_state(state))[0]
        return output

    def forward_to_end(self, x: Tensor, lengths: Tensor, with_cells: bool = True) -> tuple[Tensor, CellState]:
        """Return outputs (B, T, D) and the state after each sentence's last real token (`lengths`, (B,)).

        Without `with_cells` the state of an LSTM is (h,) only, which costs nothing. The fused call gives memory cells
        after the last step only. So padding is marked by an input of its own, which shuts the input gate and opens the
        forget gate: the memory stays as the last real token left it.
        """
        if not self.is_fused:
            states = self._states(x, None, with_cells)
            return states[0], tuple(last_real(part, lengths) for part in states)
        if self.cell != "lstm" or not with_cells:
            output = self(x)
            return output, (last_real(output, lengths),)
        input_weight, *others = self.weights_in_use()
        is_padding = torch.arange(x.shape[1], device=x.device) >= lengths.unsqueeze(1)
        x = torch.cat([x, is_padding.unsqueeze(2).to(x.dtype)], dim=-1)
        mark = input_weight.new_zeros(4, self.size, 1)
        mark[0], mark[1] = -_SHUT, _SHUT
        weights = [torch.cat([input_weight, mark.flatten(0, 1)], dim=1), *others]
        zero = x.new_zeros(1, len(x), self.size)
        with self._type(x) as dtype:
            output, _, c = self._fused(x.to(dtype), (zero.to(dtype), zero.to(dtype)), weights)
        return output, (last_real(output, lengths), c[0])

    def _fused(self, x: Tensor, state: Any, weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return outputs, last h and, of an LSTM, last c of the fused call with `weights` in place of the layer's."""
        # has_biases, num_layers, dropout, train, bidirectional, batch_first
        further = True, 1, 0.0, self.training, False, True
        with _quiet():
            found: tuple[Tensor, ...] = KERNELS[self.cell](x, state, weights, *further)
        return found

    def _states(self, x: Tensor, start: CellState | None, with_cells: bool) -> CellState:
        """Return the states after each step over `x` (B, T, I), (B, T, D) each; of an LSTM both if `with_cells`."""
        state = start or (x.new_zeros(len(x), self.size),) * self.states
        nothing = x.new_empty(len(x), 0)
        weights = self.all_gate_weights(slice(x.shape[-1], None))
        states = []
        with deferred_gradients():
            for projected in self.project_input(x, slice(None)).unbind(1):
                _, state = self.step(nothing, state, weights, projected)
                states.append(state if with_cells else state[:1])
        return tuple(torch.stack(parts, dim=1).to(x.dtype) for parts in zip(*states, strict=True))

    def all_gate_weights(self, columns: slice = slice(None)) -> list[GateWeights]:
        """Return what makes the gates of each cell of a step, the input of which has those `columns` only."""
        return [self.gate_weights(columns), *(cell.gate_weights() for cell in self.further)]

    def step(
        self, x: Tensor, state: CellState, weights: list[GateWeights] | None = None, projected: Tensor | None = None
    ) -> tuple[Tensor, CellState]:
        """Return the output (N, D) and next state from `state` and the input `x` (N, I).

        In a loop, `weights` come ready, and may be those of some columns, `x`; `projected` (N, G) is of the others.
        """
        state = self.advance(x, state, weights[0] if weights else None, projected)
        for number, cell in enumerate(self.further, 1):
            state = cell.advance(x[:, :0], state, weights[number] if weights else None)
        return state[0], state

    @contextmanager
    def _type(self, x: Tensor) -> Iterator[torch.dtype]:
        """Give the type for the input `x` of a fused call, within which autocast does what is right for it.

        On a GPU autocast would run it in float16, whatever it is set to; there it runs in the type of its weights.
        """
        if x.device.type == "cuda":
            with torch.autocast("cuda", enabled=False):
                yield self.weights[0].dtype
        else:
            yield x.dtype

    def _pack_state(self, state: CellState | None) -> Tensor | tuple[Tensor, Tensor] | None:
        if state is None:
            return None
        stacked = [part.unsqueeze(0).contiguous() for part in state]
        return (stacked[0], stacked[1]) if self.cell == "lstm" else stacked[0]


def reverse(x: Tensor, lengths: Tensor) -> Tensor:
    """Reverse the real tokens of each sentence of `x` (B, T, I); padding (from `lengths`, (B,)) stays at the end."""
    position = torch.arange(x.shape[1], device=x.device).unsqueeze(0)  # (1, T)
    mirrored = lengths.unsqueeze(1) - 1 - position  # (B, T)
    index = torch.where(mirrored >= 0, mirrored, position)
    return x.gather(1, index.unsqueeze(2).expand_as(x))


def last_real(x: Tensor, lengths: Tensor) -> Tensor:
    """Return each sentence's vector at its last real token: (B, I) from `x` (B, T, I) and `lengths` (B,)."""
    return x[torch.arange(len(x), device=x.device), lengths - 1]
