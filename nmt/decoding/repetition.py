"""Avoid repetition: forbid repeated n-grams (`no_repeat_ngram`), penalise repeated tokens (`repetition_penalty`).

Axes: N hypotheses, T tokens generated so far, W windows of n tokens, V vocabulary.
"""

import torch
from torch import Tensor

from nmt.data.token_ids import EOS, PAD


def columns_of(history: Tensor, tokens: Tensor | None) -> Tensor:
    """Return the column of the logits for each id in `history` (N, T), or PAD, which is never generated, if none.

    `tokens` (V,) are the ids of the columns, ascending; None if column v is token v.
    """
    if tokens is None:
        return history
    columns = torch.searchsorted(tokens, history.contiguous()).clamp(max=len(tokens) - 1)
    return columns.masked_fill(tokens[columns] != history, PAD)


def forbid_repeated_ngrams(log_probs: Tensor, history: Tensor, size: int) -> None:
    """Set tokens that would repeat an n-gram of `history` (N, T) to minus infinity in `log_probs` (N, V), in place.

    `size` is n, at least 1. EOS is never forbidden. Same as `no_repeat_ngram_size` of fairseq and Hugging Face.
    """
    if history.shape[1] < size:
        return
    windows = history.unfold(1, size, 1)  # (N, W, n)
    context = history[:, history.shape[1] - size + 1 :].unsqueeze(1)  # (N, 1, n - 1)
    completes = (windows[:, :, :-1] == context).all(-1)  # (N, W)
    last = windows[:, :, -1]  # (N, W)
    log_probs.scatter_(1, last.masked_fill(~completes | (last == EOS), PAD), -torch.inf)


def penalize_repeated_tokens(log_probs: Tensor, history: Tensor, penalty: float) -> Tensor:
    """Return `log_probs` (N, V) with those of the tokens in `history` (N, T) multiplied by `penalty`.

    log p is at most 0, so this raises p to the power of the penalty. It is the rule of Keskar 2019 (CTRL, section 4.1)
    for log-probabilities instead of logits, because an ensemble and a copying network have no logits.
    """
    return log_probs.scatter(1, history, log_probs.gather(1, history) * penalty)
