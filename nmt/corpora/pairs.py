"""The sentence pairs of one table or of two aligned files, whatever their format."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from nmt.corpora.columns import MAX_SAMPLE_ROWS, Column, Layout, find_columns
from nmt.corpora.identification import language_of_file
from nmt.corpora.tables import TableFormat, read_rows, recognize_table
from nmt.corpora.text_files import TextFile, open_text
from nmt.data.corpus import align_lines
from nmt.data.language_names import parse_code
from nmt.data.lines import one_line
from nmt.errors import NmtError

_MAX_SHORT_SHARE = 0.05
"""Largest share of rows with too few columns; they are left out."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_JOINED_PIECE = re.compile(r"@@( |$)")


@dataclass(frozen=True)
class SubwordMarks:
    """How a text was split into subwords, which is undone because `nmt` learns its own."""

    mark: str
    """"@@" (subword-nmt), "▁" (SentencePiece) or "" for none."""

    def join(self, text: str) -> str:
        """Return a sentence with its pieces joined to words."""
        if self.mark == "@@":
            return _JOINED_PIECE.sub("", text)
        return text.replace(" ", "").replace("▁", " ").strip() if self.mark else text


@dataclass
class PairReader:
    """Reads the pairs of a corpus, and counts what it leaves out."""

    files: tuple[TextFile, ...]
    table: TableFormat | None
    """None for two files."""
    layout: Layout
    languages: tuple[str, str]
    """The codes of source and target."""
    marks: SubwordMarks = SubwordMarks("")
    warnings: list[str] = field(default_factory=list)
    short_rows: int = 0
    """Rows with too few columns, which are left out."""

    @property
    def name(self) -> str:
        """The file or files."""
        return " and ".join(str(file.path) for file in self.files)

    def pairs(self) -> Iterator[tuple[int, str, str]]:
        """Yield the line number, the source and the target of each pair, on one line and with single spaces.

        Raise `NmtError` if two files differ in their number of lines, or too many rows have too few columns.
        """
        source, target = self.layout.source.number - 1, self.layout.target.number - 1
        needed = max(source, target) + 1
        rows, first_short = 0, 0
        for number, columns in islice(self._rows(), int(self.layout.has_header), None):
            rows += 1
            if len(columns) < needed and any(columns):
                self.short_rows += 1
                first_short = first_short or number
                continue
            columns = columns + [""] * (needed - len(columns))
            yield number, self._clean(columns[source]), self._clean(columns[target])
        if self.short_rows > max(1, _MAX_SHORT_SHARE * rows):
            raise NmtError(
                f"{self.name}: {self.short_rows:,} of {rows:,} rows have fewer than {needed} columns, the first is "
                f"line {first_short:,}; correct these lines"
            )

    def _clean(self, text: str) -> str:
        if not text.isprintable():
            text = _CONTROL.sub(" ", one_line(text))
        return self.marks.join(" ".join(text.split()))

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        return _rows(self.files, self.table)


def open_pairs(paths: Sequence[Path], languages: tuple[str, str] = ("", ""), encoding: str = "") -> PairReader:
    """Return a reader of one table or of two aligned files.

    `languages` are the codes that the user gave for source and target, "" for none. Raise `NmtError` if the files
    are missing, are no text or hold no sentence pairs.
    """
    if len(paths) == 2 and paths[0].exists() and paths[1].exists() and paths[0].samefile(paths[1]):
        raise NmtError(f"{paths[0]}: given twice; give the source and the target file, or one table with both")
    files = tuple(open_text(path, encoding) for path in paths)
    table = recognize_table(files[0]) if len(files) == 1 else None
    hints = tuple(language_of_file(path) for path in paths) if table is None else ()
    rows = [columns for _, columns in islice(_rows(files, table), MAX_SAMPLE_ROWS)]
    if table is None:
        _reject_tables(files, rows)
    layout = find_columns(rows, " and ".join(map(str, paths)), languages, hints)
    source, target = layout.source, layout.target
    reader = PairReader(files, table, layout, _codes(source, target, languages), _subword_marks(rows))
    reader.warnings += _language_warnings(reader, hints)
    return reader


def _rows(files: tuple[TextFile, ...], table: TableFormat | None) -> Iterator[tuple[int, list[str]]]:
    if table is not None:
        yield from read_rows(files[0], table)
        return
    source, target = files
    aligned = align_lines(source.lines(), target.lines(), str(source.path), str(target.path))
    for number, pair in enumerate(aligned, start=1):
        yield number, list(pair)


def _reject_tables(files: tuple[TextFile, ...], rows: list[list[str]]) -> None:
    """Raise `NmtError` if one of two files is a table."""
    for i, file in enumerate(files):
        if rows and sum("\t" in row[i] for row in rows) > 0.9 * len(rows):
            raise NmtError(
                f"{file.path}: is a table with tabs; give one table, or two files with one sentence in each line"
            )


def _codes(source: Column, target: Column, languages: tuple[str, str]) -> tuple[str, str]:
    """Return the codes of the user, else those that were found, else src and tgt."""
    return languages[0] or source.language.code or "src", languages[1] or target.language.code or "tgt"


def _language_warnings(reader: PairReader, hints: tuple[str, ...]) -> list[str]:
    found = []
    columns = reader.layout.source, reader.layout.target
    for column, code in zip(columns, reader.languages, strict=True):
        hint = hints[column.number - 1] if hints else ""
        detected = column.language.code
        where = str(reader.files[column.number - 1].path) if hints else f"column {column.number}"
        if not detected and code in ("src", "tgt"):
            side = "source" if code == "src" else "target"
            found.append(f"{where}: the language is unknown; name it with --{side}-language")
        elif detected and parse_code(code).language != parse_code(detected).language:
            found.append(f"{where}: the text looks like {column.language}, but is treated as {code}, as you specified")
        elif hint and parse_code(hint).language != parse_code(code).language:
            found.append(f"{where}: the name says {hint}, but the text is {column.language}")
    if parse_code(reader.languages[0]).language == parse_code(reader.languages[1]).language != "":
        found.append(f"both sides look like {columns[0].language}; if that is wrong, give --source-language")
    return found


def _subword_marks(rows: list[list[str]]) -> SubwordMarks:
    """Return the marks if at least a fifth of the rows have them."""
    for mark, pattern in (("@@", re.compile(r"\w@@( |$)")), ("▁", re.compile(r"(^|[ \t])▁\S"))):
        if sum(any(pattern.search(field) for field in row) for row in rows) > 0.2 * len(rows):
            return SubwordMarks(mark)
    return SubwordMarks("")
