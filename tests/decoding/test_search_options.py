"""`SearchOptions`: defaults from the configuration, changes and validation."""

import math
import typing

import pytest

from nmt import config
from nmt.config.model_settings import ModelSettings
from nmt.decoding.search_options import FIELDS, SearchKeywords, SearchOptions, constraints_of
from nmt.errors import NmtError

KEYS = {
    "beam_size": 7,
    "length_penalty": "gnmt",
    "alpha": 0.3,
    "coverage_penalty": 0.2,
    "beam_prune": 1.5,
    "max_repeats": 5,
    "no_repeat_ngram": 3,
    "repetition_penalty": 1.2,
    "shortlist": 4,
    "replace_unknown": True,
    "max_length_ratio": 1.1,
    "max_length_extra": 9,
    "max_source_tokens": 33,
    "tokens_per_batch": 77,
    "window": 5,
}


def run(decoding, **model):
    corpus = {"source": "a", "target": "b"}
    values = {"name": "x", "data": {"train": corpus, "valid": corpus}, "decoding": decoding, "model": model}
    return ModelSettings.of(config.parse(values, "test"))


def test_options_have_the_values_of_the_decoding_section():
    assert set(KEYS) == set(config.Decoding.model_fields)
    options = SearchOptions.of(run(KEYS))
    assert {key: getattr(options, key) for key in KEYS} == KEYS


def test_defaults_limits_and_choices_are_those_of_the_decoding_section():
    for name, field in config.Decoding.model_fields.items():
        assert name == "replace_unknown" or getattr(SearchOptions(), name) == field.default
        kinds, choices, bounds = constraints_of(name)
        assert choices == (typing.get_args(field.annotation) if choices else ())
        assert choices or name == "replace_unknown" or kinds == (field.annotation,)
        limits = {
            key: getattr(each, key) for each in field.metadata for key in ("gt", "ge", "le") if hasattr(each, key)
        }
        if bounds is not None:
            low = limits.get("ge", limits.get("gt"))
            assert (bounds.low, bounds.high, bounds.is_open) == (low, limits.get("le", math.inf), "gt" in limits)
        else:
            assert not limits


def test_keyword_arguments_for_type_checkers_are_the_fields():
    names = set(SearchKeywords.__annotations__) - {"alignments"} | {"with_alignment", "return_all_finished"}
    assert names == FIELDS


def test_an_unknown_option_is_an_error_that_suggests_one():
    with pytest.raises(NmtError, match="unknown option 'beamsize' of the search; did you mean 'beam_size'"):
        SearchOptions().changed(beamsize=3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"beam_size": 2.5}, "beam_size: input should be of type int, not 2.5"),
        ({"beam_size": True}, "beam_size: input should be of type int, not True"),
        ({"alpha": "1"}, "alpha: input should be of type float, not '1'"),
        ({"method": "beams"}, "method: input should be 'beam', 'greedy', 'sample', not 'beams'"),
        ({"forbid_unknown": 1}, "forbid_unknown: input should be of type bool, not 1"),
    ],
)
def test_values_of_another_type_are_named(values, message):
    with pytest.raises(NmtError) as error:
        SearchOptions().changed(**values)
    assert str(error.value) == message


@pytest.mark.parametrize(("value", "expected"), [(None, False), (True, True), (False, False)])
def test_unknown_words_are_replaced_only_on_request_if_no_model_copies(value, expected):
    assert SearchOptions.of(run({"replace_unknown": value})).replace_unknown is expected


def test_changed_ignores_values_that_are_none():
    options = SearchOptions(beam_size=3, tag="<2de>")
    assert options.changed(beam_size=None, tag=None) == options
    assert options.changed(n_best=2, tag="") == SearchOptions(beam_size=3, n_best=2)


def test_a_search_without_length_penalty_ignores_alpha_of_the_run():
    options = SearchOptions.of(run({"alpha": 0.5})).changed(length_penalty="none")
    assert (options.length_penalty, options.alpha) == ("none", 0.5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n_best": 6, "beam_size": 5}, "n_best 6 needs beam_size of at least 6, not 5"),
        ({"method": "greedy", "n_best": 2}, "greedy search returns one hypothesis, not n_best 2"),
        ({"temperature": 0.0}, "temperature: input should be greater than 0, not 0.0"),
        ({"temperature": math.inf}, "temperature: "),
        ({"top_p": 0.0}, "top_p: "),
        ({"top_p": 1.5}, "top_p: "),
        ({"top_k": -1}, "top_k: "),
        ({"beam_size": 0}, "beam_size: "),
        ({"n_best": 0}, "n_best: "),
        ({"alpha": -1.0}, "alpha: "),
        ({"coverage_penalty": -1.0}, "coverage_penalty: "),
        ({"coverage_penalty": 1e142}, "coverage_penalty: "),
        ({"beam_prune": -1.0}, "beam_prune: "),
        ({"no_repeat_ngram": -1}, "no_repeat_ngram: "),
        ({"repetition_penalty": 0.9}, "repetition_penalty: input should be greater than or equal to 1, not 0.9"),
        ({"repetition_penalty": math.nan}, "repetition_penalty: "),
    ],
)
def test_invalid_values_are_named(values, message):
    with pytest.raises(NmtError) as error:
        SearchOptions().changed(**values)
    assert str(error.value).startswith(message)


def test_source_tokens_that_a_model_cannot_read_are_an_error():
    limited = run({"max_source_tokens": 40}, attention={"score": "location", "positions": 300})
    SearchOptions.of(limited).check_source_length([limited])
    with pytest.raises(NmtError, match=r"max_source_tokens 301: the location attention of x has 300 positions"):
        SearchOptions.of(limited).changed(max_source_tokens=301).check_source_length([limited])
