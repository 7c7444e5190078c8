"""Which two columns of a table hold the source and the target sentences, and in which languages.

A column holds sentences if its fields have letters and are neither numbers, dates, addresses, attributions nor labels
that occur again and again.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nmt.corpora.identification import UNKNOWN, Identified, identify, language_of_name
from nmt.data.corpus import COLUMN_NAMES
from nmt.data.language_names import parse_code
from nmt.errors import NmtError

MAX_SAMPLE_ROWS = 2000
_NUMBER = re.compile(r"[\d\s.,:;/%+\-()#TZ]+")
_ADDRESS = re.compile(r"(https?://|www\.|[^\s@]+@[^\s@]+\.\w)\S*", re.IGNORECASE)
_ATTRIBUTION = re.compile(r"CC.BY|CC0|tatoeba|©|\(c\)|licen[cs]e|attribution", re.IGNORECASE)
_HEADER_FIELD = re.compile(r"[\w\s./()-]*\w[)]?")
_HEADER_WORDS = COLUMN_NAMES | {
    "id", "number", "score", "date", "url", "comment", "notes", "user", "license", "licence", "sentences", "lang",
    "attribution", "phrase", "translated", "englisch", "deutsch", "französisch", "spanisch", "anglais", "allemand",
    "français", "espagnol", "inglés", "alemán", "francés", "español", "quelle", "ziel", "英语", "中文", "原文", "译文",
}  # fmt: skip
_TESTS: tuple[tuple[str, float, Callable[[str], object]], ...] = (
    ("numbers or dates", 0.9, _NUMBER.fullmatch),
    ("addresses", 0.8, _ADDRESS.fullmatch),
    ("attributions", 0.8, _ATTRIBUTION.search),
)
"""Kinds of columns without sentences: the share of fields that show the kind, and the test of a field."""


@dataclass(frozen=True)
class Column:
    """What one column holds."""

    number: int
    """From 1."""
    kind: str
    """sentences, or what else the column holds."""
    name: str = ""
    """From the header."""
    language: Identified = UNKNOWN
    """The language of sentences."""

    def __str__(self) -> str:
        """Return what the column holds, in words."""
        name = f" '{self.name}'" if self.name else ""
        return f"column {self.number}{name}: {self.language if self.kind == 'sentences' else self.kind}"


@dataclass(frozen=True)
class Layout:
    """The columns of a table that are used."""

    source: Column
    target: Column
    unused: tuple[Column, ...]
    has_header: bool
    is_swapped: bool
    """The user's languages put the later column first."""


def find_columns(
    rows: Sequence[Sequence[str]], name: str, languages: tuple[str, str], hints: tuple[str, ...] = ()
) -> Layout:
    """Return the layout of a table by its first rows; two aligned files are a table of two columns.

    `languages` are the codes that the user gave, "" for none. They choose among several columns, and their order.
    `hints` are the languages that the names of two files give. Raise `NmtError`, which begins with the `name` of the
    file, if there are not two columns with sentences or more than two are possible.
    """
    has_header = _has_header(rows)
    body = rows[1:] if has_header else rows
    width = max(len(row) for row in rows)
    names = [*(field.strip() for field in rows[0]), *[""] * width] if has_header else [""] * width
    values = [[row[i].strip() for row in body if i < len(row)] for i in range(width)]
    kinds = [_kind(column, len(body)) for column in values]
    if kinds.count("sentences") < 2:
        usable = ("repeated labels", "the same text in each row", "few fields")
        kinds = ["sentences" if kind in usable and _has_letters(values[i]) else kind for i, kind in enumerate(kinds)]
    columns = [
        Column(i + 1, kind, names[i], identify(values[i], hints[i] if hints else language_of_name(names[i])))
        if kind == "sentences"
        else Column(i + 1, kind, names[i])
        for i, kind in enumerate(kinds)
    ]
    sentences = [column for column in columns if column.kind == "sentences"]
    if len(sentences) < 2:
        raise NmtError(
            f"{name}: fewer than two columns hold sentences: {'; '.join(map(str, columns))}; a file of sentence pairs "
            "has the source and the target in two columns"
        )
    chosen = choose_two(sentences, name, languages)
    unused = tuple(column for column in columns if column.number not in {each.number for each in chosen})
    return Layout(*chosen, unused, has_header, chosen[0].number > chosen[1].number)


def choose_two(columns: list[Column], name: str, languages: tuple[str, str]) -> tuple[Column, Column]:
    """Return the source and the target among columns with sentences: the languages of the user, else their order."""
    found: list[Column | None] = [_with_language(columns, code) for code in languages]
    if len(columns) > 2 and None in found:
        firsts: dict[str, Column] = {}
        for column in columns:
            firsts.setdefault(parse_code(column.language.code).language or column.language.code, column)
        if len(firsts) != 2:
            which = "; ".join(map(str, columns))
            raise NmtError(
                f"{name}: {len(columns)} columns hold sentences ({which}); choose two by their languages: "
                "--source-language and --target-language"
            )
        columns = list(firsts.values())
    for side in (0, 1):
        if found[side] is None:
            others = [column for column in columns if column is not found[1 - side]]
            found[side] = others[side if len(others) > 1 else 0]
    source, target = found
    assert source is not None and target is not None
    if source is target:
        raise NmtError(f"{name}: --source-language and --target-language choose the same text ({source})")
    return source, target


def _with_language(columns: list[Column], code: str) -> Column | None:
    """Return the first column in a language; None for "" and if there is none."""
    wanted = parse_code(code)
    fitting = [column for column in columns if code and parse_code(column.language.code).language == wanted.language]
    return fitting[0] if fitting else None


def _has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the first row names the columns: known words, or text above a column of numbers."""
    first, rest = rows[0], rows[1:]
    words = [set(re.findall(r"[^\W\d_]+", field.lower())) for field in first]
    if not rest or any(len(each) > 4 for each in words):
        return False
    is_name = [
        bool(_HEADER_FIELD.fullmatch(field.strip()))
        and (bool(each & _HEADER_WORDS) or (len(each) == 1 and bool(language_of_name(field))))
        for each, field in zip(words, first, strict=True)
    ]
    filled = [named for named, field in zip(is_name, first, strict=True) if field.strip()]
    if len(filled) > 1 and all(filled):
        return True
    for i, field in enumerate(first):
        column = [row[i].strip() for row in rest[:200] if i < len(row)]
        is_number = [bool(_NUMBER.fullmatch(value)) for value in column if value]
        if len(is_number) > 1 and all(is_number) and _has_letters([field]):
            return True
    return sum(filled) >= 2 and sum(filled) * 2 >= len(filled)


def _kind(values: list[str], rows: int) -> str:
    """Return "sentences", or what else a column holds."""
    filled = [value for value in values if value]
    if not filled:
        return "empty"
    for kind, share, test in _TESTS:
        if sum(bool(test(value)) for value in filled) >= share * len(filled):
            return kind
    if len(filled) < 0.5 * rows:
        return "few fields"
    if not _has_letters(filled):
        return "no letters"
    distinct = len(set(filled))
    if len(filled) >= 4 and distinct == 1:
        return "the same text in each row"
    is_word = sum(" " not in value and len(value) < 30 and value.isascii() for value in filled) >= 0.95 * len(filled)
    if is_word and len(filled) >= 4 and (distinct < 0.4 * len(filled) or max(map(len, filled)) <= 3):
        return "repeated labels"
    return "sentences"


def _has_letters(values: Sequence[str]) -> bool:
    """Return whether at least a third of the characters are letters or marks, digits and spaces not counted."""
    text = "".join(values[:200])
    letters = sum(character.isalpha() for character in text)
    return letters > 0 and letters * 3 >= sum(not character.isspace() and not character.isdigit() for character in text)
