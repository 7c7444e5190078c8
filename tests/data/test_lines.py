"""Text is read line by line without loss, whatever bytes it has, and normalised."""

import bz2
import gzip
import io
import lzma
import os
import random
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt import config
from nmt.data.lines import InvalidLines, html_entity, normalize, one_line, read_lines, stream_lines
from nmt.errors import NmtError

ODD = "\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\x00\ufeff\u0301"
TEXT = st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from(ODD + " \tAΣİẞH\u0331ǅ")))


def data(**keys: Any) -> config.Data:
    return config.Data.model_validate({"train": {"tsv": "a"}, "valid": {"tsv": "a"}, **keys})


@pytest.mark.parametrize(
    ("raw", "lines"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"a", ["a"]),
        (b"a\nb\n", ["a", "b"]),
        (b"a\nb", ["a", "b"]),
        (b"\n\n", ["", ""]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"a\rb\n", ["a\rb"]),
        (b"a\r\r\n", ["a\r"]),
        (b"\xef\xbb\xbfa\n\xef\xbb\xbf\xef\xbb\xbfb\nc\xef\xbb\xbf\n", ["a", "b", "c\ufeff"]),
        (b"a\x00b\x0c\x0b\n", ["a\x00b\x0c\x0b"]),
        ("a\u2028b\u0085c\n".encode(), ["a\u2028b\u0085c"]),
        (b"x" * 2_000_000 + b"\ny", ["x" * 2_000_000, "y"]),
    ],
    ids=lambda value: repr(value)[:30],
)
@pytest.mark.parametrize("packed", [False, True])
def test_only_a_newline_ends_a_line(raw: bytes, lines: list[str], packed: bool, tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(gzip.compress(raw) if packed else raw)
    assert list(read_lines(path)) == lines
    assert list(stream_lines(io.BytesIO(raw))) == lines


@given(st.lists(TEXT.filter(lambda t: "\n" not in t and not t.endswith("\r"))))
def test_written_lines_are_read_back(lines: list[str]) -> None:
    stream = io.BytesIO("".join(f"{line}\n" for line in lines).encode())
    assert list(stream_lines(stream, InvalidLines("text"))) == [line.lstrip("\ufeff") for line in lines]


@given(st.binary())
def test_any_bytes_have_as_many_lines_as_newlines(raw: bytes) -> None:
    raw = b"text\n" + raw  # the first line is neither UTF-16 nor compressed
    invalid = InvalidLines("text")
    lines = list(stream_lines(io.BytesIO(raw), invalid))
    assert len(lines) == invalid.lines == raw.count(b"\n") + (not raw.endswith(b"\n"))
    assert not any("\n" in line for line in lines)


def test_a_line_is_yielded_as_soon_as_it_is_complete() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb", buffering=0) as writer:
        lines = stream_lines(stream)
        for text in (b"one\n", b"two\n"):
            threading.Timer(0.01, writer.write, [text]).start()
            assert next(lines) == text.decode().strip()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        ("folder", "is a folder"),
        ("a\n".encode("utf-16"), "UTF-16"),
        ("a dog\n".encode("utf-16-le"), "UTF-16.*iconv -f UTF-16LE"),
        ("a dog\n".encode("utf-16-be"), "UTF-16.*iconv -f UTF-16BE"),
        (lzma.compress(b"a b c\n"), "compressed.*xz -dc"),
        (bz2.compress(b"a b c\n"), "compressed.*bzip2 -dc"),
        (gzip.compress(b"a b c\n" * 1000)[:-20], "truncated gzip"),
        (gzip.compress(random.Random(1).randbytes(1000))[:500] + b"x" * 200, "gzip"),
    ],
    ids=["missing", "folder", "utf-16", "utf-16-le", "utf-16-be", "xz", "bzip2", "truncated", "damaged"],
)
def test_the_error_for_a_bad_file_names_the_file(content: bytes | str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "text"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        path.mkdir()
    with pytest.raises(NmtError, match=message) as error:
        list(read_lines(path))
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("text", "keys", "expected"),
    [
        ("  a \t b\x00\u2028 c\u00a0", {}, "a b c"),
        ("  a  b ", {"collapse_whitespace": False}, "  a  b "),
        ("e\u0301", {}, "\u00e9"),
        ("e\u0301", {"normalization": "none"}, "e\u0301"),
        ("ﬁ①", {}, "ﬁ①"),
        ("ﬁ①", {"normalization": "nfkc"}, "fi1"),
        ("ÄB", {"lowercase": True}, "äb"),
        ("H\u0331", {"lowercase": True}, "\u1e96"),
        ("", {}, ""),
        ("don&apos;t &amp;amp; a&#10;b", {}, "don&apos;t &amp;amp; a&#10;b"),
        ("don&apos;t &amp;amp; a&#10;b", {"unescape_html": True}, "don't & a b"),
        ("a&#10;b&#x2028;c", {"unescape_html": True, "collapse_whitespace": False}, "a b c"),
    ],
)
def test_a_line_is_normalised(text: str, keys: dict[str, Any], expected: str) -> None:
    assert normalize(text, data(**keys)) == expected


ENTITIES = st.lists(st.one_of(TEXT, st.sampled_from(["&", "amp", ";", "&lt;", "&#38;", "&#x26", "quot;", "&apos;"])))


@given(TEXT | ENTITIES.map("".join), st.sampled_from(["none", "nfc", "nfkc"]), st.booleans(), st.booleans())
def test_a_second_normalisation_changes_nothing(text: str, form: str, collapse: bool, lowercase: bool) -> None:
    settings = data(normalization=form, collapse_whitespace=collapse, lowercase=lowercase, unescape_html=True)
    once = normalize(text, settings)
    assert normalize(once, settings) == once
    if collapse:
        assert once == " ".join(once.split())
        assert len(once.splitlines()) <= 1


@given(st.text())
def test_one_line_has_no_line_break_of_any_kind(text: str) -> None:
    line = one_line(text)
    assert len(f"{line}x".splitlines()) == 1
    assert len(line) == len(text)
    assert "\x00" not in line
    line.encode("utf-8")


def test_one_line_does_not_change_ordinary_text() -> None:
    assert one_line("a\tb é 你 \u200b") == "a\tb é 你 \u200b"


def test_compressed_standard_input_is_an_error() -> None:
    with pytest.raises(NmtError, match="standard input: this is compressed; unpack it: gzip -dc"):
        list(stream_lines(io.BytesIO(gzip.compress(b"a b c\n"))))


LATIN_1 = "Straße\nein Hund\nmüde\nÜbung\n".encode("latin-1")


@pytest.mark.parametrize("is_stream", [False, True])
def test_the_error_for_invalid_utf8_has_file_count_first_line_and_remedy(is_stream: bool, tmp_path: Path) -> None:
    path = tmp_path / "text.de"
    path.write_bytes(b"gut\n" + LATIN_1)
    lines = stream_lines(io.BytesIO(path.read_bytes())) if is_stream else read_lines(path)
    with pytest.raises(NmtError, match=r"3 of 5 lines are not valid UTF-8, the first is line 2; .*iconv -f") as error:
        list(lines)
    assert ("standard input" if is_stream else str(path)) in str(error.value)


@pytest.mark.parametrize(
    ("raw", "first", "count"),
    [
        (b"a\n" + LATIN_1, 2, 3),
        ("a\nbÖ\n".encode(), 0, 0),
        (b"a\n\xed\xa0\x80\n\xc0\xaf\n", 2, 2),
        (b"a\nb\x00c\n", 0, 0),
        (b"a\n" + "ein Hund\nzwei\n".encode("utf-16-le"), 2, 2),
        (b"a\n" + "ein Hund\nzwei\n".encode("utf-16"), 2, 2),
        (b"a\n" + "你好\n世界\n".encode("gb18030"), 2, 2),
    ],
    ids=["latin-1", "utf-8", "surrogates and overlong", "one NUL", "utf-16-le", "utf-16", "gb18030"],
)
def test_invalid_lines_are_counted_on_request(raw: bytes, first: int, count: int) -> None:
    invalid = InvalidLines("text")
    lines = list(stream_lines(io.BytesIO(raw), invalid))
    assert len(lines) == raw.count(b"\n") + (not raw.endswith(b"\n")) == invalid.lines
    assert (invalid.first, invalid.invalid) == (first, count)


@pytest.mark.parametrize(
    ("text", "entity"),
    [("don&apos;t", "&apos;"), ("a &#39; b", "&#39;"), ("AT&T; x & y &foo;", None), ("R&D", None), ("&amp;", "&amp;")],
)
def test_html_entities_are_found(text: str, entity: str | None) -> None:
    assert html_entity(text) == entity


def test_invalid_text_on_a_live_stream_is_an_error_at_once() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb", buffering=0) as writer:
        writer.write(b"gut\n" + LATIN_1)
        lines = stream_lines(stream, is_live=True)
        assert next(lines) == "gut"
        with pytest.raises(NmtError, match="standard input: 1 of 2 lines are not valid UTF-8"):
            next(lines)
