"""What worker processes do once the text is clean: learn the subword model, turn text into columns of a store."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nmt import config
from nmt.data.cleaning import read_clean
from nmt.data.store import Column, id_type
from nmt.data.subword import MOST_UNKNOWN, Subword, Vocabularies
from nmt.data.token_ids import UNK
from nmt.data.workers import ended_by_ctrl_c

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class CleanFile:
    """A cleaned file and which of its pairs are kept (None: all), with their number."""

    corpus: int
    path: Path
    is_kept: Mask | None
    pairs: int


@dataclass(frozen=True)
class Learning:
    """A subword model to be learnt from `lines` lines, drawn evenly from the given sides of the files."""

    files: list[CleanFile]
    sides: tuple[int, ...]
    lines: int
    path: Path
    settings: config.Subword
    vocab_size: int


def learn(task: Learning) -> None:
    """Learn the model and write it to `task.path`."""
    with ended_by_ctrl_c():
        Subword.train(_draw(task), task.path, task.settings, task.vocab_size)


def _draw(task: Learning) -> Iterator[str]:
    """Yield lines of pairs at even distances over all files, source before target."""
    pairs = sum(file.pairs for file in task.files)
    wanted = min(pairs, max(1, task.lines // len(task.sides)))
    seen = 0
    for file in task.files:
        text = read_clean(file.path, file.is_kept)
        # Pair i is drawn where floor((i + 1) wanted / pairs) steps up.
        steps = np.arange(seen, seen + file.pairs + 1, dtype=np.int64) * wanted // pairs
        for i in np.flatnonzero(np.diff(steps)).tolist():
            for side in task.sides:
                yield text[side][i]
        seen += file.pairs


@dataclass(frozen=True)
class Encoding:
    """A file to be encoded with the models in `folder`; `keep_text` where subwords are to be sampled later.

    Where it `is_extended`, words that have no entry get ids past the vocabulary's, the same on both sides.
    """

    file: CleanFile
    folder: Path
    keep_text: bool
    is_extended: bool


@dataclass(frozen=True)
class Encoded:
    """Both sides of a file, ready for a store, with the number of unknown tokens of each."""

    corpus: int
    columns: tuple[Column, Column]
    unknown: tuple[int, int]


def encode(task: Encoding) -> Encoded:
    """Read a file and turn it into columns."""
    vocabularies = _load(task.folder)
    sides = read_clean(task.file.path, task.file.is_kept)
    columns, unknown = [], []
    further = [vocabularies.source.unknown_words(line) for line in sides[0]] if task.is_extended else []
    for lines, subword in zip(sides, (vocabularies.source, vocabularies.target), strict=True):
        ids = subword.encode(lines, further)
        lengths = np.fromiter(map(len, ids), np.int32, len(ids))
        flat = np.fromiter(chain.from_iterable(ids), id_type(subword.size + MOST_UNKNOWN), int(lengths.sum()))
        unknown.append(int(((flat == UNK) | (flat >= subword.size)).sum()))
        if task.keep_text:
            texts = [line.encode("utf-8") for line in lines]
            sizes = np.fromiter(map(len, texts), np.int64, len(texts))
            columns.append(Column(np.frombuffer(b"".join(texts), np.uint8), sizes, lengths))
        else:
            columns.append(Column(flat, lengths, lengths))
    return Encoded(task.file.corpus, (columns[0], columns[1]), (unknown[0], unknown[1]))


@lru_cache(maxsize=2)
def _load_cached(folder: Path, stamp: int) -> Vocabularies:
    return Vocabularies.load(folder)


def _load(folder: Path) -> Vocabularies:
    """Load the models once in each process; a folder that was made anew is read anew."""
    return _load_cached(folder, max(path.stat().st_mtime_ns for path in folder.glob("*.model")))
