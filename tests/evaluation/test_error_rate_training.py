"""Minimum error rate training: BLEU of summed statistics, line search against brute force, never a loss of BLEU."""

from typing import Any

import numpy as np
import pytest

from nmt.evaluation.error_rate_training import Candidates, corpus_bleu, line_search, optimise
from nmt.evaluation.metrics import bleu_statistics, corpus_scores

WORDS = ["the", "cat", "sat", "on", "a", "mat", "and", "then", "it", "ran", "home"]


def made(seed: int, sentences: int = 12, most: int = 7, features: int = 3, rounded: bool = False) -> Any:
    """Return random hypotheses with features, references, and the `Candidates`."""
    random = np.random.default_rng(seed)
    references, texts, values, statistics = [], [], [], []
    for _ in range(sentences):
        reference = " ".join(random.choice(WORDS, random.integers(4, 9)))
        own = []
        for _ in range(random.integers(1, most + 1)):
            words = reference.split()
            for place in random.integers(0, len(words), random.integers(0, 4)):
                words[place] = str(random.choice(WORDS))
            own.append(" ".join(words[: random.integers(3, 10)]))
        drawn = random.standard_normal((len(own), features))
        references.append(reference)
        texts.append(own)
        values.append(drawn.round() if rounded else drawn)
        statistics.append(np.array(bleu_statistics(own, [[reference] * len(own)])))
    return texts, references, Candidates.of(values, statistics)


@pytest.mark.parametrize("seed", range(3))
def test_bleu_of_the_chosen_hypotheses_is_that_of_sacrebleu(seed: int) -> None:
    texts, references, candidates = made(seed)
    weights = np.random.default_rng(seed).standard_normal(3)
    chosen = [own[number] for own, number in zip(texts, candidates.choose(weights), strict=True)]
    (score,) = corpus_scores(chosen, [references], ["bleu"])
    assert candidates.bleu(weights) == pytest.approx(score.value, abs=1e-9)


@pytest.mark.parametrize(
    ("hypothesis", "reference"),
    [("a b c d e", "a b c d"), ("a b", "a b c"), ("a x c y e z", "a b c d e f"), ("x", "y"), ("", "a")],
)  # fmt: skip
def test_smoothing_and_brevity_are_those_of_sacrebleu(hypothesis: str, reference: str) -> None:
    (statistics,) = bleu_statistics([hypothesis], [[reference]])
    (score,) = corpus_scores([hypothesis], [[reference]], ["bleu"])
    assert float(corpus_bleu(np.array(statistics))) == pytest.approx(score.value, abs=1e-9)


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_line_search_finds_what_brute_force_finds(seed: int, rounded: bool) -> None:
    _, _, candidates = made(seed, rounded=rounded)
    weights = np.random.default_rng(seed).standard_normal(3)
    for coordinate in range(3):
        # The BLEU can change only where two hypotheses of a sentence have the same score: try all places between.
        scores, slopes = candidates.features @ weights, candidates.features[..., coordinate]
        with np.errstate(divide="ignore", invalid="ignore"):
            corners = (scores[:, :, None] - scores[:, None]) / (slopes[:, None] - slopes[:, :, None])
        corners = np.unique(
            corners[np.isfinite(corners) & candidates.is_real[:, :, None] & candidates.is_real[:, None]]
        )
        inner = (corners[1:] + corners[:-1])[np.diff(corners) > 1e-5] / 2
        tried = []
        for step in [corners[0] - 1, *inner, corners[-1] + 1]:
            moved = weights.copy()
            moved[coordinate] += step
            tried.append(candidates.bleu(moved))
        step, bleu = line_search(candidates, weights, coordinate)
        weights_there = weights.copy()
        weights_there[coordinate] += step
        assert bleu == pytest.approx(max(tried), abs=1e-9) == candidates.bleu(weights_there)


@pytest.mark.parametrize("seed", range(3))
def test_tuning_never_loses_and_is_deterministic(seed: int) -> None:
    _, _, candidates = made(seed, sentences=20, features=4)
    start = np.array([1.0, 0.0, 0.0, 0.0])
    weights, bleu = optimise(candidates, start, 3, seed=1)
    assert bleu == candidates.bleu(weights) >= candidates.bleu(start)
    again, _ = optimise(candidates, start, 3, seed=1)
    assert (weights == again).all() and np.abs(weights).sum() == pytest.approx(1.0)


def test_a_useful_feature_gets_weight_whatever_its_scale() -> None:
    texts, references, candidates = made(5, sentences=30, features=3)
    quality = np.array([[bleu_statistics([text], [[reference]])[0][:4] for text in own] + [[0] * 4] * (7 - len(own))
                        for own, reference in zip(texts, references, strict=True)]).sum(-1)  # fmt: skip
    candidates.features[..., 1] = quality * 1e4
    start = np.array([1.0, 0.0, 0.0])
    weights, bleu = optimise(candidates, start, 2, seed=1)
    assert weights[1] > 0 and bleu > candidates.bleu(start) + 10


def test_sentences_with_one_hypothesis_leave_nothing_to_tune() -> None:
    _, _, candidates = made(1, most=1)
    start = np.array([1.0, 0.0, 0.0])
    assert line_search(candidates, start, 1)[0] == 0.0
    assert (optimise(candidates, start, 2, seed=1)[0] == start).all()
