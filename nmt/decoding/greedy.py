"""Greedy search: each hypothesis takes the most probable token at every step. Sampling uses the same loop.

Axes: B sentences, K hypotheses per sentence, N hypotheses (B * K at first), S source tokens, T target tokens,
V vocabulary, C candidates.
"""

import math
from typing import Protocol

import numpy as np

from nmt.data.token_ids import BOS, EOS
from nmt.decoding.hypothesis import Hypothesis, NanProbabilities, SearchBatch
from nmt.decoding.penalties import coverage_penalty, length_divisor
from nmt.decoding.search_options import SearchOptions
from nmt.decoding.token_constraints import Constraints, unfinished_rows
from nmt.engine import Engine, Floats, Ints, MemoryT, StateT, Wanted


class ChooseToken(Protocol):
    """A function that chooses the next token of each hypothesis."""

    def __call__(self, ranks: Floats, step: int, rows: Ints) -> Ints:
        """Return the column (N,) of the chosen token.

        `ranks` (N, C) are those of `Candidates`; `rows` (N,) number the hypotheses in the whole batch.
        """


def choose_best(ranks: Floats, step: int, rows: Ints) -> Ints:
    """Return the column of the maximum of each row of `ranks` (N, C), (N,); the first of equal values."""
    column: Ints = ranks.argmax(1)
    return column


def greedy_search(
    engine: Engine[MemoryT, StateT],
    batch: SearchBatch,
    options: SearchOptions,
    count: int = 1,
    choose: ChooseToken = choose_best,
    candidates: int | None = 1,
) -> list[list[Hypothesis]]:
    """Return `count` hypotheses of each sentence, whose tokens are those that `choose` returns.

    `choose` needs this many best `candidates` of a hypothesis; None for all tokens. Raise `NmtError` if the model
    returns NaN.
    """
    constraints = Constraints(batch, options)
    shape = len(batch.source) * count, constraints.last_step + 1
    tokens = np.full(shape, EOS)  # (N, T)
    log_probs = np.zeros(shape, np.float32)  # (N, T)
    # The values whose sum is the score, (N, T): the log-probabilities, but for the repetition penalty.
    ranked = log_probs if options.repetition_penalty == 1 else np.zeros_like(log_probs)
    keeps_alignment = bool(options.with_alignment or options.coverage_penalty)
    alignments: list[tuple[Ints, Floats]] = []  # for each step: rows (N,), attention (N, S)
    memory = batch.encode(engine)
    state = engine.start(memory, count)
    rows = np.arange(len(tokens))  # (N,) the hypotheses that are still extended
    token = np.full_like(rows, BOS)  # (N,)
    is_done = np.zeros(len(rows), np.bool_)  # (N,)
    for step in range(constraints.last_step + 1):
        constraints.begin_step(tokens[rows, :step] if constraints.needs_history else None, count)
        wanted = Wanted(constraints.candidates_needed(step, candidates), keeps_alignment)
        state, prediction = engine.step(token, state, memory, wanted)

        def choose_column(ranks: Floats, step: int = step, rows: Ints = rows) -> Ints:
            return choose(ranks, step, rows)[:, None]

        found = constraints.candidates(prediction, step, count, choose_column)
        column = choose(found.ranks, step, rows) if found.ranks.shape[1] > 1 else 0
        at = np.arange(len(rows)), column
        token, log_prob = found.tokens[at], found.log_probs[at]  # (N,) each
        token[is_done] = EOS
        log_prob[is_done] = 0.0
        if np.isnan(log_prob).any():
            raise NanProbabilities
        tokens[rows, step] = token
        log_probs[rows, step] = log_prob
        if ranked is not log_probs:
            ranked[rows, step] = np.where(is_done, np.float32(0), found.ranks[at])
        if prediction.alignment is not None:
            alignments.append((rows, prediction.alignment))
        is_done = is_done | (token == EOS)
        kept = unfinished_rows(is_done.reshape(-1, count).all(1), engine.rounds_rows)
        if kept is not None:
            if len(kept) == 0:
                break
            memory = memory.select(kept)
            constraints.keep(kept)
            kept = (kept[:, None] * count + np.arange(count)).ravel()  # (N,)
            state = state.select(kept)
            rows, token, is_done = rows[kept], token[kept], is_done[kept]
    return _hypotheses(tokens, log_probs, ranked, alignments, batch, options, count)


def _hypotheses(
    tokens: Ints,
    log_probs: Floats,
    ranked: Floats,
    alignments: list[tuple[Ints, Floats]],
    batch: SearchBatch,
    options: SearchOptions,
    count: int,
) -> list[list[Hypothesis]]:
    """Cut each row of `tokens` (N, T) at its EOS, and compute its score.

    The score is the sum of `ranked` (N, T), the log-probabilities by which tokens were chosen, divided by the length
    penalty, plus the coverage penalty.
    """
    ends = (tokens == EOS).argmax(1).tolist()
    values, summands = log_probs.astype(np.float64), ranked.astype(np.float64)
    attention = np.zeros((len(tokens), len(alignments), batch.source.shape[1]), np.float32)  # (N, T, S)
    for step, (rows, weights) in enumerate(alignments):
        attention[rows, step, : weights.shape[1]] = weights
    lengths = batch.lengths.tolist()
    results: list[list[Hypothesis]] = [[] for _ in lengths]
    for row, end in enumerate(ends):
        source_length = lengths[row // count]
        token_log_probs = tuple(values[row, : end + 1].tolist())
        log_prob = float(values[row, : end + 1].sum())
        score = float(summands[row, : end + 1].sum()) / length_divisor(options.length_penalty, options.alpha, end + 1)
        if options.coverage_penalty:
            covered = attention[row, : end + 1, :source_length].sum(0)  # (S,)
            score += options.coverage_penalty * float(coverage_penalty(covered, np.ones(len(covered), np.bool_)))
        if not math.isfinite(score):  # a token that is drawn from NaN is PAD, with minus infinity
            raise NanProbabilities
        alignment = attention[row, :end, :source_length].copy() if options.with_alignment else None
        hypothesis = Hypothesis(tuple(tokens[row, :end].tolist()), score, log_prob, token_log_probs, alignment)
        results[row // count].append(hypothesis)
    return results
