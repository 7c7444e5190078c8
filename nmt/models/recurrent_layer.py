"""A recurrent layer in one direction: over a whole sequence, or one step at a time with the same weights.

Axes: B sentences, N rows, T steps, I input width, J width of the input columns in use, D width, G gate inputs: 4D, or D
for an RNN.
"""

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from nmt.kernels.deferred_gradients import deferred_gradients
from nmt.kernels.fused_rnn import FUSED_KERNELS, fused_dtype, mark_padding
from nmt.models.cells import Cell, CellState, LoopStep

LAYER_MODULES: dict[str, Callable[..., nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
"""torch's modules that hold the weights of a fused layer."""
CELL_MODULES: dict[str, Callable[..., nn.RNNCellBase]] = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn": nn.RNNCell}
"""torch's modules that hold the weights of one cell."""


class RecurrentLayer(Cell):
    """h_t = f(h_{t-1}, x_t), with one or several cells in each step.

    With `transitions: n` a step goes through n cells, of which only the first reads the input (deep transition, Pascanu
    2014). The layer itself is the first cell, so the tensors of an ordinary layer are called `network.*` in
    checkpoints; the other cells are called `further.*`. A layer with one cell and without gate normalisation runs over
    a sequence in one fused call. Other layers loop over `step`, which is slower.
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
        others = [
            Cell(cell, CELL_MODULES[cell](0, size), size, gate_norm, weight_dropout) for _ in range(transitions - 1)
        ]
        is_fused = transitions == 1 and input_size > 0 and not gate_norm
        if is_fused:
            network: nn.Module = LAYER_MODULES[cell](input_size, size, batch_first=True)
        else:
            network = CELL_MODULES[cell](input_size, size)
        super().__init__(cell, network, size, gate_norm, weight_dropout)
        self.is_fused = is_fused
        self.further = cast("Sequence[Cell]", nn.ModuleList(others))

    def forward(
        self, x: Tensor, start: CellState | None = None, lengths: Tensor | None = None, with_cells: bool = False
    ) -> tuple[Tensor, CellState]:
        """Return the outputs (B, T, D) over `x` (B, T, I), and the state after the last real token of each sentence.

        `start` is the first state, zero by default. `lengths` (B,) counts the real tokens; without it the final state
        is empty. Without `with_cells` the final state of an LSTM is (h,), which costs nothing.
        """
        state = start or (x.new_zeros(len(x), self.size),) * self.state_count  # (B, D) each
        with_cells = with_cells and self.cell == "lstm"
        cells: list[Tensor] = []
        if self.is_fused:
            weights: Sequence[Tensor] = self.dropped_weights()
            if with_cells and lengths is not None:
                x, weights = mark_padding(x, lengths, weights)
            with fused_dtype(x, weights[0]) as dtype:
                parts = tuple(part.to(dtype).unsqueeze(0).contiguous() for part in state)  # (1, B, D) each
                first = parts if self.cell == "lstm" else parts[0]
                if weights[0] is self.weights[0] and weights[1] is self.weights[1]:
                    output, last = self.network(x.to(dtype), first)  # (B, T, D), (1, B, D) each
                else:  # has_biases, num_layers, dropout, train, bidirectional, batch_first
                    options = True, 1, 0.0, self.training, False, True
                    output, *last = FUSED_KERNELS[self.cell](x.to(dtype), first, weights, *options)
            cells = [last[1][0]] if with_cells else []  # (B, D)
        else:
            states = []
            with deferred_gradients():
                steps = self.loop_steps(x.shape[-1])
                for projected in self.project_input(x).unbind(1):  # (B, G)
                    state = self.step([], state, steps, projected)
                    states.append(state if with_cells else state[:1])
            # (B, T, D) each
            output, *others = (torch.stack(each, dim=1).to(x.dtype) for each in zip(*states, strict=True))
            cells = [] if lengths is None else [last_real(other, lengths) for other in others]  # (B, D)
        return output, () if lengths is None else (last_real(output, lengths), *cells)

    def loop_steps(self, first_column: int = 0) -> list[LoopStep]:
        """Return the steps of all cells for a loop over `step` with inputs of the columns from `first_column` on."""
        return [self.loop_step(first_column), *(cell.loop_step() for cell in self.further)]

    def step(
        self,
        inputs: list[Tensor],
        state: CellState,
        steps: list[LoopStep] | None = None,
        projected: Tensor | None = None,
    ) -> CellState:
        """Return the next state from `state` and the input x (N, I), the concatenation of `inputs`. The output is h'.

        In a loop, `steps` are prepared in advance. They may be for the last columns of the input only, which are then
        `inputs`; `projected` (N, G) is `project_input` of the other columns.
        """
        if steps is None:
            for cell in (self, *self.further):
                state, inputs = cell.single_step(inputs, state), []
        else:
            for step in steps:
                state, inputs, projected = step(inputs, projected, state), [], None
        return state


def reverse(x: Tensor, lengths: Tensor) -> Tensor:
    """Reverse the real tokens of each sentence of `x` (B, T, I); padding after `lengths` (B,) stays at the end."""
    position = torch.arange(x.shape[1], device=x.device).unsqueeze(0)  # (1, T)
    mirrored = lengths.unsqueeze(1) - 1 - position  # (B, T)
    index = torch.where(mirrored >= 0, mirrored, position).unsqueeze(2)  # (B, T, 1)
    return x.gather(1, index.expand_as(x))  # (B, T, I)


def last_real(x: Tensor, lengths: Tensor) -> Tensor:
    """Return the vector (B, I) of each sentence at its last real token, from `x` (B, T, I) and `lengths` (B,)."""
    return x[torch.arange(len(x), device=x.device), lengths - 1]
