"""Search without branches: each hypothesis takes one token a step. Greedy search, and the loop sampling shares.

Axes: B sentences, K hypotheses a sentence, N = B * K, S source tokens, T target tokens, V vocabulary.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from nmt.data.token_ids import BOS, EOS
from nmt.decoding.hypothesis import Hypothesis, Sentences, not_numbers
from nmt.decoding.model_protocol import AMemory, AState, Model
from nmt.decoding.penalties import coverage, divisor
from nmt.decoding.search_options import Options
from nmt.decoding.token_constraints import Constraints, asks_device, encode, log_probs_of, remaining
from nmt.kernels.top_k import top_k


@torch.no_grad()
def greedy_search(model: Model[AMemory, AState], sentences: Sentences, options: Options) -> list[list[Hypothesis]]:
    """Return, for each sentence, the one hypothesis that takes the token that ranks first at each step."""
    return extend_hypotheses(model, sentences, options, 1, lambda ranks, _step, _rows: top_k(ranks, 1)[1].squeeze(1))


def extend_hypotheses(
    model: Model[AMemory, AState],
    sentences: Sentences,
    options: Options,
    beams: int,
    choose: Callable[[Tensor, int, Tensor], Tensor],
) -> list[list[Hypothesis]]:
    """Return `beams` hypotheses a sentence whose tokens `choose` picks.

    `choose(ranks (N, V), step, rows (N,))` returns N tokens; `ranks` are those of `Constraints.rank`, `rows` numbers
    the hypotheses in the whole batch. Raises `NmtError` where the model gives NaN.
    """
    batch, device = len(sentences.source), sentences.source.device
    constraints = Constraints(sentences, options)
    size = constraints.last_step + 1
    tokens = torch.full((batch * beams, size), EOS, device=device)
    values = torch.zeros((batch * beams, size), device=device)  # log-probabilities
    ranked = values if options.repetition_penalty == 1 else torch.zeros_like(values)  # what is summed up as score
    alignments: list[tuple[Tensor, Tensor]] = []  # of each step: rows (N,), attention (N, S)
    memory = encode(model, sentences)
    state = model.start(memory, beams)
    rows = torch.arange(batch * beams, device=device)
    token = torch.full_like(rows, BOS)
    is_done = torch.zeros_like(rows, dtype=torch.bool)
    for step in range(size):
        state, output = model.step(token, state, memory)
        log_probs = log_probs_of(output.logits)  # (N, V)
        forced = constraints.forced(step, beams)
        true = None if forced is None else log_probs.gather(1, forced.clamp(min=0).unsqueeze(1)).squeeze(1)
        history = tokens[rows, :step] if constraints.needs_history else None
        ranks = constraints.rank(log_probs, step, history, output.tokens)
        token = choose(ranks, step, rows)
        value = log_probs.gather(1, token.unsqueeze(1)).squeeze(1)
        rank = value if ranks is log_probs else ranks.gather(1, token.unsqueeze(1)).squeeze(1)
        token = token if output.tokens is None else output.tokens[token]
        if forced is not None and true is not None:
            token = torch.where(forced >= 0, forced, token)
            value, rank = (torch.where(forced >= 0, true, x) for x in (value, rank))
        token = token.masked_fill(is_done, EOS)
        tokens[rows, step] = token
        values[rows, step] = value.masked_fill(is_done, 0.0)
        if ranked is not values:
            ranked[rows, step] = rank.masked_fill(is_done, 0.0)
        if options.with_alignment or options.coverage_penalty:
            alignments.append((rows, output.alignment.float()))
        is_done = is_done | (token == EOS)
        if asks_device(device, step):
            going = remaining(is_done.view(-1, beams).all(1))
            if going is not None and len(going) == 0:
                break
            if going is not None:
                memory = memory.select(going)
                constraints.keep(going)
                hypotheses = (going.unsqueeze(1) * beams + torch.arange(beams, device=device)).flatten()
                state = state.select(hypotheses)
                rows, token, is_done = rows[hypotheses], token[hypotheses], is_done[hypotheses]
    return _gather(tokens.cpu(), values.double().cpu(), ranked.double().cpu(), alignments, sentences, options, beams)


def _gather(
    tokens: Tensor,
    values: Tensor,
    ranked: Tensor,
    alignments: list[tuple[Tensor, Tensor]],
    sentences: Sentences,
    options: Options,
    beams: int,
) -> list[list[Hypothesis]]:
    """Cut each row (N, T) at its EOS and score it; `ranked` (N, T) are the `values` with the repetition penalty."""
    ends = (tokens == EOS).int().argmax(1).tolist()
    attention = torch.zeros(len(tokens), len(alignments), sentences.source.shape[1])  # (N, T, S)
    for step, (rows, alignment) in enumerate(alignments):
        attention[rows.cpu(), step, : alignment.shape[1]] = alignment.cpu()
    lengths = sentences.lengths.tolist()
    answer: list[list[Hypothesis]] = [[] for _ in lengths]
    for row, end in enumerate(ends):
        source_length = lengths[row // beams]
        token_log_probs = tuple(values[row, : end + 1].tolist())
        log_prob = float(values[row, : end + 1].sum())
        score = float(ranked[row, : end + 1].sum()) / divisor(options.length_penalty, options.alpha, end + 1)
        if options.coverage_penalty:
            covered = attention[row, : end + 1, :source_length].sum(0)
            is_real = torch.ones_like(covered, dtype=torch.bool)
            score += options.coverage_penalty * float(coverage(covered, is_real))
        if not math.isfinite(score):  # what is drawn from NaN is PAD, at minus infinity
            raise not_numbers()
        kept = attention[row, :end, :source_length].numpy().copy() if options.with_alignment else None
        answer[row // beams].append(
            Hypothesis(tuple(tokens[row, :end].tolist()), score, log_prob, token_log_probs, kept)
        )
    return answer
