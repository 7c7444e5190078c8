"""The pointer-generator (See 2017): each target token is generated, or copied from the source.

Source and target share one vocabulary of V entries. A source word outside the vocabulary has an id from V on, unique
within the sentence (the extended vocabulary of the paper), and can only be copied. A model of subwords can copy
subwords, and UNK for characters that it does not know.

Axes: N rows, S source tokens, R readout width, V vocabulary, X extra words.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.models.linear import Linear


class CopyGate(nn.Module):
    """p(w) = p_gen p_vocab(w) + (1 - p_gen) sum_{s: x_s = w} a_s (See 2017, eq. 9; `model.decoder.copy_source: true`).

    p_gen = sigmoid(w . readout + b), eq. 8. The readout takes the place of context and state, and with `readout: deep`
    of the input.
    """

    def __init__(self, readout_size: int) -> None:
        super().__init__()
        self.gate = Linear(readout_size, 1)

    def log_gate(self, readout: Tensor) -> tuple[Tensor, Tensor]:
        """Return log p_gen and log (1 - p_gen), (..., 1) each, for readouts (..., R)."""
        score = self.gate(readout)  # (..., 1)
        score = score.to(torch.promote_types(score.dtype, torch.float32))
        return F.logsigmoid(score), F.logsigmoid(-score)

    def mix(self, logits: Tensor, readout: Tensor, alignment: Tensor, source: Tensor, extra_words: int = 0) -> Tensor:
        """Return log p(w), (N, V + X), of N hypotheses.

        They have `logits` (N, V), `readout` (N, R) and `alignment` (N, S) to the `source` token ids (N, S), which are
        below V + X. X is `extra_words`.
        """
        generate, copy = self.log_gate(readout)  # (N, 1) each
        probs = (logits.log_softmax(-1) + generate).exp().clamp(min=torch.finfo(logits.dtype).tiny)  # (N, V)
        probs = F.pad(probs, (0, extra_words))  # (N, V + X)
        copied = (alignment * copy.exp()).to(probs.dtype)  # (N, S)
        return probs.scatter_add(1, source, copied).log()

    def log_prob(self, log_prob: Tensor, readout: Tensor, alignment: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Return log p(`target`), (N,), for N target tokens (N,).

        `log_prob` (N,) is log p_vocab(target). `readout` (N, R), `alignment` and `source` (N, S) are of the same rows.
        """
        generate, copy = self.log_gate(readout)  # (N, 1) each
        copied = (alignment * (source == target.unsqueeze(1))).sum(1)  # (N,)
        tiny = torch.finfo(copied.dtype).tiny
        return torch.logaddexp(log_prob + generate.squeeze(1), copied.clamp(min=tiny).log() + copy.squeeze(1))
