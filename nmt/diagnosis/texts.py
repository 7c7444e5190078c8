"""Read a sample of the sentence pairs of a corpus, with their line numbers, and cut lines into words.

A large corpus is sampled in blocks of consecutive lines at even distances, so that shifted lines can still be found.
"""

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from nmt import config
from nmt.data.corpus import corpus_name, read_pairs
from nmt.data.languages import UNSPACED
from nmt.data.lines import InvalidLines, normalize
from nmt.errors import NmtError

T = TypeVar("T")
MAX_PAIRS = 200_000
"""Limit of the pairs that are examined of one corpus."""
BLOCK = 1000
"""Consecutive pairs that are sampled together."""
_MARKS = "\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0d7f\u200c\u200d"
_WORD = re.compile(f"[{UNSPACED}]|(?:[^\\W_{UNSPACED}]|[{_MARKS}])+|[^\\w\\s]")


@dataclass(frozen=True)
class Texts:
    """Sentence pairs of a corpus, normalised."""

    key: str
    """The key of the corpus, e.g. data.train.0."""
    name: str
    """The file names of the corpus."""
    languages: tuple[str, str]
    """Language codes of source and target."""
    source: list[str]
    target: list[str]
    numbers: list[int]
    """The line number of each pair, from 1."""
    total: int
    """Number of pairs in the corpus, of which these are a sample."""
    fault: str
    """Why the corpus could not be read to the end; "" if it could."""
    invalid: tuple[InvalidLines, ...] = ()
    """The invalid lines of each file."""

    @property
    def sides(self) -> tuple[tuple[str, str, list[str]], tuple[str, str, list[str]]]:
        """Name, language and lines of both sides."""
        return ("source", self.languages[0], self.source), ("target", self.languages[1], self.target)

    @property
    def is_train(self) -> bool:
        """Whether this is training text."""
        return self.key.startswith("data.train")

    def lines(self, indices: Iterable[int], most: int = 3) -> str:
        """Return a text with the line numbers of some pairs: lines 3, 8, 9, …"""
        found = [self.numbers[i] for i in indices]
        names = ", ".join(f"{number:,}" for number in found[:most])
        return f"line{'s' * (len(found) > 1)} {names}{', …' * (len(found) > most)}"


def draw(lines: Sequence[T], most: int) -> list[T]:
    """Return at most `most` of the lines in their order, drawn uniformly, the same ones each time.

    Lines at equal distances would all be of one kind if two kinds alternate.
    """
    return [lines[i] for i in draw_indices(len(lines), most)]


def draw_indices(count: int, most: int) -> list[int]:
    """Return the indices of the lines that `draw` takes from `count` lines."""
    return sorted(random.Random(1).sample(range(count), min(most, count)))


def read_texts(data: config.Data, key: str, corpus: config.Corpus) -> Texts:
    """Read a corpus. Raise `NmtError` if it has no pairs or a file cannot be read."""
    invalid: list[InvalidLines] = []
    fault, total, stride = "", 0, 1
    blocks: dict[int, list[tuple[str, str]]] = {}
    try:
        for number, pair in enumerate(read_pairs(corpus, invalid)):
            total += 1
            if number // BLOCK % stride:
                continue
            blocks.setdefault(number // BLOCK, []).append(pair)
            if len(blocks) > MAX_PAIRS // BLOCK:
                stride *= 2
                blocks = {block: pairs for block, pairs in blocks.items() if not block % stride}
    except NmtError as error:
        fault = str(error)
    if not total:
        raise NmtError(fault or f"{key}: {corpus_name(corpus)} has no lines")
    languages = (corpus.source_language or data.source_language, corpus.target_language or data.target_language)
    texts = Texts(key, corpus_name(corpus), languages, [], [], [], total, fault, tuple(invalid))
    for block, pairs in blocks.items():
        for place, (source, target) in enumerate(pairs):
            texts.numbers.append(block * BLOCK + place + 1 + (corpus.tsv is not None and corpus.header))
            texts.source.append(normalize(source, data))
            texts.target.append(normalize(target, data))
    return texts


def words(line: str) -> list[str]:
    """Return the words and punctuation marks of a line; each character of a script without spaces is a word."""
    return _WORD.findall(line)


def examples(lines: list[str], indices: Iterable[int], most: int = 1, width: int = 60) -> Iterator[str]:
    """Yield some of the lines in quotes, shortened."""
    for i, _ in zip(indices, range(most), strict=False):
        line = lines[i]
        yield f"“{line[:width]}{'…' * (len(line) > width)}”"
