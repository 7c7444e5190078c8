"""n-best lists contain each text only once (`SearchOptions.distinct`)."""

import random

import pytest
from toy_model import ToyModel
from toy_translator import WORDS, make, train

from nmt.data.subword import Subword
from nmt.decoding.output_formats import render
from nmt.decoding.search_options import SearchOptions

LINES = ["the cat sat", "", "a mat", "the cat sat on a mat and the cat sat. heute schläft the cat."]


@pytest.fixture(scope="module")
def bpe(tmp_path_factory):
    return train(tmp_path_factory.mktemp("subword"), "bpe")


@pytest.fixture(autouse=True)
def few_texts(monkeypatch):
    """Decode all tokens to one of seven texts, so that many token sequences have the same text."""
    monkeypatch.setattr(Subword, "decode", lambda self, ids: WORDS[sum(ids) % 7] if ids else "")


def settings(n_best, distinct=None, method="beam", **rest):
    return SearchOptions(
        method=method, beam_size=6, n_best=n_best, max_length_ratio=1, max_length_extra=3, distinct=distinct, **rest
    )


def texts(bpe, options, lines=LINES):
    translator = make(bpe, ToyModel(bpe.size, end=3.0))
    return [[target.text for target in found.targets] for found in translator.translate(lines, options)]


@pytest.mark.parametrize("limit", [256, 6])
def test_an_n_best_list_contains_each_text_once_and_starts_with_the_best(bpe, limit):
    single = texts(bpe, settings(1, max_source_tokens=limit))
    repeated = texts(bpe, settings(6, distinct=False, max_source_tokens=limit))
    assert any(len(set(found)) < len(found) for found in repeated), "otherwise nothing is tested"
    distinct = texts(bpe, settings(6, max_source_tokens=limit))
    for best, found, merged in zip(single, repeated, distinct, strict=True):
        assert best == found[:1] == merged[:1]
        assert len(set(merged)) == len(merged) >= len(set(found))
        assert merged[: len(set(found))] == list(dict.fromkeys(found))
    for count in (2, 4):
        shorter = texts(bpe, settings(count, max_source_tokens=limit))
        assert shorter == [found[:count] for found in distinct], "a shorter list starts with the same texts"


def test_hypotheses_beyond_the_beam_size_fill_the_list(bpe):
    chosen = random.Random(0)
    lines = [" ".join(chosen.choices(WORDS, k=6)) for _ in range(30)]
    distinct, repeated = texts(bpe, settings(6), lines), texts(bpe, settings(6, distinct=False), lines)
    assert sum(map(len, distinct)) > sum(len(set(found)) for found in repeated)


def test_the_score_of_a_text_is_that_of_its_best_segmentation(bpe):
    translator = make(bpe, ToyModel(bpe.size, end=3.0))
    for found, every in zip(
        translator.translate(LINES, settings(6)), translator.translate(LINES, settings(6, distinct=False)), strict=True
    ):
        scores = [target.score for target in found.targets]
        assert scores == sorted(scores, reverse=True)
        best: dict[str, float] = {}
        for target in every.targets:
            best.setdefault(target.text, target.score)
        assert {target.text: target.score for target in found.targets}.items() >= best.items()


def test_all_samples_are_returned_unless_distinct_ones_are_requested(bpe):
    lines = [line for line in LINES if line]
    samples = texts(bpe, settings(20, method="sample"), lines)
    assert all(len(found) == 20 > len(set(found)) for found in samples)
    merged = texts(bpe, settings(20, method="sample", distinct=True), lines)
    assert merged == [list(dict.fromkeys(found)) for found in samples]


def test_text_output_has_empty_lines_for_missing_translations(bpe):
    translator = make(bpe, ToyModel(bpe.size, end=3.0))
    [found] = translator.translate(["the cat"], settings(20, method="sample", distinct=True))
    lines = render(found, "text", 20, False).split("\n")[:-1]
    assert len(lines) == 20 and lines[len(found.targets) :] == [""] * (20 - len(found.targets))
    assert len(render(found, "moses", 20, False).split("\n")) == len(found.targets) + 1
