"""Lines are split into sentences; nothing of a line is lost."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.data.sentences import space_between, split_sentences

SPLITS = [
    ("en", "Dr. Smith came. He left at 3.5 p.m. today.", ["Dr. Smith came.", "He left at 3.5 p.m. today."]),
    ("en", 'He said "Go!" Then he left.  Who?', ['He said "Go!"', "Then he left.", "Who?"]),
    ("de", "Am 3. Oktober kam z.B. Dr. Meier. Er ging.", ["Am 3. Oktober kam z.B. Dr. Meier.", "Er ging."]),
    ("deu-AT", "Er kam. Er ging.", ["Er kam.", "Er ging."]),
    ("zh", "他来了。她走了！真的吗？", ["他来了。", "她走了！", "真的吗？"]),
    ("zho_Hans", "他来了。她走了。", ["他来了。", "她走了。"]),
    ("hi", "वह आया। वह गया।", ["वह आया।", "वह गया।"]),
    ("xx", "One. Two.", ["One.", "Two."]),
    ("en", "No end", ["No end"]),
    ("en", " \t ", []),
    ("en", "", []),
]


@pytest.mark.parametrize(("language", "line", "expected"), SPLITS)
def test_lines_are_split_by_the_rules_of_their_language(language: str, line: str, expected: list[str]) -> None:
    assert [sentence.text for sentence in split_sentences(line, language)] == expected


def test_a_no_break_space_after_an_initial_is_split() -> None:
    """sentencex 1.0.32 itself crashes on it."""
    words = " ".join(sentence.text for sentence in split_sentences("B\u00a0. Next one.", "en")).split()
    assert words == ["B", ".", "Next", "one."]


@given(
    st.text(st.sampled_from("aB1.!?。 \u00a0\u2003\t\u2028\u200b\ufeff\ud800\x1cé😀«»”)(،؟।"), max_size=40),
    st.sampled_from(["en", "de", "fr", "zh", "ja", "ar", "hi", "th", "my", "tgt"]),
)
def test_nothing_but_white_space_is_between_sentences(line: str, language: str) -> None:
    end = 0
    for text, start in split_sentences(line, language):
        assert text and text == text.strip()
        assert line[start : start + len(text)] == text
        assert not line[end:start].strip()
        end = start + len(text)
    assert not line[end:].strip()


@pytest.mark.parametrize(
    ("space", "source", "target", "expected"),
    [
        (" ", "en", "de", " "),
        ("  ", "en", "de", "  "),
        ("\t", "en", "de", "\t"),
        ("", "zh", "en", " "),
        (" ", "zh", "en", " "),
        (" ", "en", "zh", ""),
        ("  ", "en", "zh", "  "),
        ("", "zh", "ja", ""),
        (" ", "th", "zh", " "),
    ],
)
def test_space_between_translations(space: str, source: str, target: str, expected: str) -> None:
    assert space_between(space, source, target) == expected


def test_splitting_a_long_line_takes_little_time() -> None:
    line = "This is one. " * 20_000
    assert len(split_sentences(line, "en")) == 20_000
    assert re.fullmatch(r"a+", split_sentences("a" * 200_000, "en")[0].text)
