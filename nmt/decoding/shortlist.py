"""Shortlists: the target tokens that a lexicon finds for the source sentences of a batch, for `--shortlist`.

Axes: B sentences, S source tokens, V source vocabulary, W target vocabulary, L candidates of a source token, U target
tokens of the batch.
"""

import numpy as np

from nmt.data.lexicon import Lexicon
from nmt.data.token_ids import BOS, EOS, PAD, UNK
from nmt.engine import Bools, Ints


class Shortlister:
    """Finds the target tokens for source sentences."""

    def __init__(self, lexicon: Lexicon, size: int, target_size: int) -> None:
        """Use the `size` best candidates of each source token."""
        self._candidates = lexicon.candidates[:, :size].astype(np.int64)  # (V, L)
        self._always = np.concatenate([[PAD, UNK, BOS, EOS], lexicon.common.astype(np.int64)])
        self._target_size = target_size

    def __call__(self, source: Ints) -> tuple[Ints, Bools]:
        """Return the target tokens (U,) for `source` (B, S), ascending, and those of each sentence, (B, U)."""
        is_allowed = np.zeros((len(source), self._target_size), np.bool_)  # (B, W)
        is_allowed[np.arange(len(source))[:, None], self._candidates[source].reshape(len(source), -1)] = True
        is_allowed[:, self._always] = True
        tokens = np.flatnonzero(is_allowed.any(0))  # (U,)
        return tokens, is_allowed[:, tokens]
