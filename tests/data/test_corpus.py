"""Pairs out of files, and what the filters drop."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from nmt import config
from nmt.data.corpus import active, read_pairs, reject, tagged
from nmt.errors import NmtError


def test_two_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a\n\nc\n", encoding="utf-8")
    (tmp_path / "b").write_bytes(gzip.compress(b"x\ny\nz"))
    pairs = read_pairs(config.Corpus(source=tmp_path / "a", target=tmp_path / "b"))
    assert list(pairs) == [("a", "x"), ("", "y"), ("c", "z")]


@pytest.mark.parametrize(("left", "right"), [(3, 5), (5, 3), (0, 1), (1200, 1)])
def test_misaligned_files_tell_both_counts(left: int, right: int, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x\n" * left, encoding="utf-8")
    (tmp_path / "b").write_text("x\n" * right, encoding="utf-8")
    seen = []
    with pytest.raises(NmtError) as error:
        seen.extend(read_pairs(config.Corpus(source=tmp_path / "a", target=tmp_path / "b")))
    assert f"a has {left:,} lines but {tmp_path / 'b'} has {right:,};" in str(error.value)


def test_table_with_further_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("1\tHi.\tHallo.\tCC-BY\n2\tGo.\t\n", encoding="utf-8")
    corpus = config.Corpus(tsv=path, source_column=3, target_column=2)
    assert list(read_pairs(corpus)) == [("Hallo.", "Hi."), ("", "Go.")]


@pytest.mark.parametrize(("bad", "found"), [("only", "1 column"), ("", "1 column"), ("a\tb", "2 columns")])
def test_table_with_too_few_columns(bad: str, found: str, tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text(f"a\tb\tc\n{bad}\na\tb\tc\n", encoding="utf-8")
    with pytest.raises(NmtError, match=r"t\.tsv: line 2 has") as error:
        list(read_pairs(config.Corpus(tsv=path, source_column=1, target_column=3)))
    assert found.split()[0] in str(error.value) and "source_column" in str(error.value)


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
    ],
)
def test_reject(source: str, target: str, filters: dict[str, Any], reason: str | None) -> None:
    assert reject(source, target, config.Filters.model_validate(filters)) == reason


def test_active_names_only_what_is_on() -> None:
    assert active(config.Filters(duplicates=True)) == ["empty", "max_characters", "duplicates"]
    assert active(config.Filters.model_validate(OFF)) == []


def test_a_tag_stands_before_what_is_not_empty():
    assert [tagged(line, "<2de>") for line in ("one two", "")] == ["<2de> one two", ""]
    assert tagged("one", None) == "one"
