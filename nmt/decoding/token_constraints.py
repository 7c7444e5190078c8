"""Constraints on the next token (prefix, length limits, forbidden tokens), and the best tokens that they allow.

Axes: B sentences, K slots per sentence, N hypotheses, V vocabulary, C candidates.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from nmt.data.token_ids import BOS, EOS, PAD, UNK
from nmt.decoding.hypothesis import SearchBatch
from nmt.decoding.repetition import (
    columns_of,
    forbid_repeated_ngrams,
    has_loop,
    next_copy_tokens,
    penalize_repeated_tokens,
)
from nmt.decoding.search_options import SearchOptions
from nmt.engine import Bools, Floats, Ints, Prediction
from nmt.kernels.row_counts import round_rows_up

Number = TypeVar("Number", np.bool_, np.int64)
ChooseTokens = Callable[[Floats], Ints]
"""Returns the columns, (N, C), of the chosen tokens of `ranks` (N, V)."""


@dataclass
class Candidates:
    """Possible next tokens of N hypotheses."""

    ranks: Floats
    """(N, C) the values that the tokens are ranked by; minus infinity if a token is not allowed."""
    tokens: Ints
    """(N, C) ids."""
    log_probs: Floats
    """(N, C) log-probabilities, without the repetition penalty."""


def unfinished_rows(is_done: Bools, rounds_rows: bool) -> Ints | None:
    """Return the rows to keep of a batch, in order; None to keep all. `is_done` (B,).

    If `rounds_rows`, some rows that are done may be kept, so that only few different batch sizes occur (see
    `round_rows_up`).
    """
    unfinished = len(is_done) - int(np.count_nonzero(is_done))
    if unfinished == len(is_done):
        return None
    if unfinished == 0:
        return np.empty(0, np.int64)
    count = round_rows_up(unfinished) if rounds_rows else unfinished
    if count >= len(is_done):
        return None
    return np.sort(np.argsort(is_done, kind="stable")[:count])


class Constraints:
    """For each sentence of a batch, the tokens that a hypothesis must generate at a step, or must not generate.

    A token is forced in a prefix, and EOS is forced at the maximum length. `needs_history` says whether the constraints
    depend on the tokens that a hypothesis has generated; `begin_step` then needs `history`.
    """

    def __init__(self, batch: SearchBatch, options: SearchOptions) -> None:
        """Read lengths and prefixes of the batch; a longer prefix or `min_length` replaces the maximum length."""
        size = len(batch.max_lengths)
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
        self._ranks_by_history = self._ngram_size > 0 or self._repetition_penalty != 1
        self._max_repeats = 0 if options.method == "sample" else options.max_repeats
        self.needs_history = self._ranks_by_history or self._max_repeats > 0
        self._history: Ints | None = None  # (N, step) of the current step
        self._loop_tokens: Ints | None = None  # (N, L) tokens that would continue a loop
        # A source with a loop, such as a table, may be translated with one.
        self._may_loop = np.zeros(size, np.bool_)
        if self._max_repeats:
            self._may_loop = has_loop(batch.source, batch.lengths, self._max_repeats)
        self._forbidden = np.array([PAD, BOS, *([UNK] if options.forbid_unknown else [])])
        self._forbidden_at_first = np.append(self._forbidden, EOS)
        forced = np.full((size, self.last_step + 1), -1)
        for row, (prefix, length) in enumerate(zip(prefixes, self.max_lengths, strict=True)):
            forced[row, : len(prefix)] = prefix
            forced[row, length] = EOS
        self._forced = forced  # (B, last_step + 1), -1 if the token is free

    def keep(self, rows: Ints) -> None:
        """Drop all sentences but `rows`."""
        self._forced = self._forced[rows]
        self._may_loop = self._may_loop[rows]

    def begin_step(self, history: Ints | None, width: int, active: Ints | None = None) -> None:
        """Take the tokens `history` (N, step) of the hypotheses, None unless `needs_history`.

        `active` (N,) are the slots of the hypotheses out of B * `width`, None for all slots.
        """
        self._history = history if self._ranks_by_history else None
        self._loop_tokens = None
        if history is not None and self._max_repeats:
            self._loop_tokens = next_copy_tokens(history, self._max_repeats)
            if self._loop_tokens is not None:
                self._loop_tokens[_of_hypotheses(self._may_loop, width, active)] = PAD

    def candidates_needed(self, step: int, count: int | None) -> int | None:
        """Return how many best tokens the engine must return so that `count` remain; None for all tokens.

        All are needed if `count` is None, if a token is forced at this step, or if the ranks depend on the history.
        """
        if count is None or self._ranks_by_history or self._forces_tokens(step):
            return None
        count += len(self._forbidden_now(step))
        if self._loop_tokens is not None:
            count += self._loop_tokens.shape[1]
        return count

    def candidates(
        self,
        prediction: Prediction,
        step: int,
        width: int,
        choose: ChooseTokens,
        active: Ints | None = None,
    ) -> Candidates:
        """Return the C tokens of each hypothesis that `choose` selects from all, or the forced token.

        If the prediction has only the best tokens, return those that are allowed without selecting. A forced token is
        the first, and the others have minus infinity. The prediction is overwritten. `active` is that of `begin_step`.
        """
        log_probs, tokens = prediction.log_probs, prediction.tokens
        if tokens is not None and not prediction.has_all_tokens:
            is_forbidden = tokens == PAD
            for token in self._forbidden_now(step)[1:]:
                is_forbidden |= tokens == token
            if self._loop_tokens is not None:
                is_forbidden |= (tokens[:, :, None] == self._loop_tokens[:, None]).any(2)
            log_probs[is_forbidden] = -np.inf
            return Candidates(log_probs, tokens, log_probs)
        forced = self._forced_tokens(step, width, active)
        forced_log_probs = log_probs[np.arange(len(log_probs)), np.maximum(forced, 0)] if forced is not None else None
        ranks = self.rank(log_probs, step, self._history, tokens)
        columns = choose(ranks)  # (N, C)
        values = np.take_along_axis(ranks, columns, 1)
        found = Candidates(
            values,
            columns if tokens is None else tokens[columns],
            values if ranks is log_probs else np.take_along_axis(log_probs, columns, 1),
        )
        return found if forced is None or forced_log_probs is None else _force(found, forced, forced_log_probs)

    def rank(self, log_probs: Floats, step: int, history: Ints | None = None, columns: Ints | None = None) -> Floats:
        """Return the values (N, V) by which free tokens are ranked: `log_probs` with the repetition penalty.

        Tokens that are forbidden at `step` become minus infinity in `log_probs`, in place. `columns` (V,) are the ids
        of the columns, None if they are 0, 1, 2, …. If all other tokens are forbidden, EOS is allowed before the
        minimum length.
        """
        is_too_short = step < self._min_length
        end: Floats | None = None
        if history is not None:
            history = columns_of(history, columns)
            end = log_probs[:, EOS].copy() if is_too_short else None
            if self._ngram_size:
                forbid_repeated_ngrams(log_probs, history, self._ngram_size)
        log_probs[:, self._forbidden_now(step)] = -np.inf
        if self._loop_tokens is not None:
            np.put_along_axis(log_probs, columns_of(self._loop_tokens, columns), -np.inf, 1)
        if end is not None:
            has_no_token = log_probs.max(1) == -np.inf
            log_probs[has_no_token, EOS] = end[has_no_token]
        if history is None or self._repetition_penalty == 1:
            return log_probs
        return penalize_repeated_tokens(log_probs, history, self._repetition_penalty)

    def _forbidden_now(self, step: int) -> Ints:
        """Return the ids of the tokens that are forbidden at `step` for all hypotheses, PAD first."""
        return self._forbidden_at_first if step < self._min_length else self._forbidden

    def _forced_tokens(self, step: int, width: int, active: Ints | None) -> Ints | None:
        """Return the token (N,) that each hypothesis must generate, -1 if it is free; None if all are free."""
        return _of_hypotheses(self._forced[:, step], width, active) if self._forces_tokens(step) else None

    def _forces_tokens(self, step: int) -> bool:
        """Return whether a hypothesis may have to generate a certain token: one of a prefix, or EOS at the end."""
        return step < self._longest_prefix or step >= self._first_forced_end


def _of_hypotheses(values: NDArray[Number], width: int, active: Ints | None) -> NDArray[Number]:
    """Return for each hypothesis, (N,), the value of its sentence, from `values` (B,); `active` as in `begin_step`."""
    repeated = np.repeat(values, width)
    return repeated if active is None else repeated[active]


def _force(found: Candidates, forced: Ints, forced_log_probs: Floats) -> Candidates:
    """Replace the candidates of each hypothesis by its token in `forced` (N,), if that is not -1."""
    is_forced = (forced >= 0)[:, None]
    only = np.full_like(found.ranks, -np.inf)
    only[:, 0] = forced_log_probs
    return Candidates(
        np.where(is_forced, only, found.ranks),
        np.where(is_forced, forced[:, None], found.tokens),
        np.where(is_forced, only, found.log_probs),
    )
