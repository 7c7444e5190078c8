"""Beam search: keep the K best hypotheses of each sentence at every step, with pruning and early stopping.

At each step every open hypothesis is extended by one token, and the K best continuations of the sentence are kept.
Those that end with EOS are finished and free their slots: the next step again keeps K open hypotheses. With K = 1 no
hypothesis is open then, so it is greedy search. A sentence is done in either of two cases:

1. K hypotheses are finished, and each scores at least as high as the best open one would if it ended now at no cost.
2. No open hypothesis can reach the `n_best` best any more.

`n_best` is used in the second case only, which loses no hypothesis that could reach the list. So a larger `n_best`
never changes the first hypotheses. With `return_all_finished` the best 2 K finished hypotheses are kept, and the second
case is tested for `n_best` = K, so that they do not depend on how many of them the caller needs. With `beam_prune`
hypotheses far below the best are dropped at once, and the engine is called for the others only (Freitag & Al-Onaizan
2017, absolute threshold).

Hypotheses are ranked by the sum of the values of `Constraints.rank`: log-probabilities with the repetition penalty.

Axes: B sentences, K slots per sentence, N hypotheses that the engine is called for, S source tokens, T target tokens, V
vocabulary, C candidates of a hypothesis, F finished hypotheses.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from nmt.data.token_ids import BOS, EOS
from nmt.decoding.hypothesis import Hypothesis, NanProbabilities, SearchBatch
from nmt.decoding.penalties import coverage_penalty, length_divisor
from nmt.decoding.search_options import SearchOptions
from nmt.decoding.token_constraints import Constraints, unfinished_rows
from nmt.decoding.top_k import top_k
from nmt.engine import Bools, Doubles, Engine, Floats, Ints, MemoryT, Prediction, StateT, Wanted

Number = TypeVar("Number", np.int64, np.float32)


def beam_search(engine: Engine[MemoryT, StateT], batch: SearchBatch, options: SearchOptions) -> list[list[Hypothesis]]:
    """Return the `n_best` best hypotheses of each sentence, best first; fewer if the search finds fewer.

    With `return_all_finished` return all finished hypotheses that are kept, up to 2 K. Raise `NmtError` if the model
    returns NaN.
    """
    memory = batch.encode(engine)
    state = engine.start(memory, 1)
    search = _BeamSearch(batch, options, engine.rounds_rows)
    beam = search.start(memory.is_real)
    for step in range(search.constraints.last_step + 1):
        memory = memory.at(beam.active, beam.totals.shape[1])
        state, prediction = engine.step(beam.token, state, memory, search.wanted(beam, step))
        search.extend(beam, prediction, step)
        kept = search.finish(beam, step)
        if kept is not None:
            if len(kept) == 0:
                break
            memory = memory.select(kept)
            search.keep(beam, kept, memory.is_real)
        state = state.select(search.next_rows(beam))
    count = 2 * options.beam_size if options.return_all_finished else options.n_best
    return _backtrack(search.results(beam), search.trace, batch.lengths.tolist(), count)


@dataclass
class Beam:
    """The open hypotheses of the sentences that are not done, and the finished hypotheses of these sentences.

    A sentence has one slot at the first step, and K slots later.
    """

    sentences: Ints
    """(B,) number of each sentence in the whole batch."""
    is_real: Bools
    """(B, S) True on real source tokens."""
    totals: Doubles
    """(B, K) sum of the ranked values of each hypothesis; minus infinity in an empty slot."""
    tokens: Ints
    """(B, K) last token of each hypothesis."""
    rows: Ints
    """(B, K) row of the engine's state that each hypothesis continues."""
    covered: Floats
    """(B, K, S) sum of the alignments of each hypothesis; used with a coverage penalty only."""
    finished: Doubles
    """(3, B, F) score, last step and slot of the best finished hypotheses, best first, the earlier one first if their
    scores are equal; minus infinity is the score of no hypothesis."""
    longest_divisor: Doubles
    """(B,) length penalty of the maximum length of each sentence."""
    token: Ints
    """(N,) the tokens that the engine reads next: `tokens` of the active slots."""
    active: Ints | None = None
    """(N,) the slots that the engine is called for; None for all B * K slots."""
    history: Ints | None = None
    """(N, T) all tokens of each hypothesis; None if no constraint depends on them."""


@dataclass(frozen=True)
class _Step:
    """What `_backtrack` needs of a step to restore the hypotheses."""

    sentences: Ints
    """(B,) number of each row in the whole batch."""
    parents: Ints
    """(B, K) slot of the hypothesis that is continued."""
    tokens: Ints
    """(B, K)"""
    log_probs: Floats
    """(B, K) log-probability of the token, without penalties."""
    alignment: Floats | None
    """(B, K, S) by slot of the parents."""


class _BeamSearch:
    """The steps of one search, which change a `Beam`."""

    def __init__(self, batch: SearchBatch, options: SearchOptions, rounds_rows: bool) -> None:
        self.rounds_rows = rounds_rows
        self.beam_size, self.prune, self.beta = options.beam_size, options.beam_prune, options.coverage_penalty
        self.with_alignment = options.with_alignment
        self.n_best = options.beam_size if options.return_all_finished else options.n_best
        self.table_size = options.beam_size * (2 if options.return_all_finished else 1)  # F
        self.constraints = Constraints(batch, options)
        penalty, lengths = options.length_penalty, range(1, self.constraints.last_step + 2)
        self.divisors = [length_divisor(penalty, options.alpha, length) for length in lengths]
        self.has_finished = False
        self.trace: list[_Step] = []
        self._results = np.full((3, len(batch.source), self.table_size), -np.inf)  # of the whole batch

    def start(self, is_real: Bools) -> Beam:
        """Return the beam of one empty hypothesis per sentence; `is_real` is that of the memory."""
        size = len(is_real)
        token = np.full(size, BOS)
        return Beam(
            sentences=np.arange(size),
            is_real=is_real,
            totals=np.zeros((size, 1)),
            tokens=token[:, None],
            rows=np.arange(size)[:, None],
            covered=np.zeros((size, 1, is_real.shape[1]), np.float32),
            finished=np.full((3, size, self.table_size), -np.inf),
            longest_divisor=np.array([self.divisors[length] for length in self.constraints.max_lengths]),
            token=token,
            history=np.empty((size, 0), np.int64) if self.constraints.needs_history else None,
        )

    def wanted(self, beam: Beam, step: int) -> Wanted:
        """Return what the search needs of the engine at `step`, the next one."""
        self.constraints.begin_step(beam.history, beam.totals.shape[1], beam.active)
        return Wanted(self.constraints.candidates_needed(step, self.beam_size), bool(self.beta or self.with_alignment))

    def extend(self, beam: Beam, prediction: Prediction, step: int) -> None:
        """Replace the hypotheses of each sentence by their K best continuations."""
        size, width = beam.totals.shape
        active, slots = beam.active, size * width
        found = self.constraints.candidates(
            prediction, step, width, lambda ranks: top_k(ranks, self.beam_size), active
        )  # (N, C) each
        same = found.log_probs is found.ranks
        ranks = _to_slots(found.ranks, active, slots, -np.inf)  # (B * K, C)
        tokens = _to_slots(found.tokens, active, slots, EOS)
        log_probs = ranks if same else _to_slots(found.log_probs, active, slots, 0.0)
        joined = beam.totals.reshape(-1, 1) + ranks
        if np.isnan(joined).any():
            self._reject_nan(beam.totals, joined)
        columns = joined.shape[1]
        joined = joined.reshape(size, -1)  # (B, K * C)
        order = np.argsort(-joined, axis=1, kind="stable")[:, : self.beam_size]  # (B, K)
        flat = order + np.arange(0, joined.size, joined.shape[1])[:, None]
        beam.totals, beam.tokens = joined.ravel()[flat], tokens.ravel()[flat]
        if self.prune:
            beam.totals[beam.totals < beam.totals[:, :1] - self.prune] = -np.inf
        parents = order // columns  # (B, K) slots within the sentence
        alignment = None
        if prediction.alignment is not None:
            alignment = _to_slots(prediction.alignment, active, slots, 0.0).reshape(size, width, -1)
        if self.beta and alignment is not None:
            beam.covered = np.take_along_axis(beam.covered + alignment, parents[:, :, None], 1)
        kept = alignment if self.with_alignment else None
        self.trace.append(_Step(beam.sentences, parents, beam.tokens, log_probs.ravel()[flat], kept))
        rows = parents + np.arange(0, slots, width)[:, None]  # (B, K) slots within the batch
        if active is not None:
            rows = _to_slots(np.arange(len(active)), active, slots, 0)[rows]
        beam.rows = rows

    def finish(self, beam: Beam, step: int) -> Ints | None:
        """Move the hypotheses that end with EOS to `finished`. Return the rows of sentences to keep; None for all."""
        is_end = (beam.tokens == EOS) & (beam.totals > -np.inf)  # (B, K)
        if is_end.any():
            self.has_finished = True
            scores = beam.totals / self.divisors[step]
            if self.beta:
                scores = scores + self.beta * coverage_penalty(beam.covered, beam.is_real[:, None])
            scores[~is_end] = -np.inf
            beam.finished = self._merge(beam.finished, scores, step)
        if not self.has_finished:
            return None
        beam.totals[beam.tokens == EOS] = -np.inf
        is_done = self._is_done(beam, step)
        beam.totals[is_done] = -np.inf
        return unfinished_rows(is_done, self.rounds_rows)

    def keep(self, beam: Beam, kept: Ints, is_real: Bools) -> None:
        """Store the finished hypotheses, and drop all sentences but the rows `kept`, whose memory has `is_real`."""
        self._results[:, beam.sentences] = beam.finished
        self.constraints.keep(kept)
        beam.finished = beam.finished[:, kept]
        beam.is_real = is_real
        beam.covered = beam.covered[kept, :, : is_real.shape[1]]
        for name in ("sentences", "totals", "rows", "tokens", "longest_divisor"):
            setattr(beam, name, getattr(beam, name)[kept])

    def next_rows(self, beam: Beam) -> Ints:
        """Return the rows (N,) of the state that the next step continues, and set what it reads."""
        rows, token = beam.rows.ravel(), beam.tokens.ravel()
        beam.active = _active_slots(beam.totals, self.rounds_rows) if self.prune else None
        if beam.active is not None:
            rows, token = rows[beam.active], token[beam.active]
        beam.token = token
        if beam.history is not None:
            beam.history = np.concatenate([beam.history[rows], token[:, None]], 1)
        return rows

    def results(self, beam: Beam) -> Doubles:
        """Return `Beam.finished` of the whole batch, (3, B, F), after the last step."""
        self._results[:, beam.sentences] = beam.finished
        return self._results

    def _merge(self, finished: Doubles, scores: Doubles, step: int) -> Doubles:
        """Return `finished` with the hypotheses that end at `step`; `scores` (B, K), minus infinity if none ends."""
        steps, slots = np.full_like(scores, step), np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
        table = np.concatenate([finished, np.stack([scores, steps, slots])], 2)
        order = np.argsort(-table[0], axis=1, kind="stable")[:, : self.table_size]
        return np.take_along_axis(table, order[None], 2)

    def _is_done(self, beam: Beam, step: int) -> Bools:
        """Return which sentences (B,) need no more steps.

        A sentence is done if its K-th best finished score is at least the sum of log-probabilities of its best open
        hypothesis, divided by the length penalty of this step. It is also done if its n-th best finished score is at
        least that sum divided by `longest_divisor`. This is an upper bound of all later scores, because the sums are at
        most 0 and cannot grow, and the coverage penalty is at most 0.
        """
        best_open = beam.totals.max(1)  # (B,)
        last = beam.finished[0, :, self.beam_size - 1]  # (B,) the K-th best score
        is_full = (last > -np.inf) & (last >= best_open / self.divisors[step])
        is_done: Bools = is_full | (beam.finished[0, :, self.n_best - 1] >= best_open / beam.longest_divisor)
        return is_done

    @staticmethod
    def _reject_nan(totals: Doubles, joined: Doubles) -> None:
        """Raise `NanProbabilities` if a continuation of an open hypothesis is NaN; others become minus infinity."""
        is_nan = np.isnan(joined)
        if is_nan[totals.ravel() > -np.inf].any():
            raise NanProbabilities
        joined[is_nan] = -np.inf


def _to_slots(x: NDArray[Number], active: Ints | None, slots: int, fill: float) -> NDArray[Number]:
    """Return (`slots`, ...) with `x` (N, ...) in the `active` slots (N,) and `fill` in the others."""
    if active is None:
        return x
    spread = np.full((slots, *x.shape[1:]), fill, x.dtype)
    spread[active] = x
    return spread


def _active_slots(totals: Doubles, rounds_rows: bool) -> Ints | None:
    """Return the slots (N,) to call the engine for, those with a hypothesis in `totals` (B, K); None for all slots."""
    active = unfinished_rows(totals.ravel() == -np.inf, rounds_rows)
    return active if active is not None and len(active) else None


def _backtrack(results: Doubles, trace: list[_Step], lengths: list[int], n_best: int) -> list[list[Hypothesis]]:
    """Return the `n_best` finished hypotheses of each sentence, restored from their last token to their first."""
    scores, steps, slots = results[:, :, :n_best]
    sentence, rank = np.nonzero(np.isfinite(scores))  # (F,) each, sorted by sentence and rank
    if not np.isfinite(scores).any(1).all():
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
        row_of[record.sentences] = np.arange(len(record.sentences))
        live = np.nonzero(ends >= step)[0]
        row = row_of[sentence[live]]
        tokens[live, step] = record.tokens[row, slot[live]]
        log_probs[live, step] = record.log_probs[row, slot[live]]
        slot[live] = record.parents[row, slot[live]]
        if alignment is not None and record.alignment is not None:
            weights = record.alignment[row, slot[live]]
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
