"""Language codes and scripts: which languages are written without spaces between words.

Codes are ISO 639-1, 639-2 or 639-3 with the subtags of BCP 47 or of a POSIX locale: zh, cmn, zho_Hans, zh-TW,
ja_JP.UTF-8. The languages of a script come from the IANA language subtag registry (ISO 639) and CLDR's likely subtags.
A script counts as written without spaces if Unicode's line breaking (UAX #14) does not find its words by spaces: the
classes SA, ID and CJ, and Tibetan, Javanese and Balinese, which break after syllables.
"""

import bisect
import re
from dataclasses import dataclass
from functools import lru_cache

_LANGUAGES = {
    "Hani": "zh zho chi cdo cjy cmn cnp cpx csp czh czo gan hak hnm hsn ltc luh lzh mnp nan och sjc wuu yue",
    "Jpan": "ja jpn ojp ams kzg mvi okn rys ryu tkn xug yoi yox",
    "Thai": "th tha kdt kxm lcp lwl sou tts",
    "Laoo": "lo lao kjg",
    "Khmr": "km khm",
    "Mymr": "my mya bur aio blk int kht kjp ksw mnw omx phk pwo rki shn tvn",
    "Tibt": "bo bod tib dz dzo adp adx khg otb sip tsj xct",
    "Lana": "nod",
    "Tale": "tdd",
    "Talu": "khb",
    "Tavt": "blt",
    "Ahom": "aho",
    "Yiii": "ii iii",
    "Tang": "txg",
}
"""Languages whose default script is written without spaces, by script (ISO 15924)."""
_DEFAULT_SCRIPT = {code: script for script, codes in _LANGUAGES.items() for code in codes.split()}

_SCRIPT_VARIANTS = {
    "Hans": "Hani", "Hant": "Hani", "Hanb": "Hani", "Bopo": "Hani", "Hira": "Jpan", "Kana": "Jpan", "Hrkt": "Jpan",
}  # fmt: skip
"""ISO 15924 codes of parts and variants of a script."""
_WITHOUT_SPACES = frozenset({*_LANGUAGES, "Java", "Bali", "Kits", "Nshu"})
_ISO_639_1 = {"jpn": "ja", "kor": "ko"}
"""ISO 639-1 codes of the languages that have their own sacreBLEU tokeniser."""

_BLOCKS = (
    (0x0E00, 0x0E7F, "Thai"), (0x0E80, 0x0EFF, "Laoo"), (0x0F00, 0x0FFF, "Tibt"), (0x1000, 0x109F, "Mymr"),
    (0x1780, 0x17FF, "Khmr"), (0x1950, 0x197F, "Tale"), (0x1980, 0x19DF, "Talu"), (0x1A20, 0x1AAF, "Lana"),
    (0x1B00, 0x1B7F, "Bali"), (0x2E80, 0x2FDF, "Hani"), (0x3005, 0x3007, "Hani"), (0x3021, 0x3029, "Hani"),
    (0x3038, 0x303B, "Hani"), (0x3040, 0x30FF, "Jpan"), (0x3100, 0x312F, "Hani"), (0x31A0, 0x31BF, "Hani"),
    (0x31F0, 0x31FF, "Jpan"), (0x3400, 0x4DBF, "Hani"), (0x4E00, 0x9FFF, "Hani"), (0xA000, 0xA4CF, "Yiii"),
    (0xA980, 0xA9DF, "Java"), (0xA9E0, 0xA9FF, "Mymr"), (0xAA60, 0xAA7F, "Mymr"), (0xAA80, 0xAADF, "Tavt"),
    (0xF900, 0xFAFF, "Hani"), (0xFF66, 0xFF9F, "Jpan"), (0x11700, 0x1174F, "Ahom"), (0x17000, 0x18AFF, "Tang"),
    (0x18B00, 0x18CFF, "Kits"), (0x18D00, 0x18DFF, "Tang"), (0x1AFF0, 0x1B16F, "Jpan"), (0x1B170, 0x1B2FF, "Nshu"),
    (0x20000, 0x3FFFF, "Hani"),
)  # fmt: skip
"""The first and the last code point of the Unicode blocks of these scripts, in ascending order."""
UNSPACED = "".join(f"{chr(first)}-{chr(last)}" for first, last, _ in _BLOCKS)
"""The characters of these scripts, for a character class of a regular expression."""
_BLOCK_STARTS = [first for first, _, _ in _BLOCKS]


@dataclass(frozen=True)
class Language:
    """The parts of a language code that matter here."""

    base: str
    """The code without subtags, in lower case: zh for zh-TW, cmn for cmn_Hans, ja for jpn, ko for kor."""
    script: str
    """The ISO 15924 code of a script that is written without spaces, e.g. Hani, Jpan, Thai; "" for other scripts."""

    @property
    def has_spaces(self) -> bool:
        """Whether spaces separate the words."""
        return not self.script


def split_code(code: str) -> list[str]:
    """Return the language subtag of a code and the subtags after it, in lower case: zh and tw for zh-TW."""
    return re.split(r"[-_.@\s]+", code.strip().lower())


@lru_cache(maxsize=256)
def parse_language(code: str) -> Language:
    """Return the language of a code, in upper or lower case, with `-` or `_`.

    A script subtag overrides the default script. An unknown code, such as the default `tgt`, counts as a language with
    spaces.
    """
    first, *subtags = split_code(code)
    script = _DEFAULT_SCRIPT.get(first, "")
    for subtag in subtags:
        if len(subtag) == 1:  # an extension or private use, which does not give the script
            break
        if subtag in _DEFAULT_SCRIPT and len(subtag) == 3:  # extended language: zh-yue
            script = _DEFAULT_SCRIPT[subtag]
        elif len(subtag) == 4 and subtag.isalpha():
            name = _SCRIPT_VARIANTS.get(subtag.title(), subtag.title())
            script = name if name in _WITHOUT_SPACES else ""
            break
    return Language(_ISO_639_1.get(first, first), script)


def has_spaces(code: str) -> bool:
    """Return whether the language of a code is written with spaces between words."""
    return parse_language(code).has_spaces


def unspaced_script(character: str) -> str:
    """Return the script of a character as in `Language.script`: "" if the script is written with spaces."""
    point = ord(character)
    if point < _BLOCK_STARTS[0]:
        return ""
    _, last, script = _BLOCKS[bisect.bisect_right(_BLOCK_STARTS, point) - 1]
    return script if point <= last else ""
