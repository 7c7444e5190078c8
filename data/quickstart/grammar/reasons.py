"""Constructions of two clauses: reasons (because), conditions (if) and concessions (although)."""

from dataclasses import replace

from grammar.clauses import CAN_NOW, MUST, WANT, Clause, be, german_finite, join, sein
from grammar.lexicon import PLACE, adjectives, nouns
from grammar.phrases import (
    Phrase,
    negative_phrase,
    noun_phrase,
    pronoun_for,
)
from grammar.sentence import Sentence, sentence
from grammar.speaker import Speaker
from grammar.verbs import INTRANSITIVE, TRANSITIVE, verb
from grammar.words import Triple

_WEATHER = (
    Triple("it is raining", "es regnet", "下雨了"),
    Triple("it is very cold", "es sehr kalt ist", "天气很冷"),
    Triple("it is snowing", "es schneit", "下雪了"),
    Triple("it is very hot", "es sehr heiß ist", "天气很热"),
    Triple("the weather is bad", "das Wetter schlecht ist", "天气不好"),
)
_FORECASTS = (
    Triple("it rains {}", "es {} regnet", "{}下雨"),
    Triple("it snows {}", "es {} schneit", "{}下雪"),
    Triple("the weather is nice {}", "das Wetter {} schön ist", "{}天气好"),
    Triple("it is cold {}", "es {} kalt ist", "{}天气很冷"),
    Triple("it is warm {}", "es {} warm ist", "{}天气很暖和"),
)
_EAT = verb("eat", "essen")
_STATES = (
    ("tired", "müde", "累了"),
    ("sick", "krank", "生病了"),
    ("hungry", "Hunger", "饿了"),
    ("thirsty", "Durst", "渴了"),
    ("no time", "keine Zeit", "没有时间"),
    ("no money", "kein Geld", "没有钱"),
)
_CHORES = tuple(
    verb(en)
    for en in ("read", "write", "visit", "help", "clean", "wash", "repair", "bake", "pick up", "watch", "paint")
)
_OUTDOORS = ("play football", "play tennis", "swim", "go for a walk", "run")


def _because(main: Clause, en: str, de: str, zh: str, zh_main: Clause | None = None) -> Sentence:
    """Return the main clause with a reason; Chinese puts the reason first, and `zh_main` refers back to it."""
    return sentence(
        f"{main.english()} because {en}",
        f"{main.german()}, weil {de}",
        f"因为{zh}，所以{(zh_main or main).chinese()}",
        main.pairs,
    )


def because_weather(s: Speaker) -> Sentence:
    weather = s.pick(_WEATHER)
    subject = s.person()
    if s.chance(0.5):
        action = verb(s.pick(_OUTDOORS))
        modal = CAN_NOW if weather.zh in ("下雨了", "下雪了") else WANT
        main = Clause(subject, action, "habit", modal=modal, negated=True)
    else:
        action = s.pick(
            (verb("read"), verb("drink"), verb("bake"), verb("watch"), verb("play chess"), verb("play cards"))
        )
        place = PLACE["kitchen" if action.en == "bake" else "living_room"].at
        thing = s.object_of(action, "now", subject) if action.government else None
        main = Clause(subject, action, "now", thing, place=place)
    return _because(main, weather.en, weather.de, weather.zh)


def because_state(s: Speaker) -> Sentence:
    """... because she is tired, sick, hungry or thirsty, or has no time or no money."""
    subject = s.individual()
    again = pronoun_for(subject)
    english, german, chinese = s.pick(_STATES)
    thing: Phrase | None = None
    if english == "tired":
        action = s.verb_of(INTRANSITIVE, "habit", True)
        main = Clause(subject, action, "habit", modal=WANT, negated=action.en != "sleep")
    elif english == "sick":
        place = PLACE[s.pick(("school", "office", "cinema", "theater", "university", "market"))].to
        time = s.time("future") if s.chance(0.5) else None
        main = Clause(subject, verb("go"), "habit", goal=place, modal=CAN_NOW, negated=True, time=time)
    elif english == "no time":
        main = s.transitive("habit", subject=subject, modal=CAN_NOW, negated=True, verbs=_CHORES)
        main = replace(main, time=s.time("future") if s.chance(0.5) else None)
    elif english == "no money":
        noun = s.pick(nouns("goods", "estate"))
        thing = s.described(noun, "the", 0.4) if s.chance(0.4) else negative_phrase(noun, s.adjective(noun, 0.4))
        main = Clause(subject, verb("buy"), "habit", thing, modal=CAN_NOW, negated=True)
    else:
        noun = s.pick(nouns("food", "-cookable") if english == "hungry" else nouns("drink", "-hot"))
        thing = s.substance(noun) if "mass" in noun.tags else s.described(noun, "a")
        main = Clause(subject, _EAT if english == "hungry" else verb("drink"), "habit", thing, modal=WANT)
    has = "has" if again.person == 3 and not again.plural else "have"
    en_verb = has if english.startswith("no ") else be(again)
    de_verb = (
        german_finite(("habe", "hast", "hat", "haben"), again)
        if german[0].isupper() or "kein" in german
        else sein(again)
    )
    return _because(
        main,
        f"{again.en} {en_verb} {english}",
        f"{again.german('nom')} {german} {de_verb}",
        subject.topic + chinese,
        replace(main, subject=again),
    )


def because_thing(s: Speaker) -> Sentence:
    """... because it is too expensive: the pronoun is er, sie or es in German."""
    subject = s.person()
    kind = s.pick(("buy", "repair", "wash", "read"))
    negated = False
    if kind == "buy":
        noun = s.pick([noun for noun in nouns("goods", "estate", "-fur") if adjectives(noun)])
        fitting = [
            adjective for adjective in adjectives(noun) if adjective.en in ("expensive", "heavy", "big", "small", "old")
        ]
        if not fitting:
            return because_thing(s)
        adjective = s.pick(fitting)
        negated = True
        state = (f"too {adjective.en}", f"zu {adjective.de}", f"太{adjective.zh_predicate.removeprefix('很')}了")
    elif kind == "repair":
        noun = s.pick(nouns("vehicle", "device", "lamp", "chair", "bed", "door"))
        state = ("broken", "kaputt", "坏了")
    elif kind == "wash":
        noun = s.pick(nouns("washable"))
        state = ("dirty", "schmutzig", "脏了")
    else:
        noun = s.pick(nouns("book", "newspaper", "magazine"))
        negated = s.chance(0.5)
        state = (
            ("very boring", "sehr langweilig", "很无聊")
            if negated
            else ("very interesting", "sehr interessant", "很有趣")
        )
    thing = noun_phrase(noun, s.pick(("the", "the", "this")), None)
    again = pronoun_for(thing)
    modal = WANT if kind in ("buy", "read") else s.pick((WANT, MUST))
    time = s.time("future") if s.chance(0.3) and not negated else None
    main = Clause(subject, verb(kind), "habit", thing, modal=modal, negated=negated, time=time)
    return _because(
        main,
        f"it is {state[0]}",
        f"{again.german('nom')} {state[1]} ist",
        thing.zh + state[2],
        replace(main, object=again),
    )


def if_weather(s: Speaker) -> Sentence:
    forecast = s.pick(_FORECASTS)
    time = s.time("future")
    good = forecast.en.startswith(("the weather is nice", "it is warm"))
    if good:
        action = verb(s.pick(("play football", "swim", "go for a walk", "play tennis", "run")))
        main = Clause(s.person(), action, "future", place=s.place_of(action, 0.6))
    else:
        verbs = [verb(en) for en in ("read", "watch", "bake", "write", "invite", "visit", "cook")]
        main = s.transitive("future", verbs=verbs, places=0.0)
    return sentence(
        f"if {forecast.en.format(time.en)}, {main.english()}",
        f"wenn {forecast.de.format(time.de)}, {main.german_inverted()}",
        f"如果{forecast.zh.format(time.zh)}，{main.chinese(link='就')}",
        main.pairs,
    )


def if_has(s: Speaker) -> Sentence:
    subject = s.individual()
    again = pronoun_for(subject)
    means = s.pick((("time", "Zeit", "时间"), ("money", "Geld", "钱")))
    if means[0] == "money":
        noun = s.pick(nouns("goods", "estate"))
        main = Clause(again, verb("buy"), "future", s.described(noun, "a", 0.6))
        when = Triple("", "", "")
    else:
        main = s.transitive("future", subject=again)
        when = s.time("future")
    have = "has" if subject.person == 3 and not subject.plural else "have"
    haben = german_finite(("habe", "hast", "hat", "haben"), subject)
    return sentence(
        join("if", subject.en, have, means[0], when.en) + f", {main.english()}",
        join("wenn", subject.german("nom"), when.de, means[1], haben) + f", {main.german_inverted()}",
        f"如果{subject.topic}{when.zh}有{means[2]}，{main.chinese(link='就')}",
        main.pairs,
    )


def although(s: Speaker) -> Sentence:
    if s.chance(0.5):
        weather = s.pick(_WEATHER)
        action = verb(s.pick(("play football", "play tennis", "work", "dance", "sing", "wait", "run")))
        place = PLACE[s.pick(("garden", "street"))].at
        main = Clause(s.person(), action, "now", place=place, unmarked=True)
        front = Triple(weather.en, weather.de, weather.zh)
    else:
        subject = s.individual()
        again = pronoun_for(subject)
        state = s.pick((("tired", "müde", "累了"), ("sick", "krank", "生病了"), ("hungry", "hungrig", "饿了")))
        front = Triple(
            f"{subject.en} {be(subject)} {state[0]}",
            f"{subject.german('nom')} {state[1]} {sein(subject)}",
            subject.topic + state[2],
        )
        verbs = [action for action in TRANSITIVE if action.en not in ("eat", "cut", "pick up")]
        main = replace(s.transitive("now", subject=again, verbs=verbs), unmarked=True)
    return sentence(
        f"although {front.en}, {main.english()}",
        f"obwohl {front.de}, {main.german_inverted()}",
        f"虽然{front.zh}，但是{main.chinese()}",
        main.pairs,
    )


REASONS = (
    (because_weather, 14), (because_state, 30), (because_thing, 24), (if_weather, 18), (if_has, 14), (although, 20),
)  # fmt: skip
