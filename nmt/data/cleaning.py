"""Clean a corpus: normalise raw pairs, apply the filters and write the remaining pairs, in chunks that fit in memory.

A cleaned file holds alternating source and target lines. Chunks are cut by lines and characters alone, so that nothing
depends on the number of workers.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nmt import config
from nmt.data.corpus import failed_filter
from nmt.data.language_tags import prepend_tag
from nmt.data.lines import InvalidLines, html_entity, normalize
from nmt.data.text_slices import IndexedFile, TextSlice, cut
from nmt.storage.atomic_files import write_by_rename

PAIRS_PER_CHUNK = 1 << 14
_CHARACTERS_PER_CHUNK = 1 << 23
_DIGEST_BYTES = 16


@dataclass(frozen=True)
class RawChunk:
    """Consecutive raw pairs of one corpus, and the file for their clean text."""

    corpus: int
    pairs: list[tuple[str, str]] | tuple[TextSlice, ...]
    """The pairs, or the lines of the source and of the target file."""
    data: config.Data
    path: Path
    is_filtered: bool
    tag: str | None


@dataclass(frozen=True)
class CleanChunk:
    """A file of cleaned pairs."""

    corpus: int
    path: Path
    raw: int
    """The number of raw pairs."""
    pairs: int
    """The number of pairs that passed the filters."""
    dropped: Counter[str]
    """The number of pairs that each filter dropped."""
    entities: Counter[str]
    """The HTML entities of the raw lines: for each entity the number of lines in which it comes first."""
    digests: npt.NDArray[np.uint64]
    """(pairs, 2) hash of each pair; (0, 2) if duplicates are kept."""
    invalid: tuple[InvalidLines, ...] = ()
    """The lines of each file that are not valid UTF-8; none if the chunk was read before."""


def split_into_chunks(pairs: Iterable[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    """Cut pairs into lists with a bounded number of pairs and characters."""
    chunk: list[tuple[str, str]] = []
    characters = 0
    for pair in pairs:
        chunk.append(pair)
        characters += len(pair[0]) + len(pair[1])
        if len(chunk) == PAIRS_PER_CHUNK or characters > _CHARACTERS_PER_CHUNK:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def cut_into_chunks(source: IndexedFile, target: IndexedFile) -> Iterator[tuple[TextSlice, ...]]:
    """Cut two files with the same number of lines like `split_into_chunks`, without reading them."""
    return cut((source, target), PAIRS_PER_CHUNK, _CHARACTERS_PER_CHUNK)


def clean_chunk(chunk: RawChunk) -> CleanChunk:
    """Normalise and filter a chunk, and write the pairs that pass."""
    pairs, invalid = _read(chunk)
    filters, tags = chunk.data.filters, chunk.data.tags
    dropped: Counter[str] = Counter()
    entities: Counter[str] = Counter()
    kept: list[bytes] = []
    for pair in pairs:
        entities.update(entity for line in pair if (entity := html_entity(line)) is not None)
        source, target = (normalize(line, chunk.data) for line in pair)
        reason = failed_filter(source, target, filters) if chunk.is_filtered else None
        if reason is None:
            kept.append(f"{prepend_tag(source, chunk.tag, tags)}\n{target}\n".encode("utf-8", errors="replace"))
        else:
            dropped[reason] += 1
    write_by_rename(chunk.path, b"".join(kept))
    digests = b""
    if chunk.is_filtered and filters.duplicates:
        digests = b"".join(hashlib.blake2b(pair, digest_size=_DIGEST_BYTES).digest() for pair in kept)
    hashes = np.frombuffer(digests, np.uint64).reshape(-1, 2)
    return CleanChunk(chunk.corpus, chunk.path, len(pairs), len(kept), dropped, entities, hashes, invalid)


def _read(chunk: RawChunk) -> tuple[list[tuple[str, str]], tuple[InvalidLines, ...]]:
    """Return the pairs of a chunk and the invalid lines that were found while they were read now."""
    if isinstance(chunk.pairs, list):
        return chunk.pairs, ()
    invalid = tuple(InvalidLines(str(part.path)) for part in chunk.pairs)
    sides = [part.read(counts) for part, counts in zip(chunk.pairs, invalid, strict=True)]
    return list(zip(*sides, strict=True)), invalid


def read_clean(path: Path, is_kept: npt.NDArray[np.bool_] | None = None) -> tuple[list[str], list[str]]:
    """Return the source and the target lines of a cleaned file; if `is_kept` is given, only of pairs that are True."""
    lines = path.read_bytes().decode("utf-8").split("\n")[:-1]
    source, target = lines[::2], lines[1::2]
    if is_kept is None or is_kept.all():
        return source, target
    keep = np.flatnonzero(is_kept).tolist()
    return [source[i] for i in keep], [target[i] for i in keep]
