"""Recognise how a file of sentence pairs separates its columns, and read its rows.

Known are tab-separated text (with or without Excel's quotes), comma- and semicolon-separated CSV, " ||| " as Moses
writes it, and JSON with one object per line.
"""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from nmt.corpora.text_files import MAX_LINE_CHARACTERS, TextFile
from nmt.data.lines import one_line
from nmt.errors import NmtError

SAMPLE_LINES = 2000
"""Lines at the beginning of a file that show its format and its columns."""
_CONSISTENT_SHARE = 0.95
"""Share of the rows of a table that have the usual number of columns."""
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?')
_QUOTED = re.compile(r'"(?:[^"]|"")*"?')
_NAMES = {"\t": "tab-separated", ",": "comma-separated", ";": "semicolon-separated", " ||| ": "separated by |||"}


@dataclass(frozen=True)
class TableFormat:
    """How the columns of a file are separated."""

    delimiter: str = ""
    """"" for JSON lines and for text of one column."""
    is_quoted: bool = False
    """Fields may be in double quotes, as spreadsheets write them."""
    keys: tuple[str, ...] = ()
    """JSON lines: the keys with strings, in their order; nested keys are joined by a dot."""
    skipped_lines: int = 0
    """Lines before the table: Excel's "sep=;"."""

    def __str__(self) -> str:
        """Return the format in words."""
        if self.keys:
            return "JSON lines"
        name = _NAMES.get(self.delimiter, f"separated by {self.delimiter!r}")
        return f"{name} with quotes" if self.is_quoted and self.delimiter == "\t" else name


def recognize_table(file: TextFile) -> TableFormat:
    """Return the format of a file. Raise `NmtError` if its lines do not have two or more columns."""
    lines = list(islice(file.lines(), SAMPLE_LINES))
    if lines[0].lstrip().startswith(("{", "[")) and (keys := _json_keys(file, lines)):
        return TableFormat(keys=keys)
    if lines[0].lstrip().lower().startswith(("<?xml", "<tmx", "<html", "<!doctype")):
        raise NmtError(f"{file.path}: is XML or HTML; extract the sentence pairs to a tab-separated file first")
    if match := _SEPARATOR_LINE.fullmatch(lines[0].strip()):
        return TableFormat(match[1], True, skipped_lines=1)
    filled = [line for line in lines if line.strip()]
    for delimiter in ("\t", " ||| "):
        if _share(delimiter in line for line in filled) >= 0.9:
            return TableFormat(delimiter, delimiter == "\t" and _has_quotes(filled))
    # A field with line breaks spreads a row over several lines, so rows are counted, not lines.
    separators = [mark for mark in (";", ",", "\t") if _is_consistent(lines, mark)]
    if separators:
        return TableFormat(separators[0], True)
    raise NmtError(
        f"{file.path}: has one column (no tab, ',', ';' or '|||' separates each line into the same number of columns); "
        "give a table with source and target in two columns, or two text files: nmt init SOURCE TARGET"
    )


def read_rows(file: TextFile, table: TableFormat) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of the first line of each row, from 1, and its columns."""
    numbered = islice(enumerate(file.lines(), start=1), table.skipped_lines, None)
    if table.keys:
        yield from _json_rows(file, table.keys)
    elif table.is_quoted:
        yield from _quoted_rows(file, table)
    else:
        yield from ((number, line.split(table.delimiter)) for number, line in numbered)


def _quoted_rows(file: TextFile, table: TableFormat) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(MAX_LINE_CHARACTERS)
    reader = csv.reader(_with_line_ends(islice(file.lines(), table.skipped_lines, None)), delimiter=table.delimiter)
    first = table.skipped_lines + 1
    try:
        for columns in reader:
            if columns:
                yield first, [one_line(column) for column in columns]
            first = reader.line_num + table.skipped_lines + 1
    except csv.Error as error:
        raise NmtError(
            f"{file.path}: line {first:,}: a quoted field is not closed ({error}); write each double quote within "
            'quotes as "", or save the table as tab-separated text'
        ) from None


def _with_line_ends(lines: Iterable[str]) -> Iterator[str]:
    return (f"{line}\n".replace("\0", " ") for line in lines)


def _json_rows(file: TextFile, keys: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(file.lines(), start=1):
        if not line.strip():
            continue
        try:
            values = _flatten(json.loads(line))
        except (ValueError, RecursionError):
            raise NmtError(
                f"{file.path}: line {number:,} is not a JSON object; write one object in each line"
            ) from None
        yield number, [one_line(values.get(key, "")) for key in keys]


def _json_keys(file: TextFile, lines: list[str]) -> tuple[str, ...]:
    """Return the keys of the strings in JSON lines; empty if the file is no JSON."""
    try:
        first = json.loads(lines[0])
    except (ValueError, RecursionError):
        if lines[0].strip() in ("[", "{"):
            raise NmtError(f"{file.path}: is JSON over several lines; write one JSON object in each line") from None
        return ()
    if not isinstance(first, dict):
        return ()
    keys: dict[str, None] = {}
    for line in lines[:100]:
        try:
            keys |= dict.fromkeys(_flatten(json.loads(line)))
        except (ValueError, RecursionError):
            continue
    if len(keys) < 2:
        raise NmtError(f"{file.path}: the JSON objects have fewer than two keys with text; two are needed for a pair")
    return tuple(keys)


def _flatten(value: Any, prefix: str = "") -> dict[str, str]:
    """Return the strings and numbers of a JSON object by their keys."""
    if not isinstance(value, dict):
        raise ValueError
    found: dict[str, str] = {}
    for key, inner in value.items():
        if isinstance(inner, dict):
            found |= _flatten(inner, f"{prefix}{key}.")
        elif isinstance(inner, (str, int, float)):
            found[f"{prefix}{key}"] = str(inner)
    return found


def _has_quotes(lines: list[str]) -> bool:
    """Return whether a tab-separated text has quoted fields, as Excel writes them.

    Excel quotes only fields that need it. So a field in quotes with nothing special in it is text that somebody says,
    unless nearly all fields are quoted.
    """
    fields = [field for line in lines for field in line.split("\t") if field]
    quoted = [field for field in fields if field.startswith('"')]
    if not quoted or not all(_QUOTED.fullmatch(field) for field in quoted):
        return False
    needed = sum('""' in field[1:-1] or len(field) == 1 or not field.endswith('"') for field in quoted)
    return needed > len(quoted) / 2 or len(quoted) > 0.9 * len(fields)


def _is_consistent(lines: list[str], delimiter: str) -> bool:
    """Return whether this delimiter gives nearly all rows the same number of columns, two or more."""
    csv.field_size_limit(MAX_LINE_CHARACTERS)
    try:
        rows = [row for row in csv.reader(_with_line_ends(lines), delimiter=delimiter) if row]
    except csv.Error:
        return False
    rows = rows[:-1] if len(lines) == SAMPLE_LINES else rows  # the last row may be cut
    if not rows:
        return False
    columns, count = Counter(map(len, rows)).most_common(1)[0]
    return columns > 1 and count >= _CONSISTENT_SHARE * len(rows)


def _share(values: Iterable[bool]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else 0.0
