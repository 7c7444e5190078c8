"""Greedy search: each hypothesis takes the most probable token at every step. Sampling uses the same loop.

Axes: B sentences, K hypotheses per sentence, N hypotheses (B * K at first), S source tokens, T target tokens,
V vocabulary.
"""

import functools
import math
from typing import Protocol

import torch
from torch import Tensor

from nmt.data.token_ids import BOS, EOS
from nmt.decoding.hypothesis import Hypothesis, NanProbabilities, SearchBatch
from nmt.decoding.model_protocol import MemoryT, Model, StateT
from nmt.decoding.penalties import coverage_penalty, length_divisor
from nmt.decoding.search_options import SearchOptions
from nmt.decoding.token_constraints import Constraints, checks_for_end, log_probs_of, unfinished_rows
from nmt.kernels.top_k import top_k


class ChooseTokens(Protocol):
    """A function that chooses the next tokens."""

    def __call__(self, ranks: Tensor, step: int, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the values and the columns, (N, 1) each, of the chosen tokens.

        `ranks` (N, V) are those of `Constraints.rank`; `rows` (N,) number the hypotheses in the whole batch.
        """


def choose_best(ranks: Tensor, step: int, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the maximum of each row of `ranks` (N, V) and its column, (N, 1) each; the first of equal values."""
    return top_k(ranks, 1)


@torch.no_grad()
def greedy_search(
    model: Model[MemoryT, StateT],
    batch: SearchBatch,
    options: SearchOptions,
    count: int = 1,
    choose: ChooseTokens = choose_best,
) -> list[list[Hypothesis]]:
    """Return `count` hypotheses of each sentence, whose tokens are those that `choose` returns.

    Raise `NmtError` if the model returns NaN.
    """
    device = batch.source.device
    constraints = Constraints(batch, options)
    shape = len(batch.source) * count, constraints.last_step + 1
    tokens = torch.full(shape, EOS, device=device)  # (N, T)
    log_probs = torch.zeros(shape, device=device)  # (N, T)
    # The values whose sum is the score, (N, T): the log-probabilities, but for the repetition penalty.
    ranked = log_probs if options.repetition_penalty == 1 else torch.zeros_like(log_probs)
    keeps_alignment = bool(options.with_alignment or options.coverage_penalty)
    alignments: list[tuple[Tensor, Tensor]] = []  # for each step: rows (N,), attention (N, S)
    memory = model.encode(batch.source, batch.lengths)
    if batch.shortlist is not None:
        memory = model.restrict(memory, *batch.shortlist)
    state = model.start(memory, count)
    rows = torch.arange(len(tokens), device=device)  # (N,) the hypotheses that are still extended
    token = torch.full_like(rows, BOS)  # (N,)
    is_done = torch.zeros_like(rows, dtype=torch.bool)  # (N,)
    for step in range(constraints.last_step + 1):
        state, output = model.step(token, state, memory)
        history = tokens[rows, :step] if constraints.needs_history else None
        select = functools.partial(choose, step=step, rows=rows)
        found = constraints.candidates(
            log_probs_of(output.logits), step, count, select, history=history, columns=output.tokens
        )
        rank, token, log_prob = (x.squeeze(1) for x in found)  # (N,) each
        token = token.masked_fill(is_done, EOS)
        tokens[rows, step] = token
        log_probs[rows, step] = log_prob.masked_fill(is_done, 0.0)
        if ranked is not log_probs:
            ranked[rows, step] = rank.masked_fill(is_done, 0.0)
        if keeps_alignment:
            alignments.append((rows, output.alignment.float()))
        is_done = is_done | (token == EOS)
        kept = unfinished_rows(is_done.view(-1, count).all(1)) if checks_for_end(device, step) else None
        if kept is not None:
            if len(kept) == 0:
                break
            memory = memory.select(kept)
            constraints.keep(kept)
            kept = (kept.unsqueeze(1) * count + torch.arange(count, device=device)).flatten()  # (N,)
            state = state.select(kept)
            rows, token, is_done = rows[kept], token[kept], is_done[kept]
    return _hypotheses(tokens.cpu(), log_probs.double().cpu(), ranked.double().cpu(), alignments, batch, options, count)


def _hypotheses(
    tokens: Tensor,
    log_probs: Tensor,
    ranked: Tensor,
    alignments: list[tuple[Tensor, Tensor]],
    batch: SearchBatch,
    options: SearchOptions,
    count: int,
) -> list[list[Hypothesis]]:
    """Cut each row of `tokens` (N, T) at its EOS, and compute its score.

    The score is the sum of `ranked` (N, T), the log-probabilities by which tokens were chosen, divided by the length
    penalty, plus the coverage penalty.
    """
    ends = (tokens == EOS).int().argmax(1).tolist()
    attention = torch.zeros(len(tokens), len(alignments), batch.source.shape[1])  # (N, T, S)
    for step, (rows, weights) in enumerate(alignments):
        attention[rows.cpu(), step, : weights.shape[1]] = weights.cpu()
    lengths = batch.lengths.tolist()
    results: list[list[Hypothesis]] = [[] for _ in lengths]
    for row, end in enumerate(ends):
        source_length = lengths[row // count]
        token_log_probs = tuple(log_probs[row, : end + 1].tolist())
        log_prob = float(log_probs[row, : end + 1].sum())
        score = float(ranked[row, : end + 1].sum()) / length_divisor(options.length_penalty, options.alpha, end + 1)
        if options.coverage_penalty:
            covered = attention[row, : end + 1, :source_length].sum(0)  # (S,)
            is_real = torch.ones_like(covered, dtype=torch.bool)
            score += options.coverage_penalty * float(coverage_penalty(covered, is_real))
        if not math.isfinite(score):  # a token that is drawn from NaN is PAD, with minus infinity
            raise NanProbabilities
        alignment = attention[row, :end, :source_length].numpy().copy() if options.with_alignment else None
        hypothesis = Hypothesis(tuple(tokens[row, :end].tolist()), score, log_prob, token_log_probs, alignment)
        results[row // count].append(hypothesis)
    return results
