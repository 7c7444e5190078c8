"""Minimum-risk training (Shen 2016): the expected loss of whole translations, in BLEU, over some that are drawn.

Axes: B sentences, C candidates of a sentence.
"""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch

from nmt.config import Training
from nmt.data.batching import Batch
from nmt.data.subword import UNKNOWN, Subword
from nmt.data.token_ids import EOS, PAD
from nmt.decoding.hypothesis import Sentences
from nmt.decoding.sampling import sample
from nmt.decoding.search_options import Options
from nmt.models.seq2seq import Seq2Seq
from nmt.training.microbatches import DeviceBatch, to_device
from nmt.training.objective import Loss, target_log_probs

WRONG, COPIED = "\ue000", "\ue001"
"""Private characters: what no reference holds, and what begins a copied word."""
LONGER = 10
"""Tokens that a drawn translation may have more than twice its reference."""


def risk_loss(
    model: Seq2Seq,
    drawer: Seq2Seq,
    batch: DeviceBatch,
    settings: Training,
    target: Subword,
    score: Callable[[str, str], float],
    seed: int,
) -> Loss:
    """Return the sum over sentences of sum_c Q(c) (1 - BLEU(c)), which is not per token.

    Q(c) is p(c)^alpha over the different candidates: the reference and what `drawer`, the model ready for search, draws
    (eq. 9 to 13). `score` gives the BLEU (0 to 100) of a text against its reference.
    """
    references = [row[: row.index(EOS)] for row in batch.target.tolist()]
    candidates = _draw(drawer, batch, references, settings.risk_samples, seed)
    costs = []
    for reference, found in zip(references, candidates, strict=True):
        text = _text(reference, target)
        # An unknown word is not that of the reference because both are unknown.
        texts = [text, *(_text(tokens, target).replace(UNKNOWN, WRONG) for tokens in found[1:])]
        costs += [1.0 - score(hypothesis, text) / 100.0 for hypothesis in texts]
    rows = [row for row, found in enumerate(candidates) for _ in found]
    drawn = _batch_of(batch, rows, [tokens for found in candidates for tokens in found])
    log_prob, _ = target_log_probs(model, model(drawn.source, drawn.lengths, drawn.previous), drawn)
    of_candidate = drawn.real // drawn.target.shape[1]
    whole = log_prob.new_zeros(len(rows)).index_add(0, of_candidate, log_prob)  # (B C,) log p of each candidate
    column = [number for found in candidates for number in range(len(found))]
    places = torch.tensor(rows, device=whole.device), torch.tensor(column, device=whole.device)
    shape = len(candidates), max(map(len, candidates))
    scores = whole.new_full(shape, -torch.inf).index_put(places, whole * settings.risk_sharpness)
    cost = whole.new_zeros(shape).index_put(places, torch.tensor(costs, device=whole.device))
    return Loss((scores.softmax(1) * cost).sum(), -whole.detach()[places[1] == 0].sum())


@torch.no_grad()
def _draw(
    drawer: Seq2Seq, batch: DeviceBatch, references: list[list[int]], count: int, seed: int
) -> list[list[tuple[int, ...]]]:
    """Return the different candidates of each sentence, the reference first."""
    limits = [2 * len(reference) + LONGER for reference in references]
    answers = sample(drawer, Sentences(batch.source, batch.lengths, limits), Options("sample", n_best=count, seed=seed))
    return [
        list(dict.fromkeys([tuple(reference), *(hypothesis.tokens for hypothesis in answer)]))
        for reference, answer in zip(references, answers, strict=True)
    ]


def _text(tokens: Sequence[int], target: Subword) -> str:
    """Return the text of tokens; words that only copying knows are written as words of their own, one for each id."""
    known = range(target.size)
    parts = (
        target.decode(list(some)) if is_known else " ".join(f"{COPIED}{token}" for token in some)
        for is_known, some in itertools.groupby(tokens, known.__contains__)
    )
    return " ".join(parts)


def _batch_of(batch: DeviceBatch, rows: list[int], targets: list[tuple[int, ...]]) -> DeviceBatch:
    """Return the sources `rows` with these targets."""
    lengths = np.array([len(tokens) + 1 for tokens in targets])
    table = np.full((len(targets), lengths.max()), PAD, np.int64)
    for row, tokens in zip(table, targets, strict=True):
        row[: len(tokens) + 1] = [*tokens, EOS]
    source, source_lengths = (part.cpu().numpy()[rows] for part in (batch.source, batch.lengths))
    return to_device(Batch(source, source_lengths, table, lengths), batch.source.device)
