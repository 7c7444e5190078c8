"""Find repeated text: sets that overlap, targets that stand for many sources, pairs that are not translated."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from nmt.corpora.near_duplicates import near_duplicate_key
from nmt.diagnosis.finding import Finding
from nmt.diagnosis.texts import Texts, examples

MIN_CHARACTERS = 20
"""Letters and digits of a line from which on it is unlikely to recur by chance."""
MAX_OVERLAP = 0.03
"""Share of the lines of a test set that may be in the training text, beyond what the training text itself repeats."""
MAX_ONE_LINE = 0.02
"""Share of the pairs that may have the same target for different sources, or the reverse."""
MAX_DUPLICATES = 0.5
MAX_COPIES = 0.1


def diagnose_overlap(train: Sequence[Texts], other: Texts) -> list[Finding]:
    """Return the finding that lines of a validation or test set are in the training text, also with other punctuation.

    Short lines and lines that the training text itself repeats in that measure do not count.
    """
    counts: Counter[str] = Counter(near_duplicate_key(line) for texts in train for line in texts.source)
    places: dict[str, int] = {}
    for texts in train:
        for number, line in zip(texts.numbers, texts.source, strict=True):
            places.setdefault(near_duplicate_key(line), number)
    long = {i: key for i, line in enumerate(other.source) if len(key := near_duplicate_key(line)) >= MIN_CHARACTERS}
    found = [i for i, key in long.items() if key in counts]
    repeated, total = 0, 0
    for key, count in counts.items():
        if len(key) >= MIN_CHARACTERS:
            total += count
            repeated += count if count > 1 else 0
    usual = repeated / max(1, total)
    sampled = sum(len(texts.source) for texts in train) / max(1, sum(texts.total for texts in train))
    share = len(found) / max(1, len(long)) / sampled
    if len(found) < 3 or share <= MAX_OVERLAP + 0.6 * usual:
        return []
    lines = {line for texts in train for line in texts.source}
    exact = sum(other.source[i] in lines for i in found)
    i = found[0]
    kind = "test" if other.key.startswith("data.test") else "validation"
    of_sample = f" (estimated from {sampled:.0%} of the training text)" if sampled < 1 else ""
    return [
        Finding(
            f"{kind} set in the training data",
            f"{min(1.0, share):.0%} of the source lines of {other.name} are in the training text as well{of_sample}: "
            f"{len(found):,} of {len(long):,} lines of {MIN_CHARACTERS} letters or more, {exact:,} of them exactly, "
            f"the others with other case, punctuation or spaces. Line {other.numbers[i]:,} is training line "
            f"{places[long[i]]:,}: {', '.join(examples(other.source, [i]))}.",
            f"Remove these lines from the training text, or take another {kind} set: scores on this one say nothing "
            "about new text.",
        )
    ]


def diagnose_repetition(texts: Texts) -> tuple[list[Finding], set[int]]:
    """Return the findings about repeated and untranslated pairs, and the indices of these pairs."""
    findings: list[Finding] = []
    ignored: set[int] = set()
    keys = [[near_duplicate_key(line) for line in lines] for _, _, lines in texts.sides]
    for side, (name, _, lines) in enumerate(texts.sides):
        partners: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for i, (key, partner) in enumerate(zip(keys[side], keys[1 - side], strict=True)):
            if key:
                partners[key].setdefault(partner, i)
        frequent = {key: found for key, found in partners.items() if len(found) > max(5, 0.002 * len(lines))}
        ignored |= {i for found in frequent.values() for i in found.values()}
        count = sum(map(len, frequent.values()))
        if count > max(5, MAX_ONE_LINE * len(lines)):
            findings.append(_boilerplate(texts, name, frequent, count, lines))
    pairs = Counter(zip(*keys, strict=True))
    duplicates = len(texts.source) - len(pairs)
    if duplicates > MAX_DUPLICATES * len(texts.source):
        findings.append(_duplicates(texts, pairs, duplicates, keys))
    copies = [i for i, (source, target) in enumerate(zip(*keys, strict=True)) if source == target and len(source) >= 3]
    if MAX_COPIES * len(texts.source) < len(copies) and texts.is_train:
        findings.append(
            Finding(
                "untranslated pairs",
                f"In {len(copies):,} of {len(texts.source):,} pairs of {texts.name} the target is a copy of the "
                f"source, for example {texts.lines(copies)}: {', '.join(examples(texts.target, copies))}.",
                "Set data.filters.copies: true, which drops these pairs; otherwise the model learns to copy.",
            )
        )
        ignored |= set(copies)
    return findings, ignored


def _boilerplate(texts: Texts, name: str, frequent: dict[str, dict[str, int]], count: int, lines: list[str]) -> Finding:
    other = "target" if name == "source" else "source"
    indices = sorted(max(frequent.values(), key=len).values())
    several = f"{len(frequent):,} {name} lines are paired" if len(frequent) > 1 else f"One {name} line is paired"
    return Finding(
        "boilerplate",
        f"{several} with {count:,} different {other} lines of {texts.name}; the most frequent, "
        f"{', '.join(examples(lines, indices))}, with {len(indices):,} ({texts.lines(indices)}).",
        "Remove these pairs: a model that sees one line so often produces it for any input."
        if name == "target"
        else "Remove these pairs, or keep one of them: the model cannot know which translation is meant.",
    )


def _duplicates(texts: Texts, pairs: Counter[tuple[str, str]], duplicates: int, keys: list[list[str]]) -> Finding:
    (source, target), count = pairs.most_common(1)[0]
    first = next(i for i, pair in enumerate(zip(*keys, strict=True)) if pair == (source, target))
    return Finding(
        "boilerplate",
        f"{duplicates / len(texts.source):.0%} of the pairs of {texts.name} are repeated; the most frequent, "
        f"{', '.join(examples(texts.source, [first]))}, occurs {count:,} times.",
        "Set data.filters.duplicates: true, which keeps the first of identical pairs.",
    )
