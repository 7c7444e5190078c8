"""Constructions of questions, requests and suggestions."""

from dataclasses import replace

from grammar.adverbials import VEHICLES
from grammar.clauses import CAN, MAY, SHOULD, WANT, WOULD_LIKE, Clause, be, german_finite, join, sein
from grammar.lexicon import CITIES, PLACES, nouns
from grammar.phrases import WE, WHAT, WHO, YOU, Phrase, genitive_phrase, noun_phrase
from grammar.sentence import Sentence, sentence
from grammar.speaker import Speaker, fits
from grammar.verbs import INTRANSITIVE, TRANSITIVE, verb
from grammar.words import Triple

_ASKABLE = tuple(
    verb(en)
    for en in (
        "read",
        "write",
        "buy",
        "sell",
        "drink",
        "see",
        "find",
        "lose",
        "paint",
        "repair",
        "wash",
        "borrow",
        "draw",
        "look for",
    )
)
_REQUESTS = (
    ("open", "öffne", "", "打开", "openable"),
    ("close", "schließ", "", "关上", "door window"),
    ("turn on", "schalte", "ein", "打开", "switchable"),
    ("turn off", "schalte", "aus", "关掉", "switchable"),
    ("clean", "putze", "", "擦干净", "cleanable"),
    ("wash", "wasche", "", "洗干净", "washable"),
    ("repair", "repariere", "", "修好", "vehicle device lamp"),
    ("put on", "zieh", "an", "穿上", "cloth"),
    ("pack", "packe", "", "收拾好", "suitcase bag"),
)


def yes_no_question(clause: Clause) -> Sentence:
    """Return a clause as a yes-no question."""
    return sentence(
        clause.english_question(), clause.german_inverted(), clause.chinese(question=True), clause.pairs, "?"
    )


def _topic_person(s: Speaker) -> Phrase:
    """Return the person that a question is about: "you" in one of five questions."""
    return YOU if s.chance(0.2) else noun_phrase(s.pick(nouns("kin")), "your") if s.chance(0.3) else s.someone()


def yes_no_past(s: Speaker) -> Sentence:
    return yes_no_question(replace(s.transitive("past", subject=_topic_person(s), places=0.2), time=s.time("past")))


def yes_no_now(s: Speaker) -> Sentence:
    return yes_no_question(s.transitive("now", subject=_topic_person(s), places=0.2))


def yes_no_modal(s: Speaker) -> Sentence:
    subject = _topic_person(s)
    modal = s.pick((CAN, WANT, WANT, WOULD_LIKE) if subject is YOU else (CAN, WANT, MAY, WOULD_LIKE))
    clause = s.transitive("habit", subject=subject, modal=modal, places=0.2)
    return yes_no_question(replace(clause, time=s.time("future") if s.chance(0.5) else None))


def yes_no_has(s: Speaker) -> Sentence:
    action = s.pick((verb("have"), verb("need"), verb("like")))
    subject = _topic_person(s)
    noun = s.pick([noun for noun in nouns(*action.objects) if fits(noun, subject)])
    thing = s.generic(noun, 0.2) if action.en == "like" else s.described(noun, "a", 0.4)
    return yes_no_question(Clause(subject, action, "habit", thing))


def who(s: Speaker) -> Sentence:
    tense = s.tense("now", "past")
    clause = s.transitive(tense, subject=WHO)
    if clause.object and clause.object.pronoun and clause.object.person == 3:
        return who(s)
    if tense == "past":
        clause = replace(clause, time=s.time("past") if s.chance(0.5) else None)
    return sentence(clause.english(), clause.german(), clause.chinese(), clause.pairs, "?")


def what(s: Speaker) -> Sentence:
    tense = s.tense("now", "past", "past")
    action = s.verb_of(_ASKABLE, tense)
    subject = _topic_person(s)
    clause = Clause(subject, action, tense, place=s.place_of(action, 0.3))
    if tense == "past":
        clause = replace(clause, time=s.time("past") if s.chance(0.7) else None)
    zh = replace(clause, object=WHAT).chinese()
    return sentence(clause.english_question("what"), f"was {clause.german_inverted()}", zh, clause.pairs, "?")


def which(s: Speaker) -> Sentence:
    tense = s.tense("now", "past", "past", "habit")
    verbs = [action for action in _ASKABLE if action.en not in ("drink", "lose", "see", "find", "look for")]
    action = s.verb_of(verbs, tense, modal=tense == "habit")
    noun = s.pick(nouns(*action.objects, "-mass"))
    thing = noun_phrase(noun, "which", s.adjective(noun, 0.15))
    clause = Clause(_topic_person(s), action, tense, thing)
    if tense == "habit":
        clause = replace(clause, modal=s.pick((WANT, SHOULD)))
    elif tense == "past" and s.chance(0.5):
        clause = replace(clause, time=s.time("past"))
    bare = replace(clause, object=None)
    de = f"{thing.german('acc')} {bare.german_inverted()}"
    return sentence(bare.english_question(thing.en), de, clause.chinese(), clause.pairs, "?")


def how_many(s: Speaker) -> Sentence:
    action = s.pick([verb(en) for en in ("buy", "sell", "see", "find", "bake", "read", "write", "borrow")])
    noun = s.pick(nouns(*action.objects, "-mass"))
    thing = noun_phrase(noun, "", s.adjective(noun, 0.15), plural=True)
    counted = replace(thing, zh=f"多少{noun.measure}{thing.zh}", definite=False)
    clause = Clause(_topic_person(s), action, "past", counted, time=s.time("past") if s.chance(0.6) else None)
    bare = replace(clause, object=None)
    de = f"wie viele {thing.german('acc')} {bare.german_inverted()}"
    return sentence(bare.english_question(f"how many {thing.en}"), de, clause.chinese(), clause.pairs, "?")


def how_much(s: Speaker) -> Sentence:
    noun = s.pick(nouns("goods"))
    thing = s.described(noun, s.pick(("the", "this")), 0.5)
    return sentence(
        f"how much does {thing.en} cost",
        f"wie viel kostet {thing.german('nom')}",
        f"{thing.zh}多少钱",
        thing.pairs,
        "?",
    )


def where(s: Speaker) -> Sentence:
    action = (
        s.verb_of([action for action in INTRANSITIVE if action.en not in ("play", "laugh")], "habit")
        if s.chance(0.4)
        else None
    )
    subject = _topic_person(s)
    if action is None:
        verbs = [action for action in TRANSITIVE if action.places and action.en != "carry"]
        clause = s.transitive("past", subject=subject, verbs=verbs, places=0.0)
        clause = replace(clause, time=s.time("past") if s.chance(0.5) else None)
    else:
        clause = Clause(subject, action, "habit", time=s.time("habit") if s.chance(0.5) else None)
    zh = clause.chinese_cleft("在哪里") if action is None else replace(clause, place=Triple("", "", "在哪里")).chinese()
    return sentence(clause.english_question("where"), f"wo {clause.german_inverted()}", zh, clause.pairs, "?")


def where_to(s: Speaker) -> Sentence:
    subject = _topic_person(s)
    means = s.pick((None, *VEHICLES))
    action = verb("go", "fahren" if means else "gehen")
    time = s.time("past")
    clause = Clause(subject, action, "past", time=time, means=means)
    zh = f"{subject.topic}{time.zh}{means.zh if means else ''}去了哪里"
    return sentence(clause.english_question("where"), f"wohin {clause.german_inverted()}", zh, clause.pairs, "?")


def where_is(s: Speaker) -> Sentence:
    noun = s.pick(nouns("personal", "lendable", "pet"))
    thing = s.described(noun, s.pick(("the", "my", "your")), 0.5)
    zh = f"{thing.zh}在哪里"
    return sentence(f"where is {thing.en}", f"wo ist {thing.german('nom')}", zh, thing.pairs, "?")


def when(s: Speaker) -> Sentence:
    clause = s.transitive("past" if s.chance(0.5) else "future", subject=_topic_person(s), places=0.0)
    asking = replace(clause, time=Triple("", "", "什么时候"))
    zh = clause.chinese_cleft("什么时候") if clause.tense == "past" else asking.chinese()
    return sentence(clause.english_question("when"), f"wann {clause.german_inverted()}", zh, clause.pairs, "?")


def why(s: Speaker) -> Sentence:
    clause = s.transitive("past", subject=_topic_person(s), places=0.2)
    zh = f"{clause.subject.topic}为什么{clause.chinese_predicate()}"
    return sentence(clause.english_question("why"), f"warum {clause.german_inverted()}", zh, clause.pairs, "?")


def whose(s: Speaker) -> Sentence:
    noun = s.pick(nouns("personal", "vehicle", "cloth", "lendable", "pet"))
    adjective = s.adjective(noun, 0.4)
    bare = noun_phrase(noun, "", adjective)
    zh = noun_phrase(noun, "this", adjective).zh
    return sentence(f"whose {bare.en} is this", f"wessen {bare.german('nom')} ist das", f"{zh}是谁的", bare.pairs, "?")


def how_old(s: Speaker) -> Sentence:
    subject = noun_phrase(s.pick(nouns("offspring", "sibling", "pet", "-bird")), s.pick(("your", "his", "her")))
    return sentence(
        f"how old is {subject.en}", f"wie alt ist {subject.german('nom')}", f"{subject.topic}几岁了", end="?"
    )


def with_whom(s: Speaker) -> Sentence:
    names = ("dance", "play football", "play tennis", "play chess", "play cards", "study")
    action = verb(s.pick(names))
    subject = _topic_person(s)
    clause = Clause(subject, action, "past", time=s.time("past"))
    return sentence(
        clause.english_question("with whom"),
        f"mit wem {clause.german_inverted()}",
        clause.chinese_cleft("跟谁一起"),
        clause.pairs,
        "?",
    )


def let_us(s: Speaker) -> Sentence:
    time = s.time("future")
    if s.chance(0.5):
        place = s.pick([place for place in PLACES if place.to.en.startswith("to ")])
        return sentence(
            f"let us go {place.to.en} {time.en}",
            f"lass uns {time.de} {place.to.de} gehen",
            f"我们{time.zh}去{place.to.zh}吧",
        )
    verbs = [verb(en) for en in ("buy", "bake", "paint", "visit", "invite", "drink", "watch")]
    clause = replace(s.transitive("future", subject=WE, verbs=verbs, places=0.3), tense="habit", time=time)
    phrase = clause.english_verb_phrase(clause.verb.en)
    en = join("let us", phrase, clause.place.en if clause.place else "", time.en)
    de = f"lass uns {clause.german_middle()} {clause.verb.particle}{clause.verb.de}"
    return sentence(en, de, f"{clause.chinese()}吧", clause.pairs)


def please(s: Speaker) -> Sentence:
    en, de, particle, zh, classes = s.pick(_REQUESTS)
    noun = s.pick(nouns(*classes.split()))
    thing = s.described(noun, s.pick(("the", "the", "this", "your" if "openable" not in noun.tags else "the")), 0.3)
    return sentence(
        f"please {en} {thing.en}",
        join("bitte", de, thing.german("acc"), particle),
        f"请把{thing.topic}{zh}",
        thing.pairs | {("object", en, noun.en)},
        "!",
    )


def is_it_his(s: Speaker) -> Sentence:
    """Is this the teacher's car? Ist das das Auto des Lehrers?"""
    noun = s.pick(nouns("vehicle", "personal", "pet", "house"))
    thing = genitive_phrase(noun, s.someone())
    return sentence(f"is this {thing.en}", f"ist das {thing.german('nom')}", f"这是{thing.zh}吗", thing.pairs, "?")


def is_that_so(s: Speaker) -> Sentence:
    noun = s.pick(nouns("artifact", "interest", "fair", "-plant", "-sight"))
    thing = s.described(noun, s.pick(("the", "this", "your")), 0.0)
    adjective = s.adjective(noun, 1.0)
    if adjective is None:
        return is_that_so(s)
    zh = thing.zh + adjective.zh_predicate.replace("很", "") + "吗"
    return sentence(
        f"{be(thing)} {thing.en} {adjective.en}", f"{sein(thing)} {thing.german('nom')} {adjective.de}", zh,
        frozenset({("adjective", adjective.en, noun.en)}), "?",
    )  # fmt: skip


def lives_where(s: Speaker) -> Sentence:
    subject = _topic_person(s)
    city = s.pick(CITIES)
    return sentence(
        f"{'does' if subject.person == 3 else 'do'} {subject.en} live in {city.en}",
        f"{german_finite(('wohne', 'wohnst', 'wohnt', 'wohnen'), subject)} {subject.german('nom')} in {city.de}",
        f"{subject.topic}住在{city.zh}吗",
        subject.pairs,
        "?",
    )


QUESTIONS = (
    (yes_no_past, 28), (yes_no_now, 18), (yes_no_modal, 24), (yes_no_has, 14), (who, 22), (what, 18), (which, 22),
    (how_many, 16), (how_much, 10), (where, 18), (where_to, 8), (where_is, 8), (when, 14), (why, 14), (whose, 8),
    (how_old, 3), (with_whom, 10), (let_us, 14), (please, 20), (is_it_his, 12), (is_that_so, 12), (lives_where, 6),
)  # fmt: skip
