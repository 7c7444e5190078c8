"""A finished sentence and the punctuation of three languages."""

from dataclasses import dataclass, field

from quickstart_corpus.clauses import Clause
from quickstart_corpus.words import Pair, Triple

_CHINESE_MARK = {".": "。", "?": "？", "!": "！"}


@dataclass(frozen=True)
class Sentence:
    """The three sides and what the split needs to know: the word pairs met and, once known, the construction."""

    text: Triple
    pairs: frozenset[Pair]
    construction: str = field(default="")


def _first_up(words: str) -> str:
    return words[0].upper() + words[1:]


def sentence(en: str, de: str, zh: str, pairs: frozenset[Pair] = frozenset(), end: str = ".") -> Sentence:
    """Capitalised and closed with the mark `end` in each script's own form."""
    return Sentence(Triple(_first_up(en) + end, _first_up(de) + end, zh + _CHINESE_MARK[end]), pairs)


def told(clause: Clause, front: bool = False) -> Sentence:
    return sentence(clause.english(front), clause.german(front), clause.chinese(front), clause.pairs)
