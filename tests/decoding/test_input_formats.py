"""Reading n-best lists and JSON lines."""

import json
import random

import pytest

from nmt.decoding.input_formats import escape, pair_with_sources, read_json_lines, read_n_best, unescape
from nmt.errors import NmtError


def test_unescape_reverses_escape() -> None:
    draw = random.Random(1)
    texts = ["|||", "a ||| b", "||||||", "&#124;", "&amp;#124;&#124;", "a || b", "x |", "&amp;amp;#124; |||", "&"]
    parts = ["|", "||", "|||", "&", "amp;", "#124;", "&#124;", "&amp;", " ", "a"]
    texts += ["".join(draw.choices(parts, k=draw.randrange(9))) for _ in range(2000)]
    for text in texts:
        assert "|||" not in escape(text) and unescape(escape(text)) == text
    assert escape("a | b & c") == "a | b & c"


def test_n_best_entries_are_parsed_and_get_one_more_feature() -> None:
    lines = [
        "0 ||| the cat ||| F0= -0.780000 ||| -0.13",
        "0 |||  ||| F0= 0.000000 ||| 0.000000",
        "2 ||| a &#124;&#124;&#124; b  ||| LM0= -3.2 -1 Dist0= 4 ||| -0.5 ||| 0-0 1-1",
        "2 ||| Marian ||| 0-0 1-2 ||| F0= -1.66 F1= -2 ||| -1.66",
        "10 ||| old ||| -0.5",
        "11 ||| bare",
    ]
    entries = list(read_n_best(lines, "list"))
    assert [entry.number for entry in entries] == [0, 0, 2, 2, 10, 11]
    assert [entry.text for entry in entries] == ["the cat", "", "a ||| b ", "Marian", "old", "bare"]
    assert [entry.with_feature(-3.2) for entry in entries] == [
        "0 ||| the cat ||| F0= -0.780000 F1= -3.200000 ||| -0.13",
        "0 |||  ||| F0= 0.000000 F1= -3.200000 ||| 0.000000",
        "2 ||| a &#124;&#124;&#124; b  ||| LM0= -3.2 -1 Dist0= 4 F0= -3.200000 ||| -0.5 ||| 0-0 1-1",
        "2 ||| Marian ||| 0-0 1-2 ||| F0= -1.66 F1= -2 F2= -3.200000 ||| -1.66",
        "10 ||| old ||| F0= -3.200000 ||| -0.5",
        "11 ||| bare ||| F0= -3.200000",
    ]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["0 ||| a", "the cat"], "list, line 2: not an entry of an n-best list, .*--target-format text"),
        (["a ||| b ||| c"], "list, line 1: not an entry"),
        (["-1 ||| b"], "list, line 1: not an entry"),
        ([""], "list, line 1: not an entry"),
        (["1 ||| a", "0 ||| b"], "list, line 2: entry of sentence 0 after one of 1; sort"),
    ],
)
def test_an_error_names_the_line_that_is_not_an_n_best_entry(lines: list[str], message: str) -> None:
    with pytest.raises(NmtError, match=message):
        list(read_n_best(lines, "list"))


def test_entries_are_paired_with_their_source_lines() -> None:
    entries = list(read_n_best(["0 ||| a", "0 ||| b", "3 ||| c"], "list"))
    found = [
        (source, entry.text) for source, entry in pair_with_sources(entries, ["A", "", "C", "D", "E"], "list", "s")
    ]
    assert found == [("A", "a"), ("A", "b"), ("D", "c")]
    with pytest.raises(NmtError, match=r"list, line 3: entry of sentence 3, counted from 0, but s has 2 lines"):
        list(pair_with_sources(entries, ["A", "B"], "list", "s"))


def test_json_objects_become_input_lines() -> None:
    lines = ['{"id": 7, "source": "a b", "prefix": "A", "tag": "<2de>"}', '{"source": ""}']
    first, second = read_json_lines(lines, "in")
    assert (first.text, first.prefix, first.tag, first.other_keys["id"]) == ("a b", "A", "<2de>", 7)
    assert (second.text, second.prefix, second.tag) == ("", "", "")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a dog", "in, line 6: not JSON"),
        ("", "in, line 6: not JSON"),
        ('{"source": NaN}', "in, line 6: not JSON"),
        ("[" * 100_000, "in, line 6: not JSON"),
        ("[]", "in, line 6: not an object with the text"),
        ('"source"', "in, line 6: not an object with the text"),
        ('{"text": "a"}', "in, line 6: not an object with the text"),
        ('{"source": 5}', "in, line 6: not an object with the text"),
        ('{"source": null}', "in, line 6: not an object with the text"),
        ('{"source": "a", "prefix": 5}', "in, line 6: 'prefix' must be text, not 5"),
        ('{"source": "a", "tag": null}', "in, line 6: 'tag' must be text, not null"),
    ],
)
def test_an_error_names_the_line_that_is_not_a_json_object_to_translate(line: str, message: str) -> None:
    lines = [json.dumps({"source": "a"}), line]
    with pytest.raises(NmtError, match=message):
        list(read_json_lines(lines, "in", first=4))
