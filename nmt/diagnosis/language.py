"""Find text in another language than the configuration says: a whole side, swapped sides, or a share of the lines.

py3langid is reliable for paragraphs and often wrong for short lines. A whole side is therefore judged by groups of
lines, and single lines count only if many of them are clearly in the same other language.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from nmt.data.language_detection import LanguageDetector
from nmt.data.language_names import language_name, parse_code
from nmt.diagnosis.finding import Finding
from nmt.diagnosis.texts import Texts, draw_indices, examples

_LANGUAGES = (  # noqa: SIM905 (a list of strings would take 60 lines)
    "ar bg bn ca cs da de el en es et eu fa fi fr ga he hi hr hu hy id is it ja ka kk ko lt lv mk mn mr ms mt nb nl pl "
    "pt ro ru sk sl sq sv sw ta te th tl tr uk ur vi zh"
).split()
"""Languages that a text may turn out to be in, besides those of the configuration."""
_ALIKE = ("da nb nn no sv", "cs sk", "hr sr bs sl sh", "bg mk", "id ms", "es ca gl pt", "hi mr ne", "ru uk be", "nl af")
"""Languages that are easily confused; a text in one of a group is not said to be in the wrong language."""
_GROUPS, _LINES_PER_GROUP = 30, 30
_SAMPLED_LINES = 400
_MIN_CHARACTERS = 25
"""Letters of a line from which on its language is detected."""
_CERTAIN, _UNLIKELY = 97.0, 0.5
"""Confidence in the other language, and in the expected one, of a line in a wrong language."""
MAX_SHARE = 0.03
"""Share of lines clearly in one other language that is tolerated."""
_SIDE_SHARE = 0.6
"""Share of the groups of lines in another language from which on a whole side is in it."""


@dataclass(frozen=True)
class _Side:
    """What language a side of a corpus is in."""

    expected: str
    """The language code of the configuration; "" if it is not the code of a language."""
    found: str
    """The language of most groups of lines; "" if it is unclear."""
    strangers: dict[str, list[int]]
    """The indices of lines clearly in another language, by language."""

    @property
    def is_wrong(self) -> bool:
        """Whether the whole side is in another language than expected."""
        return bool(self.expected and self.found and not _are_alike(self.expected, self.found))


class LanguageCheck:
    """Finds text in another language than the configuration says."""

    def __init__(self, languages: Sequence[str]) -> None:
        """Take all language codes of the configuration. Codes such as `src` are of no language."""
        self._known = {code: parse_code(code).language for code in languages}
        codes = dict.fromkeys([*_LANGUAGES, *filter(None, self._known.values())])
        self._detector = LanguageDetector(list(codes))

    def __call__(self, texts: Texts) -> tuple[list[Finding], set[int]]:
        """Return the findings for a corpus, and the indices of pairs with a line in a wrong language."""
        sides = [self._examine(language, lines) for _, language, lines in texts.sides]
        source, target = sides
        if source.is_wrong and target.is_wrong and _are_alike(source.found, target.expected):
            return [_swapped(texts, source, target)], set()
        if source.found and source.found == target.found:
            return [_same(texts, source)], set()
        findings, wrong = [], set()
        for side, (name, _, lines) in zip(sides, texts.sides, strict=True):
            if side.is_wrong:
                findings.append(_wrong_side(texts, name, side, lines))
                continue
            for language, indices in side.strangers.items():
                share = len(indices) / min(len(lines), _SAMPLED_LINES)
                if share > MAX_SHARE and len(indices) >= 3:
                    findings.append(_wrong_lines(texts, name, language, indices, share, lines))
                    wrong |= self._all_lines(language, lines, side)
        return findings, wrong

    def _examine(self, code: str, lines: list[str]) -> _Side:
        expected = self._known.get(code, "")
        size = _LINES_PER_GROUP if len(lines) > 4 * _LINES_PER_GROUP else max(1, len(lines) // 4)
        starts = range(0, len(lines), max(size, -(-len(lines) // _GROUPS)))
        votes: Counter[str] = Counter()
        for start in starts:
            found = self._detector.detect("\n".join(lines[start : start + size]))
            votes[found[0].language if found else ""] += 1
        language, count = votes.most_common(1)[0] if votes else ("", 0)
        main = language if language and count >= _SIDE_SHARE * votes.total() else ""
        side = _Side(expected, main, {})
        if (usual := expected or main) and not side.is_wrong:
            for i in draw_indices(len(lines), _SAMPLED_LINES):
                if (stranger := self._stranger(lines[i], usual)) is not None:
                    side.strangers.setdefault(stranger, []).append(i)
        return side

    def _stranger(self, line: str, usual: str) -> str | None:
        """Return the language of a line that is clearly not in the `usual` one."""
        if sum(map(str.isalpha, line)) < _MIN_CHARACTERS and not any(character > "\u2e7f" for character in line):
            return None
        found = self._detector.detect(line.lower())
        if not found or found[0].confidence < _CERTAIN or _are_alike(found[0].language, usual):
            return None
        if any(_are_alike(each.language, usual) and each.confidence > _UNLIKELY for each in found):
            return None
        return found[0].language

    def _all_lines(self, language: str, lines: list[str], side: _Side) -> set[int]:
        usual = side.expected or side.found
        return {i for i, line in enumerate(lines[:20_000]) if self._stranger(line, usual) == language}


def _are_alike(one: str, other: str) -> bool:
    return one == other or any(one in group.split() and other in group.split() for group in _ALIKE)


def _swapped(texts: Texts, source: _Side, target: _Side) -> Finding:
    names = [language_name(code) for code in (source.expected, target.expected, source.found, target.found)]
    return Finding(
        "sides swapped",
        f"In {texts.name}, the source is {names[2]} and the target {names[3]}, but the configuration says that the "
        f"source is {names[0]} and the target {names[1]}.",
        f"Swap the files of {texts.key} (source and target, or source_column and target_column), or "
        "data.source_language and data.target_language.",
    )


def _same(texts: Texts, side: _Side) -> Finding:
    return Finding(
        "same language on both sides",
        f"In {texts.name}, source and target are both {language_name(side.found)}; for example line "
        f"{texts.numbers[0]:,} is {', '.join(examples(texts.source, [0]))} and "
        f"{', '.join(examples(texts.target, [0]))}.",
        f"Check the files of {texts.key}: one of them is probably given twice, or a column of a TSV is wrong.",
    )


def _wrong_side(texts: Texts, name: str, side: _Side, lines: list[str]) -> Finding:
    return Finding(
        "wrong language",
        f"The {name} of {texts.name} is {language_name(side.found)}, but the configuration says that it is "
        f"{language_name(side.expected)}; line {texts.numbers[0]:,} is {', '.join(examples(lines, [0]))}.",
        f"Use the right file as {name} of {texts.key}, or set data.{name}_language: {side.found}.",
    )


def _wrong_lines(texts: Texts, name: str, language: str, indices: list[int], share: float, lines: list[str]) -> Finding:
    return Finding(
        "wrong language",
        f"About {share:.0%} of the lines on the {name} side of {texts.name} are {language_name(language)}, for example "
        f"{texts.lines(indices)}: {', '.join(examples(lines, indices))}.",
        "Remove these pairs: the model would learn to translate into a mixture of languages."
        if name == "target"
        else "Remove these pairs, or keep them if the model must translate from both languages.",
    )
