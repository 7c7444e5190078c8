"""From raw pairs to files of normalised pairs that passed the filters, in chunks that fit in memory.

A cleaned file holds source and target lines in turn. Chunks are cut by lines and characters alone, so that nothing
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
from nmt.data.corpus import reject
from nmt.data.language_tags import tagged
from nmt.data.lines import html_entity, normalize

PAIRS_PER_CHUNK = 1 << 14
_CHARACTERS_PER_CHUNK = 1 << 23
_DIGEST = 16


@dataclass(frozen=True)
class RawChunk:
    """Consecutive raw pairs of one corpus, and where their clean text goes."""

    corpus: int
    pairs: list[tuple[str, str]]
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
    pairs: int
    dropped: Counter[str]
    """Pairs that each filter dropped."""
    entities: Counter[str]
    """HTML entities found in raw lines, each with the lines in which it is the first one."""
    digests: npt.NDArray[np.uint64]
    """(pairs, 2) hash of each pair; (0, 2) where duplicates are not looked for."""


def chunks(pairs: Iterable[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    """Cut pairs into lists of bounded length and characters."""
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


def clean(chunk: RawChunk) -> CleanChunk:
    """Normalise and filter a chunk and write what is left."""
    filters, tags = chunk.data.filters, chunk.data.tags
    dropped: Counter[str] = Counter()
    entities: Counter[str] = Counter()
    kept: list[bytes] = []
    for pair in chunk.pairs:
        entities.update(entity for line in pair if (entity := html_entity(line)) is not None)
        source, target = (normalize(line, chunk.data) for line in pair)
        reason = reject(source, target, filters) if chunk.is_filtered else None
        if reason is None:
            kept.append(f"{tagged(source, chunk.tag, tags)}\n{target}\n".encode("utf-8", errors="replace"))
        else:
            dropped[reason] += 1
    chunk.path.write_bytes(b"".join(kept))
    digests = b""
    if chunk.is_filtered and filters.duplicates:
        digests = b"".join(hashlib.blake2b(pair, digest_size=_DIGEST).digest() for pair in kept)
    return CleanChunk(
        corpus=chunk.corpus,
        path=chunk.path,
        raw=len(chunk.pairs),
        pairs=len(kept),
        dropped=dropped,
        entities=entities,
        digests=np.frombuffer(digests, np.uint64).reshape(-1, 2),
    )


def read_clean(path: Path, is_kept: npt.NDArray[np.bool_] | None = None) -> tuple[list[str], list[str]]:
    """Return the source and the target lines of a cleaned file, of those pairs only where `is_kept`."""
    lines = path.read_bytes().decode("utf-8").split("\n")[:-1]
    source, target = lines[::2], lines[1::2]
    if is_kept is None or is_kept.all():
        return source, target
    keep = np.flatnonzero(is_kept).tolist()
    return [source[i] for i in keep], [target[i] for i in keep]
