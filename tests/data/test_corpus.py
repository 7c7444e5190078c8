"""The pairs of a corpus are read from two files or a TSV, and the filters drop the right ones."""

import gzip
from pathlib import Path
from typing import Any

import pytest
from text_files import write_lines

from nmt import config
from nmt.data.corpus import active_filters, failed_filter, read_pairs, tsv_hints
from nmt.data.language_tags import prepend_tag
from nmt.errors import NmtError


def test_pairs_are_read_from_two_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a\n\nc\n", encoding="utf-8")
    (tmp_path / "b").write_bytes(gzip.compress(b"x\ny\nz"))
    pairs = read_pairs(config.Corpus(source=tmp_path / "a", target=tmp_path / "b"))
    assert list(pairs) == [("a", "x"), ("", "y"), ("c", "z")]


@pytest.mark.parametrize(("left", "right"), [(3, 5), (5, 3), (0, 1), (1200, 1)])
def test_the_error_for_misaligned_files_has_both_counts(left: int, right: int, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x\n" * left, encoding="utf-8")
    (tmp_path / "b").write_text("x\n" * right, encoding="utf-8")
    seen = []
    with pytest.raises(NmtError) as error:
        seen.extend(read_pairs(config.Corpus(source=tmp_path / "a", target=tmp_path / "b")))
    assert f"a has {left:,} lines but {tmp_path / 'b'} has {right:,};" in str(error.value)


def test_other_columns_of_a_table_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("1\tHi.\tHallo.\tCC-BY\n2\tGo.\t\n", encoding="utf-8")
    corpus = config.Corpus(tsv=path, source_column=3, target_column=2)
    assert list(read_pairs(corpus)) == [("Hallo.", "Hi."), ("", "Go.")]


@pytest.mark.parametrize(("bad", "found"), [("only", 1), ("", 1), ("a\tb", 2)])
def test_a_line_with_too_few_columns_is_an_error(bad: str, found: int, tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text(f"a\tb\tc\n{bad}\na\tb\tc\n", encoding="utf-8")
    with pytest.raises(NmtError, match=rf"t\.tsv: 1 line has fewer than the 3 .*: line 2 \({found}\)") as error:
        list(read_pairs(config.Corpus(tsv=path, source_column=1, target_column=3)))
    assert "source_column" in str(error.value)


def test_all_malformed_lines_of_a_table_are_counted_and_the_first_ten_named(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("".join("a\tb\n" if n % 3 else "alone\n" for n in range(1, 100)), encoding="utf-8")
    with pytest.raises(NmtError, match=r"33 lines have fewer .* lines 3 \(1\), 6 \(1\), .*, 30 \(1\), … "):
        list(read_pairs(config.Corpus(tsv=path)))


def test_the_header_of_a_table_is_not_a_pair(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("English\tGerman\nHi.\tHallo.\n", encoding="utf-8")
    assert list(read_pairs(config.Corpus(tsv=path, header=True))) == [("Hi.", "Hallo.")]
    with pytest.raises(ValueError, match="'header' has no effect without 'tsv'"):
        config.Corpus(source=path, target=path, header=True)


QUOTED = """"He said ""no""."\t"Er sagte\tnein."\r\nplain\tein "Wort"\n"two\nlines"\tzwei\nlast\tletzte\n"""


def test_quoted_fields_of_a_table_are_unquoted(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text(QUOTED, encoding="utf-8")
    assert list(read_pairs(config.Corpus(tsv=path, quoting=True))) == [
        ('He said "no".', "Er sagte\tnein."),
        ("plain", 'ein "Wort"'),
        ("two lines", "zwei"),
        ("last", "letzte"),
    ]


@pytest.mark.parametrize("bad", ['"never closed\tb', '"closed" and more\tb'])
def test_the_error_for_a_wrong_quote_names_the_line(bad: str, tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text(f'a\tb\n"c\nd"\te\n{bad}\nc\td\n', encoding="utf-8")
    with pytest.raises(NmtError, match=r"t\.tsv: line 4: .*quoting: false"):
        list(read_pairs(config.Corpus(tsv=path, quoting=True)))


@pytest.mark.parametrize(
    ("lines", "keys", "hint"),
    [
        (["source\ttarget", "Hi.\tHallo."], {}, "header"),
        (["EN\tde_DE", "Hi.\tHallo."], {}, "header"),
        (["source\ttarget", "Hi.\tHallo."], {"header": True}, ""),
        (["Hi.\tHallo.", "The source.\tDie Quelle."], {}, ""),
        (['"Hi."\t"Hallo."', '"No."\t"Nein."', "a\tb"], {}, "quoting"),
        (['"Hi."\t"Hallo."', '"No."\t"Nein."'], {"quoting": True}, ""),
        (['"Hi," he said.\t"Hallo", sagte er.', "a\tb", "c\td"], {}, ""),
        ([], {}, ""),
    ],
)
def test_a_table_that_looks_like_a_header_or_quoted_gives_a_hint(
    lines: list[str], keys: dict[str, Any], hint: str, tmp_path: Path
) -> None:
    path = tmp_path / "t.tsv"
    write_lines(path, lines)
    hints = tsv_hints(config.Corpus(tsv=path, **keys), ("en", "de"))
    assert [hint in found for found in hints] == [True] * bool(hint)


OFF: dict[str, Any] = {"empty": False, "max_characters": 0}


@pytest.mark.parametrize(
    ("source", "target", "filters", "reason"),
    [
        ("a", "b", {}, None),
        ("", "b", {}, "empty"),
        ("a", " ", {}, "empty"),
        ("", "", OFF, None),
        ("a b", "c", {"min_words": 2}, "min_words"),
        ("a b", "c d", {"min_words": 2}, None),
        ("a b c", "d", {"max_words": 2}, "max_words"),
        ("a b", "d", {"max_words": 2}, None),
        ("aaa", "b", {"max_characters": 2}, "max_characters"),
        ("aa", "bb", {"max_characters": 2}, None),
        ("aaaa", "b", {"max_ratio": 3}, "max_ratio"),
        ("b", "aaa", {"max_ratio": 3}, None),
        ("", "aaa", {**OFF, "max_ratio": 3}, "max_ratio"),
        ("same", "same", {"copies": True}, "copies"),
        ("same", "same", {}, None),
        ("a\ufffd", "b", OFF, "not UTF-8"),
    ],
)
def test_the_first_filter_that_a_pair_fails_is_named(
    source: str, target: str, filters: dict[str, Any], reason: str | None
) -> None:
    assert failed_filter(source, target, config.Filters.model_validate(filters)) == reason


def test_active_filters_are_those_that_are_switched_on() -> None:
    assert active_filters(config.Filters(duplicates=True)) == ["empty", "max_characters", "duplicates"]
    assert active_filters(config.Filters.model_validate(OFF)) == []


def test_a_tag_is_put_before_lines_that_are_not_empty() -> None:
    assert [prepend_tag(line, "<2de>") for line in ("one two", "")] == ["<2de> one two", ""]
    assert prepend_tag("one", None) == "one"


def test_a_line_that_begins_with_a_tag_gets_no_second_tag() -> None:
    tags = ["<2de>", "<2fr>"]
    lines = ["<2de> one", "<2fr> one", "<2de>", "one <2de>", "<2es> one"]
    assert [prepend_tag(line, "<2de>", tags) for line in lines] == [*lines[:3], "<2de> one <2de>", "<2de> <2es> one"]
