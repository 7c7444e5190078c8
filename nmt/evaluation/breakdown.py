"""Break the quality of a translated text down: BLEU by length and by rarity of words, best and worst sentences."""

from collections.abc import Sequence
from typing import Any

from nmt.data.languages import has_spaces
from nmt.evaluation.metrics import Scoring, corpus_scores, default_tokenizer, sentence_scores

LENGTH_GROUPS = 5
SMALLEST_GROUP = 20
"""Fewer sentences have no meaningful BLEU: they join the next group."""
RARITIES = (0, 1, 5, 20, 100)
"""The smallest numbers of training sources that the rarest word of the sentences of a group occurs in."""
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
    count = max(1, min(LENGTH_GROUPS, len(rows) // SMALLEST_GROUP))
    for number in range(count):
        part = rows[len(rows) * number // count : len(rows) * (number + 1) // count]
        while groups and part and lengths[part[0]] == lengths[groups[-1][-1]]:  # equal lengths stay together
            groups[-1].append(part.pop(0))
        if part:
            groups.append(part)
    spans = [(lengths[group[0]], lengths[group[-1]]) for group in groups]
    return [
        (f"{low}" if low == high else f"{low}–{high}", group) for (low, high), group in zip(spans, groups, strict=True)
    ]


def rarity_groups(counts: Sequence[int]) -> list[tuple[str, list[int]]]:
    """Return groups of sentences by `counts`: a label, and the numbers of the sentences, those of rare words first."""
    groups: list[tuple[int, list[int]]] = []
    for number, low in enumerate(RARITIES):
        high = RARITIES[number + 1] if number + 1 < len(RARITIES) else None
        rows = [row for row, count in enumerate(counts) if count >= low and (high is None or count < high)]
        if groups and len(groups[-1][1]) < SMALLEST_GROUP:
            groups[-1][1].extend(rows)
        else:
            groups.append((low, rows))
    if len(groups) > 1 and len(groups[-1][1]) < SMALLEST_GROUP:
        groups[-2][1].extend(groups.pop()[1])
    highs = [low - 1 for low, _ in groups[1:]]
    labels = [f"{low}" if low == high else f"{low}–{high}" for (low, _), high in zip(groups, highs, strict=False)]
    return list(zip([*labels, f"≥{groups[-1][0]}"], [rows for _, rows in groups], strict=True))


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
