"""Shortlists: restrict the output layer to the target tokens that a lexicon finds for the source sentences of a batch.

Axes: B sentences, N hypotheses, S source tokens, R readout width, V source vocabulary, W target vocabulary, L
candidates of a source token, U target tokens of the batch.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nmt.data.lexicon import Lexicon
from nmt.data.token_ids import BOS, EOS, PAD, UNK


@dataclass(frozen=True)
class Shortlist:
    """The target tokens that the sentences of a batch may generate."""

    tokens: Tensor
    """(U,) int64 target ids, ascending; PAD, UNK, BOS and EOS are the first four."""
    is_allowed: Tensor
    """(B, U) bool, True on the tokens that the lexicon finds for the sentence itself."""
    output: nn.Module
    """Returns the logits (N, U) of readouts (N, R)."""

    def select(self, rows: Tensor) -> "Shortlist":
        """Return the shortlist of the sentences `rows`."""
        return Shortlist(self.tokens, self.is_allowed[rows], self.output)


class Shortlister(nn.Module):
    """Find the target tokens for source sentences."""

    def __init__(self, lexicon: Lexicon, size: int, target_size: int) -> None:
        """Use the `size` best candidates of each source token."""
        super().__init__()
        self.candidates = nn.Buffer(torch.from_numpy(lexicon.candidates[:, :size]).long())  # (V, L)
        always = torch.tensor([PAD, UNK, BOS, EOS])
        self.always = nn.Buffer(torch.cat([always, torch.from_numpy(lexicon.common).long()]))
        self.target_size = target_size

    def forward(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """Return `Shortlist.tokens` and `Shortlist.is_allowed` for `source` (B, S)."""
        is_allowed = torch.zeros(len(source), self.target_size, dtype=torch.bool, device=source.device)  # (B, W)
        is_allowed.scatter_(1, self.candidates[source].flatten(1), True)
        is_allowed[:, self.always] = True
        tokens = is_allowed.any(0).nonzero().squeeze(1)  # (U,)
        return tokens, is_allowed[:, tokens]
