"""Minimum-risk training (Shen 2016): minimise the expected loss, 1 - BLEU, of whole sampled translations.

Axes: B sentences, C candidate translations of a sentence.
"""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch

from nmt.config import Training
from nmt.data.batching import Batch
from nmt.data.subword import UNK_SURFACE, Subword
from nmt.data.token_ids import EOS, PAD
from nmt.decoding.hypothesis import SearchBatch
from nmt.decoding.sampling import sample
from nmt.decoding.search_options import SearchOptions
from nmt.models.seq2seq import Seq2Seq
from nmt.models.torch_engine import TorchEngine
from nmt.training.microbatches import DeviceBatch, to_device
from nmt.training.objective import Loss, target_log_probs

NO_MATCH, COPIED = "\ue000", "\ue001"
"""Characters for private use: one that occurs in no reference, and one that begins the text of a copied word."""
EXTRA_LENGTH = 10
"""A sampled translation has at most twice the tokens of its reference plus this."""


def risk_loss(
    model: Seq2Seq,
    searched: Seq2Seq,
    batch: DeviceBatch,
    settings: Training,
    target: Subword,
    score: Callable[[str, str], float],
    seed: int,
) -> Loss:
    """Return the risk, a sum over sentences, not over tokens (eq. 9 to 13).

        R = sum_s sum_{y in S(x_s)} Q(y | x_s) (1 - BLEU(y, y_s))
        Q(y | x) = p(y | x)^alpha / sum_{y' in S(x)} p(y' | x)^alpha

    S(x) holds the reference and the different translations that are drawn from `searched`, the model prepared for
    search. alpha is `risk_sharpness`. `score` returns the BLEU (0 to 100) of a text and its reference.
    """
    references = [row[: row.index(EOS)] for row in batch.target.tolist()]
    candidates = _sample_candidates(searched, batch, references, settings.risk_samples, seed)
    costs = []
    for reference, sampled in zip(references, candidates, strict=True):
        text = _text(reference, target)
        # An unknown word in a sample must not match an unknown word in the reference.
        texts = [text, *(_text(tokens, target).replace(UNK_SURFACE, NO_MATCH) for tokens in sampled[1:])]
        costs += [1.0 - score(hypothesis, text) / 100.0 for hypothesis in texts]
    rows = [row for row, sampled in enumerate(candidates) for _ in sampled]
    pairs = _pair_sources(batch, rows, [tokens for sampled in candidates for tokens in sampled])
    log_prob, _ = target_log_probs(model, model(pairs.source, pairs.lengths, pairs.previous), pairs)
    candidate = pairs.real // pairs.target.shape[1]
    log_probs = log_prob.new_zeros(len(rows)).index_add(0, candidate, log_prob)  # (B C,) log p(y | x)
    columns = [number for sampled in candidates for number in range(len(sampled))]
    cells = torch.tensor(rows, device=log_probs.device), torch.tensor(columns, device=log_probs.device)
    shape = len(candidates), max(map(len, candidates))
    scores = log_probs.new_full(shape, -torch.inf).index_put(cells, log_probs * settings.risk_sharpness)  # (B, C)
    cost = log_probs.new_zeros(shape).index_put(cells, torch.tensor(costs, device=log_probs.device))  # (B, C)
    return Loss((scores.softmax(1) * cost).sum(), -log_probs.detach()[cells[1] == 0].sum())


def _sample_candidates(
    searched: Seq2Seq, batch: DeviceBatch, references: list[list[int]], count: int, seed: int
) -> list[list[tuple[int, ...]]]:
    """Return the different candidates of each sentence, the reference first."""
    limits = [2 * len(reference) + EXTRA_LENGTH for reference in references]
    options = SearchOptions(method="sample", n_best=count, seed=seed)
    sources = SearchBatch(batch.source.cpu().numpy(), batch.lengths.cpu().numpy(), limits)
    samples = sample(TorchEngine(searched), sources, options)
    return [
        list(dict.fromkeys([tuple(reference), *(hypothesis.tokens for hypothesis in hypotheses)]))
        for reference, hypotheses in zip(references, samples, strict=True)
    ]


def _text(tokens: Sequence[int], target: Subword) -> str:
    """Return the text of tokens; a copied word outside the vocabulary becomes a word of its own, unique to its id."""
    vocabulary = range(target.size)
    parts = (
        target.decode(list(group)) if is_known else " ".join(f"{COPIED}{token}" for token in group)
        for is_known, group in itertools.groupby(tokens, vocabulary.__contains__)
    )
    return " ".join(parts)


def _pair_sources(batch: DeviceBatch, rows: list[int], targets: list[tuple[int, ...]]) -> DeviceBatch:
    """Return a batch of the sources in `rows` with these `targets`."""
    lengths = np.array([len(tokens) + 1 for tokens in targets])
    table = np.full((len(targets), lengths.max()), PAD, np.int64)
    for row, tokens in zip(table, targets, strict=True):
        row[: len(tokens) + 1] = [*tokens, EOS]
    source, source_lengths = (part.cpu().numpy()[rows] for part in (batch.source, batch.lengths))
    return to_device(Batch(source, source_lengths, table, lengths), batch.source.device)
