"""`nmt.evaluation.test_sets` with a translator of known answers."""

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from nmt import config
from nmt.config.model_settings import ModelSettings
from nmt.decoding.search_options import SearchOptions
from nmt.decoding.translation import Target, Translation
from nmt.decoding.translator import Translator
from nmt.errors import NmtError
from nmt.evaluation.metrics import DEFAULTS
from nmt.evaluation.test_sets import Split, as_dict, default_split, evaluate, read_files, save

SPLIT = Split("test", ["a b", "", "c"], [["A B", "", "C"]], ("s", "t"))


class Stub:
    """Copies the source in capitals; every token has probability 1/8."""

    def count_tokens(self, lines: Sequence[str]) -> list[int]:
        return [len(line.split()) for line in lines]

    def translate(
        self, lines: Iterable[str], options: SearchOptions, on_batch: Callable[[int, int], None]
    ) -> Iterator[Translation]:
        self.tags = [options.tag]
        for number, line in enumerate(lines):
            values = (math.log(1 / 8),) * (len(line.split()) + 1)
            yield Translation(number, line, (), (Target(line.upper(), 0.0, 0.0, (), values, None, None),))

    def token_log_probs(
        self, pairs: Iterable[tuple[str, str]], tokens_per_batch: int, tag: str
    ) -> Iterator[tuple[list[str], tuple[float, ...]]]:
        self.asked = tag
        for _, target in pairs:
            yield [], (math.log(1 / 8),) * (len(target.split()) + 1)


STUB = cast(Translator, Stub())


def settings_of(values: dict[str, Any] | None = None) -> tuple[config.Config, SearchOptions]:
    corpus = {"source": "a", "target": "b"}
    run = config.parse({"name": "x", "data": {"train": corpus, "valid": corpus, **(values or {})}}, "test")
    return run, SearchOptions.of(ModelSettings.of(run))


def test_perplexity_of_a_uniform_model_is_its_vocabulary_size() -> None:
    found = evaluate(STUB, settings_of()[1], SPLIT, DEFAULTS)
    assert found.loss == pytest.approx(math.log(8))
    assert found.perplexity == pytest.approx(8)
    assert found.target_tokens == found.translated_tokens == 3 + 3, "three words and three ends"
    assert found.hypotheses == ("A B", "", "C")
    assert {score.name: score.value for score in found.scores}["chrF2"] == pytest.approx(100)


def test_loss_and_translation_use_the_tag() -> None:
    stub = Stub()
    evaluate(cast(Translator, stub), settings_of()[1], dataclasses.replace(SPLIT, tag="<2de>"), DEFAULTS)
    assert stub.tags == ["<2de>"] and stub.asked == "<2de>"


def test_very_high_loss_gives_a_finite_perplexity() -> None:
    found = dataclasses.replace(evaluate(STUB, settings_of()[1], SPLIT, DEFAULTS), loss=1e6)
    assert math.isfinite(found.perplexity)


def test_file_names_of_saved_results(tmp_path: Path) -> None:
    run, settings = settings_of()
    found = evaluate(STUB, settings, SPLIT, DEFAULTS)

    def name(
        settings: SearchOptions, models: tuple[str, ...] = ("x/step-5",), split: Split = SPLIT, weights: str = "0a"
    ) -> str:
        result = as_dict(dataclasses.replace(found, split=split), models, [weights], settings, "cpu fp32")
        path = save(found, result, tmp_path, run)
        assert json.loads(path.with_suffix(".json").read_text(encoding="utf-8")) == result
        assert path.read_bytes() == b"A B\n\nC\n"
        return path.name

    usual = name(settings)
    assert usual == "test-step-5-beam5.txt"
    assert name(settings.changed(method="greedy")) == "test-step-5-greedy.txt"
    assert name(settings.changed(alpha=0.5)) == "test-step-5-beam5-alpha-0.5.txt"
    assert name(settings.changed(alpha=None, window=3, tokens_per_batch=9)) == usual
    assert name(settings, ("x/step-5", "y/averaged")) == "test-step-5+averaged-beam5.txt"
    tagged = [dataclasses.replace(SPLIT, tag=tag) for tag in ("<2de>", "<2fr>")]
    assert name(settings, split=tagged[0]) not in (usual, name(settings, split=tagged[1]))
    elsewhere = dataclasses.replace(SPLIT, files=("other", "files"))
    assert name(settings, split=elsewhere) not in (usual, name(settings, ("z/step-5",)))
    assert name(settings, weights="0b") not in (usual, name(settings, weights="0c"))
    assert name(settings) == usual


def test_default_split_is_test_or_the_only_one() -> None:
    corpus = {"source": "a", "target": "b"}
    assert default_split(settings_of({"test": {"test": corpus, "other": corpus}})[0]) == "test"
    assert default_split(settings_of({"test": {"flickr": corpus}})[0]) == "flickr"
    for tests in ({}, {"one": corpus, "two": corpus}):
        with pytest.raises(NmtError, match="choose a test set: --split"):
            default_split(settings_of({"test": tests})[0])


def test_unusual_file_names_give_safe_split_names(tmp_path: Path) -> None:
    odd = tmp_path / "…a b$.en"
    odd.write_text("x\n", encoding="utf-8")
    assert read_files(odd, [odd]).name == "_a_b_.en"
    with pytest.raises(NmtError, match="no such file"):
        read_files(tmp_path / "none", [odd])
