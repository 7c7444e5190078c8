"""Random choices of words that fit each other: who does what, with which article, when and where."""

import random
from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

from grammar.adverbials import FREQUENCIES, FUTURE_TIMES, HABIT_TIMES, PAST_TIMES
from grammar.clauses import CAN, MAY, MUST, SHOULD, WANT, WOULD_LIKE, Clause, Modal, Tense
from grammar.lexicon import NOUN, PLACE, UNITS, adjectives, nouns
from grammar.phrases import (
    HE,
    NAMED,
    PRONOUNS,
    SHE,
    THEY,
    I,
    Phrase,
    measured,
    negative_phrase,
    noun_phrase,
)
from grammar.verbs import TRANSITIVE
from grammar.words import Adjective, Noun, Triple, Verb

Item = TypeVar("Item")

_OWNED = frozenset(
    ("lose", "find", "look for", "repair", "wash", "clean", "sell", "put on", "turn on", "turn off", "pack", "paint")
)
"""Verbs whose object may belong to the subject."""
_COUNTS = ("two", "two", "three", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_TIMES: dict[Tense, tuple[Triple, ...]] = {"past": PAST_TIMES, "future": FUTURE_TIMES, "habit": HABIT_TIMES, "now": ()}
_LETTER: dict[Tense, str] = {"now": "n", "habit": "h", "past": "p", "future": "f"}
_MODALS = (CAN, MUST, MUST, SHOULD, SHOULD, MAY, WANT, WANT, WOULD_LIKE)


class Speaker:
    """Draws all choices of one corpus from one seeded generator."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._uses: Counter[str] = Counter()
        self._pending: list[str] = []

    def pick(self, items: Sequence[Item]) -> Item:
        """Return a random item; of lexicon entries the least used of three, so that no word stays rare."""
        drawn = [items[self._random.randrange(len(items))] for _ in range(3)]
        if not isinstance(drawn[0], Noun | Adjective | Verb):
            return drawn[0]
        chosen = min(drawn, key=lambda item: self._uses[_key(item)])
        self._pending.append(_key(chosen))
        return chosen

    def settle(self, kept: bool) -> None:
        """Count the words picked since the last call as used, if their sentence was kept."""
        if kept:
            self._uses.update(self._pending)
        self._pending.clear()

    def chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def weighted(self, items: Sequence[Item], weights: Sequence[int]) -> Item:
        return self._random.choices(items, weights)[0]

    def count(self) -> str:
        return self.pick(_COUNTS)

    def adjective(self, noun: Noun, probability: float = 0.35) -> Adjective | None:
        fitting = adjectives(noun)
        return self.pick(fitting) if fitting and self.chance(probability) else None

    # People

    def kin(self, subject: Phrase | None = None) -> Phrase:
        """Return a relative (my father), of the subject if that is a pronoun or a name, otherwise of anyone."""
        child = subject is not None and "young" in (NOUN[subject.noun].tags if subject.noun else ())
        noun = self.pick(nouns("kin", "-offspring") if child else nouns("kin"))
        if subject and subject.owns and (subject.pronoun or not subject.noun):
            return noun_phrase(noun, subject.own)
        return noun_phrase(
            noun, self.pick(("my", "my", "my", "our") if subject else ("my", "my", "my", "our", "his", "her"))
        )

    def worker(self, probability: float = 0.2) -> Phrase:
        noun = self.pick(nouns("person"))
        return noun_phrase(noun, "the", self.adjective(noun, probability))

    def people(self) -> Phrase:
        noun = self.pick(nouns("person"))
        counted = self.chance(0.25)
        return noun_phrase(noun, self.pick(("two", "three", "four")) if counted else "the", None, plural=True)

    def person(self, pronouns: bool = True) -> Phrase:
        """Return a subject."""
        kinds = ("name", "kin", "worker", "people", "pronoun") if pronouns else ("name", "kin", "worker", "people")
        kind = self.weighted(kinds, (20, 18, 34, 12, 16)[: len(kinds)])
        if kind == "name":
            return self.pick(NAMED)
        if kind == "kin":
            return self.kin()
        if kind == "worker":
            return self.worker()
        return self.people() if kind == "people" else self.pick(PRONOUNS)

    def doer(self, action: Verb) -> Phrase:
        """Return a subject for an intransitive verb; those of "play" and "cry" are mostly children."""
        if action.en in ("play", "cry") and self.chance(0.75):
            return noun_phrase(NOUN[self.pick(("boy", "girl", "child"))], "the", plural=self.chance(0.35))
        return self.person()

    def someone(self, pronouns: bool = False) -> Phrase:
        """Return one person: a name, a relative, a profession, or a pronoun if `pronouns`."""
        while True:
            person = self.person(pronouns)
            if not person.plural:
                return person

    def individual(self) -> Phrase:
        """Return a person to whom a second clause can refer with I, we, he, she or they."""
        return self.weighted((self.pick(NAMED), self.pick(PRONOUNS), self.kin()), (5, 3, 4))

    def owner(self) -> Phrase:
        """Return a subject that can be followed by his or her; professions have either gender."""
        noun = self.pick(nouns("person", "-unowned"))
        trade = noun_phrase(noun, "the", None, feminine=self.chance(0.5))
        return self.pick((trade, trade, self.pick(NAMED), self.pick(PRONOUNS)))

    def other(self, subject: Phrase) -> Phrase:
        """Return a person other than the subject, as an object or a companion."""
        while True:
            kind = self.weighted(("name", "kin", "worker", "pronoun", "acquaintance"), (22, 26, 26, 14, 12))
            if kind == "name":
                other = self.pick(NAMED)
            elif kind == "kin":
                other = self.kin(subject)
            elif kind == "worker":
                other = self.worker(0.15)
            elif kind == "acquaintance":
                noun = self.pick(nouns("acquaintance"))
                other = noun_phrase(noun, "my" if subject.noun or not subject.owns else subject.own)
            else:
                other = self.pick((HE, SHE, THEY, I))
            same_person = other.pronoun and subject.pronoun and other.person == subject.person
            reflexive = other.person == 1 and subject.person == 1 and other.pronoun
            if other.en != subject.en and other.noun != (subject.noun or "-") and not same_person and not reflexive:
                return other

    # Things

    def described(self, noun: Noun, determiner: str, probability: float = 0.35) -> Phrase:
        """Return the noun with this determiner and perhaps an adjective; numbers, many and some make it plural."""
        adjective = self.adjective(noun, probability)
        shared = determiner in ("our", "their") and bool(noun.tags & {"cloth", "head", "personal"})
        plural = shared or determiner not in ("the", "a", "this", "my", "your", "his", "her", "our", "their")
        if adjective and not adjective.zh_bound and determiner in ("my", "your", "his", "her", "our", "their"):
            adjective = None
        return noun_phrase(noun, determiner, adjective, plural)

    def generic(self, noun: Noun, probability: float = 0.3) -> Phrase:
        """Return the noun without an article, plural if it has one: flowers, fresh bread."""
        return noun_phrase(noun, "", self.adjective(noun, probability), plural="mass" not in noun.tags)

    def substance(self, noun: Noun, kilos: bool = False) -> Phrase:
        units = [unit for unit in UNITS if noun.en in unit.goods and (kilos or unit.en != "kilo")]
        if units and self.chance(0.45):
            return measured(noun, self.pick(units), self.pick(("a", "a", "two", "three")))
        return self.generic(noun)

    def single(
        self, noun: Noun, definite: bool = False, owned: str = "", portions: bool = False, kilos: bool = False
    ) -> Phrase:
        """Return an object of a single event."""
        if "mass" in noun.tags:
            return self.substance(noun, kilos) if portions else self.generic(noun)
        determiners = (
            ["the", "the", "the", "this"] if definite else ["a", "a", "a", "a", "the", "the", "this", "count", "some"]
        )
        if owned:
            determiners += [owned] * (2 if definite else 5)
        determiner = self.pick(determiners)
        return self.described(noun, self.count() if determiner == "count" else determiner)

    def object_of(self, verb: Verb, tense: Tense, subject: Phrase, negated: bool = False) -> Phrase:
        if "person" in verb.objects:
            return self.other(subject)
        noun = self.pick([noun for noun in nouns(*verb.objects) if verb.en != "put on" or fits(noun, subject)])
        owned = subject.own if verb.en in _OWNED and subject.owns else ""
        if not noun.tags & {"personal", "artifact", "pet"}:
            owned = ""
        definite = "d" in verb.modes or (verb.en in ("wash", "paint", "carry") and self.chance(0.5))
        if negated and not definite and self.chance(0.7):
            return negative_phrase(noun, self.adjective(noun, 0.2), plural=tense == "habit" and "mass" not in noun.tags)
        if negated and "mass" in noun.tags:
            return negative_phrase(noun)
        if negated:
            return self.described(noun, "the", 0.2)
        if tense == "habit" and not definite:
            thing = self.generic(noun)
        else:
            eaten = verb.en in ("eat", "drink", "buy")
            thing = self.single(noun, definite, owned, portions=eaten, kilos=verb.en == "buy")
        needless = verb.en in ("wash", "clean") and ("adjective", "clean", noun.en) in thing.pairs
        return self.object_of(verb, tense, subject, negated) if needless else thing

    # Times and places

    def tense(self, *tenses: Tense) -> Tense:
        return self.pick(tenses)

    def time(self, tense: Tense) -> Triple:
        return self.pick(_TIMES[tense])

    def frequency(self) -> Triple:
        return self.pick(FREQUENCIES)

    def place_of(self, verb: Verb, probability: float) -> Triple | None:
        return PLACE[self.pick(verb.places)].at if verb.places and self.chance(probability) else None

    def modal(self) -> Modal:
        return self.pick(_MODALS)

    # Clauses

    def verb_of(self, verbs: Sequence[Verb], tense: Tense, modal: bool = False) -> Verb:
        letter = "m" if modal else _LETTER[tense]
        return self.pick([verb for verb in verbs if letter in verb.modes])

    def transitive(
        self,
        tense: Tense,
        *,
        subject: Phrase | None = None,
        modal: Modal | None = None,
        negated: bool = False,
        places: float = 0.35,
        verbs: Sequence[Verb] = TRANSITIVE,
    ) -> Clause:
        """Return a clause with a subject, a verb and an object, without a time."""
        verb = self.verb_of(verbs, tense, modal is not None)
        subject = subject or self.person()
        thing = self.object_of(verb, tense, subject, negated)
        place = None if negated else self.place_of(verb, places)
        return Clause(subject, verb, tense, thing, place=place, modal=modal, negated=negated)


def _key(item: object) -> str:
    return f"{type(item).__name__} {item.en} {item.de} {item.zh}" if isinstance(item, Noun | Adjective | Verb) else ""


def fits(noun: Noun, subject: Phrase) -> bool:
    """Return whether the corpus lets this person wear the noun; "he" does not wear a dress or a skirt."""
    he = subject.natural == "m" and subject.person == 3 and not subject.plural
    return not (he and noun.en in ("dress", "skirt"))


def colored(noun: Noun) -> list[Adjective]:
    """Return the colors that the noun can have."""
    return [adjective for adjective in adjectives(noun) if "color" in adjective.tags]
