"""Turn attention over subword pieces into word alignments (Pharaoh format), and copy source words for unknown words.

Axes: S source pieces, T target pieces.
"""

from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from nmt.data.subword import SPACE, Subword
from nmt.data.token_ids import UNK


def split_words(line: str) -> list[str]:
    """Return the words of a line, which only spaces separate."""
    return [word for word in line.split(" ") if word]


def word_numbers(pieces: Sequence[str]) -> list[int]:
    """Return for each piece the number of its word among the words of the printed line, from 0.

    A piece that is only a space belongs to the word after it, which may be missing at the end.
    """
    numbers = []
    word, is_between = -1, True
    for piece in pieces:
        is_between = is_between or piece.startswith(SPACE)
        if not piece.strip(SPACE):
            numbers.append(word + 1)
            continue
        word += is_between
        numbers.append(word)
        word += len(split_words(piece.replace(SPACE, " "))) - 1
        is_between = piece.endswith(SPACE)
    return numbers


def original_word_numbers(original: str, normalized: str, normalize: Callable[[str], str]) -> list[int]:
    """Return for each word of the `normalized` line the number of its word in the `original` line."""
    before, after = split_words(original), split_words(normalized)
    if original == normalized:
        return list(range(len(after)))
    numbers = [number for number, word in enumerate(before) for _ in split_words(normalize(word))]
    return (numbers + [max(0, len(before) - 1)] * len(after))[: len(after)]


def align(attention: NDArray[np.float32], target_words: Sequence[int], source_words: Sequence[int]) -> dict[int, int]:
    """Return for each target word the source word that its pieces attend to most.

    `attention` is (T, S) or has more columns, which are ignored. `target_words` and `source_words` are the word numbers
    of the T and S pieces.
    """
    if not target_words or not source_words:
        return {}
    by_source = np.zeros((len(target_words), max(source_words) + 1), np.float32)  # (T, source words)
    np.add.at(by_source.T, np.asarray(source_words), attention[:, : len(source_words)].T)
    total = np.zeros((max(target_words) + 1, by_source.shape[1]), np.float32)  # (target words, source words)
    np.add.at(total, np.asarray(target_words), by_source)
    best = total.argmax(1).tolist()
    return {word: best[word] for word in sorted(set(target_words))}


def words_to_copy(
    ids: Sequence[int],
    attention: NDArray[np.float32],
    source_words: Sequence[int],
    source: Sequence[str],
    candidates: Collection[int] = (),
) -> dict[int, str]:
    """Return for each position of UNK in `ids` the word of `source` that it attends to most.

    If there are `candidates`, numbers of source words, only they are copied.
    """
    positions = [position for position, token in enumerate(ids) if token == UNK]
    rows = attention[positions][:, : len(source_words)]  # (positions, S)
    if candidates:
        rows = np.where(np.isin(source_words, list(candidates)), rows + np.finfo(np.float32).tiny, 0)
    chosen = align(rows, range(len(positions)), source_words)
    return {positions[row]: source[word] for row, word in chosen.items()}


def replace_unknown(
    ids: Sequence[int],
    target: Subword,
    copies: dict[int, str],
    numbers: Sequence[int],
    has_spaces: bool,
    prefix_pieces: Sequence[str] = (),
) -> str:
    """Return the text of `ids` with a copied word in place of each word that contains UNK (Luong 2015b, section 3.3).

    `copies` is what `words_to_copy` returns, `numbers` are the word numbers of the ids. In a language without spaces
    (`has_spaces` is false) only UNK itself is replaced, not the "word" around it. The first ids are those of
    `prefix_pieces`, whose text is kept.
    """
    pieces = target.pieces(ids)
    begins = [
        i
        for i in range(len(ids))
        if i == 0 or (numbers[i] != numbers[i - 1] if has_spaces else UNK in (ids[i - 1], ids[i]))
    ]
    text = ""
    for begin, end in zip(begins, [*begins[1:], len(ids)], strict=True):
        copy = next((copies[i] for i in range(begin, end) if i in copies), None)
        if text and (has_spaces or pieces[begin].startswith(SPACE)):
            text += " "
        if UNK in ids[begin : min(end, len(prefix_pieces))]:
            kept = [*prefix_pieces[begin:end], *pieces[max(begin, len(prefix_pieces)) : end]]
            text += "".join(kept).replace(SPACE, " ").strip()
        else:
            text += target.decode(ids[begin:end]) if copy is None else copy
    return text


def to_pharaoh(pairs: Sequence[tuple[int, int]]) -> str:
    """Return ``source-target`` pairs in Pharaoh format, in the order of the target words: "0-0 2-1"."""
    return " ".join(f"{source}-{target}" for source, target in pairs)
