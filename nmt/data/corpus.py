"""Aligned pairs of raw lines out of a corpus of the config, and the filters that drop some of them."""

from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path

from nmt import config
from nmt.data.lines import read_lines
from nmt.errors import NmtError


def read_pairs(corpus: config.Corpus) -> Iterator[tuple[str, str]]:
    """Yield the (source, target) lines of a corpus as they are in the files, without its tag.

    Raises `NmtError` where two files differ in their number of lines or a TSV line has too few columns; both are
    known only when the reading gets there.
    """
    if corpus.tsv is not None:
        return _read_table(corpus.tsv, corpus.source_column, corpus.target_column)
    assert corpus.source is not None and corpus.target is not None  # the schema requires it
    return _read_aligned(corpus.source, corpus.target)


def tagged(source: str, tag: str | None) -> str:
    """Return a normalised source line after the tag of its corpus; an empty one stays empty."""
    return f"{tag} {source}" if tag and source else source


def paths(corpus: config.Corpus) -> list[Path]:
    """Return the one or two files of a corpus."""
    return [path for path in (corpus.source, corpus.target, corpus.tsv) if path is not None]


def describe(corpus: config.Corpus) -> str:
    """Return a short name for tables: the file names."""
    return " + ".join(path.name for path in paths(corpus))


def _read_aligned(source: Path, target: Path) -> Iterator[tuple[str, str]]:
    return align_lines(read_lines(source), read_lines(target), str(source), str(target))


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


def _read_table(path: Path, source_column: int, target_column: int) -> Iterator[tuple[str, str]]:
    needed = max(source_column, target_column)
    for number, line in enumerate(read_lines(path), start=1):
        columns = line.split("\t")
        if len(columns) < needed:
            raise NmtError(
                f"{path}: line {number:,} has {len(columns)} tab-separated column{'s' * (len(columns) > 1)}, "
                f"{needed} are needed; mend the line or set source_column and target_column"
            )
        yield columns[source_column - 1], columns[target_column - 1]


def active(filters: config.Filters) -> list[str]:
    """Return the names of the filters that are switched on, `duplicates` last."""
    return [name for name in type(filters).model_fields if getattr(filters, name)]


def reject(source: str, target: str, filters: config.Filters) -> str | None:
    """Return the name of the first filter that drops this normalised pair, None where it stays.

    `duplicates` needs the whole corpus and is not decided here.
    """
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
