"""A shortlist: the output layer, restricted to the target tokens that the sentences of a batch may generate.

Axes: B sentences, N hypotheses, R readout width, U target tokens of the batch.
"""

from dataclasses import dataclass

from torch import Tensor, nn


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
