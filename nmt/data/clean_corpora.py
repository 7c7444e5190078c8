"""Clean all corpora of a configuration and find the duplicates; the table of what each filter has dropped."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from nmt.config import Config, Corpus
from nmt.data.cleaning import CleanChunk, RawChunk, clean_chunk, cut_into_chunks, split_into_chunks
from nmt.data.corpus import INVALID_UTF8, active_filters, check_aligned, corpus_name, corpus_paths, read_pairs
from nmt.data.deduplicate import Deduplicator
from nmt.data.encoding import CleanFile
from nmt.data.lines import InvalidLines, read_lines
from nmt.data.text_slices import IndexedFile, TextSlice
from nmt.data.workers import WorkerPool
from nmt.errors import NmtError

MAX_INVALID_SHARE = 0.001
"""The share of the lines of a file that may be invalid UTF-8."""

logger = logging.getLogger(__name__)


def corpora(config: Config) -> dict[int, Corpus]:
    """Return the corpora by number: training corpora from 0 up, and then validation sets from -1 down."""
    return {**dict(enumerate(config.data.train)), **{n: one for n, (_, one) in validation_sets(config).items()}}


def validation_sets(config: Config) -> dict[int, tuple[str, Corpus]]:
    """Return the key and the corpus of each validation set by number."""
    return {-1 - i: found for i, found in enumerate(config.data.validation.items())}


def clean_corpora(
    config: Config,
    indexed: dict[str, IndexedFile],
    total: int,
    work: Path,
    workers: WorkerPool,
    on_progress: Callable[[str, int, int], object],
) -> tuple[list[CleanFile], list[str]]:
    """Clean the `total` pairs of all corpora into files and find the duplicates.

    `indexed` are the input files by path. Return the files in order and the table of dropped pairs. Raise NmtError if
    too many lines of a corpus are not valid UTF-8.
    """
    cleaned: list[CleanChunk] = []
    deduplicator = Deduplicator(work / "duplicates", total) if config.data.filters.duplicates else None
    invalid = {number: [InvalidLines(str(path)) for path in corpus_paths(corpus)]
               for number, corpus in corpora(config).items()}  # fmt: skip
    seen = 0
    on_progress("cleaning", seen, total)
    for chunk in workers.map(clean_chunk, _raw_chunks(config, indexed, work, invalid)):
        for counts, found in zip(invalid[chunk.corpus], chunk.invalid, strict=False):
            counts.add(found)
        if deduplicator is not None and chunk.corpus >= 0:
            deduplicator.add(chunk.digests)
        cleaned.append(replace(chunk, digests=chunk.digests[:0].copy()))
        seen += chunk.raw
        on_progress("cleaning", seen, total)
    for number in invalid:
        _check_invalid(invalid[number], is_filtered=number >= 0)
    is_first = None if deduplicator is None else deduplicator.find_first(workers.map)
    files = []
    start = 0
    for chunk in cleaned:
        is_kept = None
        if is_first is not None and chunk.corpus >= 0:
            is_kept = is_first[start : start + chunk.pairs]
            start += chunk.pairs
        kept = chunk.pairs if is_kept is None else int(is_kept.sum())
        chunk.dropped["duplicates"] = chunk.pairs - kept
        files.append(CleanFile(chunk.corpus, chunk.path, is_kept, kept))
    if not config.data.unescape_html:
        _log_entities(config, cleaned)
    for number, (key, corpus) in validation_sets(config).items():
        if not any(chunk.corpus == number for chunk in cleaned):
            raise NmtError(f"{corpus_name(corpus)}: the validation corpus is empty; check data.{key}")
    return files, _table(config, cleaned)


def _raw_chunks(
    config: Config, indexed: dict[str, IndexedFile], work: Path, invalid: dict[int, list[InvalidLines]]
) -> Iterator[RawChunk]:
    """Yield the chunks of all corpora."""
    for number, corpus in corpora(config).items():
        for i, pairs in enumerate(_cut(corpus, indexed, invalid[number])):
            path = work / f"clean-{number}-{i:06}.txt"
            yield RawChunk(number, pairs, config.data, path, number >= 0, corpus.tag)


def _cut(
    corpus: Corpus, indexed: dict[str, IndexedFile], invalid: list[InvalidLines]
) -> Iterator[list[tuple[str, str]] | tuple[TextSlice, ...]]:
    """Cut a corpus into chunks. Two text files are read by the workers, which also count the invalid lines.

    A TSV is read here, as quotes can join its lines to rows of any length; its invalid lines are counted in `invalid`.
    """
    if corpus.tsv is not None:
        invalid.clear()
        yield from split_into_chunks(read_pairs(corpus, invalid))
        return
    for path in corpus_paths(corpus):
        next(read_lines(path, InvalidLines(str(path))), None)  # raises NmtError if it is UTF-16 or compressed
    source, target = (indexed[str(path)] for path in corpus_paths(corpus))
    check_aligned(source.entry.path, source.entry.lines, target.entry.path, target.entry.lines)
    yield from cut_into_chunks(source, target)


def _check_invalid(files: list[InvalidLines], is_filtered: bool) -> None:
    """Raise NmtError if more lines of one of the files of a corpus are not valid UTF-8 than are allowed."""
    for counts in files:
        if counts.invalid > MAX_INVALID_SHARE * counts.lines:
            raise NmtError(f"{counts}; at most {MAX_INVALID_SHARE:.1%} of the lines may be invalid")
        if counts.invalid:
            logger.info(f"{counts}; {'training pairs with such lines are dropped' if is_filtered else 'kept'}")


def _log_entities(config: Config, cleaned: list[CleanChunk]) -> None:
    """Log how many lines of each corpus have HTML entities, which are not replaced."""
    for number, corpus in corpora(config).items():
        entities = sum((chunk.entities for chunk in cleaned if chunk.corpus == number), Counter[str]())
        if count := entities.total():
            names = " ".join(entity for entity, _ in entities.most_common(3))
            logger.info(
                f"{corpus_name(corpus)}: {count:,} line{'s' * (count > 1)} with HTML entities ({names}); "
                "data.unescape_html: true replaces these with their characters"
            )


def _table(config: Config, cleaned: list[CleanChunk]) -> list[str]:
    """Return the lines of a table: the pairs of each training corpus, those that each filter dropped, those kept."""
    invalid = [INVALID_UTF8] if any(chunk.dropped[INVALID_UTF8] for chunk in cleaned) else []
    rows = [["corpus", "pairs", *invalid, *active_filters(config.data.filters), "kept"]]
    counts = [Counter[str]() for _ in config.data.train]
    for chunk in cleaned:
        if chunk.corpus >= 0:
            counts[chunk.corpus].update(chunk.dropped)
            counts[chunk.corpus].update(pairs=chunk.raw, kept=chunk.raw - chunk.dropped.total())
    names = [corpus_name(corpus) for corpus in config.data.train]
    if len(counts) > 1:
        names, counts = [*names, "together"], [*counts, sum(counts, Counter[str]())]
    for name, count in zip(names, counts, strict=True):
        rows.append([name, *(f"{count[column]:,}" for column in rows[0][1:])])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
