"""Read the sentence pairs of a corpus from two text files or a TSV file, and test pairs against the filters."""

import csv
import re
from collections.abc import Iterable, Iterator
from itertools import islice, zip_longest
from pathlib import Path

from nmt import config
from nmt.data.lines import InvalidLines, one_line, read_lines
from nmt.errors import NmtError

INVALID_UTF8 = "not UTF-8"
"""The reason for dropping pairs with U+FFFD, which replaces bytes that cannot be decoded."""
_MAX_LINES_NAMED = 10
"""The number of malformed lines that an error names."""
_MAX_FIELD_CHARACTERS = 1 << 20
"""Limit for a quoted field, as a quote that is never closed would take in the rest of the file."""
_ROWS_EXAMINED = 100
COLUMN_NAMES = {"source", "target", "src", "trg", "tgt", "text", "sentence", "segment", "translation", "reference"}
COLUMN_NAMES |= {"input", "output", "original", "language", "english", "german", "french", "spanish", "chinese"}
"""Words in the header of a table of sentence pairs."""


def read_pairs(corpus: config.Corpus, invalid: list[InvalidLines] | None = None) -> Iterator[tuple[str, str]]:
    """Yield the (source, target) lines of a corpus unchanged; the tag of the corpus is not added.

    If the list `invalid` is given, one counter per file is appended to it, which counts the lines that are not valid
    UTF-8; otherwise such lines are errors. Raise NmtError at the end if two files differ in their number of lines or if
    lines of a TSV have too few columns.
    """
    paths = corpus_paths(corpus)
    counters = [InvalidLines(str(path)) if invalid is not None else None for path in paths]
    if invalid is not None:
        invalid.extend(filter(None, counters))
    if corpus.tsv is not None:
        return _read_table(corpus.tsv, corpus, counters[0])
    sources, targets = map(read_lines, paths, counters)
    return align_lines(sources, targets, *map(str, paths))


def corpus_paths(corpus: config.Corpus) -> list[Path]:
    """Return the one or two files of a corpus."""
    return [path for path in (corpus.source, corpus.target, corpus.tsv) if path is not None]


def corpus_name(corpus: config.Corpus) -> str:
    """Return the file names of a corpus, its name in tables."""
    return " + ".join(path.name for path in corpus_paths(corpus))


def align_lines(
    sources: Iterable[str], targets: Iterable[str], source_name: str, target_name: str
) -> Iterator[tuple[str, str]]:
    """Yield the pairs of two inputs, read line by line. Raise NmtError at the end if one has more lines."""
    counts = [0, 0]
    for pair in zip_longest(sources, targets):
        counts[0] += pair[0] is not None
        counts[1] += pair[1] is not None
        if counts[0] == counts[1]:
            yield pair
    check_aligned(source_name, counts[0], target_name, counts[1])


def check_aligned(source_name: str, source_lines: int, target_name: str, target_lines: int) -> None:
    """Raise NmtError if two files differ in their number of lines."""
    if source_lines != target_lines:
        raise NmtError(
            f"{source_name} has {source_lines:,} lines but {target_name} has {target_lines:,}; the files must be "
            "aligned line by line"
        )


def _read_table(path: Path, corpus: config.Corpus, invalid: InvalidLines | None) -> Iterator[tuple[str, str]]:
    needed = max(corpus.source_column, corpus.target_column)
    malformed: list[tuple[int, int]] = []  # line number and number of columns of the first ones
    count = 0
    for number, columns in _rows(path, corpus.quoting, invalid):
        if number == 1 and corpus.header:
            continue
        if len(columns) < needed:
            count += 1
            if len(malformed) < _MAX_LINES_NAMED:
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
    """Yield the columns of each row of a TSV with the number of its first line, from 1."""
    lines = read_lines(path, invalid)
    if not quoting:
        yield from ((number, line.split("\t")) for number, line in enumerate(lines, start=1))
        return
    csv.field_size_limit(_MAX_FIELD_CHARACTERS)
    reader = csv.reader((f"{line}\n".replace("\0", " ") for line in lines), delimiter="\t", strict=True)
    first_line = 1
    try:
        for columns in reader:
            yield first_line, [one_line(column) for column in columns] or [""]
            first_line = reader.line_num + 1
    except csv.Error as error:
        raise NmtError(
            f"{path}: line {first_line:,}: a quoted field is not closed or is followed by other text ({error}); write "
            'each double quote within quotes as "", or set quoting: false'
        ) from None


def tsv_hints(corpus: config.Corpus, languages: tuple[str, str]) -> list[str]:
    """Return hints if the first rows of a TSV look like a header or like quoted fields and the config says otherwise.

    `languages` are the codes of the source and the target language.
    """
    if corpus.tsv is None:
        return []
    rows = (
        (columns[corpus.source_column - 1], columns[corpus.target_column - 1])
        for _, columns in _rows(corpus.tsv, corpus.quoting, InvalidLines(str(corpus.tsv)))
        if len(columns) >= max(corpus.source_column, corpus.target_column)
    )
    first = list(islice(rows, _ROWS_EXAMINED))
    hints = []
    if first and not corpus.header and _is_header(first[0], languages):
        names = " and ".join(repr(name) for name in first[0])
        hints.append(f"{corpus.tsv}: the first line looks like a header ({names}); if so, set header: true")
    is_quoted = [any(len(field) > 1 and field[0] == field[-1] == '"' for field in pair) for pair in first]
    if not corpus.quoting and len(first) > 1 and sum(is_quoted) > len(first) / 2:
        hints.append(
            f"{corpus.tsv}: most fields are in double quotes; if these are not part of the text, set quoting: true"
        )
    return hints


def _is_header(pair: tuple[str, str], languages: tuple[str, str]) -> bool:
    """Return whether both fields are names of columns: a language or its code, source, target, text, sentence, …"""
    names = [set(re.findall(r"[^\W_]+", field.lower())) for field in pair]
    codes = {part for code in languages for part in (code.lower(), re.split("[-_]", code.lower())[0])}
    return all(words and len(words) <= 3 and words & (COLUMN_NAMES | codes) for words in names)


def active_filters(filters: config.Filters) -> list[str]:
    """Return the names of the filters that are switched on, `duplicates` last."""
    return [name for name in type(filters).model_fields if getattr(filters, name)]


def failed_filter(source: str, target: str, filters: config.Filters) -> str | None:
    """Return the name of the first filter that drops this normalised pair; None if it passes all.

    A pair with U+FFFD is always dropped: it was not valid UTF-8, in this file or in an earlier one. The filter
    `duplicates` needs the whole corpus, see `nmt.data.deduplicate`.
    """
    if "\ufffd" in source or "\ufffd" in target:
        return INVALID_UTF8
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
