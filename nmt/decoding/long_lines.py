"""Split source lines that are longer than `decoding.max_source_tokens`, at ends of sentences if possible."""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence

from nmt.data.subword import SPACE

_CLOSING = "\"'”’»›)]}」』】〕〉》）］"
_OPENING = "\"'“„‘‚«‹([{「『（"
_CLOSERS = f"[{re.escape(_CLOSING)}]*"
_WIDE, _NARROW, _PAUSES = "。！？｡।॥።፧፨။៕។༎", ".!?…؟۔։\u037e", ",;:،؛—–"
_END_WITHOUT_SPACE = re.compile(f"(?<![{_WIDE}])(?:[{_WIDE}]+|．(?!\\d)){_CLOSERS}(?=.)")
"""Sentence-final marks without a space after them: Chinese, Japanese, Devanagari, Ethiopic, Burmese, Khmer, Tibetan."""
_END_BEFORE_SPACE = re.compile(f"(?<![{_NARROW}])[{_NARROW}]+{_CLOSERS}(?= )")
"""Sentence-final marks with a space after them: Latin, Greek, Cyrillic, Arabic, Urdu, Armenian."""
_CLAUSE_END = re.compile(f"(?<![{_PAUSES}])[{_PAUSES}]+(?= )|[，；：、]")
_BYTE = re.compile("<0x([0-9A-F]{2})>")
_ABBREVIATIONS = re.compile(
    "mr|mrs|ms|dr|prof|rev|hon|gen|capt|lt|sgt|gov|sen|rep|st|vs|cf|approx|dept|hr|fr|bzw|ca|evtl|ggf|inkl|exkl|str|"
    "tel|vgl|zzgl|bspw|sog|hrsg|jh|mio|mrd|mm|mme|mlle|sra|srta|dña|ud|uds|pág|sig|dott|см|пр|стр|рис|т.е|т.д|т.п"
)
"""Lower-case words whose full stop does not end a sentence."""
_ABBREVIATIONS_OF_REFERENCES = re.compile("no|nos|nr|art|abs|fig|figs|vol|vols|p|pp|ed|kap|ch|sec|núm|nº|г")
"""Words that are abbreviations only if a number follows."""


def split_long_line(pieces: Sequence[str], limit: int) -> list[slice]:
    """Return slices of at most `limit` pieces that cover a line; `pieces` as `Subword.surface_pieces` returns them.

    A slice contains as many whole sentences as fit. A sentence that does not fit is split at the last end of a clause
    in the second half of the allowed pieces, otherwise at the last space there, otherwise at the last space before it,
    otherwise at the limit.
    """
    if len(pieces) <= limit:
        return [slice(0, len(pieces))]
    text, ends = _text_and_piece_ends(pieces)
    numbers = {end: number for number, end in enumerate(ends, 1)}
    sentences = [numbers[end] for end in sentence_ends(text) if end in numbers]
    clauses = [numbers[found.end()] for found in _CLAUSE_END.finditer(text) if found.end() in numbers]
    spaces = [number for number, piece in enumerate(pieces) if piece.startswith(SPACE)]
    slices, begin = [], 0
    while len(pieces) - begin > limit:
        last, middle = begin + limit, begin + max(1, limit // 2)
        choices = ((sentences, begin + 1), (clauses, middle), (spaces, middle), (spaces, begin + 1))
        found = (_last_between(positions, first, last) for positions, first in choices)
        end = next((position for position in found if position is not None), last)
        slices.append(slice(begin, end))
        begin = end
    return [*slices, slice(begin, len(pieces))]


def _last_between(positions: list[int], first: int, last: int) -> int | None:
    """Return the last of the sorted `positions` from `first` to `last`, both included; None if there is none."""
    number = bisect_right(positions, last)
    return positions[number - 1] if number and positions[number - 1] >= first else None


def sentence_ends(text: str) -> list[int]:
    """Return the positions inside a line at which a sentence ends, after its closing quotes and brackets."""
    has_capitals = any(map(str.isupper, text))
    ends = [found.end() for found in _END_WITHOUT_SPACE.finditer(text)]
    for found in _END_BEFORE_SPACE.finditer(text):
        following = text[found.end() : found.end() + 20].lstrip().lstrip(_OPENING).lstrip()
        continues = has_capitals and following[:1].islower()
        word = text[text.rfind(" ", 0, found.start()) + 1 : found.start()]
        is_full_stop = found[0].rstrip(_CLOSING) == "."
        if following and not continues and not (is_full_stop and _is_abbreviated(word.lstrip(_OPENING), following)):
            ends.append(found.end())
    return sorted(ends)


def _is_abbreviated(word: str, following: str) -> bool:
    """Return whether the full stop after `word` belongs to an abbreviation, an initial or an ordinal number."""
    last = word.rsplit(".", 1)[-1]
    is_initial = len(last) == 1 and last.isalpha() and unicodedata.east_asian_width(last) not in "WF"
    is_ordinal = word.isdecimal() and len(word) <= 2
    is_abbreviation = _ABBREVIATIONS.fullmatch(word.lower()) is not None
    is_reference = following[0].isdecimal() and _ABBREVIATIONS_OF_REFERENCES.fullmatch(word.lower()) is not None
    return is_initial or is_ordinal or is_abbreviation or is_reference


def _text_and_piece_ends(pieces: Sequence[str]) -> tuple[str, list[int]]:
    """Return the text of `pieces` and the position in it at which each piece ends; -1 if that is inside a character."""
    encoded, byte_ends = bytearray(), []
    for piece in pieces:
        byte = _BYTE.fullmatch(piece)
        encoded += bytes([int(byte[1], 16)]) if byte else piece.replace(SPACE, " ").encode("utf-8", "replace")
        byte_ends.append(len(encoded))
    text = encoded.decode("utf-8", "replace")
    position_of_byte, byte_count = {}, 0
    for position, character in enumerate(text, 1):
        byte_count += len(character.encode())
        position_of_byte[byte_count] = position
    return text, [position_of_byte.get(end, -1) for end in byte_ends]
