"""Find damaged text: lines that are not UTF-8, mojibake, lost characters, HTML; and differences between the sets.

Mojibake is UTF-8 that a program read as another encoding: “MÃ¼nchen” for “München”.
"""

import re
from collections.abc import Callable, Sequence

from nmt import config
from nmt.data.lines import html_entity
from nmt.diagnosis.finding import Finding
from nmt.diagnosis.texts import Texts, draw, examples, words

MAX_DAMAGED_SHARE = 0.002
"""Share of damaged lines that is tolerated."""
MAX_MARKUP_SHARE = 0.02
"""Share of lines with HTML tags or entities that is tolerated."""
_SAMPLED_LINES = 5_000
MAX_STYLE_DIFFERENCE = 0.5
"""Difference between the shares of lines in which two sets have capital letters, or separated punctuation."""
MAX_UNSEEN_CHARACTERS = 0.01
"""Share of the characters of a set that the training text may lack, and ten times that of its lines; in addition to
three times what a part of the training text lacks in the others."""
_NON_ASCII = re.compile(r"[^\x00-\x7f]{2,}")
_LOST = re.compile(r"[^\W\d_]\?[^\W\d_]|\ufffd|锟斤拷|ï¿½")
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,200}>")
_MOSES_ESCAPES = frozenset({"&apos;", "&quot;", "&amp;", "&lt;", "&gt;", "&#91;", "&#93;", "&#124;"})
"""What Moses' tokeniser writes; text with these in every set is consistent."""
_SEPARATED = re.compile(r"\w [.,!?;:](?= |$)|&apos;|@-@|@@ ")
_ATTACHED = re.compile(r"\w[.,!?;:](?= |$)")
_UPPERCASE = re.compile(r"[A-ZÀ-ÖØ-ÞА-Я\u0391-\u03a9]")


def diagnose_damage(texts: Texts, data: config.Data) -> tuple[list[Finding], set[int]]:
    """Return the findings about damaged characters and markup, and the indices of damaged lines."""
    findings: list[Finding] = []
    damaged: set[int] = set()
    for name, _, lines in texts.sides:
        found = [i for i, line in enumerate(lines) if not line.isascii() and is_mojibake(line)]
        damaged |= set(found)
        if len(found) > max(1, MAX_DAMAGED_SHARE * len(lines)):
            findings.append(_mojibake(texts, name, found, lines))
        lost = [i for i, line in enumerate(lines) if _LOST.search(line) and "://" not in line]
        if len(lost) > max(2, 5 * MAX_DAMAGED_SHARE * len(lines)):
            findings.append(_lost(texts, name, lost, lines))
        if not data.unescape_html and texts.is_train:
            findings += _entities(texts, name, lines)
        tags = [i for i, line in enumerate(lines) if "<" in line and _TAG.search(line)]
        if texts.is_train and len(tags) > max(2, MAX_MARKUP_SHARE * len(lines)):
            findings.append(_tags(texts, name, tags, lines))
    findings += [
        Finding("wrong encoding", f"{counts}.", "Convert the file to UTF-8 as above.")
        for counts in texts.invalid
        if counts.invalid > 0.0005 * counts.lines
    ]
    return findings, damaged


def is_mojibake(line: str) -> bool:
    """Return whether parts of a line become fewer characters if they are encoded and decoded as UTF-8 again."""
    return any(_repaired(match[0]) is not None for match in _NON_ASCII.finditer(line))


def _repaired(text: str) -> str | None:
    """Return what mojibake stands for; None if a text is none."""
    for encoding, least in ((_as_cp1252, 2), (_encoder("cp1251"), 4), (_encoder("gb18030"), 6)):
        try:
            raw = encoding(text)
            plain = raw.decode("utf-8")
        except (UnicodeError, ValueError):
            continue
        if len(text) >= least and len(plain) < len(text) and plain.isprintable() and not plain.isascii():
            return plain
    return None


def _as_cp1252(text: str) -> bytes:
    """Return the bytes of text in Windows-1252, or in Latin-1 for bytes that Windows-1252 lacks."""
    return b"".join(bytes([ord(c)]) if ord(c) < 0x100 else c.encode("cp1252") for c in text)


def _encoder(name: str) -> Callable[[str], bytes]:
    return lambda text: text.encode(name)


def _mojibake(texts: Texts, name: str, found: Sequence[int], lines: list[str]) -> Finding:
    match = next(match for match in _NON_ASCII.finditer(lines[found[0]]) if _repaired(match[0]))
    return Finding(
        "wrong encoding",
        f"{len(found):,} of {len(lines):,} lines on the {name} side of {texts.name} are UTF-8 that was read in another "
        f"encoding ({texts.lines(found)}): “{match[0]}” stands for “{_repaired(match[0])}”.",
        "Create the file again from the original and read it as UTF-8, or repair it with ftfy (pip install ftfy).",
    )


def _lost(texts: Texts, name: str, lost: Sequence[int], lines: list[str]) -> Finding:
    return Finding(
        "wrong encoding",
        f"{len(lost):,} of {len(lines):,} lines on the {name} side of {texts.name} have lost characters, with ? or a "
        f"replacement character in their place ({texts.lines(lost)}): {', '.join(examples(lines, lost))}.",
        "Create the file again from the original; the characters cannot be restored from this file.",
    )


def _entities(texts: Texts, name: str, lines: list[str]) -> list[Finding]:
    entities = [(i, entity) for i, line in enumerate(lines) if (entity := html_entity(line)) is not None]
    others = [i for i, entity in entities if entity not in _MOSES_ESCAPES or not _SEPARATED.search(lines[i])]
    if len(others) <= max(2, MAX_MARKUP_SHARE * len(lines)):
        return []
    return [
        Finding(
            "markup",
            f"{len(others):,} of {len(lines):,} lines on the {name} side of {texts.name} have HTML entities "
            f"({texts.lines(others)}): {', '.join(examples(lines, others))}.",
            "Set data.unescape_html: true, which replaces the entities by their characters.",
        )
    ]


def _tags(texts: Texts, name: str, tags: Sequence[int], lines: list[str]) -> Finding:
    return Finding(
        "markup",
        f"{len(tags):,} of {len(lines):,} lines on the {name} side of {texts.name} have HTML or XML tags "
        f"({texts.lines(tags)}): {', '.join(examples(lines, tags))}.",
        "Remove the tags, unless the model must translate text with tags.",
    )


def diagnose_differences(train: Sequence[Texts], other: Texts) -> list[Finding]:
    """Return the findings that a validation or test set is unlike the training text in case, tokens or characters."""
    findings = []
    for side, (name, _, lines) in enumerate(other.sides):
        train_lines = [line for texts in train for line in texts.sides[side][2]]
        for what, unit, measure, remedy in _STYLES:
            here, there = measure(lines), measure(train_lines)
            if here is not None and there is not None and abs(here - there) > MAX_STYLE_DIFFERENCE:
                text = (
                    f"On the {name} side, {here:.0%} of the lines of {other.name} have {unit}, but {there:.0%} of the "
                    "training lines."
                )
                findings.append(Finding(what, text, remedy))
        findings += _unseen(train_lines, other, name, lines)
    return findings


def _separated_share(lines: Sequence[str]) -> float | None:
    """Return the share of lines with separated punctuation, among those with punctuation; None if few have any."""
    separated = [
        bool(_SEPARATED.search(line))
        for line in draw(lines, _SAMPLED_LINES)
        if _SEPARATED.search(line) or _ATTACHED.search(line)
    ]
    return sum(separated) / len(separated) if len(separated) >= 20 else None


def _uppercase_share(lines: Sequence[str]) -> float | None:
    drawn = draw(lines, _SAMPLED_LINES)
    cased = [bool(_UPPERCASE.search(line)) for line in drawn if line.lower() != line.upper()]
    return sum(cased) / len(cased) if len(cased) >= 20 else None


_STYLES = (
    (
        "different tokenisation",
        "punctuation with a space before it",
        _separated_share,
        "Tokenise every set in the same way, or none of them: the subword model needs no tokeniser.",
    ),
    (
        "different case",
        "capital letters",
        _uppercase_share,
        "Write every set in the same case; data.lowercase: true lower-cases all of them.",
    ),
)
"""Name of the finding, what is counted, the function that counts it, and the remedy."""


def _unseen(train_lines: list[str], other: Texts, name: str, lines: list[str]) -> list[Finding]:
    seen = set().union(*train_lines)
    indices, characters = _unseen_characters(seen, lines)
    share = len(characters) / max(1, sum(map(len, lines)))
    cut = max(1, len(train_lines) * 9 // 10)
    usual_lines, usual = _unseen_characters(set().union(*train_lines[:cut]), train_lines[cut:])
    usual_share = len(usual) / max(1, sum(map(len, train_lines[cut:])))
    usual_line_share = len(usual_lines) / max(1, len(train_lines) - cut)
    most = 10 * MAX_UNSEEN_CHARACTERS + 3 * usual_line_share
    if share <= MAX_UNSEEN_CHARACTERS + 3 * usual_share and len(indices) <= most * len(lines):
        return _unseen_words(train_lines, other, name, lines)
    few = "".join(dict.fromkeys(characters))[:20]
    return [
        Finding(
            "unseen characters",
            f"{len(indices):,} of {len(lines):,} lines on the {name} side of {other.name} have characters that the "
            f"training text lacks ({other.lines(indices)}), {share:.1%} of all characters: {few}",
            "Check that this set has the same script, encoding and normalisation as the training text, or add training "
            "text with these characters.",
        )
    ]


def _unseen_characters(seen: set[str], lines: Sequence[str]) -> tuple[list[int], list[str]]:
    """Return the indices of lines with characters that are not in `seen`, and these characters."""
    indices = [i for i, line in enumerate(lines) if not seen.issuperset(line)]
    return indices, [character for i in indices for character in lines[i] if character not in seen]


def _unseen_words(train_lines: list[str], other: Texts, name: str, lines: list[str]) -> list[Finding]:
    """Return the finding that far more words of a set are new than in a part of the training text itself."""
    cut = max(1, len(train_lines) * 9 // 10)
    known = {word for line in train_lines[:cut] for word in words(line.lower())}
    usual = _new_share(known, train_lines[cut : cut + 2000])
    here = _new_share(known, lines)
    new = [i for i, line in enumerate(lines) if not known.issuperset(words(line.lower()))]
    if here <= 2 * usual + 0.15 or len(lines) < 20:
        return []
    return [
        Finding(
            "unseen words",
            f"{here:.0%} of the words on the {name} side of {other.name} are not in the training text (of the last "
            f"part of the training text, {usual:.0%} are not in its other parts), for example {other.lines(new)}: "
            f"{', '.join(examples(lines, new))}.",
            "Check that this set is of the same language, domain and tokenisation as the training text, or add "
            "training text of its kind.",
        )
    ]


def _new_share(known: set[str], lines: Sequence[str]) -> float:
    found = [word in known for line in lines for word in words(line.lower())]
    return 1 - sum(found) / len(found) if found else 0.0
