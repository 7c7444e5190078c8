"""The attention of a translation, by subword pieces or by words.

Axes: S source pieces or words (columns), T target pieces or words (rows).
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nmt.data.languages import unspaced_script
from nmt.data.subword import SPACE
from nmt.errors import NmtError

if TYPE_CHECKING:
    from nmt.decoding.translation import Translation


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
