"""JSON is read and written without NaN and infinite numbers."""

import json
import math

import pytest

from nmt.storage.json_text import dump_json, parse_json


@pytest.mark.parametrize("text", ["", "{", "[" * 200_000, b"\xff"])
def test_every_invalid_text_raises_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        parse_json(text)


def test_numbers_that_are_not_finite_become_null() -> None:
    value = {"a": [1.5, math.nan, (math.inf, 2)], "b": {"c": -math.inf, "d": "NaN", "e": None, "f": True}}
    expected = {"a": [1.5, None, [None, 2]], "b": {"c": None, "d": "NaN", "e": None, "f": True}}
    assert json.loads(dump_json(value), parse_constant=pytest.fail) == expected
    assert parse_json('{"a": NaN, "b": [Infinity, -Infinity]}') == {"a": None, "b": [None, None]}


def test_indent_order_and_characters_of_the_output() -> None:
    text = dump_json({"ä": 1, "a": [2]}, indent=1, ensure_ascii=False, sort_keys=True)
    assert text == '{\n "a": [\n  2\n ],\n "ä": 1\n}'
