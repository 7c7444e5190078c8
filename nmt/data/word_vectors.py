"""Word vectors in the text format of word2vec (Mikolov 2013) and GloVe (Pennington 2014).

Axes: V vocabulary, E embedding width.
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
    """Return the ids of the tokens that have a vector in the file, and these vectors (…, `size`).

    A line is a word and its numbers, separated by spaces; word2vec's first line, two counts, is passed over. A token
    that begins a word is looked up without its mark U+2581, another one as it is only where the whole vocabulary is of
    words. Of words given twice the first counts. Raises `NmtError` where no token has a vector, and for a line of
    another width; what begins as numbers do is then no word.
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
    """Raise `NmtError` where the first vector of the file is not `size` numbers wide."""
    next(_split(path, size), None)


def _split(path: Path, size: int) -> Iterator[tuple[int, str, list[str]]]:
    """Yield number, word and numbers of each line; raises `NmtError` where these are not `size`."""
    # Public vector files hold words that are not valid UTF-8; no token equals these.
    for number, line in enumerate(read_lines(path, InvalidLines(str(path))), start=1):
        word, *values = line.rstrip(" ").rsplit(" ", size)  # GloVe has words with spaces
        if number == 1 and size != 1 and _is_header(line):
            continue
        surplus = list(itertools.takewhile(_is_number, reversed(word.split(" ")[1:])))
        if len(values) != size or surplus:
            raise NmtError(
                f"{path}: line {number:,} has {len(values) + len(surplus)} numbers after its word, and "
                f"model.embedding.size is {size}; the two must agree"
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
