"""Draw attention maps: the attention of each target word to the source words.

Axes: S source pieces or words (columns), T target pieces or words (rows).
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from numpy.typing import NDArray

from nmt.data.languages import unspaced_script
from nmt.data.subword import SPACE
from nmt.errors import NmtError
from nmt.reports.fonts import families_for, missing_font_advice

if TYPE_CHECKING:
    from nmt.decoding.translation import Translation

MAX_TOKENS = 200
"""Maximum number of rows or columns; more are not readable."""


@dataclass(frozen=True)
class Alignment:
    """The attention of one translated sentence."""

    source: tuple[str, ...]
    """S labels."""
    target: tuple[str, ...]
    """T labels."""
    weights: NDArray[np.float32]
    """(T, S), at least 0."""

    def __post_init__(self) -> None:
        """Check that the shapes agree."""
        assert self.weights.shape == (len(self.target), len(self.source))


def of_translation(translation: "Translation", by_words: bool) -> Alignment:
    """Return the attention of the best translation of a line. Raises `NmtError` if it has none."""
    best = translation.targets[0]
    if best.attention is None or not best.attention.size:
        raise NmtError("nothing to draw (the line is empty, or too long to be translated in one part)")
    source = (*translation.source_pieces, "</s>")
    pieces = Alignment(source, best.pieces, best.attention[: len(best.pieces)])
    return join_pieces(pieces) if by_words else mark_spaces(pieces)


def join_pieces(pieces: Alignment) -> Alignment:
    """Join pieces to words: sum the attention over the pieces of a source word, average it over those of a target word.

    `</s>` and the pieces of Chinese and other scripts without spaces are not joined.
    """
    columns, source = _groups(pieces.source)
    rows, target = _groups(pieces.target)
    onto = np.zeros((len(pieces.source), len(source)), np.float32)  # (S pieces, S words)
    onto[np.arange(len(pieces.source)), columns] = 1
    of = np.zeros((len(target), len(pieces.target)), np.float32)  # (T words, T pieces)
    of[rows, np.arange(len(pieces.target))] = 1
    of /= np.maximum(of.sum(1, keepdims=True), 1).astype(np.float32)
    return Alignment(source, target, (of @ pieces.weights @ onto).astype(np.float32))


def mark_spaces(pieces: Alignment) -> Alignment:
    """Return the pieces as labels, with a visible mark at the beginning of each word."""
    return Alignment(_replace_space_marks(pieces.source), _replace_space_marks(pieces.target), pieces.weights)


def draw(alignment: Alignment, font: Path | None = None, may_lack: bool = False) -> Figure:
    """Return the map: source as columns, target as rows; darker cells have more attention.

    Raises `NmtError` if there is nothing to draw or no font has the characters. With `may_lack` missing characters are
    allowed, because the browser that shows the SVG has its own fonts.
    """
    rows, columns = alignment.weights.shape
    if not rows or not columns:
        raise NmtError("nothing to draw: the sentence or its translation is empty")
    if max(rows, columns) > MAX_TOKENS:
        raise NmtError(f"{rows} x {columns} tokens do not fit in one figure; give sentences of at most {MAX_TOKENS}")
    families, lacking = families_for([*alignment.source, *alignment.target], font)
    if lacking and not may_lack:
        raise NmtError(missing_font_advice(lacking))
    text = FontProperties(family=families, size=10)
    figure = Figure(figsize=(2.2 + 0.34 * columns, 1.6 + 0.30 * rows), dpi=120, layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(alignment.weights, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    axes.xaxis.tick_top()
    rotation = _label_rotation(alignment.source)
    axes.set_xticks(range(columns), list(alignment.source), rotation=rotation, parse_math=False)
    axes.set_yticks(range(rows), list(alignment.target), parse_math=False)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set_fontproperties(text)
    axes.tick_params(length=0)
    axes.set_xticks(np.arange(columns + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
    axes.tick_params(which="minor", length=0)
    axes.grid(which="minor", color="#e4e4e4", linewidth=0.6)
    bar = figure.colorbar(image, ax=axes, pad=0.02, fraction=0.05, aspect=30)
    bar.set_label("attention")
    return figure


def _groups(pieces: Sequence[str]) -> tuple[list[int], tuple[str, ...]]:
    """Return the word index of each piece, and the words."""
    numbers: list[int] = []
    words: list[str] = []
    for piece in pieces:
        is_end = piece == "</s>"
        begins = not words or is_end or piece.startswith(SPACE) or words[-1] == "</s>"
        is_lone_space = words and not words[-1]
        is_mark = unicodedata.category(piece[0]).startswith("M") if piece else False  # combining character
        if begins or (not is_lone_space and not is_mark and (_is_wide(piece[:1]) or _is_wide(words[-1][-1:]))):
            words.append("")
        words[-1] += piece if is_end else piece.replace(SPACE, "")
        numbers.append(len(words) - 1)
    return numbers, tuple(_decode_bytes(word) or SPACE for word in words)


def _is_wide(character: str) -> bool:
    """Return whether a character belongs to a script without spaces, or is wide punctuation such as 。."""
    is_sign = character != "" and not character.isalpha() and unicodedata.east_asian_width(character) in "WF"
    return is_sign or (character != "" and unspaced_script(character) != "")


def _replace_space_marks(pieces: Sequence[str]) -> tuple[str, ...]:
    return tuple(piece.replace(SPACE, "\u00b7") for piece in pieces)


def _decode_bytes(word: str) -> str:
    """Decode the bytes by which SentencePiece encodes unknown characters, such as <0xE4>."""

    def character(match: re.Match[str]) -> str:
        values = bytes(int(value, 16) for value in re.findall("<0x([0-9A-F]{2})>", match[0]))
        return values.decode("utf-8", errors="replace")

    return re.sub("(?:<0x[0-9A-F]{2}>)+", character, word)


def _label_rotation(labels: Sequence[str]) -> int:
    return 0 if all(len(label) <= 2 for label in labels) else 60
