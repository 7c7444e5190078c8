"""Attention maps: pieces joined to words, labels of rows and columns, characters that no font has."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib import font_manager

from nmt.errors import NmtError
from nmt.reports import fonts
from nmt.reports.alignment import Alignment, join_pieces, mark_spaces
from nmt.reports.attention_maps import MAX_TOKENS, draw
from nmt.reports.figure import inline_svg

SOURCE = ("▁The", "▁wom", "an", "▁reads", ".", "</s>")
TARGET = ("▁Die", "▁F", "rau", "▁liest", ".")
PIECES = st.lists(
    st.sampled_from(["▁", "▁a", "b", "中", "▁中文", "<0xE4>", "<0xB8>", "</s>", "."]), min_size=1, max_size=8
)


def attention(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).random((rows, columns), dtype=np.float32)
    return values / values.sum(1, keepdims=True)


def test_pieces_are_joined_to_words() -> None:
    weights = np.array(
        [
            [1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            [0.2, 0.3, 0.5, 0.0, 0.0, 0.0],
            [0.0, 0.5, 0.3, 0.2, 0.0, 0.0],
            [0.0, 0.0, 0.0, 1.0, 0.0, 0.0],
            [0.0, 0.0, 0.0, 0.0, 0.5, 0.5],
        ],
        np.float32,
    )
    words = join_pieces(Alignment(SOURCE, TARGET, weights))
    assert words.source == ("The", "woman", "reads.", "</s>")
    assert words.target == ("Die", "Frau", "liest.")
    expected = [[1, 0, 0, 0], [0.1, 0.8, 0.1, 0], [0, 0, 0.75, 0.25]]
    assert np.allclose(words.weights, expected)


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        (("▁今天", "天气", "好", "。", "</s>"), ("今天", "天气", "好", "。", "</s>")),
        (("▁", "打开", "▁Lib", "re", "▁文件"), ("打开", "Libre", "文件")),
        (("▁x", "中", "y", "z"), ("x", "中", "yz")),
        (("▁ท", "ี่", "ไทย", "สวย", "▁มาก"), ("ที่", "ไทย", "สวย", "มาก")),
        (("▁한", "국어", "▁말", "。"), ("한국어", "말", "。")),
        (("▁a", "<0xE4>", "<0xB8>", "<0xAD>"), ("a中",)),
        (("▁", "</s>"), ("▁", "</s>")),
        (("</s>",), ("</s>",)),
    ],
)
def test_words_of_other_scripts(pieces: tuple[str, ...], words: tuple[str, ...]) -> None:
    assert join_pieces(Alignment(pieces, ("▁a",), attention(1, len(pieces)))).source == words


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(PIECES, PIECES, st.integers(0, 9))
def test_joining_preserves_row_sums_and_letters(source: list[str], target: list[str], seed: int) -> None:
    pieces = Alignment(tuple(source), tuple(target), attention(len(target), len(source), seed))
    words = join_pieces(pieces)
    assert np.allclose(words.weights.sum(1), 1, atol=1e-5)
    for before, after in ((pieces.source, words.source), (pieces.target, words.target)):
        kept = [[c for c in "".join(labels) if c in "ab中文."] for labels in (before, after)]
        assert kept[0] == kept[1]


def test_source_is_columns_and_target_is_rows_from_top() -> None:
    pieces = Alignment(SOURCE, TARGET, attention(5, 6))
    axes = draw(pieces).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == list(SOURCE)
    assert [label.get_text() for label in axes.get_yticklabels()] == list(TARGET)
    assert np.array_equal(np.asarray(axes.get_images()[0].get_array()), pieces.weights)
    bottom, top = axes.get_ylim()
    assert bottom > top, "row 0 is drawn on top"


def test_dollar_signs_are_text() -> None:
    awkward = Alignment(("$x^2$", r"\frac", "</s>"), ("$", "&<b>"), attention(2, 3))
    svg = inline_svg(draw(awkward))
    assert "$x^2$" in svg
    assert "&amp;&lt;b&gt;" in svg


def test_mark_spaces_marks_the_beginning_of_words() -> None:
    assert mark_spaces(Alignment(SOURCE, TARGET, attention(5, 6))).source[:3] == ("·The", "·wom", "an")


def test_empty_and_long_sentences_are_rejected() -> None:
    with pytest.raises(NmtError, match="nothing to draw"):
        draw(Alignment(("a",), (), np.zeros((0, 1), np.float32)))
    many = ("a",) * (MAX_TOKENS + 1)
    with pytest.raises(NmtError, match="do not fit in one figure"):
        draw(Alignment(many, ("b",), attention(1, len(many))))


CHINESE = Alignment(("▁Good", "天", "</s>"), ("今", "天", "好"), attention(3, 3))


@pytest.fixture
def no_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(font_manager, "findSystemFonts", list)


def test_missing_font_is_reported_and_svg_still_works(no_fonts: None) -> None:
    with pytest.raises(NmtError, match=r"characters 今天好; .*apt install fonts-wqy-zenhei.*--font FILE.*\.svg"):
        draw(CHINESE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        svg = inline_svg(draw(CHINESE, may_lack=True))
    assert all(character in svg for character in "今天好")


def test_file_that_is_not_a_font_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "x.ttf").write_bytes(b"no font")
    with pytest.raises(NmtError, match=r"--font .*x\.ttf: not a readable font"):
        draw(CHINESE, tmp_path / "x.ttf")


def test_installed_font_with_the_characters_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two generated fonts the one with more of the characters is chosen; the default font stays first."""
    little, much = _font(tmp_path / "little.ttf", "Little", "今"), _font(tmp_path / "much.ttf", "Much", "今天好")
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [str(little), str(much)])
    families, lacking = fonts.families_for(["abc", "今天好"])
    assert families == ["DejaVu Sans", "Much"]
    assert lacking == ""
    assert fonts.families_for(["abc"]) == (["DejaVu Sans"], ""), "no search if the default is enough"
    assert fonts.families_for(["今"], little) == (["DejaVu Sans", "Little"], "")
    assert fonts.families_for(["今好"], little) == (["DejaVu Sans", "Little", "Much"], "")
    assert fonts.families_for(["今\u3042"]) == (["DejaVu Sans", "Little"], "\u3042")


def test_chinese_is_drawn_with_the_chosen_font(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    font = _font(tmp_path / "drawn.ttf", "Drawn", "今天好")
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [str(font)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw(CHINESE).savefig(tmp_path / "x.png")


def _font(path: Path, family: str, characters: str) -> Path:
    """Write a font with a box for each of `characters`."""
    fontbuilder = pytest.importorskip("fontTools.fontBuilder")
    pens = pytest.importorskip("fontTools.pens.ttGlyphPen")
    names = [".notdef", *(f"u{ord(c):x}" for c in characters)]
    builder = fontbuilder.FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(c): f"u{ord(c):x}" for c in characters})
    builder.setupGlyf({name: _box(pens) for name in names})
    builder.setupHorizontalMetrics(dict.fromkeys(names, (800, 100)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": family, "styleName": "Regular", "psName": family})
    builder.setupOS2(sTypoAscender=800, usWinAscent=800, usWinDescent=200)
    builder.setupPost()
    builder.save(path)
    return path


def _box(pens: Any) -> object:
    pen = pens.TTGlyphPen(None)
    for n, point in enumerate([(100, 0), (100, 700), (700, 700), (700, 0)]):
        (pen.lineTo if n else pen.moveTo)(point)
    pen.closePath()
    return pen.glyph()
