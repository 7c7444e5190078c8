"""Constructions with a relative clause or an attribute after the noun; in Chinese it precedes the noun."""

from dataclasses import replace

from grammar.clauses import Clause, Tense, be, german_finite, join, sein
from grammar.lexicon import ADJECTIVE, CITIES, NOUN, adjectives, nouns
from grammar.phrases import (
    NAMED,
    Phrase,
    noun_phrase,
    relative,
    relative_subject,
)
from grammar.sentence import Sentence, sentence
from grammar.speaker import Speaker
from grammar.verbs import verb


def _head(s: Speaker) -> Phrase:
    return noun_phrase(s.pick(nouns("person")), "the", plural=s.chance(0.2))


def _modified(head: Phrase, clause_zh: str) -> str:
    """Return the Chinese noun after its relative clause; a demonstrative stays with the noun."""
    return f"{clause_zh.removesuffix('了')}的{head.zh}"


def relative_subject_of(s: Speaker) -> Sentence:
    """The man who is repairing the car is my uncle."""
    head = _head(s)
    inner = s.transitive("now" if s.chance(0.6) else "past", subject=relative_subject(head), places=0.3)
    if inner.tense == "past":
        inner = replace(inner, time=s.time("past") if s.chance(0.6) else None)
    zh = _modified(head, inner.chinese())
    de = f"{head.german('nom')}, {inner.german_final()}"
    if head.plural or "young" in NOUN[head.noun].tags or s.chance(0.6):
        adjective = ADJECTIVE[s.pick(("friendly", "tired", "young", "happy", "clever", "hardworking"))]
        return sentence(
            f"{head.en} {inner.english()} {be(head)} very {adjective.en}",
            f"{de}, {sein(head)} sehr {adjective.de}",
            f"{zh}{adjective.zh_predicate.replace('很', '非常')}",
            inner.pairs | {("adjective", adjective.en, head.noun)},
        )
    kin = noun_phrase(
        NOUN[
            s.pick(
                ("uncle", "brother", "father", "grandfather") if head.gender == "m" else ("aunt", "sister", "mother")
            )
        ],
        "my",
    )
    return sentence(
        f"{head.en} {inner.english()} is {kin.en}", f"{de}, ist {kin.german('nom')}", f"{zh}是{kin.zh}", inner.pairs
    )


def relative_person_object(s: Speaker) -> Sentence:
    """I know the woman who ...: the noun is the object of the main clause."""
    subject = s.person()
    head = _head(s)
    if subject.noun == head.noun:
        return relative_person_object(s)
    action = s.pick((verb("know"), verb("see"), verb("help"), verb("visit"), verb("thank"), verb("meet")))
    tense: Tense = "habit" if action.en == "know" else "past"
    inner = s.transitive("now" if tense == "habit" else "past", subject=relative_subject(head), places=0.4)
    whole = Phrase(
        f"{head.en} {inner.english()}", f"{head.en} {inner.english()}", head.de,
        _modified(head, inner.chinese()), "", "", plural=head.plural, human=True,
    )  # fmt: skip
    main = Clause(subject, action, tense, whole)
    return sentence(
        main.english(), f"{main.german()}, {inner.german_final()}", main.chinese(), inner.pairs | main.pairs
    )


def relative_object_of(s: Speaker) -> Sentence:
    """The book that Anna bought yesterday is interesting."""
    verbs = [
        verb(en) for en in ("buy", "sell", "find", "lose", "read", "paint", "repair", "borrow", "wash", "bake", "write")
    ]
    action = s.pick(verbs)
    noun = s.pick([noun for noun in nouns(*action.objects, "-mass") if adjectives(noun)])
    head = noun_phrase(noun, "the", plural=s.chance(0.15))
    subject = s.person()
    inner = Clause(subject, action, "past", time=s.time("past") if s.chance(0.7) else None)
    adjective = s.pick(adjectives(noun))
    lead = relative(head)[1]
    en = f"{head.en} that {inner.english()}"
    de = f"{head.german('nom')}, {inner.german_final(lead)}"
    time = inner.time.zh if inner.time else ""
    zh = f"{subject.topic}{time}{action.zh}的{head.zh}"
    degree = ("", "", "") if "color" in adjective.tags else ("very", "sehr", "非常")
    pairs = inner.pairs | {("object", action.en, noun.en), ("adjective", adjective.en, noun.en)}
    return sentence(
        join(en, be(head), degree[0], adjective.en),
        join(f"{de},", sein(head), degree[1], adjective.de),
        zh + adjective.zh_predicate.replace("很", degree[2]),
        pairs,
    )


def relative_place(s: Speaker) -> Sentence:
    """The house in which my aunt lives is old."""
    noun = NOUN["house"]
    subject = s.someone()
    adjective = s.pick(adjectives(noun))
    de = german_finite(("wohne", "wohnst", "wohnt", "wohnen"), subject)
    degree = ("", "", "") if "color" in adjective.tags else ("very", "sehr", "非常")
    return sentence(
        join(f"the house in which {subject.en} lives is", degree[0], adjective.en),
        join(f"das Haus, in dem {subject.german('nom')} {de}, ist", degree[1], adjective.de),
        f"{subject.topic}住的那座房子{adjective.zh_predicate.replace('很', degree[2])}",
        subject.pairs | {("adjective", adjective.en, "house"), ("subject", subject.noun or subject.en, "live")},
    )


def relative_dative(s: Speaker) -> Sentence:
    """The woman whom Peter helped is very friendly: die Frau, der Peter geholfen hat."""
    head = _head(s)
    subject = s.person()
    action = s.pick(
        (verb("help"), verb("thank"), verb("congratulate"), verb("see"), verb("meet"), verb("visit"), verb("greet"))
    )
    if subject.noun == head.noun:
        return relative_dative(s)
    lead = relative(head)[2 if action.government == "dat" else 1]
    inner = Clause(subject, action, "past", time=s.time("past") if s.chance(0.7) else None)
    adjective = ADJECTIVE[s.pick(("friendly", "tired", "young", "happy", "clever", "rich", "sad"))]
    time = inner.time.zh if inner.time else ""
    zh = (
        action.zh.format("")
        if "{}" not in action.zh
        else action.zh.format("他们" if head.plural else "他" if head.gender != "f" and head.noun != "girl" else "她")
    )
    return sentence(
        f"{head.en} whom {inner.english()} {be(head)} very {adjective.en}",
        f"{head.german('nom')}, {inner.german_final(lead)}, {sein(head)} sehr {adjective.de}",
        f"{subject.topic}{time}{zh}的{head.zh}{adjective.zh_predicate.replace('很', '非常')}",
        inner.pairs | {("object", action.en, head.noun), ("adjective", adjective.en, head.noun)},
    )


def with_named_person(s: Speaker) -> Sentence:
    """Anna is the teacher who helped me: the name gives the gender of the profession."""
    name = s.pick(NAMED)
    noun = s.pick(nouns("job"))
    trade = noun_phrase(noun, "the", None, feminine=name.natural == "f")
    inner = s.transitive("past", subject=relative_subject(trade), places=0.3)
    inner = replace(inner, time=s.time("past") if s.chance(0.5) else None)
    return sentence(
        f"{name.en} is {trade.en} {inner.english()}",
        f"{name.german('nom')} ist {trade.german('nom')}, {inner.german_final()}",
        f"{name.topic}是{_modified(trade, inner.chinese())}",
        inner.pairs,
    )


def from_city(s: Speaker) -> Sentence:
    """The singer from Vienna: an attribute after the noun, before it in Chinese."""
    noun = s.pick(nouns("person"))
    city = s.pick(CITIES)
    head = noun_phrase(noun, "the")
    tense = s.tense("now", "past")
    subject = replace(
        head,
        en=f"{head.en} from {city.en}",
        de=(f"{head.german('nom')} aus {city.de}", "", "", ""),
        topic=f"来自{city.zh}的{head.zh}",
    )
    clause = s.transitive(tense, subject=subject, places=0.2)
    if tense == "past":
        clause = replace(clause, time=s.time("past") if s.chance(0.6) else None)
    return sentence(clause.english(), clause.german(), clause.chinese(), clause.pairs)


RELATIVES = (
    (relative_subject_of, 26), (relative_person_object, 18), (relative_object_of, 30), (relative_place, 6),
    (relative_dative, 18), (with_named_person, 12), (from_city, 14),
)  # fmt: skip
