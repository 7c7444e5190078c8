"""Functions that worker processes run on cleaned files: train a subword model, and encode text as token ids."""

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
from nmt.data.subword import MAX_UNKNOWN_WORDS, Subword, Vocabularies
from nmt.data.token_ids import UNK

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class CleanFile:
    """A cleaned file with the pairs that are kept (None for all) and their number."""

    corpus: int
    path: Path
    is_kept: Bools | None
    pairs: int


@dataclass(frozen=True)
class SubwordTask:
    """A subword model to train on the lines of a file, and the path for the model."""

    text: Path
    path: Path
    settings: config.Subword
    vocab_size: int


def train_subwords(task: SubwordTask) -> None:
    """Train the model and write it to `task.path`."""
    with task.text.open("rb") as file:
        lines = (line.removesuffix(b"\n").decode("utf-8") for line in file)
        Subword.train(lines, task.path, task.settings, task.vocab_size)


@dataclass(frozen=True)
class SampleTask:
    """A cleaned file of which `wanted` / `pairs` of the lines are drawn; `seen` pairs of other files come before it."""

    file: CleanFile
    sides: tuple[int, ...]
    """0 is source, 1 is target."""
    seen: int
    wanted: int
    pairs: int


def sample_tasks(files: list[CleanFile], sides: tuple[int, ...], lines: int) -> Iterator[SampleTask]:
    """Yield the tasks that draw `lines` lines of pairs at even distances over all files."""
    pairs = sum(file.pairs for file in files)
    wanted = min(pairs, max(1, lines // len(sides)))
    seen = 0
    for file in files:
        yield SampleTask(file, sides, seen, wanted, pairs)
        seen += file.pairs


def sample_lines(task: SampleTask) -> bytes:
    """Return the lines that are drawn from a file, each with its line end, source before target."""
    # Pair i is taken if floor((i + 1) wanted / pairs) is larger than floor(i wanted / pairs).
    steps = np.arange(task.seen, task.seen + task.file.pairs + 1, dtype=np.int64) * task.wanted // task.pairs
    taken = np.flatnonzero(np.diff(steps)).tolist()
    if not taken:
        return b""
    text = read_clean(task.file.path, task.file.is_kept)
    return "".join(f"{text[side][i]}\n" for i in taken for side in task.sides).encode("utf-8")


@dataclass(frozen=True)
class EncodingTask:
    """A file to encode with the models in `folder`.

    `keep_text` stores text instead of ids, for subword sampling in training. `is_extended` gives source words that are
    out of vocabulary ids of the extended vocabulary, the same ids on both sides (See 2017).
    """

    file: CleanFile
    folder: Path
    keep_text: bool
    is_extended: bool


@dataclass(frozen=True)
class EncodedFile:
    """The columns of both sides of a file for a store, and the number of unknown tokens of each side."""

    corpus: int
    columns: tuple[Column, Column]
    unknown: tuple[int, int]


def encode_file(task: EncodingTask) -> EncodedFile:
    """Read a cleaned file and encode both sides."""
    vocabularies = _load(task.folder)
    sides = read_clean(task.file.path, task.file.is_kept)
    columns, unknown = [], []
    unknown_words = [vocabularies.source.unknown_words(line) for line in sides[0]] if task.is_extended else []
    for lines, subword in zip(sides, (vocabularies.source, vocabularies.target), strict=True):
        ids = subword.encode(lines, unknown_words)
        lengths = np.fromiter(map(len, ids), np.int32, len(ids))
        flat = np.fromiter(chain.from_iterable(ids), id_type(subword.size + MAX_UNKNOWN_WORDS), int(lengths.sum()))
        unknown.append(int(((flat == UNK) | (flat >= subword.size)).sum()))
        if task.keep_text:
            texts = [line.encode("utf-8") for line in lines]
            sizes = np.fromiter(map(len, texts), np.int64, len(texts))
            columns.append(Column(np.frombuffer(b"".join(texts), np.uint8), sizes, lengths))
        else:
            columns.append(Column(flat, lengths, lengths))
    return EncodedFile(task.file.corpus, (columns[0], columns[1]), (unknown[0], unknown[1]))


@lru_cache(maxsize=2)
def _load_cached(folder: Path, stamp: int) -> Vocabularies:
    return Vocabularies.load(folder)


def _load(folder: Path) -> Vocabularies:
    """Load the models once in each process, and again if the folder was replaced."""
    return _load_cached(folder, max(path.stat().st_mtime_ns for path in folder.glob("*.model")))
