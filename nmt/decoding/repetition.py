"""Avoid repetition: forbid repeated n-grams (`no_repeat_ngram`), penalise repeated tokens (`repetition_penalty`).

Axes: N hypotheses, T tokens generated so far, W windows of n tokens, V vocabulary.
"""

import numpy as np

from nmt.data.token_ids import EOS, PAD
from nmt.engine import Floats, Ints


def columns_of(history: Ints, tokens: Ints | None) -> Ints:
    """Return the column of the log-probabilities for each id in `history` (N, T), or PAD, which is never generated.

    `tokens` (V,) are the ids of the columns, ascending; None if column v is token v.
    """
    if tokens is None:
        return history
    columns = np.minimum(np.searchsorted(tokens, history), len(tokens) - 1)
    return np.where(tokens[columns] == history, columns, PAD)


def forbid_repeated_ngrams(log_probs: Floats, history: Ints, size: int) -> None:
    """Set tokens that would repeat an n-gram of `history` (N, T) to minus infinity in `log_probs` (N, V), in place.

    `size` is n, at least 1. EOS is never forbidden. Same as `no_repeat_ngram_size` of fairseq and Hugging Face.
    """
    if history.shape[1] < size:
        return
    windows = np.lib.stride_tricks.sliding_window_view(history, size, axis=1)  # (N, W, n)
    context = history[:, history.shape[1] - size + 1 :][:, None]  # (N, 1, n - 1)
    completes = (windows[:, :, :-1] == context).all(-1)  # (N, W)
    last = windows[:, :, -1]  # (N, W)
    np.put_along_axis(log_probs, np.where(~completes | (last == EOS), PAD, last), -np.inf, 1)


def penalize_repeated_tokens(log_probs: Floats, history: Ints, penalty: float) -> Floats:
    """Return `log_probs` (N, V) with those of the tokens in `history` (N, T) multiplied by `penalty`.

    log p is at most 0, so this raises p to the power of the penalty. It is the rule of Keskar 2019 (CTRL, section 4.1)
    for log-probabilities instead of logits, because an ensemble and a copying network have no logits.
    """
    penalized = log_probs.copy()
    np.put_along_axis(penalized, history, np.take_along_axis(log_probs, history, 1) * np.float32(penalty), 1)
    return penalized
