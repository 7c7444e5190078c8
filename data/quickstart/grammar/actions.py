"""Constructions of one clause about what somebody does."""

from dataclasses import replace

from grammar.adverbials import DURATIONS, VEHICLES
from grammar.clauses import CAN, WANT, Clause, Tense, join
from grammar.lexicon import CITIES, LAND_CITIES, NOUN, PLACE, PLACES, UNITS, nouns
from grammar.phrases import (
    NAMED,
    measured,
    negative_phrase,
    noun_phrase,
)
from grammar.sentence import Sentence, sentence, statement
from grammar.speaker import Speaker, fits
from grammar.verbs import (
    DITRANSITIVE,
    FEED_ON,
    INTRANSITIVE,
    verb,
)
from grammar.words import Triple


def progressive(s: Speaker) -> Sentence:
    return statement(s.transitive("now"))


def progressive_intransitive(s: Speaker) -> Sentence:
    action = s.verb_of(INTRANSITIVE, "now")
    return statement(Clause(s.doer(action), action, "now", place=s.place_of(action, 0.7)))


def past(s: Speaker) -> Sentence:
    clause = s.transitive("past")
    return statement(replace(clause, time=s.time("past") if s.chance(0.8) else None), front=s.chance(0.4))


def past_duration(s: Speaker) -> Sentence:
    action = s.verb_of(INTRANSITIVE, "past")
    time = s.time("past") if s.chance(0.6) else None
    clause = Clause(
        s.doer(action), action, "past", time=time, duration=s.pick(DURATIONS), place=s.place_of(action, 0.4)
    )
    return statement(clause, front=s.chance(0.3))


def past_intransitive(s: Speaker) -> Sentence:
    action = s.pick([action for action in INTRANSITIVE if "p" in action.modes and "t" in action.modes])
    clause = Clause(s.person(), action, "past", time=s.time("past"), place=s.place_of(action, 0.6))
    return statement(clause, front=s.chance(0.4))


def past_negated(s: Speaker) -> Sentence:
    clause = s.transitive("past", negated=True)
    return statement(replace(clause, time=s.time("past") if s.chance(0.5) else None))


def future(s: Speaker) -> Sentence:
    return statement(replace(s.transitive("future"), time=s.time("future")), front=s.chance(0.4))


def habit_frequency(s: Speaker) -> Sentence:
    return statement(replace(s.transitive("habit"), frequency=s.frequency()))


def habit_time(s: Speaker) -> Sentence:
    return statement(replace(s.transitive("habit"), time=s.time("habit")), front=s.chance(0.4))


def habit_intransitive(s: Speaker) -> Sentence:
    action = s.verb_of(INTRANSITIVE, "habit")
    clause = Clause(s.doer(action), action, "habit", place=s.place_of(action, 0.6))
    if s.chance(0.5):
        return statement(replace(clause, frequency=s.frequency()))
    return statement(replace(clause, time=s.time("habit")), front=s.chance(0.4))


def habit_negated(s: Speaker) -> Sentence:
    verbs = tuple(verb(en) for en in ("drink", "buy", "read", "sell", "cook", "bake"))
    subject = s.person()
    action = s.pick((verb("eat", "essen"), *verbs))
    noun = s.pick(nouns(*action.objects))
    thing = negative_phrase(noun, None, plural="mass" not in noun.tags)
    return statement(Clause(subject, action, "habit", thing, negated=True))


def modal(s: Speaker) -> Sentence:
    clause = s.transitive("habit", modal=s.modal())
    return statement(replace(clause, time=s.time("future") if s.chance(0.4) else None))


def modal_intransitive(s: Speaker) -> Sentence:
    action = s.verb_of(INTRANSITIVE, "habit", modal=True)
    clause = Clause(s.person(), action, "habit", modal=s.modal())
    if clause.modal is CAN and "s" not in action.modes:
        clause = replace(clause, modal=WANT)
    if clause.modal is not CAN:
        clause = replace(clause, time=s.time("future") if s.chance(0.4) else None, place=s.place_of(action, 0.5))
    return statement(clause)


def modal_negated(s: Speaker) -> Sentence:
    if s.chance(0.5):
        action = s.verb_of([action for action in INTRANSITIVE if "s" in action.modes], "habit", modal=True)
        return statement(Clause(s.person(), action, "habit", modal=CAN, negated=True))
    return statement(s.transitive("habit", modal=WANT, negated=True))


def animal_eats(s: Speaker) -> Sentence:
    noun = s.pick(nouns("grazer", "monkey"))
    subject = noun_phrase(noun, "the", s.adjective(noun))
    tense = s.tense("now", "past")
    food = s.single(s.pick(nouns(*FEED_ON.objects)))
    clause = Clause(subject, FEED_ON, "now", food, place=s.place_of(FEED_ON, 0.4))
    return statement(clause if tense == "now" else replace(clause, tense="past", time=s.time("past")))


def animal_acts(s: Speaker) -> Sentence:
    noun = s.pick(nouns("pet", "farm", "-bird"))
    subject = noun_phrase(noun, "the", s.adjective(noun), plural=s.chance(0.25))
    action = s.pick((verb("sleep"), verb("drink")))
    drink = noun_phrase(NOUN["milk" if noun.en in ("cat", "dog") and s.chance(0.5) else "water"], "")
    place = PLACE[s.pick(("garden", "farm", "village", "street", "park"))].at
    return statement(Clause(subject, action, "now", drink if action.government else None, place=place))


def likes_doing(s: Speaker) -> Sentence:
    """Anna likes to swim; German uses an adverb: Anna schwimmt gern."""
    subject = s.person()
    if s.chance(0.5):
        action = s.verb_of([action for action in INTRANSITIVE if "t" in action.modes], "habit")
        clause = Clause(subject, action, "habit", place=s.place_of(action, 0.4))
    else:
        verbs = (
            verb("eat", "essen"),
            verb("drink"),
            verb("read"),
            verb("paint"),
            verb("bake"),
            verb("write"),
            verb("cook", "kochen"),
        )
        clause = s.transitive("habit", subject=subject, verbs=verbs, places=0.3)
    rest = join(clause.english_verb_phrase(clause.verb.en), clause.place.en if clause.place else "")
    like = "like" if subject.plural or subject.person == 1 else "likes"
    de = replace(clause, frequency=Triple("", "gern", "")).german()
    return sentence(
        join(subject.en, like, "to", rest), de, f"{subject.topic}喜欢{clause.chinese_predicate()}", clause.pairs
    )


def gives(s: Speaker) -> Sentence:
    tense = s.tense("past", "past", "past", "future")
    action = s.verb_of(DITRANSITIVE, tense)
    subject = s.person()
    thing = s.single(s.pick(nouns(*action.objects)), owned="")
    clause = Clause(subject, action, tense, thing, recipient=s.other(subject))
    return statement(replace(clause, time=s.time(tense) if tense == "future" or s.chance(0.6) else None), s.chance(0.3))


def gives_modal(s: Speaker) -> Sentence:
    action = s.verb_of(DITRANSITIVE, "habit", modal=True)
    subject = s.person()
    thing = s.single(s.pick(nouns(*action.objects)))
    return statement(Clause(subject, action, "habit", thing, recipient=s.other(subject), modal=s.modal()))


def for_someone(s: Speaker) -> Sentence:
    """Anna buys, bakes or cooks something for somebody."""
    action = s.pick((verb("buy"), verb("buy"), verb("bake"), verb("cook", "kochen"), verb("paint")))
    subject = s.person()
    noun = s.pick(nouns("gift", "cloth", "toy") if action.en == "buy" else nouns(*action.objects))
    thing = s.generic(noun) if "mass" in noun.tags else s.described(noun, s.pick(("a", "a", s.count())))
    tense = s.tense("past", "past", "future")
    clause = Clause(subject, action, tense, thing, benefit=s.other(subject), time=s.time(tense))
    return statement(clause, s.chance(0.3))


def own_thing(s: Speaker) -> Sentence:
    """The possessive gives the gender of the profession: the teacher, her book; die Lehrerin."""
    subject = s.owner()
    action = s.pick(
        [verb(en) for en in ("lose", "find", "look for", "repair", "wash", "sell", "put on", "pack", "read", "show")]
    )
    tense: Tense = "now" if "n" in action.modes and ("p" not in action.modes or s.chance(0.3)) else "past"
    group = nouns("text") if action.en == "read" else nouns(*action.objects)
    ownable = [noun for noun in group if noun.tags & {"personal", "artifact", "text", "pet"} and fits(noun, subject)]
    noun = s.pick(ownable)
    recipient = s.pick(NAMED) if action.government == "dat+acc" else None
    if recipient is subject:
        recipient = s.kin(subject)
    thing = s.described(noun, subject.own, 0.2)
    time = s.time("past") if tense == "past" and s.chance(0.5) else None
    return statement(Clause(subject, action, tense, thing, recipient=recipient, time=time))


def with_someone(s: Speaker) -> Sentence:
    names = (
        "dance",
        "play",
        "play football",
        "play tennis",
        "play chess",
        "play cards",
        "go for a walk",
        "study",
        "swim",
    )
    action = verb(s.pick(names))
    subject = s.person()
    other = s.other(subject)
    if action.en == "play" and s.chance(0.5):
        other = noun_phrase(NOUN[s.pick(("dog", "cat"))], "the")
    tense = s.tense("now", "habit", "future") if "n" in action.modes else s.tense("habit", "future")
    clause = Clause(subject, action, tense, company=other, place=s.place_of(action, 0.4))
    if tense == "habit":
        return statement(replace(clause, frequency=s.frequency(), unmarked=True))
    return statement(replace(clause, time=s.time("future")) if tense == "future" else clause)


def goes(s: Speaker) -> Sentence:
    place = s.pick(PLACES)
    means = s.pick(VEHICLES) if s.chance(0.5) and place.key not in _NEAR else None
    action = verb("go", "fahren" if means else "gehen")
    subject = s.person()
    clause = Clause(subject, action, "habit", means=means, goal=place.to)
    return _moving(s, clause)


_NEAR = ("kitchen", "living_room", "bedroom", "garden", "garage", "street", "forest")


def _moving(s: Speaker, clause: Clause) -> Sentence:
    kind = s.pick(("past", "past", "future", "habit", "modal"))
    if kind == "past":
        return statement(replace(clause, tense="past", time=s.time("past")), s.chance(0.4))
    if kind == "future":
        return statement(replace(clause, tense="future", time=s.time("future")), s.chance(0.4))
    if kind == "modal":
        return statement(
            replace(clause, modal=s.pick((WANT, s.modal())), time=s.time("future") if s.chance(0.5) else None)
        )
    return statement(replace(clause, frequency=s.frequency()))


def travels(s: Speaker) -> Sentence:
    kind = s.pick(("go", "fly", "travel"))
    city = s.pick(LAND_CITIES if kind == "go" else CITIES)
    means = s.pick(VEHICLES[:3]) if kind == "go" else None
    action = verb("go", "fahren") if kind == "go" else verb(kind)
    goal = Triple(f"to {city.en}", f"nach {city.de}", city.zh)
    return _moving(s, Clause(s.person(), action, "habit", means=means, goal=goal))


def quantity(s: Speaker) -> Sentence:
    unit = s.pick(UNITS)
    noun = NOUN[s.pick(unit.goods)]
    thing = measured(noun, unit, s.pick(("a", "a", s.count())))
    action = verb("buy") if unit.en == "kilo" or ("drink" not in noun.tags and s.chance(0.5)) else None
    if action is None:
        action = verb("drink") if "drink" in noun.tags else verb("eat", "essen")
    clause = Clause(s.person(), action, "past", thing, time=s.time("past"))
    return statement(clause, s.chance(0.3))


ACTIONS = (
    (progressive, 46), (progressive_intransitive, 40), (past, 60), (past_duration, 30), (past_intransitive, 22),
    (past_negated, 30), (future, 45), (habit_frequency, 35), (habit_time, 40), (habit_intransitive, 34),
    (habit_negated, 16), (modal, 38), (modal_intransitive, 20), (modal_negated, 22), (animal_eats, 14),
    (animal_acts, 12), (likes_doing, 22), (gives, 34), (gives_modal, 18), (for_someone, 20), (own_thing, 30),
    (with_someone, 20), (goes, 24), (travels, 26), (quantity, 16),
)  # fmt: skip
