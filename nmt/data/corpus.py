"""Aligned pairs of raw lines out of a corpus of the config, and the filters that drop some of them."""

import csv
import re
from collections.abc import Iterable, Iterator
from itertools import islice, zip_longest
from pathlib import Path

from nmt import config
from nmt.data.lines import InvalidLines, one_line, read_lines
from nmt.errors import NmtError

DAMAGED = "not UTF-8"
"""Why pairs with U+FFFD, the replacement of what could not be decoded, are dropped."""
_NAMED = 10
"""Malformed lines that an error names."""
_LONGEST_FIELD = 1 << 20
"""Characters of a quoted field; a quote that is never closed would take in the rest of the file."""
_LOOKED_AT = 100
_COLUMN_NAMES = {"source", "target", "src", "trg", "tgt", "text", "sentence", "segment", "translation", "reference"}
_COLUMN_NAMES |= {"input", "output", "original", "language", "english", "german", "french", "spanish", "chinese"}
"""Words that name the columns of a table of sentence pairs."""


def read_pairs(corpus: config.Corpus, invalid: list[InvalidLines] | None = None) -> Iterator[tuple[str, str]]:
    """Yield the (source, target) lines of a corpus as they are in the files, without its tag.

    A counter for each file is put into `invalid`, which then counts lines that are not valid UTF-8; without it they are
    errors. Raises `NmtError` where two files differ in their number of lines, or where lines of a TSV have too few
    columns; both are known only when all is read.
    """
    if corpus.tsv is not None:
        return _read_table(corpus.tsv, corpus, _counter(corpus.tsv, invalid))
    assert corpus.source is not None and corpus.target is not None  # the schema requires it
    sides = (corpus.source, corpus.target)
    sources, targets = (read_lines(path, _counter(path, invalid)) for path in sides)
    return align_lines(sources, targets, *map(str, sides))


def _counter(path: Path, invalid: list[InvalidLines] | None) -> InvalidLines | None:
    if invalid is None:
        return None
    invalid.append(InvalidLines(str(path)))
    return invalid[-1]


def paths(corpus: config.Corpus) -> list[Path]:
    """Return the one or two files of a corpus."""
    return [path for path in (corpus.source, corpus.target, corpus.tsv) if path is not None]


def describe(corpus: config.Corpus) -> str:
    """Return a short name for tables: the file names."""
    return " + ".join(path.name for path in paths(corpus))


def align_lines(
    sources: Iterable[str], targets: Iterable[str], source_name: str, target_name: str
) -> Iterator[tuple[str, str]]:
    """Yield the pairs of two inputs, read in turns; raises `NmtError` at the end if one has more lines."""
    counts = [0, 0]
    for pair in zip_longest(sources, targets):
        counts[0] += pair[0] is not None
        counts[1] += pair[1] is not None
        if counts[0] == counts[1]:
            yield pair
    if counts[0] != counts[1]:
        raise NmtError(
            f"{source_name} has {counts[0]:,} lines but {target_name} has {counts[1]:,}; the files must be aligned "
            "line by line"
        )


def _read_table(path: Path, corpus: config.Corpus, invalid: InvalidLines | None) -> Iterator[tuple[str, str]]:
    needed = max(corpus.source_column, corpus.target_column)
    malformed: list[tuple[int, int]] = []  # line and columns of the first ones
    count = 0
    for number, columns in _rows(path, corpus.quoting, invalid):
        if number == 1 and corpus.header:
            continue
        if len(columns) < needed:
            count += 1
            if len(malformed) < _NAMED:
                malformed.append((number, len(columns)))
        elif not count:
            yield columns[corpus.source_column - 1], columns[corpus.target_column - 1]
    if count:
        lines = ", ".join(f"{line:,} ({columns})" for line, columns in malformed)
        raise NmtError(
            f"{path}: {count:,} line{'s have' if count > 1 else ' has'} fewer than the {needed} tab-separated columns "
            f"that are needed: line{'s' * (count > 1)} {lines}{', …' * (count > len(malformed))} (columns found in "
            "brackets); correct the lines or set source_column and target_column"
        )


def _rows(path: Path, quoting: bool, invalid: InvalidLines | None) -> Iterator[tuple[int, list[str]]]:
    """Yield the columns of each row of a TSV with the number of the line where it begins, from 1."""
    lines = read_lines(path, invalid)
    if not quoting:
        yield from ((number, line.split("\t")) for number, line in enumerate(lines, start=1))
        return
    csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.reader((f"{line}\n".replace("\0", " ") for line in lines), delimiter="\t", strict=True)
    begin = 1
    try:
        for columns in reader:
            yield begin, [one_line(column) for column in columns] or [""]
            begin = reader.line_num + 1
    except csv.Error as error:
        raise NmtError(
            f"{path}: line {begin:,}: a quoted field is not closed or is followed by other text ({error}); write each "
            'double quote within quotes as "", or set quoting: false'
        ) from None


def tsv_hints(corpus: config.Corpus, languages: tuple[str, str]) -> list[str]:
    """Return hints about a TSV whose first lines look like a header or like quoted fields although the config has none.

    `languages` are the codes of source and target.
    """
    if corpus.tsv is None:
        return []
    rows = (
        (columns[corpus.source_column - 1], columns[corpus.target_column - 1])
        for _, columns in _rows(corpus.tsv, corpus.quoting, InvalidLines(str(corpus.tsv)))
        if len(columns) >= max(corpus.source_column, corpus.target_column)
    )
    first = list(islice(rows, _LOOKED_AT))
    hints = []
    if first and not corpus.header and _is_header(first[0], languages):
        names = " and ".join(repr(name) for name in first[0])
        hints.append(f"{corpus.tsv}: the first line looks like a header ({names}); if so, set header: true")
    is_quoted = [any(len(field) > 1 and field[0] == field[-1] == '"' for field in pair) for pair in first]
    if not corpus.quoting and len(first) > 1 and sum(is_quoted) > len(first) / 2:
        hints.append(
            f"{corpus.tsv}: most fields are in double quotes; if they are no part of the text, set quoting: true"
        )
    return hints


def _is_header(pair: tuple[str, str], languages: tuple[str, str]) -> bool:
    """Return whether both fields name a column: a language or its code, source, target, text, sentence, …"""
    names = [set(re.findall(r"[^\W_]+", field.lower())) for field in pair]
    codes = {part for code in languages for part in (code.lower(), re.split("[-_]", code.lower())[0])}
    return all(words and len(words) <= 3 and words & (_COLUMN_NAMES | codes) for words in names)


def active(filters: config.Filters) -> list[str]:
    """Return the names of the filters that are switched on, `duplicates` last."""
    return [name for name in type(filters).model_fields if getattr(filters, name)]


def reject(source: str, target: str, filters: config.Filters) -> str | None:
    """Return the name of the first filter that drops this normalised pair, None where it stays.

    A pair that holds U+FFFD, so was not valid UTF-8 here or where it came from, is always dropped. `duplicates` needs
    the whole corpus and is not decided here.
    """
    if "\ufffd" in source or "\ufffd" in target:
        return DAMAGED
    if filters.empty and not (source.strip() and target.strip()):
        return "empty"
    if filters.min_words or filters.max_words:
        fewest, most = sorted((len(source.split()), len(target.split())))
        if fewest < filters.min_words:
            return "min_words"
        if filters.max_words and most > filters.max_words:
            return "max_words"
    shorter, longer = sorted((len(source), len(target)))
    if filters.max_characters and longer > filters.max_characters:
        return "max_characters"
    if filters.max_ratio and longer > filters.max_ratio * shorter:
        return "max_ratio"
    if filters.copies and source == target:
        return "copies"
    return None
