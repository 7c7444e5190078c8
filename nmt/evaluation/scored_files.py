"""Read hypotheses and references for `nmt score`: files with one sentence per line, or columns of a TSV file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nmt.data.lines import read_lines, stream_lines
from nmt.errors import NmtError
from nmt.evaluation.metrics import Named, check_lengths
from nmt.storage.standard_streams import standard_input

STDIN = Path("-")
_NAMED_LINES = 10


@dataclass(frozen=True)
class ScoredText:
    """Systems, references and, if known, the source of the same sentences."""

    systems: list[Named]
    references: list[Named]
    source: Sequence[str] | None = None

    @property
    def reference_lines(self) -> list[Sequence[str]]:
        """The lines of each reference, without names."""
        return [lines for _, lines in self.references]


def read_texts(systems: Sequence[Path], references: Sequence[Path]) -> ScoredText:
    """Read one file per system and per reference; `STDIN` is standard input.

    Raises `NmtError` unless all have the same number of lines.
    """
    truths: list[Named] = [(str(path), list(read_lines(path))) for path in references]
    outputs: list[Named] = [(_name(path), list(_lines(path))) for path in systems]
    check_lengths(outputs, truths)
    return ScoredText(outputs, truths)


def read_tsv(
    path: Path, systems: Sequence[str], references: Sequence[str], source: str | None, has_header: bool
) -> ScoredText:
    """Read columns of one TSV file; `STDIN` is standard input. Quotes have no special meaning.

    A column is given by its number, counted from 1, or with `has_header` by its name in the first line. Without
    `systems` and `references`, a file of two columns has the hypothesis first and the reference second.

    Raises `NmtError` that names the file and the lines with too few columns.
    """
    lines = _lines(path)
    name = _name(path)
    header = next(lines, "").split("\t") if has_header else None
    rows = [line.split("\t") for line in lines]
    if not rows:
        raise NmtError(f"{name} has no lines; there is nothing to score")
    if not systems and not references:
        if (count := len(header or rows[0])) != 2:
            raise NmtError(
                f"{name}: has {count} column{'s' * (count > 1)}; choose columns with --hypothesis-column and "
                "--reference-column"
            )
        systems, references = ["1"], ["2"]
    wanted = [*systems, *references, *([] if source is None else [source])]
    numbers = [_number(column, header, name) for column in wanted]
    _check_rows(rows, max(numbers), name, first=2 if has_header else 1)
    columns: list[Named] = [(_label(number, header, name), [row[number - 1] for row in rows]) for number in numbers]
    split = len(systems), len(systems) + len(references)
    return ScoredText(columns[: split[0]], columns[split[0] : split[1]], columns[-1][1] if source is not None else None)


def _check_rows(rows: Sequence[Sequence[str]], needed: int, name: str, first: int) -> None:
    short = [(number, len(row)) for number, row in enumerate(rows, start=first) if len(row) < needed]
    if not short:
        return
    if len(short) == 1:
        number, count = short[0]
        has = f"line {number:,} has {count} tab-separated column{'s' * (count > 1)}"
    else:
        shown = ", ".join(f"{number:,}" for number, _ in short[:_NAMED_LINES])
        has = f"{len(short):,} lines have too few tab-separated columns (lines {shown}"
        has += ", …)" if len(short) > _NAMED_LINES else ")"
    raise NmtError(
        f"{name}: {has}, but column {needed} is needed: correct the file, or choose other columns with "
        "--hypothesis-column and --reference-column"
    )


def _number(column: str, header: Sequence[str] | None, name: str) -> int:
    """Return the number of a column, counted from 1."""
    if header is not None and column in header:
        if header.count(column) > 1:
            raise NmtError(f"{name}: line 1 has {header.count(column)} columns named '{column}'; give a number")
        return header.index(column) + 1
    if column.isdecimal() and int(column) >= 1:
        return int(column)
    if header is None:
        raise NmtError(
            f"no column '{column}': give a number, counted from 1, or with --header a name from the first line"
        )
    raise NmtError(f"{name}: line 1 has no column named '{column}'; it has: {', '.join(header)}")


def _label(number: int, header: Sequence[str] | None, name: str) -> str:
    if header is not None and number <= len(header) and header[number - 1]:
        return header[number - 1]
    return f"{name} column {number}"


def _lines(path: Path) -> Iterator[str]:
    return stream_lines(standard_input()) if path == STDIN else read_lines(path)


def _name(path: Path) -> str:
    return "stdin" if path == STDIN else str(path)
