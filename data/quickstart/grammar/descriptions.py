"""Constructions of one clause about states: having, liking, wearing, places, comparisons."""

from dataclasses import replace

from grammar.clauses import Clause, be, german_finite, join, sein
from grammar.lexicon import (
    ADJECTIVE,
    CITIES,
    DAYS,
    FAULTS,
    LAND_CITIES,
    NOUN,
    NUMBERS,
    SPOTS,
    adjectives,
    nouns,
)
from grammar.phrases import (
    NAMED,
    Phrase,
    coordinated,
    genitive_phrase,
    negative_phrase,
    noun_phrase,
)
from grammar.sentence import Sentence, sentence, statement
from grammar.speaker import Speaker, colored, fits
from grammar.verbs import (
    WEAR_ACCESSORY,
    WEAR_ON_BODY,
    verb,
)
from grammar.words import Noun, Pair, Spot, Triple

_CONTRACTIONS = {"in dem": "im", "in das": "ins", "an dem": "am"}
_CONTRASTS = tuple(ADJECTIVE[en] for en in ("clever", "friendly", "hardworking", "strong", "rich", "happy", "famous"))


def wears(s: Speaker) -> Sentence:
    subject = s.someone(pronouns=True)
    noun = s.pick([noun for noun in nouns("cloth", "head", "watch") if fits(noun, subject)])
    action = WEAR_ON_BODY if "cloth" in noun.tags else WEAR_ACCESSORY
    adjective = s.pick(colored(noun) or adjectives(noun)) if s.chance(0.8) else None
    clause = Clause(subject, action, "now", noun_phrase(noun, "a", adjective), unmarked=True)
    pattern = f"{subject.topic}{action.zh}{clause.object.zh if clause.object else ''}"
    return sentence(clause.english(), clause.german(), pattern, clause.pairs)


def likes(s: Speaker) -> Sentence:
    noun = s.pick(nouns(*verb("like").objects))
    return statement(Clause(s.person(), verb("like"), "habit", s.generic(noun, 0.35)))


def likes_not(s: Speaker) -> Sentence:
    noun = s.pick(nouns(*verb("like").objects))
    thing = negative_phrase(noun, s.adjective(noun, 0.2), plural="mass" not in noun.tags)
    return statement(Clause(s.person(), verb("like"), "habit", thing, negated=True))


def needs(s: Speaker) -> Sentence:
    action = verb("need")
    subject = s.person()
    noun = s.pick([noun for noun in nouns(*action.objects) if fits(noun, subject)])
    return statement(
        Clause(subject, action, "habit", s.described(noun, s.pick(("a", "a", "the", "two", "three")), 0.5))
    )


def has(s: Speaker) -> Sentence:
    action = verb("have")
    subject = s.person()
    first, second = (
        s.pick([noun for noun in nouns(*action.objects) if fits(noun, subject)]),
        s.pick(nouns("pet", "vehicle")),
    )
    thing = s.described(first, s.pick(("a", "a", s.count(), "many")), 0.5)
    if first is not second and s.chance(0.4):
        thing = coordinated(thing, s.described(second, s.pick(("a", "two", "three")), 0.2))
    clause = Clause(subject, action, "habit", thing)
    return statement(clause)


def has_no(s: Speaker) -> Sentence:
    action = verb("have")
    subject = s.person()
    noun = s.pick([noun for noun in nouns(*action.objects) if fits(noun, subject)])
    return statement(Clause(subject, action, "habit", negative_phrase(noun), negated=True))


def knows_or_loves(s: Speaker) -> Sentence:
    action = s.pick((verb("know"), verb("know"), verb("love"), verb("trust")))
    subject = s.person()
    if action.en == "love":
        return statement(Clause(subject, action, "habit", s.kin(subject)))
    return statement(Clause(subject, action, "habit", s.other(subject), negated=s.chance(0.3)))


def lives(s: Speaker) -> Sentence:
    city = s.pick(CITIES)
    subject = s.person()
    third = subject.person == 3 and not subject.plural
    if s.chance(0.5):
        de = german_finite(("wohne", "wohnst", "wohnt", "wohnen"), subject)
        en = f"{subject.en} {'lives' if third else 'live'} in {city.en}"
        return sentence(
            en, f"{subject.german('nom')} {de} in {city.de}", f"{subject.topic}住在{city.zh}", subject.pairs
        )
    de = german_finite(("komme", "kommst", "kommt", "kommen"), subject)
    en = f"{subject.en} {'comes' if third else 'come'} from {city.en}"
    return sentence(en, f"{subject.german('nom')} {de} aus {city.de}", f"{subject.topic}来自{city.zh}", subject.pairs)


def posture(noun: Noun) -> str:
    """Return the German verb for the position of the thing: lie (liegen) or stand (stehen)."""
    return "lie" if noun.tags & {"lie", "cloth", "toy", "head"} else "stand"


def spot_german(spot: Spot, case_dative: bool) -> str:
    where = f"{spot.de} {noun_phrase(spot.noun, 'the').german('dat' if case_dative else 'acc')}"
    first, second, rest = where.split(" ", 2)
    return f"{_CONTRACTIONS.get(f'{first} {second}', f'{first} {second}')} {rest}"


def spot_chinese(spot: Spot) -> str:
    return spot.noun.zh + spot.zh


def things_at(spot: Spot) -> list[Noun]:
    return [
        noun
        for noun in nouns(*spot.holds)
        if noun is not spot.noun and noun.tags & {"lie", "stand", "cloth", "toy", "head", "vehicle", "movable", "tree"}
    ]


def is_somewhere(s: Speaker) -> Sentence:
    spot = s.pick([spot for spot in SPOTS if things_at(spot)])
    noun = s.pick(things_at(spot))
    if "mass" in noun.tags:
        thing = noun_phrase(noun, "the")
    else:
        thing = s.described(noun, s.pick(("the", "the", "this", "my", "your")), 0.3)
    de = {"lie": "liegt", "stand": "steht"}[posture(noun)]
    return sentence(
        f"{thing.en} is {spot.en} the {spot.noun.en}",
        f"{thing.german('nom')} {de} {spot_german(spot, True)}",
        f"{thing.topic}在{spot_chinese(spot)}",
        thing.pairs,
    )


def there_is(s: Speaker) -> Sentence:
    spot = s.pick([spot for spot in SPOTS if things_at(spot)])
    noun = s.pick([noun for noun in things_at(spot) if "mass" not in noun.tags])
    thing = s.described(noun, s.pick(("a", "a", s.count(), "many", "some")), 0.4)
    de = {"lie": ("liegt", "liegen"), "stand": ("steht", "stehen")}[posture(noun)][thing.plural]
    return sentence(
        f"there {'are' if thing.plural else 'is'} {thing.en} {spot.en} the {spot.noun.en}",
        f"{spot_german(spot, True)} {de} {thing.german('nom')}",
        f"{spot_chinese(spot)}有{thing.zh}",
        thing.pairs,
    )


def animal_somewhere(s: Speaker) -> Sentence:
    spot = s.pick([spot for spot in SPOTS if "pet" in spot.holds])
    noun = NOUN[s.pick(("dog", "cat", "rabbit"))]
    thing = s.described(noun, s.pick(("the", "the", "this", "my", "our")), 0.4)
    action = s.pick((("lying", "liegt", "躺"), ("sitting", "sitzt", "坐"), ("sleeping", "schläft", "睡")))
    pairs = thing.pairs | {("subject", noun.en, {"lying": "lie", "sitting": "sit", "sleeping": "sleep"}[action[0]])}
    return sentence(
        f"{thing.en} is {action[0]} {spot.en} the {spot.noun.en}",
        f"{thing.german('nom')} {action[1]} {spot_german(spot, True)}",
        f"{thing.topic}{action[2]}在{spot_chinese(spot)}",
        pairs,
    )


def puts(s: Speaker) -> Sentence:
    spot = s.pick([spot for spot in SPOTS if spot.noun.en not in ("house", "tree", "car") and things_at(spot)])
    noun = s.pick([noun for noun in things_at(spot) if "mass" not in noun.tags])
    action = verb("put", {"lie": "legen", "stand": "stellen"}[posture(noun)])
    thing = s.described(noun, s.pick(("the", "the", "this")), 0.3)
    goal = Triple(f"{spot.en} the {spot.noun.en}", spot_german(spot, False), spot_chinese(spot))
    kind = s.pick(("past", "past", "future", "modal"))
    clause = Clause(s.person(), action, "past", thing, goal=goal)
    if kind == "past":
        return statement(replace(clause, time=s.time("past") if s.chance(0.4) else None), s.chance(0.3))
    if kind == "future":
        return statement(replace(clause, tense="future", time=s.time("future")))
    return statement(replace(clause, modal=s.modal(), tense="habit"))


def is_like_that(s: Speaker) -> Sentence:
    """The car is old, is very old, is too old."""
    noun = s.pick(
        [
            noun
            for noun in nouns("artifact", "fair", "interest", "dish", "fresh", "fast", "-plant", "-sight")
            if adjectives(noun)
        ]
    )
    adjective = s.pick(adjectives(noun))
    thing = s.described(noun, s.pick(("the", "the", "this", "my", "your")), 0.0)
    plain = "mass" in noun.tags
    if plain:
        thing = noun_phrase(noun, "the")
    degree = s.pick((("", "", "很"), ("very", "sehr", "非常"), ("too", "zu", "太")))
    if "color" in adjective.tags or (degree[0] == "too" and adjective.en not in FAULTS):
        degree = ("", "", "" if "color" in adjective.tags else "很")
    predicate = adjective.zh_predicate.replace("很", degree[2]) + ("了" if degree[2] == "太" else "")
    return sentence(
        join(thing.en, be(thing), degree[0], adjective.en),
        join(thing.german("nom"), sein(thing), degree[1], adjective.de),
        (noun.zh if plain else thing.zh) + predicate,
        frozenset({("adjective", adjective.en, noun.en)}),
    )


def person_is(s: Speaker) -> Sentence:
    subject = s.person()
    adjective = ADJECTIVE[s.pick(("tired", "happy", "sad", "hungry", "friendly", "clever", "hardworking", "strong"))]
    degree = s.pick((("", "", "很"), ("very", "sehr", "非常")))
    pairs: frozenset[Pair] = frozenset({("adjective", adjective.en, subject.noun)} if subject.noun else set())
    return sentence(
        join(subject.en, be(subject), degree[0], adjective.en),
        join(subject.german("nom"), sein(subject), degree[1], adjective.de),
        subject.topic + adjective.zh_predicate.replace("很", degree[2]),
        pairs | subject.pairs,
    )


def profession(s: Speaker) -> Sentence:
    """A name or a relative gives the gender of the profession: Anna ist Lehrerin."""
    subject = s.pick(NAMED) if s.chance(0.6) else s.kin()
    noun = s.pick(nouns("job"))
    german = noun.feminine if noun.feminine and subject.natural == "f" else noun
    adjective = s.adjective(noun, 0.5)
    trade = noun_phrase(noun, "a", adjective, feminine=subject.natural == "f")
    de = trade.german("nom") if adjective else german.de
    pairs = trade.pairs
    return sentence(
        f"{subject.en} is {trade.en}", f"{subject.german('nom')} ist {de}", f"{subject.topic}是{trade.zh}", pairs
    )


def compares(s: Speaker) -> Sentence:
    group = nouns(
        s.pick(("vehicle", "device", "cloth", "furniture", "dish", "head", "text", "toy", "fruit", "fur", "thick"))
    )
    first, second = s.pick(group), s.pick(group)
    shared = [
        adjective
        for adjective in adjectives(first)
        if adjective in adjectives(second) and "color" not in adjective.tags
    ]
    if first is second or not shared:
        return compares(s)
    adjective = s.pick(shared)
    one, other = noun_phrase(first, s.pick(("the", "this", "my"))), noun_phrase(second, "the")
    pairs: frozenset[Pair] = frozenset({("adjective", adjective.en, first.en)})
    return sentence(
        f"{one.en} is {adjective.en_comparative} than {other.en}",
        f"{one.german('nom')} ist {adjective.de_comparative} als {other.german('nom')}",
        f"{one.zh}比{other.zh}{adjective.zh_predicate.removeprefix('很')}",
        pairs,
    )


def compares_people(s: Speaker) -> Sentence:
    first = s.someone()
    second = s.other(first)
    while second.pronoun:
        second = s.other(first)
    adjective = s.pick(_CONTRASTS)
    equal = s.chance(0.4)
    bare = adjective.zh_predicate.removeprefix("很")
    en = f"as {adjective.en} as" if equal else f"{adjective.en_comparative} than"
    de = f"so {adjective.de} wie" if equal else f"{adjective.de_comparative} als"
    zh = f"{first.topic}和{second.topic}一样{bare}" if equal else f"{first.topic}比{second.topic}{bare}"
    pairs: frozenset[Pair] = frozenset({("adjective", adjective.en, first.noun)} if first.noun else set())
    return sentence(
        f"{first.en} is {en} {second.en}",
        f"{first.german('nom')} ist {de} {second.german('nom')}",
        zh,
        pairs | first.pairs | second.pairs,
    )


def genitive(s: Speaker) -> Sentence:
    """Anna's car is new; Peter repaired Anna's car."""
    owner = s.someone()
    noun = s.pick(nouns("vehicle", "device", "house", "dog", "cat", "coat", "bag", "hat", "dress"))
    adjective = s.pick(adjectives(noun))
    predicate = adjective.zh_predicate
    if s.chance(0.5):
        thing = genitive_phrase(noun, owner)
        pairs = owner.pairs | {("adjective", adjective.en, noun.en)}
        return sentence(
            f"{thing.en} is {adjective.en}", f"{thing.german('nom')} ist {adjective.de}", thing.topic + predicate, pairs
        )
    bound = adjective if adjective.zh_bound else None
    wanted = ("repair", "wash", "photograph", "borrow", "see", "find", "feed", "paint")
    fitting = [verb(en) for en in wanted if noun in nouns(*verb(en).objects)]
    clause = Clause(s.person(), s.pick(fitting), "past", genitive_phrase(noun, owner, bound), time=s.time("past"))
    if clause.subject.en == owner.en or owner.en.startswith(("his ", "her ")):
        return genitive(s)
    return statement(clause, s.chance(0.3))


def genitive_of(s: Speaker) -> Sentence:
    """The color of the dress: die Farbe des Kleides."""
    noun = s.pick(nouns("cloth", "vehicle", "furniture", "head"))
    part = s.pick((("color", "die Farbe", "颜色"), ("price", "den Preis", "价格")))
    subject = s.person()
    knows = part[0] == "price"
    owner = noun_phrase(noun, "the", s.adjective(noun, 0.3) if knows else None)
    action = verb("know") if knows else verb("like")
    negated = s.chance(0.4)
    thing = Phrase(
        f"the {part[0]} of {owner.en}", f"the {part[0]} of {owner.en}",
        ("", f"{part[1]} {owner.german('gen')}", "", ""), f"{owner.zh}的{part[2]}", "", f"{owner.zh}的{part[2]}",
        pairs=owner.pairs,
    )  # fmt: skip
    clause = Clause(subject, action, "habit", thing, negated=negated)
    zh = clause.chinese().replace("认识", "知道") if knows else clause.chinese()
    return sentence(clause.english(), clause.german(), zh, clause.pairs)


def belongs(s: Speaker) -> Sentence:
    noun = s.pick(nouns("vehicle", "device", "personal", "lendable", "pet", "house"))
    thing = s.described(noun, s.pick(("the", "this")), 0.4)
    owner = s.other(thing)
    return sentence(
        f"{thing.en} belongs to {owner.en_object}",
        f"{thing.german('nom')} gehört {owner.german('dat')}",
        f"{thing.zh}是{owner.topic}的",
        thing.pairs | owner.pairs | {("subject", noun.en, "belong")},
    )


def every_one(s: Speaker) -> Sentence:
    noun = s.pick(nouns("person", "-pointed"))
    subject = noun_phrase(noun, "every")
    if s.chance(0.5):
        thing = s.pick(nouns("cloth", "toy", "pet", "text", "-length"))
        clause = Clause(subject, verb("have"), "habit", s.described(thing, "a", 0.4))
    else:
        clause = Clause(
            subject, verb("like"), "habit", s.generic(s.pick(nouns("animal", "fruit", "drink", "plant")), 0.1)
        )
    return sentence(clause.english(), clause.german(), clause.chinese(link="都"), clause.pairs)


def departs(s: Speaker) -> Sentence:
    vehicle = s.pick((("train", "der Zug", "火车"), ("bus", "der Bus", "公共汽车")))
    hour = s.pick(NUMBERS)
    city = s.pick(LAND_CITIES)
    day = s.pick(DAYS)
    on_day = s.chance(0.4)
    en_day, de_day, zh_day = (f" on {day.en}", f"am {day.de} ", day.zh) if on_day else ("", "", "")
    if s.chance(0.5):
        return sentence(
            f"the {vehicle[0]} to {city.en} leaves{en_day} at {hour.en} o'clock",
            f"{vehicle[1]} nach {city.de} fährt {de_day}um {hour.de} Uhr ab",
            f"去{city.zh}的{vehicle[2]}{zh_day}{hour.zh}点出发",
        )
    return sentence(
        f"the {vehicle[0]} from {city.en} arrives{en_day} at {hour.en} o'clock",
        f"{vehicle[1]} aus {city.de} kommt {de_day}um {hour.de} Uhr an",
        f"从{city.zh}来的{vehicle[2]}{zh_day}{hour.zh}点到达",
    )


def age(s: Speaker) -> Sentence:
    years = s.pick(NUMBERS)
    noun = s.pick(nouns("offspring", "sibling", "dog", "cat", "horse"))
    subject = noun_phrase(noun, s.pick(("my", "your", "his", "her", "our")))
    if s.chance(0.3):
        subject = s.pick(NAMED)
    return sentence(
        f"{subject.en} is {years.en} years old",
        f"{subject.german('nom')} ist {years.de} Jahre alt",
        f"{subject.topic}{years.zh}岁了",
    )


DESCRIPTIONS = (
    (wears, 28), (likes, 16), (likes_not, 10), (needs, 18), (has, 24), (has_no, 16), (knows_or_loves, 24), (lives, 16),
    (is_somewhere, 20), (there_is, 22), (animal_somewhere, 12), (puts, 20), (is_like_that, 30), (person_is, 12),
    (profession, 16), (compares, 14), (compares_people, 10), (genitive, 32), (genitive_of, 14), (belongs, 16),
    (every_one, 14), (departs, 10), (age, 6),
)  # fmt: skip
