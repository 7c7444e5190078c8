"""What search is asked (`Sentences`, `Options`) and what it answers (`Hypothesis`).

Axes: B sentences, S source tokens, T target tokens, U target tokens allowed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from nmt.errors import NmtError


@dataclass(frozen=True)
class Hypothesis:
    """One finished translation."""

    tokens: tuple[int, ...]
    """T target ids, without BOS and EOS."""
    score: float
    """What search ranks by: log-probability after repetition, length and coverage penalty."""
    log_prob: float
    """Natural log of the model's p(target | source), EOS included and no penalty."""
    token_log_probs: tuple[float, ...]
    """T + 1 natural logs, the last of EOS."""
    alignment: NDArray[np.float32] | None
    """(T, S) attention of each token over the source, whose last column is the source's EOS; None if not asked for."""


@dataclass(frozen=True)
class Sentences:
    """B sources to translate in one batch."""

    source: Tensor
    """(B, S) int64 ids with EOS, padded."""
    lengths: Tensor
    """(B,) int64 real tokens, EOS included."""
    max_lengths: Sequence[int]
    """Most target tokens of each sentence, EOS not counted; then EOS is forced, at its true probability. A longer
    prefix, or `Options.min_length`, takes their place."""
    prefixes: Sequence[Sequence[int]] = ()
    """Target ids that each translation must begin with; empty for none."""
    addresses: Sequence[tuple[int, ...]] = ()
    """Of each sentence's random draws, e.g. its line number in the whole input; empty for its row."""
    shortlist: tuple[Tensor, Tensor] | None = None
    """Target tokens (U,), ascending, PAD to EOS first, and which of them each sentence may generate, (B, U); None for
    all."""


class NotNumbers(NmtError):
    """The probabilities of a model are NaN."""


def not_numbers() -> NotNumbers:
    """Return the error for a model whose probabilities are NaN."""
    return NotNumbers(
        "the model gives probabilities that are not numbers (NaN); the training has diverged: "
        "take an earlier checkpoint with --checkpoint step-N, or train with a lower training.learning_rate"
    )
