"""From attention over subword pieces to words: alignments in Pharaoh format, and unknown words copied from the source.

Axes: S source pieces, T target pieces.
"""

from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from nmt.data.subword import SPACE, Subword
from nmt.data.token_ids import UNK


def words(line: str) -> list[str]:
    """Return the space-separated words of a line."""
    return [word for word in line.split(" ") if word]


def word_numbers(pieces: Sequence[str]) -> list[int]:
    """Return for each piece the number of the word, as `words` counts those of the printed line, that it belongs to.

    A lone space belongs to the word after it, which may be missing at the end.
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
        word += len(words(piece.replace(SPACE, " "))) - 1
        is_between = piece.endswith(SPACE)
    return numbers


def raw_numbers(raw: str, normal: str, normalize: Callable[[str], str]) -> list[int]:
    """Return for each word of the normalised line `normal` the number of the word of the `raw` line it comes from."""
    theirs, ours = words(raw), words(normal)
    if raw == normal:
        return list(range(len(ours)))
    numbers = [number for number, word in enumerate(theirs) for _ in words(normalize(word))]
    return (numbers + [max(0, len(theirs) - 1)] * len(ours))[: len(ours)]


def align(attention: NDArray[np.float32], target_words: Sequence[int], source_words: Sequence[int]) -> dict[int, int]:
    """Return for each target word the source word that its pieces attend to most.

    `attention` (T, S or more columns, which are left out); the word of each of T and S pieces.
    """
    if not target_words or not source_words:
        return {}
    by_source = np.zeros((len(target_words), max(source_words) + 1), np.float32)
    np.add.at(by_source.T, np.asarray(source_words), attention[:, : len(source_words)].T)
    mass = np.zeros((max(target_words) + 1, by_source.shape[1]), np.float32)
    np.add.at(mass, np.asarray(target_words), by_source)
    best = mass.argmax(1).tolist()
    return {word: best[word] for word in sorted(set(target_words))}


def copied_words(
    ids: Sequence[int],
    attention: NDArray[np.float32],
    source_words: Sequence[int],
    source: Sequence[str],
    unknown_words: Collection[int] = (),
) -> dict[int, str]:
    """Return for each position of `ids` with UNK the word of `source` that it attends to most.

    Among `unknown_words` only, where there are any.
    """
    unknown = [position for position, token in enumerate(ids) if token == UNK]
    looked = attention[unknown][:, : len(source_words)]
    if unknown_words:
        looked = np.where(np.isin(source_words, list(unknown_words)), looked + np.finfo(np.float32).tiny, 0)
    chosen = align(looked, range(len(unknown)), source_words)
    return {unknown[row]: source[word] for row, word in chosen.items()}


def replace_unknown(
    ids: Sequence[int],
    target: Subword,
    copies: dict[int, str],
    numbers: Sequence[int],
    has_spaces: bool,
    forced: Sequence[str] = (),
) -> str:
    """Return the text of `ids` with the copied word in place of each word that holds UNK (Luong 2015b, section 3.3).

    `copies` as `copied_words` gives them, `numbers` the word of each id. Where the target is written without spaces
    (`has_spaces` false) only UNK itself is replaced, not the "word" it is part of. The first ids are those of the
    pieces `forced`, which stay as they are.
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
        if UNK in ids[begin : min(end, len(forced))]:
            text += "".join([*forced[begin:end], *pieces[max(begin, len(forced)) : end]]).replace(SPACE, " ").strip()
        else:
            text += target.decode(ids[begin:end]) if copy is None else copy
    return text


def pharaoh(pairs: Sequence[tuple[int, int]]) -> str:
    """Return ``source-target`` pairs, in the order of the target: "0-0 2-1"."""
    return " ".join(f"{source}-{target}" for source, target in pairs)
