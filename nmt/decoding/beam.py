"""Beam search: keep the K best hypotheses of each sentence at every step, with pruning and early stopping.

At each step every open hypothesis is extended by one token, and the K best continuations of the sentence are kept.
Those that end with EOS are finished and free their slots: the next step again keeps K open hypotheses. With K = 1 no
hypothesis is open then, so it is greedy search. A sentence is done in either of two cases:

1. K hypotheses are finished, and each scores at least as high as the best open one would if it ended now at no cost.
2. No open hypothesis can reach the `n_best` best any more.

`n_best` is used in the second case only, which loses no hypothesis that could reach the list. So a larger `n_best`
never changes the first hypotheses. With `return_all_finished` the best 2 K finished hypotheses are kept, and the second
case is tested for `n_best` = K, so that they do not depend on how many of them the caller needs. With `beam_prune`
hypotheses far below the best are dropped at once, and the model is called for the others only (Freitag & Al-Onaizan
2017, absolute threshold).

Hypotheses are ranked by the sum of the values of `Constraints.rank`: log-probabilities with the repetition penalty.

Axes: B sentences, K slots per sentence, N hypotheses that the model is called for, S source tokens, T target tokens,
V vocabulary, C candidates of a hypothesis, F finished hypotheses.
"""

import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nmt.data.token_ids import BOS, EOS
from nmt.decoding.hypothesis import Hypothesis, NanProbabilities, SearchBatch
from nmt.decoding.model_protocol import MemoryT, Model, StateT
from nmt.decoding.penalties import coverage_penalty, length_divisor
from nmt.decoding.search_options import SearchOptions
from nmt.decoding.token_constraints import Constraints, checks_for_end, log_probs_of, unfinished_rows
from nmt.kernels.top_k import top_k
from nmt.models.state import StepOutput


@torch.no_grad()
def beam_search(model: Model[MemoryT, StateT], batch: SearchBatch, options: SearchOptions) -> list[list[Hypothesis]]:
    """Return the `n_best` best hypotheses of each sentence, best first; fewer if the search finds fewer.

    With `return_all_finished` return all finished hypotheses that are kept, up to 2 K. Raise `NmtError` if the model
    returns NaN.
    """
    memory = model.encode(batch.source, batch.lengths)
    if batch.shortlist is not None:
        memory = model.restrict(memory, *batch.shortlist)
    state = model.start(memory, 1)
    beam = _Beam(batch, options, memory.is_real)
    for step in range(beam.constraints.last_step + 1):
        state, output = model.step(beam.token, state, memory.at(beam.active, beam.totals.shape[1]))
        beam.extend(output, step)
        kept = beam.finish(step)
        if kept is not None:
            if len(kept) == 0:
                break
            memory = memory.select(kept)
            beam.keep(kept, memory.is_real)
        state = state.select(beam.next_rows())
    beam.results[:, beam.sentences] = beam.finished.table
    count = 2 * options.beam_size if options.return_all_finished else options.n_best
    return _backtrack(beam.results, beam.trace, batch.lengths.tolist(), count)


@dataclass(frozen=True)
class _Step:
    """What `_backtrack` needs of a step to restore the hypotheses."""

    sentences: Tensor
    """(B,) number of each row in the whole batch."""
    parents: Tensor
    """(B, K) slot of the hypothesis that is continued."""
    tokens: Tensor
    """(B, K)"""
    log_probs: Tensor
    """(B, K) log-probability of the token, without penalties."""
    alignment: Tensor | None
    """(B, K, S) by slot of the parents."""


class _Beam:
    """The open hypotheses of the sentences that are not done, and the finished hypotheses of all sentences.

    A sentence has one slot at the first step, and K slots later. The total of an empty slot is minus infinity.
    """

    def __init__(self, batch: SearchBatch, options: SearchOptions, is_real: Tensor) -> None:
        size, device = len(batch.source), batch.source.device
        self.beam_size, self.prune, self.beta = options.beam_size, options.beam_prune, options.coverage_penalty
        self.with_alignment = options.with_alignment
        self.constraints = Constraints(batch, options)
        penalty, lengths = options.length_penalty, range(1, self.constraints.last_step + 2)
        self.divisors = [length_divisor(penalty, options.alpha, length) for length in lengths]
        self.largest_divisor = torch.tensor(
            [self.divisors[length] for length in self.constraints.max_lengths], dtype=torch.float64, device=device
        )  # (B,)
        self.sentences = torch.arange(size, device=device)  # (B,) number of each row in the whole batch
        self.is_real = is_real  # (B, S)
        self.totals = torch.zeros((size, 1), dtype=torch.float64, device=device)  # (B, K) sum of the ranked values
        self.covered = torch.zeros((size, 1, is_real.shape[1]), device=device)  # (B, K, S) sum of the alignments
        self.token = torch.full((size,), BOS, device=device)  # (N,) last token of each hypothesis
        self.history = self.token.new_empty((size, 0)) if self.constraints.needs_history else None  # (N, T)
        self.active: Tensor | None = None  # (N,) the slots that the model is called for; None for all B * K slots
        self.has_finished = False
        self.finished = _Finished(size, options, device)
        self.results = torch.empty_like(self.finished.table)  # (3, B, F) the finished hypotheses of the whole batch
        self.trace: list[_Step] = []

    def extend(self, output: StepOutput, step: int) -> None:
        """Replace the hypotheses of each sentence by their K best continuations."""
        width, slots, active = self.totals.shape[1], self.totals.numel(), self.active
        ranks, tokens, log_probs = self.constraints.candidates(
            log_probs_of(output.logits),
            step,
            width,
            functools.partial(top_k, count=self.beam_size),
            active,
            self.history,
            output.tokens,
        )  # (N, C) each
        ranks, log_probs = _to_slots(ranks, active, slots, -torch.inf), _to_slots(log_probs, active, slots, 0.0)
        self.totals, parents, self.tokens, log_probs = _best_continuations(
            self.totals, ranks, _to_slots(tokens, active, slots, EOS), log_probs, self.beam_size
        )  # (B, K) each
        if self.prune:
            self.totals = self.totals.masked_fill(self.totals < self.totals[:, :1] - self.prune, -torch.inf)
        alignment = None
        if self.beta or self.with_alignment:
            alignment = _to_slots(output.alignment.float(), active, slots, 0.0).view(len(parents), width, -1)
        if self.beta and alignment is not None:
            covered = self.covered + alignment  # (B, K, S)
            self.covered = covered.gather(1, parents.unsqueeze(2).expand(-1, -1, covered.shape[2]))
        kept = alignment if self.with_alignment else None
        self.trace.append(_Step(self.sentences, parents, self.tokens, log_probs, kept))
        rows = torch.arange(len(parents), device=parents.device).unsqueeze(1) * width + parents  # (B, K) slots
        if active is not None:
            rows = _to_slots(torch.arange(len(active)), active, slots, 0)[rows]
        self.rows = rows  # (B, K) row of the state that each hypothesis continues

    def finish(self, step: int) -> Tensor | None:
        """Move the hypotheses that end with EOS to `finished`. Return the rows of sentences to keep; None for all."""
        is_end = (self.tokens == EOS) & (self.totals > -torch.inf)  # (B, K)
        device = is_end.device
        if device.type != "cpu" or bool(is_end.any()):  # on a GPU the test would wait for the device
            self.has_finished = True
            scores = self.totals / self.divisors[step]
            if self.beta:
                scores = scores + self.beta * coverage_penalty(self.covered, self.is_real.unsqueeze(1))
            self.finished.add(scores.masked_fill(~is_end, -torch.inf), step)
        if not self.has_finished:
            return None
        self.totals = self.totals.masked_fill(self.tokens == EOS, -torch.inf)
        is_done = self.finished.is_done(self.totals.amax(1), self.divisors[step], self.largest_divisor)
        self.totals = self.totals.masked_fill(is_done.unsqueeze(1), -torch.inf)
        return unfinished_rows(is_done) if checks_for_end(device, step) else None

    def keep(self, kept: Tensor, is_real: Tensor) -> None:
        """Store the finished hypotheses, and drop all sentences but the rows `kept`, whose memory has `is_real`."""
        self.results[:, self.sentences] = self.finished.table
        self.finished.table = self.finished.table[:, kept]
        self.constraints.keep(kept)
        self.is_real = is_real
        self.covered = self.covered[kept, :, : is_real.shape[1]]
        for name in ("sentences", "totals", "rows", "tokens", "largest_divisor"):
            setattr(self, name, getattr(self, name)[kept])

    def next_rows(self) -> Tensor:
        """Return the rows (N,) of the state that the next step continues, and set what it reads."""
        rows, token = self.rows.flatten(), self.tokens.flatten()
        self.active = _active_slots(self.totals) if self.prune and rows.device.type == "cpu" else None
        if self.active is not None:
            rows, token = rows[self.active], token[self.active]
        self.token = token
        if self.history is not None:
            self.history = torch.cat([self.history[rows], token.unsqueeze(1)], 1)
        return rows


class _Finished:
    """The best finished hypotheses of each sentence, best first, the earlier one first if their scores are equal."""

    def __init__(self, sentences: int, options: SearchOptions, device: torch.device) -> None:
        self.beam_size = options.beam_size
        self.n_best = options.beam_size if options.return_all_finished else options.n_best
        self.size = options.beam_size * (2 if options.return_all_finished else 1)
        # (3, B, F): score, last step and slot of each hypothesis. Minus infinity is the score of no hypothesis.
        self.table = torch.full((3, sentences, self.size), -torch.inf, dtype=torch.float64, device=device)

    def add(self, scores: Tensor, step: int) -> None:
        """Merge the hypotheses that end at `step`; `scores` (B, K), minus infinity in slots where none ends."""
        slots = torch.arange(scores.shape[1], dtype=scores.dtype, device=scores.device).expand_as(scores)
        table = torch.cat([self.table, torch.stack([scores, torch.full_like(scores, step), slots])], 2)
        order = table[0].sort(dim=1, descending=True, stable=True)[1][:, : self.size]
        self.table = table.gather(2, order.expand(3, -1, -1))

    def is_done(self, best_open: Tensor, divisor: float, largest_divisor: Tensor) -> Tensor:
        """Return which sentences (B,) need no more steps.

        `best_open` (B,) is the largest sum of log-probabilities of the unfinished hypotheses of a sentence. A sentence
        is done if its K-th best finished score is at least `best_open / divisor`, where `divisor` is the length penalty
        of this step. It is also done if its n-th best finished score is at least `best_open / largest_divisor`, where
        `largest_divisor` (B,) is the length penalty of the maximum length. This is an upper bound of all later scores,
        because the sums are at most 0 and cannot grow, and the coverage penalty is at most 0.
        """
        last = self.table[0, :, self.beam_size - 1]  # (B,) the K-th best score
        is_full = (last > -torch.inf) & (last >= best_open / divisor)
        return is_full | (self.table[0, :, self.n_best - 1] >= best_open / largest_divisor)


def _best_continuations(
    totals: Tensor, ranks: Tensor, tokens: Tensor, log_probs: Tensor, count: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return totals, parent slots, tokens and log-probabilities of the `count` best continuations, (B, K) each.

    `totals` (B, K) are those of the hypotheses; `ranks`, `tokens` and `log_probs` (B * K, C) are their candidates.
    """
    joined = (totals.flatten().unsqueeze(1) + ranks).view(len(totals), -1)  # (B, K * C)
    best, order = joined.sort(dim=1, descending=True, stable=True)
    best, order = best[:, :count], order[:, :count]
    tokens, log_probs = (x.view(joined.shape).gather(1, order) for x in (tokens, log_probs))
    return best, order // ranks.shape[1], tokens, log_probs


def _to_slots(x: Tensor, active: Tensor | None, slots: int, fill: float) -> Tensor:
    """Return (`slots`, ...) with `x` (N, ...) in the `active` slots (N,) and `fill` in the others."""
    if active is None:
        return x
    return x.new_full((slots, *x.shape[1:]), fill).index_copy_(0, active, x)


def _active_slots(totals: Tensor) -> Tensor | None:
    """Return the slots (N,) to call the model for, those with a hypothesis in `totals` (B, K); None for all slots."""
    active = unfinished_rows(totals.flatten() == -torch.inf)
    return active if active is not None and len(active) else None


def _backtrack(results: Tensor, trace: list[_Step], lengths: list[int], n_best: int) -> list[list[Hypothesis]]:
    """Return the `n_best` finished hypotheses of each sentence, restored from their last token to their first."""
    scores, steps, slots = results[:, :, :n_best].cpu().numpy()
    sentence, rank = np.nonzero(np.isfinite(scores))  # (F,) each, sorted by sentence and rank
    if len(np.unique(sentence)) < len(scores):
        raise NanProbabilities
    ends, slot = (x[sentence, rank].astype(np.int64) for x in (steps, slots))
    size = int(ends.max()) + 1
    tokens = np.zeros((len(ends), size), np.int64)  # (F, T)
    log_probs = np.zeros((len(ends), size), np.float64)  # (F, T)
    with_alignment = trace[0].alignment is not None
    alignment = np.zeros((len(ends), size, max(lengths)), np.float32) if with_alignment else None  # (F, T, S)
    row_of = np.zeros(len(scores), np.int64)
    for step in range(size - 1, -1, -1):
        record = trace[step]
        sentences = record.sentences.cpu().numpy()
        row_of[sentences] = np.arange(len(sentences))
        live = np.nonzero(ends >= step)[0]
        row = row_of[sentence[live]]
        tokens[live, step] = record.tokens.cpu().numpy()[row, slot[live]]
        log_probs[live, step] = record.log_probs.cpu().numpy()[row, slot[live]]
        slot[live] = record.parents.cpu().numpy()[row, slot[live]]
        if alignment is not None and record.alignment is not None:
            weights = record.alignment.cpu().numpy()[row, slot[live]]
            alignment[live, step, : weights.shape[1]] = weights
    found: list[list[Hypothesis]] = [[] for _ in scores]
    for f, (number, end) in enumerate(zip(sentence.tolist(), ends.tolist(), strict=True)):
        found[number].append(
            Hypothesis(
                tokens=tuple(tokens[f, :end].tolist()),
                score=float(scores[number, rank[f]]),
                log_prob=float(log_probs[f, : end + 1].sum()),
                token_log_probs=tuple(log_probs[f, : end + 1].tolist()),
                alignment=None if alignment is None else alignment[f, :end, : lengths[number]].copy(),
            )
        )
    return found
