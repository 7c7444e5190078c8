"""Which language a column or a file holds: by its script and a detector, by its name, or as the user says."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from nmt.data.language_detection import LanguageDetector, main_script
from nmt.data.language_names import all_codes, find_language, language_name, parse_code
from nmt.errors import NmtError

_PASSAGE_CHARACTERS = 400
"""The detector reads passages of about this length, because it is not reliable for single short sentences."""
_MAX_PASSAGES = 60
_SURE = 0.8
"""Share of the passages from which on the detected language counts more than the name of a file or column."""
_LETTERS_PER_SCRIPT = {"Hans": "Hani", "Hant": "Hani", "Kore": "Hang"}
_EXTENSIONS = {"gz", "bz2", "xz", "txt", "tsv", "csv", "tab", "text", "tok", "lc", "norm", "json", "jsonl", "zst"}


@dataclass(frozen=True)
class Identified:
    """The language of a column."""

    code: str
    """Its code; "" if the text has no letters or its language is unknown."""
    share: float
    """Share of the passages in this language, 0-1."""
    is_told: bool = False
    """The code is from the name of the file or column, because the detector does not know the language or is unsure."""

    def __str__(self) -> str:
        """Return the name and the code."""
        return f"{language_name(self.code)} ({self.code})" if self.code else "unknown language"


UNKNOWN = Identified("", 0.0)


def requested_language(text: str, option: str) -> str:
    """Return the code of a language that the user named by its code or its English name; "" for "".

    Raise `NmtError`, which names the `option`, if there is no such language.
    """
    if not text:
        return ""
    code = find_language(text)
    if not code:
        raise NmtError(f"{option} {text}: unknown language; give a code such as en or zh_Hant, or an English name")
    return code


def language_of_file(path: Path) -> str:
    """Return the language code that ends a file name, as in train.de.gz or corpus_de.txt; "" if there is none."""
    parts = [part for part in re.split(r"[.]", path.name) if part.lower() not in _EXTENSIONS]
    if len(parts) > 1 and (code := _known_code(parts[-1])):
        return code
    last = re.split(r"[-_ ]", parts[-1])[-1] if parts else ""
    return _known_code(last)


def language_of_name(name: str) -> str:
    """Return the language that a header names, such as English, de, sentence_de or "German translation"."""
    words = [name.strip(), *re.findall(r"[^\W\d_]+", name)]
    return next((code for word in words if (code := _known_code(word))), "")


def _known_code(text: str) -> str:
    """Return the shortest code of a language; "" if the text is not a code or a name, or is rather a usual word."""
    if re.fullmatch(r"[A-Za-z]{2,3}([-_][A-Za-z]{2,4})?", text) or len(text) > 3:
        return find_language(text)
    return ""


def passages(texts: Sequence[str]) -> list[str]:
    """Return evenly spread passages of consecutive sentences, long enough for the detector."""
    joined: list[str] = []
    current: list[str] = []
    length = 0
    for text in texts:
        current.append(text[:_PASSAGE_CHARACTERS])
        length += len(current[-1])
        if length >= _PASSAGE_CHARACTERS:
            joined.append(" ".join(current))
            current, length = [], 0
    if current and not joined:
        joined.append(" ".join(current))
    step = max(1, len(joined) // _MAX_PASSAGES)
    return joined[::step][:_MAX_PASSAGES]


def identify(texts: Sequence[str], hint: str = "") -> Identified:
    """Return the language of sentences; `hint` is the code in the name of their file or column, or "".

    The hint decides if the detector does not know that language or is unsure, and the script fits.
    """
    detector = all_languages()
    votes: Counter[str] = Counter()
    found = passages(texts)
    for passage in found:
        if ranked := detector.detect(passage):
            votes[ranked[0].language] += 1
    if not votes:
        return Identified(hint, 0.0, bool(hint))
    best, count = votes.most_common(1)[0]
    share = count / len(found)
    if hint and _is_same(hint, best):
        return Identified(hint, share)
    script = Counter(main_script(passage) for passage in found).most_common(1)[0][0]
    if hint and is_written_in(hint, script) and (share < _SURE or not detector.knows(parse_code(hint).language)):
        return Identified(hint, votes[hint] / len(found), True)
    return Identified(best, share)


@lru_cache(maxsize=1)
def all_languages() -> LanguageDetector:
    """Return a detector of all languages that have a name; loaded once."""
    return LanguageDetector(all_codes())


def script_of(code: str) -> str:
    """Return the script of the letters of a language as `main_script` names it; "" if it is unknown."""
    script = parse_code(code).likely_script
    return _LETTERS_PER_SCRIPT.get(script, script)


def is_written_in(code: str, script: str) -> bool:
    """Return whether a text in `script` may be in this language; Japanese may consist of Chinese characters only."""
    expected = script_of(code)
    return not expected or expected == script or (expected == "Jpan" and script == "Hani")


def _is_same(one: str, other: str) -> bool:
    return parse_code(one).language == parse_code(other).language != ""
