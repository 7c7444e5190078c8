"""Constructions of two clauses: reported speech, simultaneous and successive events, purposes, contrasts."""

from dataclasses import replace

from grammar.clauses import WANT, Clause, german_finite
from grammar.lexicon import FAULTS, PLACE, PLACES, adjectives, nouns
from grammar.phrases import (
    NAMED,
    I,
    negative_phrase,
    noun_phrase,
    pronoun_for,
)
from grammar.sentence import Sentence, sentence
from grammar.speaker import Speaker
from grammar.verbs import verb
from grammar.words import Triple

_GOING = (("gehe", "gehst", "geht", "gehen"), ("komme", "kommst", "kommt", "kommen"))
_REPORTS = (
    (("say", "says"), ("sage", "sagst", "sagt", "sagen"), "说"),
    (("know", "knows"), ("weiß", "weißt", "weiß", "wissen"), "知道"),
    (("think", "thinks"), ("glaube", "glaubst", "glaubt", "glauben"), "认为"),
    (("hope", "hopes"), ("hoffe", "hoffst", "hofft", "hoffen"), "希望"),
)


def but_it_is(s: Speaker) -> Sentence:
    """Anna bought the hat, but it is too big; the pronoun is er, sie or es in German."""
    noun = s.pick(
        [
            noun
            for noun in nouns("cloth", "furniture", "device", "text", "head", "vehicle", "bag")
            if any(a.en in FAULTS for a in adjectives(noun))
        ]
    )
    adjective = s.pick([adjective for adjective in adjectives(noun) if adjective.en in FAULTS])
    thing = noun_phrase(noun, "the")
    again = pronoun_for(thing)
    clause = Clause(s.person(), verb("buy"), "past", thing, time=s.time("past"))
    predicate = f"太{adjective.zh_predicate.removeprefix('很')}了"
    return sentence(
        f"{clause.english()}, but it is too {adjective.en}",
        f"{clause.german()}, aber {again.german('nom')} ist zu {adjective.de}",
        f"{clause.chinese()}，但是{again.topic}{predicate}",
        clause.pairs | {("adjective", adjective.en, noun.en)},
    )


def reports(s: Speaker) -> Sentence:
    subject = s.person()
    english, german, chinese = s.pick(_REPORTS)
    tense = s.tense("past", "now", "future") if chinese != "希望" else "future"
    other = s.person()
    if (
        subject.person == 1
        or subject.en == other.en
        or (subject.noun and subject.noun == other.noun)
        or (other.pronoun and subject.pronoun)
    ):
        other = s.pick([name for name in NAMED if name is not subject])
    if subject.person == 3 and chinese == "知道" and not subject.noun and s.chance(0.5):
        subject = I
    clause = s.transitive(tense, subject=other)
    if tense != "now":
        clause = replace(clause, time=s.time("past" if tense == "past" else "future"))
    verb_en = english[1] if subject.person == 3 and not subject.plural else english[0]
    return sentence(
        f"{subject.en} {verb_en} that {clause.english()}",
        f"{subject.german('nom')} {german_finite(german, subject)}, dass {clause.german_final()}",
        f"{subject.topic}{chinese}{clause.chinese()}",
        clause.pairs | subject.pairs,
    )


def reports_asking(s: Speaker) -> Sentence:
    """I do not know whether ...; German ob."""
    clause = s.transitive("past", subject=s.someone(), places=0.2)
    clause = replace(clause, time=s.time("past") if s.chance(0.7) else None)
    return sentence(
        f"I do not know whether {clause.english()}",
        f"ich weiß nicht, ob {clause.german_final()}",
        f"我不知道{clause.subject.topic}{clause.time.zh if clause.time else ''}是不是{clause.chinese_predicate()}",
        clause.pairs,
    )


def while_both(s: Speaker) -> Sentence:
    first = replace(s.transitive("now", subject=s.someone(), places=0.2), unmarked=True)
    second = replace(s.transitive("now", subject=s.other(first.subject), places=0.2), unmarked=True)
    if second.subject.pronoun or (second.object and second.object.pronoun) or (first.object and first.object.pronoun):
        return while_both(s)
    return sentence(
        f"while {first.english()}, {second.english()}",
        f"während {first.german_final()}, {second.german_inverted()}",
        f"{replace(first, tense='habit').chinese()}的时候，{second.chinese()}",
        first.pairs | second.pairs,
    )


def before_going(s: Speaker) -> Sentence:
    subject = s.individual()
    again = pronoun_for(subject)
    place = PLACE[
        s.pick(("office", "school", "cinema", "market", "library", "university", "theater", "supermarket"))
    ].to
    verbs = [verb("drink"), verb("eat", "essen"), verb("read"), verb("call"), verb("wash"), verb("listen to")]
    main = s.transitive("habit", subject=again, verbs=verbs, places=0.0)
    if s.chance(0.6):
        main = replace(main, frequency=s.frequency())
    going = "goes" if subject.person == 3 and not subject.plural else "go"
    return sentence(
        f"before {subject.en} {going} {place.en}, {main.english()}",
        f"bevor {subject.german('nom')} {place.de} {german_finite(_GOING[0], subject)}, {main.german_inverted()}",
        f"{subject.topic}去{place.zh}之前{main.frequency.zh if main.frequency else ''}{main.chinese_predicate()}",
        main.pairs,
    )


def in_order_to(s: Speaker) -> Sentence:
    """Anna goes to the market to buy apples: um Äpfel zu kaufen."""
    key, names = s.pick(
        (
            ("market", ("buy",)), ("supermarket", ("buy",)), ("library", ("borrow", "read")),
            ("station", ("pick up",)), ("airport", ("pick up",)), ("hospital", ("visit",)), ("zoo", ("photograph",)),
            ("farm", ("feed", "photograph")), ("garden", ("paint", "photograph")), ("kitchen", ("bake",)),
            ("cinema", ("watch",)),
        )
    )  # fmt: skip
    action = verb(s.pick(names))
    subject = s.person()
    tense = s.pick(("past", "future", "modal"))
    move = Clause(subject, verb("go", "gehen"), "habit", goal=PLACE[key].to)
    if tense == "modal":
        move = replace(move, modal=WANT)
    else:
        move = replace(
            move, tense="past" if tense == "past" else "future", time=s.time("past" if tense == "past" else "future")
        )
    noun = s.pick(nouns(*action.objects)) if "person" not in action.objects else None
    if noun is None:
        thing = s.other(subject)
    elif action.en == "buy":
        thing = s.generic(s.pick(nouns("food", "cloth", "dish", "-rice")))
    else:
        thing = s.single(noun)
    purpose = Clause(subject, action, "habit", thing)
    front = replace(move, tense="habit") if tense == "past" else move
    zh_purpose = replace(purpose, tense="past") if tense == "past" else purpose
    time_en = f" {move.time.en}" if move.time else ""
    en = replace(move, time=None).english() + f" to {purpose.english_verb_phrase(action.en)}{time_en}"
    pairs = (purpose.pairs - {("subject", subject.noun, action.en)}) | move.pairs
    return sentence(
        en, f"{move.german()}, um {purpose.german_um_zu()}", front.chinese() + zh_purpose.chinese_predicate(), pairs
    )


def and_also(s: Speaker) -> Sentence:
    """Two people do two things."""
    tense = s.tense("now", "past")
    first = s.transitive(tense, subject=s.someone(), places=0.2)
    second = s.transitive(tense, subject=s.other(first.subject), places=0.2)
    phrases = (second.subject, first.object, second.object)
    if any(phrase and phrase.pronoun for phrase in phrases):
        return and_also(s)
    time = s.time("past")
    if tense == "past":
        first = replace(first, time=time)
        return sentence(
            f"{first.english(front=True)}, and {second.english()}",
            f"{first.german(front=True)}, und {second.german()}",
            f"{first.chinese(front=True)}，{second.chinese()}",
            first.pairs | second.pairs,
        )
    return sentence(
        f"{first.english()}, and {second.english()}",
        f"{replace(first, unmarked=True).german()}, und {replace(second, unmarked=True).german()}",
        f"{first.chinese()}，{second.chinese()}",
        first.pairs | second.pairs,
    )


def but_not(s: Speaker) -> Sentence:
    """Anna likes one thing, but does not like another."""
    subject = s.owner()
    wants = s.chance(0.5)
    action = verb("like") if wants else s.pick((verb("buy"), verb("find"), verb("see"), verb("read")))
    first, second = s.pick(nouns(*action.objects, "-fruit")), s.pick(nouns(*action.objects, "-fruit"))
    if first is second:
        return but_not(s)
    again = pronoun_for(subject)
    if wants:
        one = Clause(subject, action, "habit", s.generic(first, 0.2))
        other = Clause(again, action, "habit", negative_phrase(second, None, "mass" not in second.tags), negated=True)
    else:
        one = Clause(subject, action, "past", s.single(first), time=s.time("past"))
        other = Clause(again, action, "past", negative_phrase(second), negated=True)
    return sentence(
        f"{one.english()}, but {other.english()}",
        f"{one.german()}, aber {other.german()}",
        f"{one.chinese()}，但是{other.chinese()}",
        one.pairs | other.pairs,
    )


def when_came(s: Speaker) -> Sentence:
    """When I came home, ...: German als with the preterite."""
    subject = s.individual()
    home = Triple("home", "nach Hause", "回家")
    arrivals = [Triple(place.to.en, place.to.de, f"来到{place.to.zh}") for place in PLACES[14:25]]
    place = home if s.chance(0.25) else s.pick(arrivals)
    other = s.pick([name for name in NAMED if name is not subject])
    same = s.chance(0.7)
    main = s.transitive("past", subject=pronoun_for(subject) if same else other, places=0.0)
    came = german_finite(("kam", "kamst", "kam", "kamen"), subject)
    return sentence(
        f"when {subject.en} came {place.en}, {main.english()}",
        f"als {subject.german('nom')} {place.de} {came}, {main.german_inverted()}",
        f"{subject.topic}{place.zh}的时候，{main.chinese_predicate() if same else main.chinese()}",
        main.pairs,
    )


COMPOUND = (
    (but_it_is, 18), (reports, 34), (reports_asking, 12), (while_both, 18), (before_going, 12), (in_order_to, 24),
    (and_also, 22), (but_not, 20), (when_came, 14),
)  # fmt: skip
