"""Where to look in the source.

Axes: B sentences, T queries (target positions, or beams in search), S source tokens, D query width, M memory width,
A key width, H heads.
"""

import math

import torch
from torch import Tensor, nn

from nmt.config import Attention as AttentionConfig
from nmt.kernels.deferred_gradients import Linear, by_sentence, cast_once, linear, weighted_sum
from nmt.models.state import Memory


class Dot(nn.Module):
    """score(q, h) = q . h (Luong 2015, section 3.1); D = M."""

    def __init__(self, config: AttentionConfig, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.scale = 1.0 / math.sqrt(query_size) if config.scaled else 1.0

    def keys(self, states: Tensor) -> Tensor:
        """Return the states (B, S, M), scaled."""
        return cast_once(states if self.scale == 1.0 else states * self.scale)

    def forward(self, query: Tensor, keys: Tensor, coverage: Tensor | None) -> Tensor:
        """Return scores (B, T, S) of `query` (B, T, D) against `keys` (B, S, D)."""
        return linear(query, keys)


class General(Dot):
    """score(q, h) = q . W h (Luong 2015, section 3.1)."""

    def __init__(self, config: AttentionConfig, query_size: int, memory_size: int) -> None:
        super().__init__(config, query_size, memory_size)
        self.key = Linear(memory_size, query_size, bias=False)

    def keys(self, states: Tensor) -> Tensor:
        """Return W h, scaled: (B, S, D)."""
        return super().keys(self.key(states))


class Additive(nn.Module):
    """score(q, h) = v . tanh(W q + U h + b) (Bahdanau 2015, appendix A.1.2; Luong 2015 calls it concat).

    With coverage, w times the attention that h has had so far is added within the tanh (See 2017, eq. 11).
    """

    def __init__(self, config: AttentionConfig, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.query = Linear(query_size, config.size, bias=False)
        self.key = Linear(memory_size, config.size)
        self.energy = Linear(config.size, 1, bias=False)
        self.covered = Linear(1, config.size, bias=False) if config.coverage else None

    def keys(self, states: Tensor) -> Tensor:
        """Return U h + b: (B, S, A)."""
        projected: Tensor = self.key(states)
        return projected

    def forward(self, query: Tensor, keys: Tensor, coverage: Tensor | None) -> Tensor:
        """Return scores (B, T, S) of `query` (B, T, D) against `keys` (B, S, A), given the `coverage` (B, T, S)."""
        hidden = self.query(query).unsqueeze(2) + keys.unsqueeze(1)  # (B, T, S, A)
        if self.covered is not None:
            assert coverage is not None
            hidden = hidden + self.covered(coverage.unsqueeze(3).to(hidden.dtype))
        scores: Tensor = self.energy(hidden.tanh())
        return scores.squeeze(-1)


class Location(nn.Module):
    """score(q, s) = w_s . q: by the position s alone, whatever stands there (Luong 2015, eq. 8)."""

    def __init__(self, config: AttentionConfig, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.score = Linear(query_size, config.positions, bias=False)

    def keys(self, states: Tensor) -> Tensor:
        """Return nothing for each source token: (B, S, 0)."""
        return states[..., :0]

    def forward(self, query: Tensor, keys: Tensor, coverage: Tensor | None) -> Tensor:
        """Return scores (B, T, S) of `query` (B, T, D); minus infinity beyond the positions there are weights for."""
        scores: Tensor = self.score(query)[..., : keys.shape[1]]
        return nn.functional.pad(scores, (0, keys.shape[1] - scores.shape[-1]), value=-math.inf)


Score = Dot | Additive | Location
SCORES: dict[str, type[Score]] = {
    "additive": Additive,
    "concat": Additive,
    "dot": Dot,
    "general": General,
    "location": Location,
}


class Window(nn.Module):
    """Local attention: a window of 2 `window` + 1 source tokens about a centre (Luong 2015, section 3.2)."""

    def __init__(self, config: AttentionConfig, query_size: int) -> None:
        super().__init__()
        self.reach = config.window
        self.hidden = self.centre = None
        if config.local == "predictive":
            self.hidden = Linear(query_size, config.size, bias=False)
            self.centre = Linear(config.size, 1, bias=False)

    def forward(self, query: Tensor, is_real: Tensor, positions: Tensor) -> Tensor:
        """Return how far each source token is from the centre of each query: (B, T, S).

        `query` (B, T, D) stands at the target `positions` (T,). The centre is that position, or the last real token
        where the source is shorter; or is predicted as (length - 1) sigmoid(v . tanh(W q)), eq. 9.
        """
        last = (is_real.sum(1) - 1).view(-1, 1, 1)  # (B, 1, 1)
        if self.hidden is not None and self.centre is not None:
            score = self.centre(self.hidden(query).tanh())  # (B, T, 1)
            centre = last * score.to(torch.promote_types(score.dtype, torch.float32)).sigmoid()
        else:
            centre = torch.minimum(positions.view(1, -1, 1), last)
        distance: Tensor = torch.arange(is_real.shape[1], device=is_real.device) - centre
        return distance


class Attention(nn.Module):
    """A distribution over the source for each query, and the mean of the states under it."""

    def __init__(self, config: AttentionConfig, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.score: Score = SCORES[config.score](config, query_size, memory_size)
        self.window = None if config.local == "none" else Window(config, query_size)

    def keys(self, states: Tensor) -> tuple[Tensor, ...]:
        """Return what `Memory.keys` holds for `states` (B, S, M)."""
        return (self.score.keys(states),)

    def forward(
        self, query: Tensor, memory: Memory, positions: Tensor, coverage: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return contexts (B, T, M) and alignments (B, T, S) for `query` (B, T, D) at target `positions` (T,).

        `coverage` (B, T, S) is the sum of the earlier alignments. Alignments of local attention with a predicted centre
        are multiplied by a Gaussian about it and do not sum to 1 (Luong 2015, eq. 10).
        """
        scores = self.score(query, memory.keys[0], coverage)
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        is_seen = memory.is_real.unsqueeze(1)
        distance = None if self.window is None else self.window(query, memory.is_real, positions)
        if self.window is not None and distance is not None:
            is_seen = is_seen & (distance.abs() <= self.window.reach)
        alignment = scores.masked_fill(~is_seen, -math.inf).softmax(-1)
        if self.window is not None and distance is not None and self.window.centre is not None:
            alignment = alignment * (-0.5 * (distance / (self.window.reach / 2)).square()).exp()
        return weighted_sum(alignment.to(memory.states.dtype), memory.states), alignment


class MultiHeadAttention(nn.Module):
    """Several attentions side by side over projections of query and memory (Vaswani 2017, section 3.2.2).

    Each head scores by a scaled dot product, or as Bahdanau does (Chen 2018, RNMT+).
    """

    def __init__(
        self, heads: int, size: int, query_size: int, memory_size: int, context_size: int, is_additive: bool = False
    ) -> None:
        """Use `heads` of `size` / `heads` units each, whose contexts together make one of `context_size`."""
        super().__init__()
        self.heads = heads
        self.query = Linear(query_size, size)
        self.key = Linear(memory_size, size)
        self.value = Linear(memory_size, size)
        self.merge = Linear(size, context_size)
        self.energy = nn.Parameter(torch.empty(heads, size // heads)) if is_additive else None
        if self.energy is not None:
            nn.init.xavier_uniform_(self.energy)

    def keys(self, states: Tensor) -> tuple[Tensor, ...]:
        """Return keys and values (B, S, A) of all heads, for `states` (B, S, M)."""
        return cast_once(self.key(states)), cast_once(self.value(states))

    def split(self, x: Tensor) -> Tensor:
        """Return (B, H, T, A / H) from (B, T, A)."""
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def forward(
        self, query: Tensor, memory: Memory, positions: Tensor, coverage: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return contexts (B, T, M) and the mean of the heads' alignments (B, T, S), as `Attention` does."""
        keys, values = memory.keys
        return self.attend(query, keys, values, memory.is_real)

    def attend(self, query: Tensor, keys: Tensor, values: Tensor, is_real: Tensor) -> tuple[Tensor, Tensor]:
        """Return contexts (B, T, …) and mean alignments (B, T, S) for `query` (B, T, D) and what `keys` gave."""
        q, k, v = self.split(self.query(query)), self.split(keys), self.split(values)
        if self.energy is None:
            scores = by_sentence(q, k.transpose(-1, -2)) / math.sqrt(q.shape[-1])  # (B, H, T, S)
        else:
            hidden = (q.unsqueeze(3) + k.unsqueeze(2)).tanh()  # (B, H, T, S, A / H)
            scores = (hidden * self.energy.view(1, self.heads, 1, 1, -1)).sum(-1)
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        alignment = scores.masked_fill(~is_real[:, None, None], -math.inf).softmax(-1)
        context = by_sentence(alignment.to(v.dtype), v).transpose(1, 2).flatten(2)
        merged: Tensor = self.merge(context.to(query.dtype))
        return merged, alignment.mean(1)


def build_attention(config: AttentionConfig, query_size: int, memory_size: int) -> Attention | MultiHeadAttention:
    """Return the attention that `config` describes, with one head or several."""
    if config.heads > 1:
        is_additive = SCORES[config.score] is Additive
        return MultiHeadAttention(config.heads, config.size, query_size, memory_size, memory_size, is_additive)
    return Attention(config, query_size, memory_size)
