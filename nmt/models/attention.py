"""Where to look in the source.

Axes: B sentences, T queries (target positions, or beams in search), S source tokens, D query width, M memory width,
A key width.
"""

import math

import torch
from torch import Tensor, nn

from nmt.config import Attention as AttentionConfig
from nmt.models.deferred import Linear, as_weighed, linear, weigh
from nmt.models.encoder import Memory


class Dot(nn.Module):
    """score(q, h) = q . h (Luong 2015, eq. 8); D = M."""

    def __init__(self, config: AttentionConfig, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.scale = 1.0 / math.sqrt(query_size) if config.scaled else 1.0

    def keys(self, states: Tensor) -> Tensor:
        """Return the states (B, S, M) themselves."""
        return as_weighed(states)

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        """Return scores (B, T, S) of `query` (B, T, D) against `keys` (B, S, D)."""
        return linear(query, keys) * self.scale


class General(Dot):
    """score(q, h) = q . W h (Luong 2015, eq. 8)."""

    def __init__(self, config: AttentionConfig, query_size: int, memory_size: int) -> None:
        super().__init__(config, query_size, memory_size)
        self.key = Linear(memory_size, query_size, bias=False)

    def keys(self, states: Tensor) -> Tensor:
        """Return W h: (B, S, D)."""
        return as_weighed(self.key(states))


class Additive(nn.Module):
    """score(q, h) = v . tanh(W q + U h + b) (Bahdanau 2015, appendix A.1.2)."""

    def __init__(self, config: AttentionConfig, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.query = Linear(query_size, config.size, bias=False)
        self.key = Linear(memory_size, config.size)
        self.energy = Linear(config.size, 1, bias=False)

    def keys(self, states: Tensor) -> Tensor:
        """Return U h + b: (B, S, A)."""
        projected: Tensor = self.key(states)
        return projected

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        """Return scores (B, T, S) of `query` (B, T, D) against `keys` (B, S, A)."""
        hidden = (self.query(query).unsqueeze(2) + keys.unsqueeze(1)).tanh()  # (B, T, S, A)
        scores: Tensor = self.energy(hidden)
        return scores.squeeze(-1)


SCORES: dict[str, type[Dot | Additive]] = {"dot": Dot, "general": General, "additive": Additive}


class Attention(nn.Module):
    """A distribution over the source for each query, and the mean of the states under it."""

    def __init__(self, config: AttentionConfig, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.score: Dot | Additive = SCORES[config.score](config, query_size, memory_size)

    def keys(self, states: Tensor) -> Tensor:
        """Return what `Memory.keys` holds for `states` (B, S, M)."""
        return self.score.keys(states)

    def forward(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Return contexts (B, T, M) and alignments (B, T, S) for `query` (B, T, D)."""
        scores = self.score(query, memory.keys)
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        alignment = scores.masked_fill(~memory.is_real.unsqueeze(1), -math.inf).softmax(-1)
        return weigh(alignment.to(memory.states.dtype), memory.states), alignment
