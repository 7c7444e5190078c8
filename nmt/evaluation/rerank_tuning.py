"""Tune the weights of the features of n-best lists for BLEU (`nmt rerank --tune`)."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmt.data.lines import read_lines
from nmt.decoding.line_input import input_name
from nmt.decoding.rerank_features import BACKWARD, Feature
from nmt.decoding.rerank_lines import RerankJob, ranking
from nmt.decoding.rerank_weights import Weights, weights_of
from nmt.errors import NmtError
from nmt.evaluation.error_rate_training import Candidates, optimise
from nmt.evaluation.metrics import Scoring, bleu_statistics, corpus_scores, default_tokenizer

logger = logging.getLogger(__name__)
RESTARTS = 10
"""Random points from which the ascent starts, besides the score of the list alone."""


@dataclass(frozen=True)
class TunedWeights:
    """The result of a tuning."""

    weights: Weights
    bleu_before: float
    """BLEU of the hypotheses with the highest score of the list."""
    bleu: float
    """BLEU with the tuned weights, on the same lists; never lower."""
    signature: str
    """sacreBLEU's signature of both."""


def tune(job: RerankJob, references: Sequence[Path], scoring: Scoring, seed: int, path: Path) -> TunedWeights:
    """Find the weights of the features with the highest BLEU of the reranked lists, and write them to a file.

    Raise `NmtError` if the number of references is not that of the lists.
    """
    truths = [list(read_lines(reference)) for reference in references]
    features: list[NDArray[np.float64]] = []
    texts: list[list[str]] = []
    statistics: list[NDArray[np.int64]] = []
    for window in job.windows():
        for each, values in window:
            number = len(texts)
            _check_references(truths, references, number, at_end=False, name=input_name(job.lists))
            own = [[truth[number]] * len(each.texts) for truth in truths]
            features.append(values)
            texts.append(each.texts)
            statistics.append(np.array(bleu_statistics(each.texts, own, scoring), np.int64))
        logger.info(f"{len(texts):,} lists with {sum(map(len, texts)):,} hypotheses scored")
    _check_references(truths, references, len(texts), at_end=True, name=input_name(job.lists))
    start = np.zeros(len(job.features))
    start[0] = 1.0  # the score of the list alone
    found, _ = optimise(Candidates.of(features, statistics), start, RESTARTS, seed)
    before, after = (_score(features, texts, truths, weights, scoring) for weights in (start, found))
    if after[0] < before[0]:  # rounding decided between equal hypotheses
        found, after = start, before
    tuned_on = {
        "lists": input_name(job.lists),
        "references": [str(reference) for reference in references],
        "sentences": len(texts),
        "hypotheses": sum(map(len, texts)),
        "bleu_before": before[0],
        "bleu": after[0],
        "signature": after[1],
        "seed": seed,
    }
    weights = weights_of(job.features, found, tuned_on)
    weights.save(path)
    return TunedWeights(weights, before[0], after[0], after[1])


def default_tokenizer_of(features: Sequence[Feature]) -> str:
    """Return sacreBLEU's tokeniser for the language of the translations, by the models; 13a without a model."""
    for feature in features:
        for direction in feature.directions[:1]:
            return default_tokenizer(direction.source if feature.name == BACKWARD else direction.target)
    return Scoring.tokenize


def _score(
    features: Sequence[NDArray[np.float64]],
    texts: Sequence[Sequence[str]],
    truths: Sequence[Sequence[str]],
    weights: NDArray[np.float64],
    scoring: Scoring,
) -> tuple[float, str]:
    """Return BLEU and its signature of the lists, reranked as `rerank_lines` does."""
    best = [own[ranking(values, weights)[0]] for own, values in zip(texts, features, strict=True)]
    (score,) = corpus_scores(best, truths, ["bleu"], scoring)
    return score.value, score.signature


def _check_references(
    truths: Sequence[Sequence[str]], references: Sequence[Path], number: int, at_end: bool, name: str
) -> None:
    """Raise `NmtError` if a file has no reference for the list `number`, from 0, or more than there are lists."""
    for truth, path in zip(truths, references, strict=True):
        if at_end and not number:
            raise NmtError(f"{name} has no lists; there is nothing to tune")
        if len(truth) > number if at_end else len(truth) <= number:
            lists = f"{number:,} lists" if at_end else f"more than {number:,} lists"
            raise NmtError(
                f"{name} has {lists}, but {path} has {len(truth):,} lines; give the references of the lines that were "
                "translated"
            )
