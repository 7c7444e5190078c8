"""Read word vectors in the text format of word2vec (Mikolov 2013) and GloVe (Pennington 2014).

Axes: N tokens that have a vector, E embedding width.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nmt.data.lines import InvalidLines, read_lines
from nmt.data.subword import SPACE, Subword
from nmt.data.token_ids import EOS
from nmt.errors import NmtError


def read_vectors(path: Path, subword: Subword, size: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return the ids of the tokens that have a vector in the file, (N,), and the vectors, (N, E).

    A line is a word and its `size` numbers, separated by spaces; the first line of word2vec, two counts, is skipped. A
    token matches a word if it begins with U+2581 and the rest is that word. The first vector of a word counts. Raise
    NmtError if no token has a vector or if a line has another number of numbers.
    """
    wanted: dict[str, int] = {}
    for i, piece in enumerate(subword.pieces(range(subword.size))):
        if i > EOS and piece.startswith(SPACE):
            wanted.setdefault(piece.removeprefix(SPACE), i)
    ids, rows = [], []
    for number, word, values in _split(path, size):
        token = wanted.pop(word, None)
        if token is None:
            continue
        try:
            vector = np.array(values, np.float32)
        except ValueError:
            raise NmtError(f"{path}: line {number:,}: '{word}' is not followed by {size} numbers") from None
        if not np.isfinite(vector).all():
            raise NmtError(f"{path}: line {number:,}: the vector of '{word}' is not finite")
        ids.append(token)
        rows.append(vector)
    if not rows:
        raise NmtError(f"{path}: none of its words is a token of the vocabulary")
    return np.array(ids, np.int64), np.stack(rows)


def check_width(path: Path, size: int) -> None:
    """Raise NmtError if the first vector of the file does not have `size` numbers."""
    next(_split(path, size), None)


def _split(path: Path, size: int) -> Iterator[tuple[int, str, list[str]]]:
    """Yield the number, the word and the numbers of each line. Raise NmtError if these are not `size` numbers."""
    # Public vector files have words that are not valid UTF-8; they match no token.
    for number, line in enumerate(read_lines(path, InvalidLines(str(path))), start=1):
        word, *values = line.rstrip(" ").rsplit(" ", size)  # GloVe has words with spaces
        if number == 1 and size != 1 and _is_header(line):
            continue
        surplus = list(itertools.takewhile(_is_number, reversed(word.split(" ")[1:])))
        if len(values) != size or surplus:
            raise NmtError(
                f"{path}: line {number:,} has {len(values) + len(surplus)} numbers after its word, but "
                f"model.embedding.size is {size}; set it to the width of the vectors, or use other vectors"
            )
        yield number, word, values


def _is_header(line: str) -> bool:
    counts = line.split()
    return len(counts) == 2 and all(count.isdigit() for count in counts)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
