"""Extend the vocabulary of a trained model by characters, subwords or words of new text.

The new pieces get the ids after those that exist, and scores with which text that contains none of them is segmented
as before. `nmt.training.new_rows` gives them weights.
"""

import heapq
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from nmt.data.subword import SPACE, Subword, Vocabularies
from nmt.errors import NmtError

EXTENSIBLE = ("bpe", "unigram")
"""The kinds of subword models that new subwords can be added to."""
MIN_COUNT = 3
"""Occurrences in the new text from which on a character, or a word of a word model, gets an entry."""
MIN_MERGE_COUNT = 10
"""Occurrences in the new text from which on two neighbouring pieces become a new subword."""
MAX_PIECE_CHARACTERS = 16
"""Limit for the length of new subwords, as in SentencePiece."""
_ABOVE_PARTS = 0.01
"""By how much the score of a new subword of a unigram model exceeds the sum of its parts, so that it replaces them."""


@dataclass(frozen=True)
class NewPieces:
    """The pieces that a vocabulary lacks, each with its score."""

    needed: tuple[tuple[str, float], ...]
    """Characters that the vocabulary lacks; of a word model, words."""
    frequent: tuple[tuple[str, float], ...]
    """Frequent subwords."""


def extend_vocabularies(
    vocabularies: Vocabularies, pairs: Iterable[tuple[str, str]], subwords: int = 0
) -> tuple[Vocabularies, list[NewPieces]]:
    """Return the vocabularies with pieces that the normalised `pairs` of new text need, and these pieces.

    A character gets an entry if it occurs `MIN_COUNT` times; with a word model, a word. Up to `subwords` frequent
    subwords are added, on each side if the vocabularies are not joint. There is one `NewPieces`, or one for each side.
    Raise `NmtError` if `subwords` are wanted of a model whose pieces are characters or words.
    """
    sources, targets = [source for source, _ in pairs], [target for _, target in pairs]
    if vocabularies.is_joint:
        found = [find_new_pieces(vocabularies.source, [*sources, *targets], subwords)]
    else:
        sides = ((vocabularies.source, sources), (vocabularies.target, targets))
        found = [find_new_pieces(subword, lines, subwords) for subword, lines in sides]
    models = [
        subword.extended([*new.needed, *new.frequent])
        for subword, new in zip((vocabularies.source, vocabularies.target), found, strict=False)
    ]
    return Vocabularies(models[0], models[-1]), found


def find_new_pieces(subword: Subword, lines: Sequence[str], subwords: int = 0) -> NewPieces:
    """Return the pieces that `subword` lacks for normalised lines; see `extend_vocabularies`."""
    if subwords and subword.kind not in EXTENSIBLE:
        raise NmtError(
            f"new subwords need a subword model of kind bpe or unigram, and this one is of kind {subword.kind}: leave "
            "out --new-subwords"
        )
    texts = [token for token in range(subword.size) if subword.is_text(token)]
    lowest = min((subword.score(token) for token in texts), default=0.0)
    if subword.kind == "word":
        words = Counter(word for line in lines for word in line.split(" ") if word)
        needed = [SPACE + word for word in _frequent(words) if word in subword.unknown_words(word)]
    else:
        known = set(subword.pieces(texts))
        characters = Counter(character for line in lines for character in line)
        needed = [one for one in _frequent(characters) if one not in known and _is_written(one)]
    # With the lowest score, and not a lower one, the penalty of unknown characters in a unigram model stays the same.
    new = tuple((piece, lowest) for piece in needed)
    frequent: list[tuple[str, float]] = []
    if subwords:
        frequent = list(_Merges(subword.extended(new), lines, lowest).learn(subwords))
    return NewPieces(new, tuple(frequent))


def _frequent(counts: Counter[str]) -> list[str]:
    """Return what occurs `MIN_COUNT` times, the most frequent first."""
    found = [text for text, count in counts.items() if count >= MIN_COUNT]
    return sorted(found, key=lambda text: (-counts[text], text))


def _is_written(character: str) -> bool:
    """Return whether a character is part of text: not a space, a control character or a replacement for one."""
    return character not in (SPACE, "\ufffd") and unicodedata.category(character) not in ("Cc", "Cs", "Cn", "Zs")


class _Merges:
    """Continues byte pair encoding (Sennrich 2016) on new text, from its segmentation by an existing model.

    The most frequent pair of neighbouring pieces within a word becomes one piece, again and again.
    """

    def __init__(self, subword: Subword, lines: Sequence[str], lowest: float) -> None:
        self._kind, self._lowest = subword.kind, lowest
        counts = Counter(word for line in lines for word in line.split(" ") if word)
        words = sorted(counts)
        self._counts = [counts[word] for word in words]
        self._words: list[list[str]] = []
        """The pieces of each word; "" is a token that is not text, or a symbol, and is not merged."""
        self._scores: dict[str, float] = {}
        for ids in subword.encode(words):
            pieces = subword.pieces(ids)
            self._words.append([piece if subword.is_text(i) else "" for i, piece in zip(ids, pieces, strict=True)])
            self._scores |= {piece: subword.score(i) for i, piece in zip(ids, pieces, strict=True)}
        self._known = set(subword.pieces(range(subword.size)))
        self._pairs: Counter[tuple[str, str]] = Counter()
        self._words_of: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
        for number in range(len(self._words)):
            self._add(number, 1)
        self._heap = [(-count, pair) for pair, count in self._pairs.items()]
        heapq.heapify(self._heap)

    def learn(self, limit: int) -> Iterator[tuple[str, float]]:
        """Yield up to `limit` new pieces with their scores."""
        made = 0
        while made < limit and self._heap:
            negative, pair = heapq.heappop(self._heap)
            if -negative != self._pairs[pair]:  # the count has changed since
                continue
            if -negative < MIN_MERGE_COUNT:
                return
            piece = "".join(pair)
            if piece in self._known:
                continue
            made += 1
            # BPE merges by descending score, so that new merges come after all old ones. A unigram model maximises
            # the sum of scores.
            score = self._lowest - made
            if self._kind == "unigram":
                score = self._scores[pair[0]] + self._scores[pair[1]] + _ABOVE_PARTS
            self._scores[piece] = score
            self._known.add(piece)
            self._merge(pair, piece)
            yield piece, score

    def _merge(self, pair: tuple[str, str], piece: str) -> None:
        """Replace a pair by a piece in all words, and count the pairs of these words again."""
        changed: set[tuple[str, str]] = set()
        for number in sorted(self._words_of.pop(pair)):
            changed.update(pairwise(self._words[number]))
            self._add(number, -1)
            self._words[number] = list(_replace(self._words[number], pair, piece))
            self._add(number, 1)
            changed.update(pairwise(self._words[number]))
        for each in changed:
            if self._pairs[each] > 0 and each != pair:
                heapq.heappush(self._heap, (-self._pairs[each], each))

    def _add(self, number: int, sign: int) -> None:
        """Add the pairs of a word to the counts, or with `sign` -1 remove them."""
        for pair in pairwise(self._words[number]):
            if all(pair) and len(pair[0]) + len(pair[1]) <= MAX_PIECE_CHARACTERS:
                self._pairs[pair] += sign * self._counts[number]
                if sign > 0:
                    self._words_of[pair].add(number)


def _replace(pieces: Sequence[str], pair: tuple[str, str], piece: str) -> Iterator[str]:
    """Yield the pieces of a word with `piece` in place of each `pair`."""
    i = 0
    while i < len(pieces):
        is_pair = tuple(pieces[i : i + 2]) == pair
        yield piece if is_pair else pieces[i]
        i += 2 if is_pair else 1
