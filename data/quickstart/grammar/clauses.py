"""Clauses: the word order, tenses, modal verbs and negation of three languages.

The order in English is subject, verb, object, place, time. The finite verb is second, first or last in German, and the
rest of the verb is at the end. Time and place precede the verb in Chinese, which marks aspect.
"""

from dataclasses import dataclass
from typing import Literal

from grammar.phrases import Phrase
from grammar.words import Pair, Triple, Verb

Tense = Literal["now", "habit", "past", "future"]
"""now: is reading, liest gerade, 正在看; habit: reads, liest, 看; past: read, hat gelesen, 看了;
future: will read, wird lesen, 会看."""

_WERDEN = ("werde", "wirst", "wird", "werden")
_HABEN = ("habe", "hast", "hat", "haben")
_SEIN = ("bin", "bist", "ist", "sind")


@dataclass(frozen=True)
class Modal:
    """A modal verb; `zh_skill` is its Chinese form for a learned skill."""

    en: str
    de: tuple[str, str, str, str]
    zh: str
    zh_skill: str


CAN = Modal("can", ("kann", "kannst", "kann", "können"), "能", "会")
CAN_NOW = Modal("can", ("kann", "kannst", "kann", "können"), "能", "能")
"""What the circumstances allow, as opposed to a skill."""
MUST = Modal("must", ("muss", "musst", "muss", "müssen"), "必须", "必须")
SHOULD = Modal("should", ("sollte", "solltest", "sollte", "sollten"), "应该", "应该")
MAY = Modal("may", ("darf", "darfst", "darf", "dürfen"), "可以", "可以")
WANT = Modal("want to", ("will", "willst", "will", "wollen"), "想", "想")
WOULD_LIKE = Modal("would like to", ("möchte", "möchtest", "möchte", "möchten"), "想要", "想要")


def german_finite(forms: tuple[str, str, str, str], subject: Phrase) -> str:
    """Return the form that agrees with the subject, of the forms of ich, du, er and wir."""
    return forms[3] if subject.plural else forms[subject.person - 1]


def sein(subject: Phrase) -> str:
    """Return the German "to be" of the subject."""
    return german_finite(_SEIN, subject)


def be(subject: Phrase) -> str:
    """Return the English "to be" of the subject."""
    return "are" if subject.plural or subject.person == 2 else "am" if subject.person == 1 else "is"


def _third(subject: Phrase) -> bool:
    return subject.person == 3 and not subject.plural


def join(*parts: str) -> str:
    """Return the parts that are not empty, separated by spaces."""
    return " ".join(part for part in parts if part)


@dataclass(frozen=True)
class Clause:
    """The parts of a clause."""

    subject: Phrase
    verb: Verb
    tense: Tense
    object: Phrase | None = None
    recipient: Phrase | None = None
    time: Triple | None = None
    frequency: Triple | None = None
    duration: Triple | None = None
    means: Triple | None = None
    """The vehicle."""
    company: Phrase | None = None
    """The person after "with"."""
    benefit: Phrase | None = None
    """The person after "for"."""
    place: Triple | None = None
    goal: Triple | None = None
    modal: Modal | None = None
    negated: bool = False
    unmarked: bool = False
    """Whether German omits gerade, because the sentence already says that two events are simultaneous."""

    @property
    def pairs(self) -> frozenset[Pair]:
        """The word pairs of the clause."""
        found: set[Pair] = set(self.subject.pairs)
        if self.subject.noun:
            found.add(("subject", self.subject.noun, self.verb.en))
        for phrase in (self.object, self.recipient, self.benefit, self.company):
            found |= phrase.pairs if phrase else set()
        if self.object and self.object.noun:
            found.add(("object", self.verb.en, self.object.noun))
        return frozenset(found)

    # English

    def _english_group(self, split: bool) -> tuple[str, str]:
        """Return the auxiliary and the rest of the verb; questions and negations need an auxiliary (`split`)."""
        subject, verb = self.subject, self.verb
        if self.modal is WANT:
            if split:
                return ("does" if _third(subject) else "do"), f"want to {verb.en}"
            return "", f"{'wants' if _third(subject) else 'want'} to {verb.en}"
        if self.modal:
            auxiliary, _, rest = self.modal.en.partition(" ")
            return auxiliary, join(rest, verb.en)
        if self.tense == "future":
            return "will", verb.en
        if self.tense == "now":
            return be(subject), verb.en_ing
        if self.tense == "past":
            return ("did", verb.en) if split else ("", verb.en_past)
        if split:
            return ("does" if _third(subject) else "do"), verb.en
        return "", verb.en_third if _third(subject) else verb.en

    def english_verb_phrase(self, form: str) -> str:
        """Return the verb with its objects; a pronoun is placed inside a phrasal verb (picks him up)."""
        thing = self.object.en_object if self.object else ""
        stem, _, particle = form.rpartition(" ")
        if self.object and self.object.pronoun and particle in ("up", "on", "off"):
            return f"{stem} {thing} {particle}"
        return join(form, self.recipient.en_object if self.recipient else "", thing)

    def _english_rest(self, time: bool) -> str:
        return join(
            f"for {self.benefit.en_object}" if self.benefit else "",
            self.goal.en if self.goal else "",
            self.means.en if self.means else "",
            f"with {self.company.en_object}" if self.company else "",
            self.place.en if self.place else "",
            self.duration.en if self.duration else "",
            self.time.en if self.time and time else "",
        )

    def english(self, front: bool = False) -> str:
        """Return a statement or a subordinate clause, which have the same order; `front` puts the time first."""
        auxiliary, verb = self._english_group(split=self.negated)
        if auxiliary == "can" and self.negated:
            auxiliary, negation = "cannot", ""
        else:
            negation = "not" if self.negated else ""
        frequency = self.frequency.en if self.frequency else ""
        lead = self.time.en if self.time and front else ""
        return join(
            lead,
            self.subject.en,
            auxiliary,
            negation,
            frequency,
            self.english_verb_phrase(verb),
            self._english_rest(not front),
        )

    def english_question(self, word: str = "") -> str:
        """Return a question, after a question word if there is one."""
        auxiliary, verb = self._english_group(split=True)
        return join(word, auxiliary, self.subject.en, self.english_verb_phrase(verb), self._english_rest(True))

    # German

    def _german_verb(self) -> tuple[str, str]:
        """Return the finite verb, and the rest of the verb at the end of the clause."""
        subject, verb = self.subject, self.verb
        bare = verb.particle + verb.de
        if self.modal:
            return german_finite(self.modal.de, subject), bare
        if self.tense == "future":
            return german_finite(_WERDEN, subject), bare
        if self.tense == "past":
            auxiliary = _SEIN if verb.auxiliary == "sein" else _HABEN
            return german_finite(auxiliary, subject), verb.participle
        return german_finite((verb.de_ich, verb.de_du, verb.de_er, verb.de), subject), verb.particle

    def _german_object(self) -> tuple[str, str, str]:
        """Return the object as a pronoun, a definite or an indefinite object, which have different positions."""
        if not self.object:
            return "", "", ""
        if self.verb.government == "auf":
            return "", "", f"auf {self.object.german('acc')}"
        words = self.object.german("dat" if self.verb.government == "dat" else "acc")
        if self.object.pronoun:
            return words, "", ""
        return ("", words, "") if self.object.definite else ("", "", words)

    def german_middle(self, time: bool = True) -> str:
        """Return what is between the finite verb and the end of the clause."""
        pronoun, definite, indefinite = self._german_object()
        recipient = self.recipient.german("dat") if self.recipient else ""
        when = [
            self.time.de if self.time and time else "",
            "gerade" if self.tense == "now" and not self.modal and not self.unmarked else "",
            self.frequency.de if self.frequency else "",
        ]
        dative_first = self.verb.government == "dat" and self.tense != "now"
        if self.negated or dative_first:
            when, definite = [join(definite, *when)], ""
        negation = "nicht" if self.negated and not indefinite else ""
        if self.negated and self.verb.government == "auf":
            negation, indefinite = "", f"nicht {indefinite}"
        return join(
            pronoun,
            recipient,
            *when,
            definite,
            self.duration.de if self.duration else "",
            self.means.de if self.means else "",
            f"mit {self.company.german('dat')}" if self.company else "",
            self.place.de if self.place else "",
            indefinite,
            f"für {self.benefit.german('acc')}" if self.benefit else "",
            negation,
            self.goal.de if self.goal else "",
            self.verb.fixed,
        )

    def german(self, front: bool = False) -> str:
        """Return a main clause with the verb in second position; `front` puts the time first."""
        if front and self.time:
            return join(self.time.de, self.german_inverted(time=False))
        finite, tail = self._german_verb()
        return join(self.subject.german("nom"), finite, self.german_middle(), tail)

    def german_inverted(self, time: bool = True) -> str:
        """Return finite verb, subject and rest: a yes-no question, or the part after a fronted expression."""
        finite, tail = self._german_verb()
        return join(finite, self.subject.german("nom"), self.german_middle(time), tail)

    def german_final(self, lead: str = "") -> str:
        """Return a subordinate clause with the verb last, without conjunction; `lead` is a relative pronoun."""
        finite, tail = self._german_verb()
        middle = self.german_middle()
        if tail == self.verb.particle and not self.modal and self.tense in ("now", "habit"):
            return join(lead, self.subject.german("nom"), middle, tail + finite)
        return join(lead, self.subject.german("nom"), middle, tail, finite)

    def german_um_zu(self) -> str:
        """Return an infinitive clause: einen Hut zu kaufen, Anna abzuholen."""
        zu = f"{self.verb.particle}zu{self.verb.de}" if self.verb.particle else f"zu {self.verb.de}"
        return join(self.german_middle(), zu)

    # Chinese

    def chinese(self, front: bool = False, question: bool = False, link: str = "") -> str:
        """Return a statement; `front` puts the time first, `question` adds 吗, `link` (就, 都) follows the time."""
        time = self.time.zh if self.time else ""
        opening = time + self.subject.topic if front else self.subject.topic + time
        return opening + link + (self.frequency.zh if self.frequency else "") + self.chinese_predicate(question)

    def chinese_predicate(self, question: bool = False) -> str:
        """Return what follows the subject, the time and the frequency."""
        place = self.place.zh if self.place else ""
        past = self.tense == "past" and not self.modal
        if self.negated:
            before = "没" if past or self.verb.zh == "有" else "不"
        elif self.tense == "now" and not self.modal:
            before = "正" if place else "正在"
        else:
            before = ""
        if self.modal:
            at_all = not (place or self.time or (self.object and self.object.definite))
            before += self.modal.zh_skill if "s" in self.verb.modes and at_all else self.modal.zh
        elif self.tense == "future":
            before += "会"
        completed = past and not self.negated
        before += self.means.zh if self.means else ""
        before += f"跟{self.company.topic}一起" if self.company else ""
        before += f"给{self.benefit.zh}" if self.benefit else ""
        return before + place + self._chinese_verb(completed, question) + ("吗" if question else "")

    def chinese_cleft(self, asked: str) -> str:
        """Return a 是 … 的 question about the place, the time or the company of a past event."""
        time = self.time.zh if self.time else ""
        verb = self._chinese_verb(True, True).removesuffix("了")
        return f"{self.subject.topic}{time}是{asked}{verb}的"

    def _chinese_verb(self, completed: bool, question: bool) -> str:
        verb, thing = self.verb, self.object
        if self.goal and thing:
            return f"把{thing.topic}放在{'了' if completed else ''}{self.goal.zh}"
        if self.goal:
            if completed and question:
                return verb.zh.format(self.goal.zh) + "了"
            return (verb.zh_past if completed else verb.zh).format(self.goal.zh)
        if self.recipient:
            pattern = verb.zh_past if completed and not question else verb.zh
            words = thing.bare if thing and (question or self.negated) else thing.zh if thing else ""
            return pattern.format(self.recipient.zh) + words + ("了" if completed and question else "")
        if thing is None and not verb.government:
            stem, _, rest = verb.zh_past.partition("+")
            if self.duration:
                return f"{stem}了{self.duration.zh}{rest}"
            if completed and question:
                return verb.zh + "了"
            return f"{stem}了{rest}" if completed else verb.zh
        if thing is None:
            return verb.zh
        if (
            verb.zh_result
            and thing.definite
            and not self.negated
            and (completed or self.tense == "future" or self.modal)
        ):
            return f"把{thing.topic}{verb.zh_result}{'了' if completed else ''}"
        words = thing.bare if self.negated or question else thing.zh
        pattern = verb.zh_past if completed and not question else verb.zh
        filled = pattern.format(words) if "{}" in pattern else pattern + words
        return filled + ("了" if completed and question else "")
