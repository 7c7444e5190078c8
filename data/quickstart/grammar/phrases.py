"""Noun phrases and pronouns, inflected in the three languages together."""

from dataclasses import dataclass, field, replace

from grammar.lexicon import NAMES, NOUN, NUMBERS
from grammar.words import CASES, Adjective, Case, Gender, Noun, Pair, Unit

_DER = {
    "m": ("der", "den", "dem", "des"),
    "f": ("die", "die", "der", "der"),
    "n": ("das", "das", "dem", "des"),
    "p": ("die", "die", "den", "der"),
}
_STRONG = {
    "m": ("er", "en", "em", "es"),
    "f": ("e", "e", "er", "er"),
    "n": ("es", "es", "em", "es"),
    "p": ("e", "e", "en", "er"),
}
_RELATIVE = {
    "m": ("der", "den", "dem", "dessen"),
    "f": ("die", "die", "der", "deren"),
    "n": ("das", "das", "dem", "dessen"),
    "p": ("die", "die", "denen", "deren"),
}
_LIKE_DER = {"this": ("dies", "这"), "which": ("welch", "哪"), "every": ("jed", "每")}
_LIKE_EIN = {
    "a": ("ein", ""),
    "no": ("kein", ""),
    "my": ("mein", "我"),
    "your": ("dein", "你"),
    "his": ("sein", "他"),
    "her": ("ihr", "她"),
    "its": ("sein", "它"),
    "our": ("unser", "我们"),
    "their": ("ihr", "他们"),
}
POSSESSIVES = ("my", "your", "his", "her", "our", "their")
_NUMBER = {number.en: number for number in NUMBERS}
_QUANTITY = {"many": ("viel", "很多"), "some": ("einig", "一些")}


@dataclass(frozen=True)
class Phrase:
    """A noun phrase that can be used in any clause.

    `de` has the four German cases in the order of `CASES`. `topic` is the Chinese form before the verb and after 把, in
    which a noun without a determiner is definite. `bare` is the Chinese form in negations and questions, without 一
    and its measure word.
    """

    en: str
    en_object: str
    de: tuple[str, str, str, str]
    zh: str
    topic: str
    bare: str
    person: int = 3
    plural: bool = False
    gender: Gender = "m"
    natural: str = ""
    """"m" or "f" if he or she can refer to the phrase; "" for things, animals and persons of unknown sex."""
    human: bool = False
    definite: bool = True
    pronoun: bool = False
    noun: str = ""
    pairs: frozenset[Pair] = field(default=frozenset())

    def german(self, case: Case) -> str:
        """Return the German form."""
        return self.de[CASES.index(case)]

    @property
    def owns(self) -> bool:
        """Whether his, her or their can refer to the phrase unambiguously; Chinese "their" is always 他们的."""
        return self.natural == "m" if self.plural else bool(self.natural)

    @property
    def own(self) -> str:
        """The English possessive that refers to this phrase."""
        if self.person == 1:
            return "our" if self.plural else "my"
        if self.person == 2:
            return "your"
        if self.plural:
            return "their"
        return {"m": "his", "f": "her"}[self.natural]


def with_article(words: str) -> str:
    """Return the words after "a" or "an"."""
    return ("an " if words[0] in "aeiou" and not words.startswith(("university", "used")) else "a ") + words


def _german(determiner: str, adjective: Adjective | None, noun: Noun, plural: bool, case: Case) -> str:
    column = "p" if plural else noun.gender
    at = CASES.index(case)
    strong = _STRONG[column][at]
    weak = "e" if column != "p" and (case == "nom" or (case == "acc" and column != "m")) else "en"
    if determiner == "the":
        article, ending = _DER[column][at], weak
    elif determiner in _LIKE_DER:
        article, ending = _LIKE_DER[determiner][0] + strong, weak
    elif determiner in _LIKE_EIN:
        endless = column in ("m", "n") and (case == "nom" or (case == "acc" and column == "n"))
        article = _LIKE_EIN[determiner][0] + ("" if endless else strong)
        ending = strong if endless else weak
    else:
        ending = "en" if case == "gen" and column in ("m", "n") else strong
        if determiner in _QUANTITY:
            article = _QUANTITY[determiner][0] + strong
        else:
            article = _NUMBER[determiner].de if determiner in _NUMBER else ""
    words = (article, adjective.de_stem + ending if adjective else "", noun.german(case, plural))
    return " ".join(word for word in words if word)


def _chinese(determiner: str, adjective: Adjective | None, noun: Noun, plural: bool) -> tuple[str, str]:
    """Return the Chinese form after the verb, and the topic form."""
    described = (adjective.zh if adjective else "") + noun.zh
    if determiner == "the":
        pointed = ("那些" if plural else "那" + noun.measure) + described
        group = noun.zh + "们" if plural and "person" in noun.tags and "pointed" not in noun.tags else pointed
        if adjective:
            return pointed, pointed
        if plural:
            return group, group
        return pointed, pointed if "pointed" in noun.tags else noun.zh
    if determiner in ("this", "which", "every"):
        if plural:
            return (_LIKE_DER[determiner][1] + "些" + described,) * 2
        return (_LIKE_DER[determiner][1] + noun.measure + described,) * 2
    if determiner in POSSESSIVES:
        link = "" if "kin" in noun.tags else "的"
        bound = adjective.zh_bound if adjective else ""
        return (_LIKE_EIN[determiner][1] + link + bound + noun.zh,) * 2
    if determiner == "a":
        return ("一" + noun.measure + described,) * 2
    if determiner in _NUMBER:
        return (_NUMBER[determiner].zh + noun.measure + described,) * 2
    if determiner in _QUANTITY:
        return (_QUANTITY[determiner][1] + described,) * 2
    return (described, described)


def _english(determiner: str, adjective: Adjective | None, noun: Noun, plural: bool) -> str:
    words = f"{adjective.en if adjective else ''} {noun.en_plural if plural else noun.en}".strip()
    if determiner == "a":
        return with_article(words)
    if determiner == "this" and plural:
        return f"these {words}"
    return f"{determiner} {words}".strip()


def noun_phrase(
    noun: Noun,
    determiner: str = "the",
    adjective: Adjective | None = None,
    plural: bool = False,
    feminine: bool = False,
) -> Phrase:
    """Return a noun phrase; `determiner` is the English one, "" for none, or a number word (plural)."""
    german = noun.feminine if feminine and noun.feminine else noun
    zh, topic = _chinese(determiner, adjective, noun, plural)
    en = _english(determiner, adjective, noun, plural)
    human = bool(noun.tags & {"person", "kin", "acquaintance"})
    return Phrase(
        en=en,
        en_object=en,
        de=(
            _german(determiner, adjective, german, plural, "nom"),
            _german(determiner, adjective, german, plural, "acc"),
            _german(determiner, adjective, german, plural, "dat"),
            _german(determiner, adjective, german, plural, "gen"),
        ),
        zh=zh,
        topic=topic,
        bare=(adjective.zh if adjective else "") + noun.zh if determiner in ("a", "no", "") else zh,
        plural=plural,
        gender=german.gender,
        natural=german.gender if human and "unowned" not in noun.tags else "",
        human=human,
        definite=determiner in ("the", "this", "every") or determiner in POSSESSIVES,
        noun=noun.en,
        pairs=frozenset({("adjective", adjective.en, noun.en)}) if adjective else frozenset(),
    )


def measured(noun: Noun, unit: Unit, count: str) -> Phrase:
    """Return an amount of a substance: a cup of tea, two kilos of apples; `count` is "a" or a number word."""
    many = count != "a"
    quantity = replace(NOUN["cup"], gender=unit.gender, de=unit.de, de_plural=unit.de_plural)
    substance = noun.de_plural if unit.plural else noun.de
    forms = [f"{_german(count, None, quantity, many, case)} {substance}" for case in ("nom", "acc", "dat", "gen")]
    amount = f"{count} {unit.en_plural}" if many else with_article(unit.en)
    words = f"{amount} of {noun.en_plural if unit.plural else noun.en}"
    chinese = (_NUMBER[count].zh if many else "一") + unit.zh + noun.zh
    return Phrase(
        words, words, (forms[0], forms[1], forms[2], forms[3]), chinese, chinese, noun.zh,
        plural=many, gender=unit.gender, definite=False, noun=noun.en,
    )  # fmt: skip


def _pronoun(
    en: str, en_object: str, de: tuple[str, str, str, str], zh: str, person: int, plural: bool, gender: Gender = "m"
) -> Phrase:
    return Phrase(en, en_object, de, zh, zh, zh, person, plural, gender, gender, human=True, pronoun=True)


I = _pronoun("I", "me", ("ich", "mich", "mir", ""), "我", 1, False)  # noqa: E741
YOU = _pronoun("you", "you", ("du", "dich", "dir", ""), "你", 2, False)
HE = _pronoun("he", "him", ("er", "ihn", "ihm", ""), "他", 3, False)
SHE = _pronoun("she", "her", ("sie", "sie", "ihr", ""), "她", 3, False, "f")
WE = _pronoun("we", "us", ("wir", "uns", "uns", ""), "我们", 1, True)
THEY = _pronoun("they", "them", ("sie", "sie", "ihnen", ""), "他们", 3, True)
PRONOUNS = (I, HE, SHE, WE, THEY)
WHO = _pronoun("who", "whom", ("wer", "wen", "wem", "wessen"), "谁", 3, False)
WHAT = Phrase("what", "what", ("was", "was", "", ""), "什么", "什么", "什么", gender="n", definite=False)
NAMED = tuple(
    Phrase(en, en, (en, en, en, f"{en}s"), zh, zh, zh, gender=sex, natural=sex, human=True) for en, sex, zh in NAMES
)


def pronoun_for(phrase: Phrase) -> Phrase:
    """Return the subject pronoun that refers to a phrase; for things it is er, sie or es in German."""
    if phrase.pronoun:
        return phrase
    if phrase.plural:
        return THEY if phrase.human else replace(THEY, zh="它们", topic="它们", bare="它们", human=False)
    if phrase.natural:
        return SHE if phrase.natural == "f" else HE
    german = {"m": HE.de, "f": SHE.de, "n": ("es", "es", "ihm", "")}[phrase.gender]
    return Phrase("it", "it", german, "它", "它", "它", gender=phrase.gender, pronoun=True)


def relative(phrase: Phrase) -> tuple[str, str, str, str]:
    """Return the German relative pronoun that refers to the phrase, in the four cases."""
    return _RELATIVE["p" if phrase.plural else phrase.gender]


def relative_subject(phrase: Phrase) -> Phrase:
    """Return the phrase as the subject of its own relative clause; it is omitted in Chinese."""
    pronoun = "who" if phrase.human else "that"
    return replace(phrase, en=pronoun, de=relative(phrase), zh="", topic="", bare="", pronoun=True, pairs=frozenset())


def genitive_phrase(thing: Noun, owner: Phrase, adjective: Adjective | None = None) -> Phrase:
    """Return a thing with its owner in the genitive: das Auto des Lehrers, Annas Auto; 老师的汽车."""
    described = f"{adjective.en} {thing.en}" if adjective else thing.en
    named = not owner.noun
    cases: list[str] = []
    for case in CASES:
        if named:
            # A name in the genitive replaces the article, so the adjective has its strong ending.
            cases.append(f"{owner.german('gen')} {_german('', adjective, thing, False, case)}")
        else:
            cases.append(f"{_german('the', adjective, thing, False, case)} {owner.german('gen')}")
    zh = f"{owner.topic}的{adjective.zh_bound if adjective else ''}{thing.zh}"
    en = f"{owner.en}'{'' if owner.plural and owner.en.endswith('s') else 's'} {described}"
    pairs = owner.pairs | ({("adjective", adjective.en, thing.en)} if adjective else set())
    return Phrase(
        en, en, (cases[0], cases[1], cases[2], cases[3]), zh, zh, zh,
        gender=thing.gender, noun=thing.en, pairs=frozenset(pairs),
    )  # fmt: skip


def negative_phrase(noun: Noun, adjective: Adjective | None = None, plural: bool = False) -> Phrase:
    """Return the indefinite object of a negated verb: (not) a car, kein Auto; (not) coffee, keinen Kaffee."""
    english = "" if plural or "mass" in noun.tags else "a"
    words = _english(english, adjective, noun, plural)
    return replace(noun_phrase(noun, "no", adjective, plural), en=words, en_object=words)


def coordinated(first: Phrase, second: Phrase) -> Phrase:
    """Return both phrases joined by "and": the dog and the cat; der Hund und die Katze; 狗和猫."""
    forms = [f"{a} und {b}" for a, b in zip(first.de, second.de, strict=True)]
    return Phrase(
        f"{first.en} and {second.en}", f"{first.en_object} and {second.en_object}",
        (forms[0], forms[1], forms[2], forms[3]), f"{first.zh}和{second.zh}", f"{first.topic}和{second.topic}",
        f"{first.bare}和{second.bare}", plural=True, human=first.human and second.human,
        definite=first.definite and second.definite, pairs=first.pairs | second.pairs,
    )  # fmt: skip
