"""Attention: dot, general, additive and location scores, local windows, coverage, and several heads.

Axes: B sentences, K hypotheses of a sentence, N hypotheses, T queries (target positions, or K hypotheses), S source
tokens, D query width, M memory width, A key width, H heads, C context width.
"""

import math

import torch
from torch import Tensor, nn

from nmt.config import Attention as AttentionConfig
from nmt.kernels.additive_energy import additive_energy
from nmt.kernels.batched_products import batched_matmul, cast_for_batched_matmul
from nmt.kernels.deferred_gradients import dot_products, weighted_sum
from nmt.models.linear import Linear, LoopLinear
from nmt.models.state import Memory


class Dot(nn.Module):
    """score(q, h) = q . h (Luong 2015, section 3.1; `model.attention.score: dot`); needs D = M.

    With `scaled: true` it is divided by sqrt(D) (Vaswani 2017, section 3.2.1).
    """

    def __init__(self, config: AttentionConfig, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.scale = 1.0 / math.sqrt(query_size) if config.scaled else 1.0

    def keys(self, states: Tensor) -> Tensor:
        """Return the states (B, S, M), scaled."""
        return cast_for_batched_matmul(states if self.scale == 1.0 else states * self.scale)

    def forward(self, query: Tensor, keys: Tensor, coverage: Tensor | None) -> Tensor:
        """Return scores (B, T, S) of `query` (B, T, D) and `keys` (B, S, D)."""
        return dot_products(query, keys)


class General(Dot):
    """score(q, h) = q . W h (Luong 2015, section 3.1; `model.attention.score: general`), scaled like `Dot`."""

    def __init__(self, config: AttentionConfig, query_size: int, memory_size: int) -> None:
        super().__init__(config, query_size, memory_size)
        self.key = Linear(memory_size, query_size, bias=False)

    def keys(self, states: Tensor) -> Tensor:
        """Return W h, scaled, (B, S, D) for `states` (B, S, M)."""
        return super().keys(self.key(states))


class Additive(nn.Module):
    """score(q, h) = v . tanh(W q + U h + b) (Bahdanau 2015, appendix A.1.2; `model.attention.score: additive`).

    Luong (2015) calls it `concat`. With `coverage: true` it is v . tanh(W q + U h + w c + b), and c is the sum of the
    earlier alignments of h (See 2017, eq. 11).
    """

    def __init__(self, config: AttentionConfig, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.query = LoopLinear(query_size, config.size, bias=False)
        self.key = Linear(memory_size, config.size)
        self.energy = Linear(config.size, 1, bias=False)
        # w; the name is that of its tensors in checkpoints
        self.covered = LoopLinear(1, config.size, bias=False) if config.coverage else None

    def keys(self, states: Tensor) -> Tensor:
        """Return U h + b, (B, S, A) for `states` (B, S, M)."""
        projected: Tensor = self.key(states)
        return projected

    def forward(self, query: Tensor, keys: Tensor, coverage: Tensor | None) -> Tensor:
        """Return scores (B, T, S) of `query` (B, T, D) and `keys` (B, S, A), with the `coverage` (B, T, S)."""
        hidden = self.query(query).unsqueeze(2) + keys.unsqueeze(1)  # (B, T, S, A)
        if self.covered is not None:
            assert coverage is not None
            hidden = hidden + self.covered(coverage.unsqueeze(3).to(hidden.dtype))
        return additive_energy(hidden, self.energy.weight)  # (B, T, S)


class Location(nn.Module):
    """score(q, s) = w_s . q, for source position s alone (Luong 2015, eq. 8; `model.attention.score: location`)."""

    def __init__(self, config: AttentionConfig, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.score = LoopLinear(query_size, config.positions, bias=False)

    def keys(self, states: Tensor) -> Tensor:
        """Return empty keys (B, S, 0), which give `forward` the number of source tokens."""
        return states[..., :0]

    def forward(self, query: Tensor, keys: Tensor, coverage: Tensor | None) -> Tensor:
        """Return scores (B, T, S) of `query` (B, T, D); minus infinity at positions without weights."""
        scores: Tensor = self.score(query)[..., : keys.shape[1]]  # (B, T, S), or fewer positions than S
        return nn.functional.pad(scores, (0, keys.shape[1] - scores.shape[-1]), value=-math.inf)  # (B, T, S)


Score = Dot | Additive | Location
SCORES: dict[str, type[Score]] = {
    "additive": Additive,
    "concat": Additive,
    "dot": Dot,
    "general": General,
    "location": Location,
}


class Window(nn.Module):
    """Local attention to `window` source tokens on each side of a centre p_t (Luong 2015, section 3.2).

    `model.attention.local: monotonic`: p_t = t, or the last real token if the source is shorter.
    `model.attention.local: predictive`: p_t = (S - 1) sigmoid(v . tanh(W q)), eq. 9, for a source of S real tokens.
    """

    def __init__(self, config: AttentionConfig, query_size: int) -> None:
        super().__init__()
        self.reach = config.window
        self.hidden = self.centre = None
        if config.local == "predictive":
            self.hidden = LoopLinear(query_size, config.size, bias=False)
            self.centre = LoopLinear(config.size, 1, bias=False)

    def forward(self, query: Tensor, is_real: Tensor, positions: Tensor) -> Tensor:
        """Return the distance (B, T, S) of each source token from the centre of each query.

        `query` (B, T, D) is at the target `positions`, (T,) or (1,).
        """
        last = (is_real.sum(1) - 1).view(-1, 1, 1)  # (B, 1, 1)
        if self.hidden is not None and self.centre is not None:
            score = self.centre(self.hidden(query).tanh())  # (B, T, 1)
            centre = last * score.to(torch.promote_types(score.dtype, torch.float32)).sigmoid()
        else:
            centre = torch.minimum(positions.view(1, -1, 1), last)  # (B, T, 1)
        distance: Tensor = torch.arange(is_real.shape[1], device=is_real.device) - centre  # (B, T, S)
        return distance


class Attention(nn.Module):
    """a_ts = softmax_s score(q_t, h_s) over the real source tokens;  c_t = sum_s a_ts h_s (Bahdanau 2015, eq. 5-6)."""

    def __init__(self, config: AttentionConfig, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.score: Score = SCORES[config.score](config, query_size, memory_size)
        self.window = None if config.local == "none" else Window(config, query_size)

    def keys(self, states: Tensor) -> tuple[Tensor, ...]:
        """Return `Memory.keys` for `states` (B, S, M)."""
        return (self.score.keys(states),)

    def forward(
        self, query: Tensor, memory: Memory, position: int = 0, coverage: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the contexts and alignments of the queries, (N, M) and (N, S), or (B, T, M) and (B, T, S).

        `query` is (N, D) for N hypotheses at target `position`, with their `coverage` (N, S), the sum of their earlier
        alignments. Or it is (B, T, D) for the target positions 0 to T - 1. With `local: predictive` the alignments are
        multiplied by a Gaussian around the centre and do not add up to 1 (Luong 2015, eq. 10).
        """
        is_step = query.dim() == 2
        if is_step:
            query = memory.group(query)  # (B, T, D) with T = K
        if coverage is not None:
            coverage = memory.group(coverage[:, : memory.is_real.shape[1]])  # (B, T, S)
        scores = self.score(query, memory.keys[0], coverage)  # (B, T, S)
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        is_seen, distance = memory.is_real.unsqueeze(1), None  # (B, 1, S)
        if self.window is not None:
            steps = torch.arange(query.shape[1], device=query.device)  # (T,)
            positions = torch.full_like(steps[:1], position) if is_step else steps
            distance = self.window(query, memory.is_real, positions)  # (B, T, S)
            is_seen = is_seen & (distance.abs() <= self.window.reach)  # (B, T, S)
        alignment = scores.masked_fill(~is_seen, -math.inf).softmax(-1)
        if self.window is not None and distance is not None and self.window.centre is not None:
            alignment = alignment * (-0.5 * (distance / (self.window.reach / 2)).square()).exp()
        context = weighted_sum(alignment.to(memory.states.dtype), memory.states)  # (B, T, M)
        return (memory.ungroup(context), memory.ungroup(alignment)) if is_step else (context, alignment)


class MultiHeadAttention(nn.Module):
    """Several attentions over projections of the query and the memory (Vaswani 2017, section 3.2.2).

    For `model.attention.heads` > 1 and for Transformers. Each head uses the scaled dot product, or the additive score
    (Chen 2018, RNMT+).
    """

    def __init__(
        self, heads: int, size: int, query_size: int, memory_size: int, context_size: int, is_additive: bool = False
    ) -> None:
        """Take the number of `heads`, their total width `size`, and the widths of the inputs and of the context."""
        super().__init__()
        self.heads = heads
        self.query = LoopLinear(query_size, size)
        self.key = Linear(memory_size, size)
        self.value = Linear(memory_size, size)
        self.merge = LoopLinear(size, context_size)
        self.energy = nn.Parameter(torch.empty(heads, size // heads)) if is_additive else None
        if self.energy is not None:
            nn.init.xavier_uniform_(self.energy)

    def keys(self, states: Tensor) -> tuple[Tensor, ...]:
        """Return two tensors for `states` (B, S, M): the keys and the values of all heads, (B, S, A) each."""
        return cast_for_batched_matmul(self.key(states)), cast_for_batched_matmul(self.value(states))

    def split(self, x: Tensor) -> Tensor:
        """Return `x` (B, T, A) as (B, H, T, A / H)."""
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def forward(
        self, query: Tensor, memory: Memory, position: int = 0, coverage: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return contexts and the mean alignments of the heads for `query`, (N, D) or (B, T, D), like `Attention`."""
        if query.dim() == 3:
            return self.attend(query, memory.keys, memory.is_real)
        context, alignment = self.attend(memory.group(query), memory.keys, memory.is_real)
        return memory.ungroup(context), memory.ungroup(alignment)

    def attend(self, query: Tensor, source: tuple[Tensor, ...], is_real: Tensor) -> tuple[Tensor, Tensor]:
        """Return contexts (B, T, C) and mean alignments (B, T, S).

        `query` is (B, T, D), and `source` has the keys and the values of the source, (B, S, A) each.
        """
        keys, values = source
        q, k, v = self.split(self.query(query)), self.split(keys), self.split(values)  # (B, H, T, A / H) and S for T
        if self.energy is None:
            scores = batched_matmul(q, k.transpose(-1, -2)) / math.sqrt(q.shape[-1])  # (B, H, T, S)
        else:
            hidden = (q.unsqueeze(3) + k.unsqueeze(2)).tanh()  # (B, H, T, S, A / H)
            scores = (hidden * self.energy.view(1, self.heads, 1, 1, -1)).sum(-1)  # (B, H, T, S)
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        alignment = scores.masked_fill(~is_real[:, None, None], -math.inf).softmax(-1)
        context = batched_matmul(alignment.to(v.dtype), v).transpose(1, 2).flatten(2)  # (B, T, A)
        return self.merge(context.to(query.dtype)), alignment.mean(1)  # (B, T, C), (B, T, S)


def build_attention(config: AttentionConfig, query_size: int, memory_size: int) -> Attention | MultiHeadAttention:
    """Return the attention that `config` describes, with one head or several."""
    if config.heads > 1:
        is_additive = SCORES[config.score] is Additive
        return MultiHeadAttention(config.heads, config.size, query_size, memory_size, memory_size, is_additive)
    return Attention(config, query_size, memory_size)
