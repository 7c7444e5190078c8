"""Constraints on the next token (prefix, length limits, forbidden tokens), and the best tokens that they allow.

Axes: B sentences, K slots per sentence, N hypotheses, V vocabulary, C candidates.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from nmt.data.token_ids import BOS, EOS, PAD, UNK
from nmt.decoding.hypothesis import SearchBatch
from nmt.decoding.repetition import columns_of, forbid_repeated_ngrams, penalize_repeated_tokens
from nmt.decoding.search_options import SearchOptions
from nmt.kernels.row_counts import round_rows_up

SelectTokens = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Returns the values and the columns, (N, C) each, of the chosen tokens of `ranks` (N, V)."""


def log_probs_of(logits: Tensor) -> Tensor:
    """Return the log-probabilities (N, V) of `logits` (N, V) in float32; float32 logits are overwritten."""
    if logits.dtype != torch.float32:
        return torch.log_softmax(logits, dim=-1, dtype=torch.float32)
    return torch.log_softmax(logits, dim=-1, out=logits)


def checks_for_end(device: torch.device, step: int) -> bool:
    """Return whether a search checks at this step which sentences are done.

    The check needs a value from the device. On a GPU the CPU must wait for it, so only every 8th step checks.
    """
    return device.type == "cpu" or step % 8 == 7


def unfinished_rows(is_done: Tensor) -> Tensor | None:
    """Return the rows (int64) to keep of a batch, in order; None to keep all. `is_done` (B,) bool.

    Some rows that are done may be kept, so that only few different batch sizes occur (see `round_rows_up`).
    """
    unfinished = int((~is_done).sum())
    if unfinished == 0:
        return is_done.new_empty(0, dtype=torch.int64)
    count = round_rows_up(unfinished)
    if count >= len(is_done):
        return None
    kept = torch.sort(is_done.to(torch.uint8), stable=True)[1][:count]
    return kept.sort()[0]


class Constraints:
    """For each sentence of a batch, the tokens that a hypothesis must generate at a step, or must not generate.

    A token is forced in a prefix, and EOS is forced at the maximum length. `needs_history` says whether the constraints
    depend on the tokens that a hypothesis has generated; `rank` and `candidates` then need `history`.
    """

    def __init__(self, batch: SearchBatch, options: SearchOptions) -> None:
        """Read lengths and prefixes of the batch; a longer prefix or `min_length` replaces the maximum length."""
        device, size = batch.source.device, len(batch.max_lengths)
        prefixes = batch.prefixes or [()] * size
        self.max_lengths = [
            max(length, len(prefix), options.min_length)
            for length, prefix in zip(batch.max_lengths, prefixes, strict=True)
        ]
        self.last_step = max(self.max_lengths)
        self._first_forced_end = min(self.max_lengths)
        self._longest_prefix = max(len(prefix) for prefix in prefixes)
        self._min_length, self._ngram_size = options.min_length, options.no_repeat_ngram
        self._repetition_penalty = options.repetition_penalty
        self.needs_history = self._ngram_size > 0 or self._repetition_penalty != 1
        forbidden = [PAD, BOS, *([UNK] if options.forbid_unknown else [])]
        self._forbidden = torch.tensor(forbidden, device=device)
        self._forbidden_at_first = torch.tensor([*forbidden, EOS], device=device)
        forced = torch.full((size, self.last_step + 1), -1)
        for row, (prefix, length) in enumerate(zip(prefixes, self.max_lengths, strict=True)):
            forced[row, : len(prefix)] = torch.tensor(prefix, dtype=torch.int64)
            forced[row, length] = EOS
        self._forced = forced.to(device)  # (B, last_step + 1), -1 if the token is free

    def keep(self, rows: Tensor) -> None:
        """Drop all sentences but `rows`."""
        self._forced = self._forced[rows]

    def forced_tokens(self, step: int, width: int, active: Tensor | None = None) -> Tensor | None:
        """Return the token (N,) that each hypothesis must generate, -1 if it is free; None if all are free.

        `active` (N,) are the slots of the hypotheses out of B * `width`; None for all slots.
        """
        if self._longest_prefix <= step < self._first_forced_end:
            return None
        forced = self._forced[:, step].repeat_interleave(width)
        return forced if active is None else forced[active]

    def rank(
        self, log_probs: Tensor, step: int, history: Tensor | None = None, columns: Tensor | None = None
    ) -> Tensor:
        """Return the values (N, V) by which free tokens are ranked: `log_probs` with the repetition penalty.

        Tokens that are forbidden at `step` become minus infinity in `log_probs`, in place. `history` (N, step) are the
        tokens of the hypotheses, None unless `needs_history`; `columns` are the ids of the columns, as in `StepOutput`.
        If all other tokens are forbidden, EOS is allowed before the minimum length.
        """
        is_too_short = step < self._min_length
        end: Tensor | None = None
        if history is not None:
            history = columns_of(history, columns)
            end = log_probs[:, EOS].clone() if is_too_short else None
            if self._ngram_size:
                forbid_repeated_ngrams(log_probs, history, self._ngram_size)
        log_probs.index_fill_(1, self._forbidden_at_first if is_too_short else self._forbidden, -torch.inf)
        if end is not None:
            has_no_token = log_probs.amax(1) == -torch.inf
            log_probs[:, EOS] = end.masked_fill(~has_no_token, -torch.inf)
        if history is None or self._repetition_penalty == 1:
            return log_probs
        return penalize_repeated_tokens(log_probs, history, self._repetition_penalty)

    def candidates(
        self,
        log_probs: Tensor,
        step: int,
        width: int,
        select: SelectTokens,
        active: Tensor | None = None,
        history: Tensor | None = None,
        columns: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the C tokens of each hypothesis that `select` chooses, or the forced token.

        They are three (N, C) tensors: the values that the tokens are ranked by, their ids, and their log-probabilities.
        A forced token is the first, and the others have minus infinity. `log_probs` (N, V) is overwritten. `active` and
        `width` are as in `forced_tokens`, `history` and `columns` as in `rank`.
        """
        forced = self.forced_tokens(step, width, active)
        forced_log_probs = None if forced is None else log_probs.gather(1, forced.clamp(min=0).unsqueeze(1))  # (N, 1)
        ranks = self.rank(log_probs, step, history, columns)
        values, chosen = select(ranks)
        token_log_probs = values if ranks is log_probs else log_probs.gather(1, chosen)
        tokens = chosen if columns is None else columns[chosen]
        if forced is None or forced_log_probs is None:
            return values, tokens, token_log_probs
        is_forced = (forced >= 0).unsqueeze(1)
        only = torch.full_like(values, -torch.inf)
        only[:, :1] = forced_log_probs
        values, token_log_probs = (torch.where(is_forced, only, x) for x in (values, token_log_probs))
        return values, torch.where(is_forced, forced.unsqueeze(1), tokens), token_log_probs
