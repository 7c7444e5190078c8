"""The pointer-generator (See 2017, section 2.2): a token is generated, or copied from where the attention looks.

Source and target share one vocabulary, of V entries. A word of the source that it lacks has an id of its own for that
sentence, V, V + 1, … (the paper's extended vocabulary), and can only be copied; a model of subwords copies these, and
what it does not know as UNK.
Axes: N rows, S source tokens, R readout width, V vocabulary, X further entries.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.kernels.deferred_gradients import Linear


class CopyGate(nn.Module):
    """p_gen = sigmoid(w . readout + b), eq. 8.

    The readout stands for context and state, a deep one for the input too.
    """

    def __init__(self, readout_size: int) -> None:
        super().__init__()
        self.gate = Linear(readout_size, 1)

    def log_gate(self, readout: Tensor) -> tuple[Tensor, Tensor]:
        """Return the natural logs of p_gen and of 1 - p_gen, (..., 1) each, for readouts (..., R)."""
        score = self.gate(readout)
        score = score.to(torch.promote_types(score.dtype, torch.float32))
        return F.logsigmoid(score), F.logsigmoid(-score)

    def mix(self, logits: Tensor, readout: Tensor, alignment: Tensor, copies: Tensor, further: int = 0) -> Tensor:
        """Return the natural log of p_gen p_vocabulary + (1 - p_gen) p_copy, eq. 9: (N, V + X).

        `logits` (N, V) and `readout` (N, R) are of N hypotheses with the `alignment` (N, S) over the source tokens
        `copies` (N, S), whose ids lie below V + X, X being `further`.
        """
        generate, copy = self.log_gate(readout)
        probs = (logits.log_softmax(-1) + generate).exp().clamp(min=torch.finfo(logits.dtype).tiny)  # (N, V)
        probs = F.pad(probs, (0, further))  # what another sentence may copy has none
        copied = (alignment * copy.exp()).to(probs.dtype)
        return probs.scatter_add(1, copies, copied).log()

    def log_prob(self, log_prob: Tensor, readout: Tensor, alignment: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Return the natural log-probability (N,) of N target tokens under the mixture.

        `log_prob` (N,) is theirs under the vocabulary alone; `readout` (N, R), `alignment` and `source` (N, S) and
        `target` (N,) are of the same rows.
        """
        generate, copy = self.log_gate(readout)
        copied = (alignment * (source == target.unsqueeze(1))).sum(1)  # (N,)
        tiny = torch.finfo(copied.dtype).tiny
        return torch.logaddexp(log_prob + generate.squeeze(1), copied.clamp(min=tiny).log() + copy.squeeze(1))
