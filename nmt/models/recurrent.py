"""One recurrent layer in one direction: a whole sequence at once, or one step, over the same weights.

Axes: B sentences, N rows, T steps, I input width, D width, G gates: 4D, of a plain RNN D.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.models.deferred import deferred_gradients, linear

CellState: TypeAlias = tuple[Tensor, ...]
"""(h,) of an RNN or GRU, (h, c) of an LSTM, each (B, D)."""
Joint: TypeAlias = tuple[Tensor, Tensor]
"""Weight (G, I' + D) and bias (G,) that make a cell's gates of [x; h]."""

FUSED: dict[str, Callable[..., nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
KERNELS: dict[str, Callable[..., Any]] = {"lstm": torch.lstm, "gru": torch.gru, "rnn": torch.rnn_tanh}
CELLS: dict[str, Callable[..., nn.RNNCellBase]] = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn": nn.RNNCell}
INPUT_GAIN = {"lstm": 2.0, "gru": 1.0, "rnn": 1.0}
"""Of the weights that read the input, over those of Glorot & Bengio (2010), each gate drawn by itself.

The half-open gates of an LSTM let a quarter of what it reads through at first. A stack of them would tell the attention
next to nothing, and find alignments late; with this gain it is as loud as where the papers draw from +-0.08 or 0.1.
"""
_SHUT = 1e4
"""Its sigmoid is exactly 1, and that of its negative exactly 0."""


MANY = 1 << 14
"""Numbers from which on a faster kernel is worth three more calls."""


def squash(x: Tensor) -> Tensor:
    """Return tanh(x).

    On a processor as 2 sigmoid(2x) - 1 where autograd does not watch: torch's tanh takes four times as long there.
    """
    if x.numel() < MANY or x.dtype != torch.float32 or x.device.type != "cpu" or torch.is_grad_enabled():
        return x.tanh()
    return (x * 2.0).sigmoid_().mul_(2.0).sub_(1.0)


def _lstm_cell(gates: Tensor, c: Tensor) -> tuple[Tensor, ...]:
    """Return h and c after, (N, D) each, of an LSTM's `gates` (N, 4D) and `c` (N, D), and what led there."""
    candidate = squash(gates.chunk(4, dim=-1)[2])
    opened = gates.sigmoid()
    input_gate, forget_gate, _, output_gate = opened.chunk(4, dim=-1)
    after = torch.addcmul(forget_gate * c, input_gate, candidate)
    squashed = squash(after)
    return output_gate * squashed, after, opened, candidate, squashed


class _LstmCell(torch.autograd.Function):
    """What an LSTM does with its gates (N, 4D) and memory cells (N, D): few kernels forward, few back."""

    @staticmethod
    def forward(ctx: Any, gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        h, after, opened, candidate, squashed = _lstm_cell(gates, c)
        ctx.save_for_backward(opened, candidate, c, squashed)
        return h, after

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        opened, candidate, c, squashed = ctx.saved_tensors
        input_gate, forget_gate, _, output_gate = opened.chunk(4, dim=-1)
        h_gradient, c_gradient = gradients
        c_gradient = torch.addcmul(c_gradient, h_gradient * output_gate, 1 - squashed * squashed)
        outer = torch.empty_like(opened)
        of_input, of_forget, of_candidate, of_output = outer.chunk(4, dim=-1)
        torch.mul(c_gradient, candidate, out=of_input)
        torch.mul(c_gradient, c, out=of_forget)
        torch.mul(h_gradient, squashed, out=of_output)
        outer.mul_(opened * (1 - opened))
        torch.mul(c_gradient * input_gate, 1 - candidate * candidate, out=of_candidate)
        return outer, c_gradient * forget_gate


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence cuDNN about weights that lie in pieces, as they must where they are made anew."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous")
        yield


class GateNorm(nn.Module):
    """Normalises what makes each gate over its units, before the bias (after Ba 2016; by gate, as in Chen 2018)."""

    def __init__(self, gates: int, size: int) -> None:
        super().__init__()
        self.gates = gates
        self.gain = nn.Parameter(torch.ones(gates * size))

    def forward(self, products: Tensor) -> Tensor:
        """Return `products` (N, G) with mean 0 and variance 1 in each gate, times the gain."""
        parts = products.unflatten(-1, (self.gates, -1))  # type: ignore[no-untyped-call]
        return F.layer_norm(parts, parts.shape[-1:]).flatten(-2) * self.gain


class RecurrentLayer(nn.Module):
    """A layer of LSTM (Hochreiter & Schmidhuber 1997), GRU (Cho 2014) or tanh RNN (Elman 1990) cells.

    `forward` is one fused call (oneDNN, cuDNN); `step` is the same arithmetic, one step at a time. With several
    `transitions` a step goes through so many cells, of which the first alone reads the input (deep transition, Pascanu
    2014). No fused call does that, nor normalised gates: `forward` is then a loop over `step`, and slower.
    """

    product: nn.Module | None
    """The gates (N, G) of [x; h] (N, I + D) in one product, in a network made ready for search."""
    late_bias: Tensor | None
    """(G,) what is added to it where gates are normalised."""

    def __init__(
        self,
        cell: str,
        input_size: int,
        size: int,
        transitions: int = 1,
        gate_norm: bool = False,
        weight_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.weight_dropout = weight_dropout
        self.cell = cell
        self.size = size
        self.product = self.late_bias = None
        self.norm = GateNorm(1 if cell == "rnn" else 4, size) if gate_norm else None
        self.further = cast(
            "Sequence[RecurrentLayer]",
            nn.ModuleList(RecurrentLayer(cell, 0, size, 1, gate_norm, weight_dropout) for _ in range(transitions - 1)),
        )
        self.is_fused = transitions == 1 and input_size > 0 and not gate_norm
        network = FUSED[cell](input_size, size, batch_first=True) if self.is_fused else CELLS[cell](input_size, size)
        self.network: nn.Module = network
        input_weight, state_weight, input_bias, state_bias = self.weights
        gates = len(input_weight) // size
        for block in input_weight.chunk(gates):
            nn.init.xavier_uniform_(block, gain=INPUT_GAIN[cell])
        for block in state_weight.chunk(gates):
            nn.init.orthogonal_(block)
        nn.init.zeros_(input_bias)
        nn.init.zeros_(state_bias)
        if cell == "lstm":  # remember at first: forget gate bias 1 (Jozefowicz 2015)
            nn.init.ones_(input_bias[size : 2 * size])

    @property
    def weights(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the weights of input and state, (4D, I) and (4D, D), and their biases; 3D of a GRU, D of an RNN."""
        input_weight, state_weight, input_bias, state_bias = self.network.parameters()
        return input_weight, state_weight, input_bias, state_bias

    def drawn(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the weights as they are used: in training some that read the state are zero (Merity 2018)."""
        input_weight, state_weight, input_bias, state_bias = self.weights
        return input_weight, F.dropout(state_weight, self.weight_dropout, self.training), input_bias, state_bias

    @property
    def states(self) -> int:
        """Number of tensors in a `CellState`."""
        return 2 if self.cell == "lstm" else 1

    def forward(self, x: Tensor, start: CellState | None = None) -> Tensor:
        """Return the outputs (B, T, D) over `x` (B, T, I), from the state `start` or from zero."""
        if not self.is_fused:
            return self._states(x, start, with_cells=False)[0]
        with self._type(x) as dtype:
            state = None if start is None else tuple(part.to(dtype) for part in start)
            if self.weight_dropout and self.training:
                first = self._pack_state(state or (x.new_zeros(len(x), self.size, dtype=dtype),) * self.states)
                with _quiet():
                    output: Tensor = KERNELS[self.cell](
                        x.to(dtype), first, self.drawn(), True, 1, 0.0, True, False, True
                    )[0]
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
        input_weight, *others = self.drawn()
        is_padding = torch.arange(x.shape[1], device=x.device) >= lengths.unsqueeze(1)
        x = torch.cat([x, is_padding.unsqueeze(2).to(x.dtype)], dim=-1)
        mark = input_weight.new_zeros(4, self.size, 1)
        mark[0], mark[1] = -_SHUT, _SHUT
        weights = [torch.cat([input_weight, mark.flatten(0, 1)], dim=1), *others]
        zero = x.new_zeros(1, len(x), self.size)
        with self._type(x) as dtype:
            state = zero.to(dtype), zero.to(dtype)
            with _quiet():
                output, _, c = torch.lstm(x.to(dtype), state, weights, True, 1, 0.0, self.training, False, True)
        return output, (last_real(output, lengths), c[0])

    def _states(self, x: Tensor, start: CellState | None, with_cells: bool) -> CellState:
        """Return the states after each step over `x` (B, T, I), (B, T, D) each; of an LSTM both if `with_cells`."""
        state = start or (x.new_zeros(len(x), self.size),) * self.states
        nothing = x.new_empty(len(x), 0)
        joints = self.joints(slice(x.shape[-1], None))
        states = []
        with deferred_gradients():
            for share in self.share(x, slice(None)).unbind(1):
                _, state = self.step(nothing, state, joints, share)
                states.append(state if with_cells else state[:1])
        return tuple(torch.stack(parts, dim=1).to(x.dtype) for parts in zip(*states, strict=True))

    def joints(self, columns: slice = slice(None)) -> list[Joint]:
        """Return what makes the gates of each cell of a step, the input of which has those `columns` only."""
        return [self.joint(columns), *(cell.joint() for cell in self.further)]

    def joint(self, columns: slice = slice(None)) -> Joint:
        """Return weight (G, I' + D) and bias (G,) of the first cell, `x` being those `columns` of the input.

        A GRU keeps the candidate's two shares apart, as the reset gate comes between them, and has G = 4D too.
        """
        input_weight, state_weight, input_bias, state_bias = self.drawn()
        input_weight = input_weight[:, columns]
        if self.cell != "gru":
            return torch.cat([input_weight, state_weight], 1), input_bias + state_bias
        gates = 2 * self.size
        weight = torch.cat([
            torch.cat([input_weight[:gates], state_weight[:gates]], 1),
            F.pad(input_weight[gates:], (0, self.size)),
            F.pad(state_weight[gates:], (input_weight.shape[1], 0)),
        ])  # fmt: skip
        return weight, torch.cat([input_bias[:gates] + state_bias[:gates], input_bias[gates:], state_bias[gates:]])

    def make_ready(self, product: Callable[[Tensor, Tensor], nn.Module]) -> None:
        """Take the `product` of a weight (G, I + D) and a bias (G,) for the first cell; for search only."""
        weight, bias = self.joint()
        if self.norm is not None:
            self.late_bias, bias = bias, torch.zeros_like(bias)
        self.product = product(weight, bias)

    def share(self, x: Tensor, columns: slice) -> Tensor:
        """Return what `x` (..., I'), those `columns` of the input, adds to the first cell's product: (..., G)."""
        product = F.linear(x, self.weights[0][:, columns])
        return F.pad(product, (0, self.size)) if self.cell == "gru" else product

    def step(
        self, x: Tensor, state: CellState, joints: list[Joint] | None = None, share: Tensor | None = None
    ) -> tuple[Tensor, CellState]:
        """Return the output (N, D) and next state from `state` and the input `x` (N, I).

        In a loop, `joints` come ready, and may be those of some columns, `x`; `share` (N, G) is that of the others.
        """
        state = self._advance(x, state, joints[0] if joints else None, share)
        for number, cell in enumerate(self.further, 1):
            state = cell._advance(x[:, :0], state, joints[number] if joints else None, None)
        return state[0], state

    def _advance(self, x: Tensor, state: CellState, joint: Joint | None, share: Tensor | None) -> CellState:
        """Return the state after one cell, the first of the layer whose weights are asked."""
        h = state[0]
        both = torch.cat([x, h.to(x.dtype)], dim=-1)
        bias: Tensor | None
        if joint is None and self.product is not None:
            gates, bias = self.product(both), self.late_bias
        else:
            weight, bias = joint or self.joint()
            gates = linear(both, weight, bias if self.norm is None else None)
        if share is not None:
            gates = gates + share
        if self.norm is not None:
            gates = self.norm(gates) + bias
        if self.cell == "lstm":
            c = state[1].to(gates.dtype)
            if torch.is_grad_enabled():
                h, c = _LstmCell.apply(gates, c)  # type: ignore[no-untyped-call]
            else:
                h, c, *_ = _lstm_cell(gates, c)
            return h, c
        if self.cell == "rnn":
            return (squash(gates),)
        reset, update, x_new, h_new = gates.chunk(4, dim=-1)
        new = squash(x_new + reset.sigmoid() * h_new)
        return (torch.lerp(new, h.to(new.dtype), update.sigmoid()),)

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
