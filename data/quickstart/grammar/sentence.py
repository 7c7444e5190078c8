"""A complete sentence in three languages, with capitals and punctuation."""

from dataclasses import dataclass, field

from grammar.clauses import Clause
from grammar.words import Pair, Triple

_CHINESE_MARK = {".": "。", "?": "？", "!": "！"}


@dataclass(frozen=True)
class Sentence:
    """The three texts, their word pairs, and the name of the construction, which is set later."""

    text: Triple
    pairs: frozenset[Pair]
    construction: str = field(default="")


def _capitalised(words: str) -> str:
    return words[0].upper() + words[1:]


def sentence(en: str, de: str, zh: str, pairs: frozenset[Pair] = frozenset(), end: str = ".") -> Sentence:
    """Return the capitalised texts, each with the mark `end` of its language."""
    return Sentence(Triple(_capitalised(en) + end, _capitalised(de) + end, zh + _CHINESE_MARK[end]), pairs)


def statement(clause: Clause, front: bool = False) -> Sentence:
    """Return a clause as a statement; `front` puts the time first."""
    return sentence(clause.english(front), clause.german(front), clause.chinese(front), clause.pairs)
