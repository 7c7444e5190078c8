"""Which tokens come next: the top of a row, and what a sentence must or may not generate.

Axes: B sentences, N hypotheses, V vocabulary, C candidates.
"""

import torch
from torch import Tensor

from nmt.data.token_ids import BOS, EOS, PAD, UNK
from nmt.decoding.hypothesis import Sentences
from nmt.decoding.model_protocol import AMemory, AState, Model
from nmt.decoding.repetition import ban_repeated, columns_of, penalized
from nmt.decoding.search_options import Options
from nmt.kernels.row_counts import round_rows_up
from nmt.kernels.top_k import top_k


def log_probs_of(logits: Tensor) -> Tensor:
    """Return the natural logs of the probabilities of `logits` (N, V), float32, written over them where they are."""
    if logits.dtype != torch.float32:
        return torch.log_softmax(logits, dim=-1, dtype=torch.float32)
    return torch.log_softmax(logits, dim=-1, out=logits)


def encode(model: Model[AMemory, AState], sentences: Sentences) -> AMemory:
    """Return the encoded sentences, restricted to their shortlist where they have one."""
    memory = model.encode(sentences.source, sentences.lengths)
    return memory if sentences.shortlist is None else model.restrict(memory, *sentences.shortlist)


def asks_device(device: torch.device, step: int) -> bool:
    """Return whether to ask at `step` which sentences are done: a GPU must be waited for, so only every 8 steps."""
    return device.type == "cpu" or step % 8 == 7


def remaining(is_done: Tensor) -> Tensor | None:
    """Return the rows of a batch (B,) that stay, in their order: none where all are done; None where all stay.

    Some that are done may stay, so that few numbers of rows occur (`batches.rounded_up`).
    """
    going = int((~is_done).sum())
    if going == 0:
        return is_done.new_empty(0, dtype=torch.int64)
    stay = round_rows_up(going)
    if stay >= len(is_done):
        return None
    kept = torch.sort(is_done.to(torch.uint8), stable=True)[1][:stay]
    return kept.sort()[0]


class Constraints:
    """What each of B sentences must generate at a step (prefix, EOS at its greatest length) and what none may.

    `needs_history` tells whether that depends on what a hypothesis has generated, and `history` must be given.
    """

    def __init__(self, sentences: Sentences, options: Options) -> None:
        """Read the lengths and prefixes of `sentences`; where these or the least length are longer, they hold."""
        size = len(sentences.max_lengths)
        prefixes = sentences.prefixes or [()] * size
        self.limits = [
            max(limit, len(prefix), options.min_length)
            for limit, prefix in zip(sentences.max_lengths, prefixes, strict=True)
        ]
        self.last_step = max(self.limits)
        self._first_limit = min(self.limits)
        self._longest_prefix = max(len(prefix) for prefix in prefixes)
        self._min_length = options.min_length
        self._no_repeat_ngram = options.no_repeat_ngram
        self._repetition_penalty = options.repetition_penalty
        self.needs_history = options.no_repeat_ngram > 0 or options.repetition_penalty != 1
        banned = [PAD, BOS, *([UNK] if options.forbid_unknown else [])]
        self._banned = torch.tensor(banned, device=sentences.source.device)
        self._banned_at_first = torch.tensor([*banned, EOS], device=sentences.source.device)
        forced = torch.full((size, self.last_step + 1), -1)
        for row, (prefix, limit) in enumerate(zip(prefixes, self.limits, strict=True)):
            forced[row, : len(prefix)] = torch.tensor(prefix, dtype=torch.int64)
            forced[row, limit] = EOS
        self._forced = forced.to(sentences.source.device)  # (B, limit), -1 where free

    def keep(self, rows: Tensor) -> None:
        """Go on with the sentences `rows` only."""
        self._forced = self._forced[rows]

    def forced(self, step: int, beams: int, places: Tensor | None = None) -> Tensor | None:
        """Return the token that each hypothesis must generate, -1 where free; None where all are.

        They are at `places` (N,) of B * `beams`, None for all.
        """
        if self._longest_prefix <= step < self._first_limit:
            return None
        forced = self._forced[:, step].repeat_interleave(beams)
        return forced if places is None else forced[places]

    def rank(
        self, log_probs: Tensor, step: int, history: Tensor | None = None, columns: Tensor | None = None
    ) -> Tensor:
        """Return what free tokens are chosen by (N, V): `log_probs`, those of repeated tokens with their penalty.

        What may not be generated at `step` is set to minus infinity, in place. `history` (N, step) are the tokens of
        the hypotheses, None without `needs_history`; `columns` the ids of the columns, as `StepOutput.tokens`. Where
        no other token is left, EOS may come before the least length.
        """
        ends: Tensor | None = None
        if history is not None:
            history = columns_of(history, columns)
            ends = log_probs[:, EOS].clone() if step < self._min_length else None
            if self._no_repeat_ngram:
                ban_repeated(log_probs, history, self._no_repeat_ngram)
        log_probs.index_fill_(1, self._banned_at_first if step < self._min_length else self._banned, -torch.inf)
        if ends is not None:
            is_stuck = log_probs.amax(1) == -torch.inf
            log_probs[:, EOS] = ends.masked_fill(~is_stuck, -torch.inf)
        if history is None or self._repetition_penalty == 1:
            return log_probs
        return penalized(log_probs, history, self._repetition_penalty)

    def candidates(
        self,
        log_probs: Tensor,
        step: int,
        beams: int,
        count: int,
        places: Tensor | None = None,
        history: Tensor | None = None,
        columns: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the best `count` allowed tokens: what they rank by, columns, log-probabilities, (N, C) each.

        Overwrites `log_probs`. The hypotheses are at `places` (N,) of B * `beams`, None for all; `history` and
        `columns` as in `rank`.
        """
        forced = self.forced(step, beams, places)
        true = None if forced is None else log_probs.gather(1, forced.clamp(min=0).unsqueeze(1))
        ranks = self.rank(log_probs, step, history, columns)
        values, tokens = top_k(ranks, count)
        own = values if ranks is log_probs else log_probs.gather(1, tokens)
        if forced is None or true is None:
            return values, tokens, own
        is_forced = (forced >= 0).unsqueeze(1)
        only = torch.full_like(values, -torch.inf)
        only[:, :1] = true
        values, own = (torch.where(is_forced, only, x) for x in (values, own))
        return values, torch.where(is_forced, forced.unsqueeze(1), tokens), own
