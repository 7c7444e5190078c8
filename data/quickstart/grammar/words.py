"""The types of lexicon entries: their forms in three languages, and tags that say which words fit each other."""

from dataclasses import dataclass, field
from typing import Literal

Gender = Literal["m", "f", "n"]
Case = Literal["nom", "acc", "dat", "gen"]
CASES: tuple[Case, ...] = ("nom", "acc", "dat", "gen")
Pair = tuple[str, str, str]
"""A relation and two lemmas: ("adjective", "red", "car"), ("object", "buy", "hat"), ("subject", "cat", "sleep")."""


@dataclass(frozen=True)
class Triple:
    """An expression in English, German and Chinese."""

    en: str
    de: str
    zh: str


@dataclass(frozen=True)
class Noun:
    """A noun; a weak German noun has its genitive form in all singular cases except the nominative."""

    en: str
    en_plural: str
    gender: Gender
    de: str
    de_genitive: str
    de_plural: str
    weak: bool
    measure: str
    zh: str
    tags: frozenset[str]
    feminine: "Noun | None" = None

    def german(self, case: Case, plural: bool) -> str:
        """Return the German form."""
        if plural:
            ends_ready = self.de_plural.endswith(("n", "s"))
            return self.de_plural + ("n" if case == "dat" and not ends_ready else "")
        if case == "gen" or (self.weak and case != "nom"):
            return self.de_genitive
        return self.de


@dataclass(frozen=True)
class Adjective:
    """An adjective; `zh_bound` is its Chinese form after a possessive, without a second 的 ("" if it has none)."""

    en: str
    en_comparative: str
    de: str
    de_stem: str
    de_comparative: str
    zh: str
    zh_bound: str
    zh_predicate: str
    tags: frozenset[str]


@dataclass(frozen=True)
class Verb:
    """A verb with its government.

    `particle` is separated in German main clauses (ein|schalten); `fixed` is a German word that stays directly before
    the final position of the verb (Klavier spielen). `zh` and `zh_past` are patterns with {} for the object;
    `zh_result` is the verb of a 把 sentence ("" if it has none). `modes` are letters: n now, h habit, p past,
    f future, m modal, d definite objects only, s a skill (会), t the past is natural without a duration.
    """

    en: str
    en_third: str
    en_past: str
    en_ing: str
    de: str
    de_ich: str
    de_du: str
    de_er: str
    participle: str
    auxiliary: str
    particle: str
    fixed: str
    zh: str
    zh_past: str
    zh_result: str
    government: str
    objects: tuple[str, ...]
    modes: str
    places: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Place:
    """A place, with expressions for being there and for going there."""

    key: str
    at: Triple
    to: Triple


@dataclass(frozen=True)
class Spot:
    """A two-way preposition with its noun: auf dem Tisch, auf den Tisch; 桌子上."""

    en: str
    de: str
    noun: Noun
    zh: str
    holds: tuple[str, ...]


@dataclass(frozen=True)
class Unit:
    """A unit of a substance: a cup of tea, zwei Tassen Tee, 两杯茶; `plural` if the substance is countable."""

    en: str
    en_plural: str
    de: str
    de_plural: str
    gender: Gender
    zh: str
    plural: bool
    goods: tuple[str, ...]
