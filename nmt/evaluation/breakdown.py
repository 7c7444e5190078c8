"""Break the quality of a translated text down: BLEU by length and by rarity of words, best and worst sentences."""

from collections.abc import Sequence
from typing import Any

from nmt.data.languages import has_spaces
from nmt.evaluation.metrics import Scoring, corpus_scores, default_tokenizer, sentence_scores

LENGTH_GROUPS = 5
RARITIES = ((0, "never seen"), (4, "1 to 4"), (19, "5 to 19"), (99, "20 to 99"), (None, "100 or more"))
"""The groups by the number of training sources that the rarest word occurs in: the largest number, and a label."""
WORST, BEST = 10, 5


def break_down(
    sources: Sequence[str],
    translations: Sequence[str],
    references: Sequence[str],
    languages: tuple[str, str],
    rarest_word: Sequence[int] | None = None,
) -> dict[str, Any]:
    """Return as JSON values BLEU of groups of sentences, and the sentences with the lowest and the highest chrF.

    `languages` are the codes of source and target. `rarest_word` is as in `corpus.json` (see
    `nmt.data.corpus_facts`); if its length is that of another text, there is no breakdown by rarity. The values are
    `by_length` and `by_rarity`, lists of [label, sentences, BLEU], and `worst` and `best`, lists of [line, chrF,
    source, translation, reference].
    """
    scoring = Scoring(tokenize=default_tokenizer(languages[1]))

    def scored(groups: Sequence[tuple[str, list[int]]]) -> list[list[Any]]:
        found = []
        for label, rows in groups:
            parts = [translations[n] for n in rows], [[references[n] for n in rows]]
            found.append([label, len(rows), corpus_scores(*parts, ["bleu"], scoring)[0].value])
        return found

    is_known = rarest_word is not None and len(rarest_word) == len(sources)
    return {
        "by_length": scored(length_groups([_length(line, languages[0]) for line in sources])),
        "by_rarity": scored(rarity_groups(rarest_word)) if is_known and rarest_word is not None else [],
        **_ranked(sources, translations, references, scoring),
    }


def length_unit(language: str) -> str:
    """Return the unit of the lengths of `break_down`: words, or characters in a language without spaces."""
    return "words" if has_spaces(language) else "characters"


def length_groups(lengths: Sequence[int]) -> list[tuple[str, list[int]]]:
    """Return about equally large groups of sentences by length: a label, and the numbers of the sentences."""
    rows = sorted(range(len(lengths)), key=lambda n: lengths[n])
    groups: list[list[int]] = []
    for number in range(LENGTH_GROUPS):
        part = rows[len(rows) * number // LENGTH_GROUPS : len(rows) * (number + 1) // LENGTH_GROUPS]
        while groups and part and lengths[part[0]] == lengths[groups[-1][-1]]:  # equal lengths stay together
            groups[-1].append(part.pop(0))
        if part:
            groups.append(part)
    spans = [(lengths[group[0]], lengths[group[-1]]) for group in groups]
    return [
        (f"{low}" if low == high else f"{low}–{high}", group) for (low, high), group in zip(spans, groups, strict=True)
    ]


def rarity_groups(counts: Sequence[int]) -> list[tuple[str, list[int]]]:
    """Return the groups of `RARITIES` that have sentences: a label, and the numbers of the sentences."""
    groups: list[tuple[str, list[int]]] = [(label, []) for _, label in RARITIES]
    for row, count in enumerate(counts):
        number = next(n for n, (most, _) in enumerate(RARITIES) if most is None or count <= most)
        groups[number][1].append(row)
    return [(label, rows) for label, rows in groups if rows]


def _ranked(
    sources: Sequence[str], translations: Sequence[str], references: Sequence[str], scoring: Scoring
) -> dict[str, list[list[Any]]]:
    """Return the worst and the best sentences; of equal ones, the longer come first, as they say more."""
    values = sentence_scores(translations, [references], ["chrf"], scoring)[0].values
    rows = [n for n in range(len(sources)) if references[n].strip()]
    worst = sorted(rows, key=lambda n: (values[n], -len(references[n])))[:WORST]
    best = sorted((n for n in rows if n not in worst), key=lambda n: (-values[n], -len(references[n])))[:BEST]
    return {
        name: [[n + 1, round(values[n], 2), sources[n], translations[n], references[n]] for n in chosen]
        for name, chosen in (("worst", worst), ("best", best))
    }


def _length(line: str, language: str) -> int:
    return len(line.split()) if has_spaces(language) else len(line)
