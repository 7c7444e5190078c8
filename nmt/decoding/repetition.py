"""What keeps a hypothesis from repeating itself: n-grams that may not come again, tokens that cost more once generated.

Axes: N hypotheses, T tokens generated so far, W windows of n tokens, V vocabulary.
"""

import torch
from torch import Tensor

from nmt.data.token_ids import EOS, PAD


def columns_of(history: Tensor, tokens: Tensor | None) -> Tensor:
    """Return the column of the logits of each id in `history` (N, T); PAD, which is never generated, where it has none.

    `tokens` (V,) are the ids of the columns, ascending; None where column v is token v.
    """
    if tokens is None:
        return history
    columns = torch.searchsorted(tokens, history.contiguous()).clamp(max=len(tokens) - 1)
    return columns.masked_fill(tokens[columns] != history, PAD)


def ban_repeated(log_probs: Tensor, history: Tensor, size: int) -> None:
    """Set the tokens that would complete an n-gram of `history` (N, T) again to minus infinity in `log_probs` (N, V).

    `size` is n, at least 1; EOS is never set. The same as `no_repeat_ngram_size` of fairseq and Hugging Face.
    """
    windows = history.unfold(1, size, 1) if history.shape[1] >= size else None  # (N, W, n)
    if windows is None:
        return
    context = history[:, history.shape[1] - size + 1 :].unsqueeze(1)  # (N, 1, n - 1)
    completes = (windows[:, :, :-1] == context).all(-1)  # (N, W)
    last = windows[:, :, -1]
    log_probs.scatter_(1, last.masked_fill(~completes | (last == EOS), PAD), -torch.inf)


def penalized(log_probs: Tensor, history: Tensor, penalty: float) -> Tensor:
    """Return `log_probs` (N, V) in which those of the tokens in `history` (N, T) are multiplied by `penalty`.

    As log p is at most 0, this raises p to the power of the penalty: the rule of Keskar 2019 (CTRL, section 4.1) on
    log-probabilities, which also an ensemble and a copying network have, rather than on logits.
    """
    return log_probs.scatter(1, history, log_probs.gather(1, history) * penalty)
