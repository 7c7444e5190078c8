"""Avoid repetition: end loops, forbid repeated n-grams, penalise repeated tokens.

The options are `max_repeats`, `no_repeat_ngram` and `repetition_penalty`.

Axes: N hypotheses, T tokens generated so far, W windows of n tokens, V vocabulary, L loops, B sentences, S source
tokens.
"""

import numpy as np

from nmt.data.token_ids import EOS, PAD
from nmt.engine import Bools, Floats, Ints


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


def next_copy_tokens(history: Ints, limit: int) -> Ints | None:
    """Return the tokens (N, L) that would begin a copy of a phrase after `limit` copies of it; None if there are none.

    A phrase is two or more tokens of `history` (N, T). PAD stands for no token. `limit` is at least 2.
    """
    longest = history.shape[1] // limit
    if longest < 2:
        return None
    last = history[:, ::-1]  # the last token first
    is_open = last[:, 0] != EOS
    # Most histories have no loop: look at two tokens first.
    may_repeat = (last[:, 2 : longest + 1] == last[:, :1]) & (last[:, 3 : longest + 2] == last[:, 1:2])
    found = []
    for size in np.flatnonzero((may_repeat & is_open[:, None]).any(0)) + 2:
        checked = (limit - 1) * size
        is_loop = (last[:, :checked] == last[:, size : size + checked]).all(1) & is_open
        if is_loop.any():
            found.append(np.where(is_loop, last[:, size - 1], PAD))
    return np.stack(found, 1) if found else None


def has_loop(source: Ints, lengths: Ints, limit: int) -> Bools:
    """Return which sentences (B,) of `source` (B, S) have more than `limit` copies of something in a row.

    Something is one or more tokens; the last copy need not be complete. `lengths` (B,) counts EOS.
    """
    is_real = np.arange(source.shape[1]) < lengths[:, None] - 1
    found = np.zeros(len(source), np.bool_)
    for size in range(1, source.shape[1] // limit):
        is_same = (source[:, size:] == source[:, :-size]) & is_real[:, size:]
        needed = (limit - 1) * size + 1
        counts = np.cumsum(np.pad(is_same, ((0, 0), (1, 0))), axis=1)  # (B, S - size + 1)
        found |= np.any(counts[:, needed:] - counts[:, :-needed] == needed, axis=1)
    return found
