"""Where a line that is too long for the model is cut: at the ends of sentences if possible."""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence

from nmt.data.subword import SPACE

_CLOSING = "\"'”’»›)]}」』】〕〉》）］"
_OPENING = "\"'“„‘‚«‹([{「『（"
_CLOSERS = f"[{re.escape(_CLOSING)}]*"
_WIDE, _NARROW, _PAUSES = "。！？｡।॥።፧፨။៕។༎", ".!?…؟۔։\u037e", ",;:،؛—–"
_ANYWHERE = re.compile(f"(?<![{_WIDE}])(?:[{_WIDE}]+|．(?!\\d)){_CLOSERS}(?=.)")
"""Marks after which no space is needed: Chinese, Japanese, Devanagari, Ethiopic, Burmese, Khmer, Tibetan."""
_BEFORE_SPACE = re.compile(f"(?<![{_NARROW}])[{_NARROW}]+{_CLOSERS}(?= )")
"""Marks after which a space must follow: Latin, Greek, Cyrillic, Arabic, Urdu, Armenian."""
_CLAUSE = re.compile(f"(?<![{_PAUSES}])[{_PAUSES}]+(?= )|[，；：、]")
_BYTE = re.compile("<0x([0-9A-F]{2})>")
_ABBREVIATIONS = re.compile(
    "mr|mrs|ms|dr|prof|rev|hon|gen|capt|lt|sgt|gov|sen|rep|st|vs|cf|approx|dept|hr|fr|bzw|ca|evtl|ggf|inkl|exkl|str|"
    "tel|vgl|zzgl|bspw|sog|hrsg|jh|mio|mrd|mm|mme|mlle|sra|srta|dña|ud|uds|pág|sig|dott|см|пр|стр|рис|т.е|т.д|т.п"
)
"""Words before a full stop that ends no sentence, in small letters."""
_BEFORE_NUMBERS = re.compile("no|nos|nr|art|abs|fig|figs|vol|vols|p|pp|ed|kap|ch|sec|núm|nº|г")
"""Words that are abbreviated only if a number follows."""


def cut(pieces: Sequence[str], limit: int) -> list[slice]:
    """Return slices of at most `limit` pieces that cover a line; `pieces` as `Subword.surfaces` gives them.

    As many whole sentences as fit are in a slice. A sentence that does not fit is cut at the latest end of a clause in
    the second half of what is allowed, else at the latest space there, else at the latest space, else at the limit.
    """
    if len(pieces) <= limit:
        return [slice(0, len(pieces))]
    text, ends = _text(pieces)
    numbers = {end: number for number, end in enumerate(ends, 1)}
    sentences = [numbers[place] for place in sentence_ends(text) if place in numbers]
    clauses = [numbers[found.end()] for found in _CLAUSE.finditer(text) if found.end() in numbers]
    spaces = [number for number, piece in enumerate(pieces) if piece.startswith(SPACE)]
    slices, begin = [], 0
    while len(pieces) - begin > limit:
        most, late = begin + limit, begin + max(1, limit // 2)
        choices = ((sentences, begin + 1), (clauses, late), (spaces, late), (spaces, begin + 1))
        latest = (_latest(places, least, most) for places, least in choices)
        end = next((place for place in latest if place is not None), most)
        slices.append(slice(begin, end))
        begin = end
    return [*slices, slice(begin, len(pieces))]


def _latest(places: list[int], least: int, most: int) -> int | None:
    """Return the last of the sorted `places` that is at least `least` and at most `most`."""
    number = bisect_right(places, most)
    return places[number - 1] if number and places[number - 1] >= least else None


def sentence_ends(text: str) -> list[int]:
    """Return the places within a line where a sentence has ended, closing quotes and brackets included."""
    has_capitals = any(map(str.isupper, text))
    places = [found.end() for found in _ANYWHERE.finditer(text)]
    for found in _BEFORE_SPACE.finditer(text):
        following = text[found.end() : found.end() + 20].lstrip().lstrip(_OPENING).lstrip()
        goes_on = has_capitals and following[:1].islower()
        word = text[text.rfind(" ", 0, found.start()) + 1 : found.start()]
        is_full_stop = found[0].rstrip(_CLOSING) == "."
        if following and not goes_on and not (is_full_stop and _is_abbreviated(word.lstrip(_OPENING), following)):
            places.append(found.end())
    return sorted(places)


def _is_abbreviated(word: str, following: str) -> bool:
    """Tell whether the full stop after `word` belongs to an abbreviation, an initial or an ordinal number."""
    last = word.rsplit(".", 1)[-1]
    is_initial = len(last) == 1 and last.isalpha() and unicodedata.east_asian_width(last) not in "WF"
    is_ordinal = word.isdecimal() and len(word) <= 2
    is_usual = _ABBREVIATIONS.fullmatch(word.lower()) is not None
    is_reference = following[0].isdecimal() and _BEFORE_NUMBERS.fullmatch(word.lower()) is not None
    return is_initial or is_ordinal or is_usual or is_reference


def _text(pieces: Sequence[str]) -> tuple[str, list[int]]:
    """Return the text of `pieces`, and where in it each of them ends; -1 for an end within a character."""
    raw, ends = bytearray(), []
    for piece in pieces:
        byte = _BYTE.fullmatch(piece)
        raw += bytes([int(byte[1], 16)]) if byte else piece.replace(SPACE, " ").encode("utf-8", "replace")
        ends.append(len(raw))
    text = raw.decode("utf-8", "replace")
    places, at = {}, 0
    for number, character in enumerate(text, 1):
        at += len(character.encode())
        places[at] = number
    return text, [places.get(end, -1) for end in ends]
