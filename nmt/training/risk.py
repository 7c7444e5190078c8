"""Minimum-risk training (Shen 2016): the expected loss of whole translations, in BLEU, over some that are drawn.

Axes: B sentences, C candidates of a sentence, T target tokens.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from nmt.config import Training
from nmt.data.subword import BOS, EOS, PAD, Subword
from nmt.decoding.hypothesis import Options, Sentences
from nmt.decoding.sampling import sample
from nmt.models.seq2seq import Seq2Seq
from nmt.training.batch import DeviceBatch
from nmt.training.objective import Loss, copying_log_probs

LONGER = 10
"""Tokens that a drawn translation may have more than twice its reference."""


def risk_loss(
    model: Seq2Seq,
    batch: DeviceBatch,
    settings: Training,
    target: Subword,
    score: Callable[[str, str], float],
    seed: int,
) -> Loss:
    """Return the mean over sentences of sum_c Q(c) (1 - BLEU(c)), times the batch's tokens, by which a step divides.

    `score` gives the BLEU (0 to 100) of a text against its reference.

    Q(c) is p(c)^alpha over the different candidates: the reference and what is drawn from the model (eq. 9 to 13).
    """
    references = [row[: row.index(EOS)] for row in batch.target.tolist()]
    candidates = _draw(model, batch, references, settings.risk_samples, seed)
    rows = torch.tensor([i for i, found in enumerate(candidates) for _ in found])
    costs = []
    for reference, found in zip(references, candidates, strict=True):
        text = target.decode(reference)
        costs += [1.0 - score(target.decode(tokens), text) / 100.0 for tokens in found]
    drawn = _batch_of(batch, rows, [tokens for found in candidates for tokens in found])
    log_prob, _ = copying_log_probs(model, model(drawn.source, drawn.lengths, drawn.previous), drawn)
    sentence = drawn.real // drawn.target.shape[1]
    whole = log_prob.new_zeros(len(rows)).index_add(0, sentence, log_prob)  # (B C,) log p of each candidate
    table = torch.full((len(candidates), max(map(len, candidates))), -torch.inf, device=whole.device)
    cost = torch.zeros_like(table)
    column = torch.cat([torch.arange(len(found)) for found in candidates])
    table = table.index_put((rows.to(whole.device), column.to(whole.device)), whole * settings.risk_sharpness)
    cost[rows, column] = torch.tensor(costs, device=whole.device)
    risk = (table.softmax(1) * cost).sum()
    return Loss(risk * (len(batch.real) / len(references)), -whole.detach()[column.to(whole.device) == 0].sum())


@torch.no_grad()
def _draw(
    model: Seq2Seq, batch: DeviceBatch, references: list[list[int]], count: int, seed: int
) -> list[list[tuple[int, ...]]]:
    """Return the different candidates of each sentence, the reference first; the model draws without dropout."""
    was_training = model.training
    model.eval()
    limits = [2 * len(reference) + LONGER for reference in references]
    answers = sample(model, Sentences(batch.source, batch.lengths, limits), Options("sample", n_best=count, seed=seed))
    model.train(was_training)
    return [
        list(dict.fromkeys([tuple(reference), *(hypothesis.tokens for hypothesis in answer)]))
        for reference, answer in zip(references, answers, strict=True)
    ]


def _batch_of(batch: DeviceBatch, rows: Tensor, targets: list[tuple[int, ...]]) -> DeviceBatch:
    """Return the sources `rows` with these targets."""
    table = np.full((len(targets), max(map(len, targets)) + 1), PAD, np.int64)
    lengths = np.array([len(tokens) + 1 for tokens in targets])
    for row, tokens in zip(table, targets, strict=True):
        row[: len(tokens) + 1] = [*tokens, EOS]
    target = torch.from_numpy(table)
    previous = torch.cat([torch.full((len(table), 1), BOS), target[:, :-1]], dim=1)
    real = torch.from_numpy(np.flatnonzero(np.arange(table.shape[1]) < lengths[:, None]))
    device = batch.source.device
    here = rows.to(device)
    return DeviceBatch(batch.source[here], batch.lengths[here], previous.to(device), target.to(device), real.to(device))
