"""Beam search over a batch of sentences.

At each step the best K continuations of a sentence are kept. Those that end become finished and free their places, so
that the next step again has K (with one beam nothing is left to go on: greedy search). A sentence ends when K have
finished that all score at least what the best open one would if it ended now for nothing, or when no open one can
enter the n best any more. `n_best` is used in that last test only, which loses nothing, so asking for more
hypotheses never changes the first ones. `with_spares` keeps the best 2 K finished ones rather than K, and tests for
n = K, so that how many of them are used changes nothing either. With `beam_prune` those far below the best are
dropped at once, and the model is asked about the others only (Freitag & Al-Onaizan 2017, absolute threshold).

Hypotheses are ranked by the sum of what their tokens rank by (`Constraints.rank`): the log-probabilities, but for the
repetition penalty.

Axes: B sentences, K beams, N hypotheses that the model is asked about, S source tokens, V vocabulary, C candidates,
F finished hypotheses.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmt.data.token_ids import BOS, EOS
from nmt.decoding.hypothesis import Hypothesis, Sentences, not_numbers
from nmt.decoding.model_protocol import AMemory, AState, Model
from nmt.decoding.penalties import coverage, divisor
from nmt.decoding.search_options import Options
from nmt.decoding.token_constraints import Constraints, asks_device, encode, log_probs_of, remaining


@dataclass(frozen=True)
class _Step:
    """What is needed later to spell the hypotheses of one step out."""

    sentences: Tensor
    """(B,) which of the batch's sentences the rows are."""
    parents: Tensor
    """(B, K) the beam that each hypothesis continues."""
    tokens: Tensor
    """(B, K)"""
    log_probs: Tensor
    """(B, K) of the token, the model's own."""
    alignment: Tensor | None
    """(B, K of the parents, S)"""


class _Finished:
    """The best finished hypotheses of each sentence, best first, earlier first among equals.

    (B, F) tensors: F is K, or 2 K with spares.
    """

    def __init__(self, sentences: int, options: Options, device: torch.device) -> None:
        size = sentences, options.beam_size * (2 if options.with_spares else 1)
        self.full = options.beam_size
        self.wanted = options.beam_size if options.with_spares else options.n_best
        self.scores = torch.full(size, -torch.inf, dtype=torch.float64, device=device)
        self.steps = torch.zeros(size, dtype=torch.int64, device=device)
        self.beams = torch.zeros(size, dtype=torch.int64, device=device)
        self.counts = torch.zeros(sentences, dtype=torch.int64, device=device)

    def add(self, scores: Tensor, step: int) -> None:
        """Merge hypotheses that end at `step`; `scores` (B, K), minus infinity where none does."""
        size = self.scores.shape[1]
        beams = torch.arange(scores.shape[1], device=scores.device).expand_as(scores)
        merged, order = torch.cat([self.scores, scores], 1).sort(dim=1, descending=True, stable=True)
        order = order[:, :size]
        self.scores = merged[:, :size]
        self.steps = torch.cat([self.steps, torch.full_like(beams, step)], 1).gather(1, order)
        self.beams = torch.cat([self.beams, beams], 1).gather(1, order)
        self.counts = self.counts + (scores > -torch.inf).sum(1)

    def is_done(self, open_best: Tensor, divisor: float, largest: Tensor) -> Tensor:
        """Return which sentences (B,) need no further step, `open_best` (B,) being the total of their best open one.

        K have finished that score at least what it would if it ended now for nothing; or none can enter the n best: no
        open one can score more than `open_best` by the divisor of the greatest length, `largest` (B,), as every token
        costs, and so does coverage.
        """
        is_full = (self.counts >= self.full) & (self.scores[:, self.full - 1] >= open_best / divisor)
        return is_full | (self.scores[:, self.wanted - 1] >= open_best / largest)

    def put(self, rows: Tensor, other: "_Finished", of: Tensor) -> None:
        """Write rows `of` of `other` over `rows`."""
        for name in ("scores", "steps", "beams"):
            getattr(self, name)[rows] = getattr(other, name)[of]

    def keep(self, rows: Tensor) -> None:
        """Go on with the sentences `rows` only."""
        self.scores, self.steps, self.beams = self.scores[rows], self.steps[rows], self.beams[rows]
        self.counts = self.counts[rows]


@torch.no_grad()
def beam_search(model: Model[AMemory, AState], sentences: Sentences, options: Options) -> list[list[Hypothesis]]:
    """Return the `n_best` best hypotheses of each sentence (fewer where there are no more), best first.

    With `Options.with_spares` those that finished, up to twice the beam size.

    Raises `NmtError` where the model gives NaN.
    """
    batch, device = len(sentences.source), sentences.source.device
    beams = options.beam_size
    constraints = Constraints(sentences, options)
    divisors = [divisor(options.length_penalty, options.alpha, n + 1) for n in range(constraints.last_step + 1)]
    largest = torch.tensor([divisors[n] for n in constraints.limits], dtype=torch.float64, device=device)
    beta = options.coverage_penalty

    memory = encode(model, sentences)
    state = model.start(memory, 1)
    token = torch.full((batch,), BOS, device=device)
    totals = torch.zeros((batch, 1), dtype=torch.float64, device=device)  # (B, K) sum of what ranks, -inf: none
    history = token.new_empty((batch, 0)) if constraints.needs_history else None  # (N, T)
    covered = torch.zeros((batch, 1, memory.is_real.shape[1]), device=device)  # (B, K, S), used where beta
    alive = torch.arange(batch, device=device)  # which sentences are still in the batch
    finished = _Finished(batch, options, device)
    results = _Finished(batch, options, device)
    trace: list[_Step] = []
    has_ended = False
    # With `beam_prune` on a processor the model is asked about the hypotheses alone that are alive: (N,) which of the
    # B * K they are; else None, for all.
    places: Tensor | None = None

    for step in range(constraints.last_step + 1):
        width, size = totals.shape[1], totals.numel()
        state, output = model.step(token, state, memory.at(places, width))
        log_probs = log_probs_of(output.logits)  # (N, V)
        found = constraints.candidates(log_probs, step, width, beams, places, history, output.tokens)  # (N, C) each
        values, tokens, own = (_spread(x, places, size, y) for x, y in zip(found, (-torch.inf, EOS, 0.0), strict=True))
        tokens = tokens if output.tokens is None else output.tokens[tokens]
        totals, parents, tokens, own = _continue(totals, values, tokens, own, beams)
        if options.beam_prune:
            totals = totals.masked_fill(totals < totals[:, :1] - options.beam_prune, -torch.inf)
        alignment = None
        if beta or options.with_alignment:
            alignment = _spread(output.alignment.float(), places, size, 0.0).view(len(alive), width, -1)
        trace.append(_Step(alive, parents, tokens, own, alignment if options.with_alignment else None))

        if beta and alignment is not None:
            added = covered + alignment
            covered = added.gather(1, parents.unsqueeze(2).expand(-1, -1, added.shape[2]))
        rows = torch.arange(len(alive), device=device).unsqueeze(1) * width + parents
        is_end = (tokens == EOS) & (totals > -torch.inf)
        if device.type != "cpu" or bool(is_end.any()):  # a GPU is not asked
            has_ended = True
            scores = totals / divisors[step]
            if beta:
                scores = scores + beta * coverage(covered, memory.is_real.unsqueeze(1))
            finished.add(scores.masked_fill(~is_end, -torch.inf), step)
        if has_ended:
            totals = totals.masked_fill(tokens == EOS, -torch.inf)
            is_done = finished.is_done(totals.amax(1), divisors[step], largest)
            totals = totals.masked_fill(is_done.unsqueeze(1), -torch.inf)
        if has_ended and asks_device(device, step):
            going = remaining(is_done)
            if going is not None and len(going) == 0:
                break
            if going is not None:
                results.put(alive, finished, torch.arange(len(alive), device=device))
                memory = memory.select(going)
                covered = covered[going, :, : memory.is_real.shape[1]]
                alive, totals, rows, tokens, largest = (x[going] for x in (alive, totals, rows, tokens, largest))
                finished.keep(going)
                constraints.keep(going)
        rows, token = rows.flatten(), tokens.flatten()
        if places is not None:  # from places to rows of `state`
            rows = _spread(torch.arange(len(places)), places, size, 0)[rows]
        places = _taken(totals) if options.beam_prune and device.type == "cpu" else None
        if places is not None:
            rows, token = rows[places], token[places]
        state = state.select(rows)
        history = None if history is None else torch.cat([history[rows], token.unsqueeze(1)], 1)
    results.put(alive, finished, torch.arange(len(alive), device=device))
    kept = results.scores.shape[1] if options.with_spares else options.n_best
    return _spell(results, trace, sentences.lengths.tolist(), kept)


def _continue(
    totals: Tensor, values: Tensor, tokens: Tensor, own: Tensor, beams: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return total, parent, token and that token's log-probability of the best `beams` continuations, (B, K) each.

    Of hypotheses with `totals` (B, K), whose candidates are `tokens`, which rank by `values` and have the
    log-probabilities `own`, (B * K, C) each.
    """
    joined = (totals.flatten().unsqueeze(1) + values).view(len(totals), -1)  # (B, K * C)
    best, order = joined.sort(dim=1, descending=True, stable=True)
    best, order = best[:, :beams], order[:, :beams]
    tokens, own = (x.view(joined.shape).gather(1, order) for x in (tokens, own))
    return best, order // values.shape[1], tokens, own


def _spread(x: Tensor, places: Tensor | None, size: int, empty: float) -> Tensor:
    """Return `x` (N, …) at `places` of (`size`, …), and `empty` elsewhere."""
    if places is None:
        return x
    return x.new_full((size, *x.shape[1:]), empty).index_copy_(0, places, x)


def _taken(totals: Tensor) -> Tensor | None:
    """Return which of the B * K places (N,) to go on with, by their `totals` (B, K); None for all."""
    places = remaining(totals.flatten() == -torch.inf)
    return places if places is not None and len(places) else None


def _spell(results: _Finished, trace: list[_Step], lengths: list[int], n_best: int) -> list[list[Hypothesis]]:
    """Follow the finished hypotheses back to their beginnings."""
    scores = results.scores[:, :n_best].cpu().numpy()
    sentence, rank = np.nonzero(np.isfinite(scores))  # (F,) in the order of sentences and ranks
    if len(np.unique(sentence)) < len(scores):
        raise not_numbers()
    ends: NDArray[np.int64] = results.steps.cpu().numpy()[sentence, rank]
    beam: NDArray[np.int64] = results.beams.cpu().numpy()[sentence, rank]
    size = int(ends.max()) + 1
    tokens = np.zeros((len(ends), size), np.int64)
    values = np.zeros((len(ends), size), np.float64)
    with_alignment = trace[0].alignment is not None
    alignment = np.zeros((len(ends), size, max(lengths)), np.float32) if with_alignment else None
    row_of = np.zeros(len(scores), np.int64)
    for step in range(size - 1, -1, -1):
        record = trace[step]
        sentences = record.sentences.cpu().numpy()
        row_of[sentences] = np.arange(len(sentences))
        live = np.nonzero(ends >= step)[0]
        row = row_of[sentence[live]]
        tokens[live, step] = record.tokens.cpu().numpy()[row, beam[live]]
        values[live, step] = record.log_probs.cpu().numpy()[row, beam[live]]
        beam[live] = record.parents.cpu().numpy()[row, beam[live]]
        if alignment is not None and record.alignment is not None:
            part = record.alignment.cpu().numpy()[row, beam[live]]
            alignment[live, step, : part.shape[1]] = part
    answer: list[list[Hypothesis]] = [[] for _ in scores]
    for f, (number, end) in enumerate(zip(sentence.tolist(), ends.tolist(), strict=True)):
        answer[number].append(
            Hypothesis(
                tokens=tuple(tokens[f, :end].tolist()),
                score=float(scores[number, rank[f]]),
                log_prob=float(values[f, : end + 1].sum()),
                token_log_probs=tuple(values[f, : end + 1].tolist()),
                alignment=None if alignment is None else alignment[f, :end, : lengths[number]].copy(),
            )
        )
    return answer
