"""Which of the served languages a text is written in.

The script of the letters decides where it can. Between languages of the same script py3langid decides, a naive Bayes
classifier over byte n-grams (Lui & Baldwin 2012). It is loaded from a file of 4.6 MB when the detector is made.
"""

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from nmt.data.language_names import CodeParts, parse_code
from nmt.data.languages import unspaced_script

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

MAX_CHARACTERS = 4000
"""How much of a text is read."""
MIN_CONFIDENCE = 1.0
"""Languages with a lower confidence are left out, except the best."""
KANA_SHARE = 0.1
"""Share of kana in the Chinese and Japanese characters of a text from which on the text is Japanese."""
_LABELS = {"nb": "no", "fil": "tl", "sh": "sr", "ki": "kik", "gn": "gug", "kok": "gom", "bik": "bcl", "ff": "fuv"}
"""py3langid's labels of languages that have another code here."""
_SCRIPTS = {"Hans": ("Hani",), "Hant": ("Hani",), "Jpan": ("Jpan", "Hani"), "Kore": ("Hang",), "Laoo": ("Laoo",)}
"""Scripts of the characters of texts in one of the scripts of language codes, if they are not the same one."""
_UNICODE_NAMES = {
    "LATIN": "Latn", "CYRILLIC": "Cyrl", "GREEK": "Grek", "ARABIC": "Arab", "HEBREW": "Hebr", "ARMENIAN": "Armn",
    "GEORGIAN": "Geor", "HANGUL": "Hang", "DEVANAGARI": "Deva", "BENGALI": "Beng", "GURMUKHI": "Guru",
    "GUJARATI": "Gujr", "ORIYA": "Orya", "TAMIL": "Taml", "TELUGU": "Telu", "KANNADA": "Knda", "MALAYALAM": "Mlym",
    "SINHALA": "Sinh", "ETHIOPIC": "Ethi", "CHEROKEE": "Cher", "CANADIAN": "Cans", "THAANA": "Thaa", "SYRIAC": "Syrc",
    "NKO": "Nkoo", "TIFINAGH": "Tfng", "MONGOLIAN": "Mong", "VAI": "Vaii", "OL": "Olck", "FULLWIDTH": "Latn",
}  # fmt: skip
"""Scripts by the first word of the names of their letters."""


@dataclass(frozen=True)
class Detected:
    """A language that a text may be in."""

    language: str
    """One of the codes of the detector, as it was given."""
    confidence: float
    """Probability among the served languages, 0-100. 0 if none of them is written in the script of the text."""


@dataclass(frozen=True)
class _Served:
    """A served language."""

    code: str
    label: str
    """py3langid's label; "" if it does not know the language."""
    script: str
    """The script in the form of language codes, e.g. Hans; "" if it is unknown."""

    def is_written_in(self, script: str) -> bool:
        """Return whether texts consist of characters of this script; no if the script of the language is unknown."""
        return script in _SCRIPTS.get(self.script, (self.script,))


class LanguageDetector:
    """Detects some languages. It can be used by several threads at a time."""

    def __init__(self, codes: Collection[str]) -> None:
        """Take the codes of the languages. Loading takes about 0.7 s and 50 MB, for a single language neither."""
        parts = [parse_code(code) for code in codes]
        identifier = None
        if len(codes) > 1:
            from py3langid.langid import MODEL_FILE, LanguageIdentifier  # not installed with requirements/runtime.txt

            identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
        known = set(identifier.labels) if identifier else set()
        labels = [_label(code, part, known) for code, part in zip(codes, parts, strict=True)]
        self._served = [
            _Served(code, label, part.likely_script) for code, label, part in zip(codes, labels, parts, strict=True)
        ]
        self._identifier = _restrict(identifier, set(labels) - {""}) if identifier and any(labels) else None
        self._by_script: dict[str, list[_Served]] = {}  # a cache

    def detect(self, text: str) -> list[Detected]:
        """Return the languages that the text may be in, the best first.

        Empty if the text has no letters. A language that py3langid does not know is detected only if it is the only one
        that is served, or the only one that is written in the script of the text.
        """
        text = text[:MAX_CHARACTERS]
        script = main_script(text)
        if not script:
            return []
        if script not in self._by_script:
            self._by_script[script] = [served for served in self._served if served.is_written_in(script)]
        fitting = self._by_script[script]
        if len(self._served) == 1 and not self._served[0].script:
            fitting = self._served
        if len(fitting) == 1:
            return [Detected(fitting[0].code, 100.0)]
        if fitting:
            return self._rank(text, fitting)
        if len(self._served) == 1:
            return [Detected(self._served[0].code, 0.0)]
        return [Detected(best.language, 0.0) for best in self._rank(text, self._served)[:1]]

    def knows(self, code: str) -> bool:
        """Return whether the language is one that the detector tells from others of the same script."""
        return any(served.code == code and served.label for served in self._served)

    def _rank(self, text: str, among: Iterable[_Served]) -> list[Detected]:
        """Return the languages that py3langid knows with their confidence among one another, the best first."""
        by_label: dict[str, list[_Served]] = {}
        for served in among:
            if served.label:
                by_label.setdefault(served.label, []).append(served)
        if self._identifier is None or not by_label:
            return []
        scores = {label: score for label, score in self._identifier.rank(text) if label in by_label}
        total = sum(scores.values()) or 1.0
        rounded = {label: round(100 * score / total, 1) for label, score in scores.items()}
        best = next(iter(rounded))
        return [
            Detected(_choose(text, by_label[label]).code, confidence)
            for label, confidence in rounded.items()
            if label == best or confidence >= MIN_CONFIDENCE
        ]


def main_script(text: str) -> str:
    """Return the script (ISO 15924) of most letters of a text; "" if it has no letters, Zyyy if the script is unknown.

    Chinese characters are Hani, or Jpan if there is kana among them. They count three times, because words have fewer
    of them than letters.
    """
    counts: Counter[str] = Counter()
    for character, count in Counter(text).items():
        if character.isalpha():
            counts[_script(character)] += count
    kana, shared = counts.pop("Jpan", 0), counts.pop("Hani", 0)
    if kana or shared:
        counts["Jpan" if kana >= KANA_SHARE * (kana + shared) else "Hani"] = 3 * (kana + shared)
    return max(counts, key=counts.__getitem__, default="")


@lru_cache(maxsize=1 << 14)
def _script(character: str) -> str:
    """Return the script of a letter; Zyyy if the script is not known here."""
    if script := unspaced_script(character):
        return script
    return _UNICODE_NAMES.get(unicodedata.name(character, "").split(" ")[0], "Zyyy")


def _label(code: str, parts: CodeParts, known: Collection[str]) -> str:
    """Return py3langid's label of a language; "" if it does not know it."""
    first = code.split("-")[0].split("_")[0].lower()
    candidates = (parts.language and first, parts.language, _LABELS.get(parts.language, ""))
    return next((label for label in candidates if label in known), "")


def _restrict(identifier: "LanguageIdentifier", labels: Collection[str]) -> "LanguageIdentifier":
    """Return an identifier of some languages without the tables of the others, which take 28 MB."""
    identifier.set_languages(labels)
    tables = identifier.nb_ptc, identifier.nb_pc, identifier.nb_classes, identifier.tk_nextmove, identifier.tk_output
    return type(identifier)(*tables, norm_probs=True, tk_row=identifier.tk_row)


def _choose(text: str, served: list[_Served]) -> _Served:
    """Return the one of several forms of a language that a text is in: the first one, except for Chinese.

    GB 2312 has no traditional and Big5 no simplified characters, which shows the script of a Chinese text.
    """
    scripts = {each.script: each for each in reversed(served)}
    if not {"Hans", "Hant"} <= scripts.keys():
        return served[0]
    simplified, traditional = (
        sum(1 for character in text if _is_encodable(character, one) and not _is_encodable(character, other))
        for one, other in (("gb2312", "big5"), ("big5", "gb2312"))
    )
    return scripts["Hans"] if simplified >= traditional else scripts["Hant"]


def _is_encodable(character: str, encoding: str) -> bool:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
