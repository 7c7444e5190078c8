"""n-best lists in which no text comes twice (`Settings.distinct`)."""

import dataclasses
import random

import pytest
from test_translator import WORDS, make, train
from toy_model import ToyModel

from nmt.data.subword import Subword
from nmt.decoding.output_formats import render
from nmt.decoding.search_options import Options
from nmt.decoding.translator import Settings

LINES = ["the cat sat", "", "a mat", "the cat sat on a mat and the cat sat. heute schläft the cat."]


@pytest.fixture(scope="module")
def bpe(tmp_path_factory):
    return train(tmp_path_factory.mktemp("subword"), "bpe")


@pytest.fixture(autouse=True)
def few_texts(monkeypatch):
    """Make a translation one of seven texts, so that many token sequences have the same one."""
    monkeypatch.setattr(Subword, "decode", lambda self, ids: WORDS[sum(ids) % 7] if ids else "")


def settings(n_best, distinct=None, method="beam", **rest):
    asked = Options(method=method, beam_size=6, n_best=n_best)
    return Settings(asked, max_length_ratio=1, max_length_extra=3, distinct=distinct, **rest)


def texts(bpe, asked, lines=LINES):
    translator = make(bpe, ToyModel(bpe.size, end=3.0))
    return [[target.text for target in found.targets] for found in translator.translate(lines, asked)]


@pytest.mark.parametrize("cut", [256, 6])
def test_a_text_comes_once_and_the_first_is_the_best(bpe, cut):
    single = texts(bpe, settings(1, max_source_tokens=cut))
    every = texts(bpe, settings(6, distinct=False, max_source_tokens=cut))
    assert any(len(set(found)) < len(found) for found in every), "or nothing is tested"
    full = texts(bpe, settings(6, max_source_tokens=cut))
    for best, found, merged in zip(single, every, full, strict=True):
        assert best == found[:1] == merged[:1]
        assert len(set(merged)) == len(merged) >= len(set(found))
        assert merged[: len(set(found))] == list(dict.fromkeys(found))
    for count in (2, 4):
        fewer = texts(bpe, settings(count, max_source_tokens=cut))
        assert fewer == [found[:count] for found in full], "asking for fewer changes none of them"


def test_texts_that_finished_beyond_the_beam_fill_the_list(bpe):
    chosen = random.Random(0)
    lines = [" ".join(chosen.choices(WORDS, k=6)) for _ in range(30)]
    found, every = texts(bpe, settings(6), lines), texts(bpe, settings(6, distinct=False), lines)
    assert sum(map(len, found)) > sum(len(set(some)) for some in every)


def test_the_score_is_that_of_the_best_segmentation(bpe):
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


def test_each_draw_is_returned_unless_distinct_ones_are_asked_for(bpe):
    lines = [line for line in LINES if line]
    draws = texts(bpe, settings(20, method="sample"), lines)
    assert all(len(found) == 20 > len(set(found)) for found in draws)
    merged = texts(bpe, settings(20, method="sample", distinct=True), lines)
    assert merged == [list(dict.fromkeys(found)) for found in draws]


def test_a_shorter_list_is_padded_as_text(bpe):
    translator = make(bpe, ToyModel(bpe.size, end=3.0))
    asked = dataclasses.replace(settings(20, method="sample"), distinct=True)
    [found] = translator.translate(["the cat"], asked)
    lines = render(found, "text", 20, False).split("\n")[:-1]
    assert len(lines) == 20 and lines[len(found.targets) :] == [""] * (20 - len(found.targets))
    assert len(render(found, "moses", 20, False).split("\n")) == len(found.targets) + 1
