"""What a corpus of sentence pairs is like: counts over all pairs, and facts about the text from a sample."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nmt.corpora.identification import all_languages
from nmt.corpora.scan import Scan
from nmt.data.language_names import parse_code
from nmt.data.languages import has_spaces

_SENTENCES_DETECTED = 300
_MIN_DETECTED_CHARACTERS = 50
"""The detector often errs on shorter sentences."""
_SURE = 95.0
_MARK = re.compile(r"\S?[.,](?=\s|$)")
_LONG_COPY_CHARACTERS = 25
"""Identical sides of at least this length are untranslated text, shorter ones are often names."""


@dataclass(frozen=True)
class SideFacts:
    """One side of a corpus. All but the lengths are estimated from a sample."""

    language: str
    median: int
    """Median length in characters, without empty lines."""
    longest: int
    """99 % of the sentences have at most this many characters."""
    words: float
    """Mean number of words, separated by white space."""
    is_lowercase: bool
    """The script has capitals, but nearly no sentence has one."""
    is_tokenized: bool
    """Spaces separate punctuation from words."""
    characters: int
    """Number of different characters."""
    other_language: float
    """Share of the longer sentences that are in another language."""


@dataclass(frozen=True)
class CorpusFacts:
    """Facts about all pairs of a corpus."""

    pairs: int
    empty: int
    """Pairs with an empty side."""
    invalid: int
    """Pairs with bytes that could not be decoded."""
    duplicates: int
    """Pairs that are identical to an earlier one."""
    near_duplicates: int
    """Further pairs that differ from an earlier one only in case, punctuation or white space."""
    repeated_sources: int
    """Pairs whose source has several translations."""
    identical: int
    """Pairs whose sides are the same apart from case and punctuation."""
    untranslated: int
    """Those of them that are long enough to be text that was not translated."""
    entities: int
    """Pairs with HTML entities."""
    ratio: float
    """Median of the characters of the longer side for each character of the shorter one."""
    ratio_limit: float
    """Above this ratio a pair is probably misaligned."""
    ratio_outliers: int
    """Pairs above the limit."""
    swapped: int
    """Pairs whose sides were swapped back."""
    source: SideFacts
    target: SideFacts

    @property
    def usable(self) -> int:
        """About how many pairs the filters of the configuration leave."""
        copies = self.untranslated if self.has_copy_noise else 0
        return max(0, self.pairs - self.empty - self.invalid - self.duplicates - self.ratio_outliers - copies)

    @property
    def has_entities(self) -> bool:
        """Whether HTML entities are so many that they are no examples of entities in a text about HTML."""
        return self.entities > 0.0003 * self.pairs

    @property
    def has_copy_noise(self) -> bool:
        """Whether so many pairs are untranslated that the model would learn to copy."""
        return self.untranslated > 0.005 * self.pairs


def collect_facts(scan: Scan, languages: tuple[str, str]) -> CorpusFacts:
    """Return the facts about a corpus, whose sides are in these languages."""
    is_text = ~scan.is_empty
    is_first = scan.first_of_equal()
    near = np.column_stack([scan.source_keys, scan.target_keys])[is_text]
    distinct = len(np.unique(near, axis=0)) if len(near) < 100_000 else _count_distinct(near)
    ratios = scan.ratios[is_text]
    ratio, limit = _ratio_limit(ratios)
    duplicates = int((is_text & ~is_first).sum())
    counts = np.unique(scan.source_keys[is_text], return_counts=True)[1]
    filled = [(source, target) for _, source, target in scan.sample if source and target]
    texts = [source for source, _ in filled], [target for _, target in filled]
    lengths = scan.source_lengths[is_text], scan.target_lengths[is_text]
    sides = [_side(texts[i], lengths[i], languages[i]) for i in (0, 1)]
    is_long = np.maximum(scan.source_lengths, scan.target_lengths) >= _LONG_COPY_CHARACTERS
    return CorpusFacts(
        pairs=len(scan),
        empty=int(scan.is_empty.sum()),
        invalid=int(scan.is_invalid.sum()),
        duplicates=duplicates,
        near_duplicates=max(0, len(near) - duplicates - distinct),
        repeated_sources=int(counts[counts > 1].sum()),
        identical=int(scan.is_identical.sum()),
        untranslated=int((scan.is_identical & is_long).sum()),
        entities=int(scan.has_entity.sum()),
        ratio=ratio,
        ratio_limit=limit,
        ratio_outliers=int((ratios > limit).sum()),
        swapped=int(scan.is_swapped.sum()),
        source=sides[0],
        target=sides[1],
    )


def _count_distinct(keys: "np.ndarray[tuple[int, int], np.dtype[np.uint64]]") -> int:
    """Return the number of distinct rows by a hash of each, which takes less memory than sorting rows."""
    with np.errstate(over="ignore"):
        mixed = keys[:, 0] * np.uint64(0x9E3779B97F4A7C15) + keys[:, 1]
    return len(np.unique(mixed))


def _ratio_limit(ratios: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> tuple[float, float]:
    """Return the median ratio of lengths and the ratio above which a pair is an outlier.

    Translations of short sentences differ much in length, so the limit is above that of 99.5 % of the pairs and
    three times the median.
    """
    if not len(ratios):
        return 1.0, 1.0
    median, high = np.quantile(ratios, [0.5, 0.995])
    return float(median), float(math.ceil(max(3 * median, 1.2 * high, 4.0)))


def _side(texts: Sequence[str], lengths: "np.ndarray[tuple[int], np.dtype[np.uint32]]", language: str) -> SideFacts:
    median, longest = np.quantile(lengths, [0.5, 0.99]) if len(lengths) else (0, 0)
    cased = [text for text in texts if text.lower() != text.upper()]
    capitals = sum(text != text.lower() for text in cased)
    marks = [match for text in texts for match in _MARK.findall(text)]
    detached = sum(len(mark) == 1 for mark in marks)
    return SideFacts(
        language,
        int(median),
        int(longest),
        sum(len(text.split()) for text in texts) / max(1, len(texts)),
        is_lowercase=len(cased) > len(texts) / 2 and capitals < 0.02 * len(cased),
        is_tokenized=has_spaces(language) and len(marks) > 0.1 * len(texts) and detached > 0.8 * len(marks),
        characters=len(set().union(*texts)),
        other_language=_other_language_share(texts, language),
    )


def _other_language_share(texts: Sequence[str], language: str) -> float:
    """Return the share of longer sentences that are surely in another language.

    0 if the detector does not know the language.
    """
    long = [text for text in texts if len(text) >= _MIN_DETECTED_CHARACTERS]
    step = max(1, len(long) // _SENTENCES_DETECTED)
    found = [ranked[0] for text in long[::step] if (ranked := all_languages().detect(text))]
    own = parse_code(language).language
    is_own = [parse_code(best.language).language == own for best in found]
    if sum(is_own) <= len(found) / 2:
        return 0.0
    return sum(best.confidence >= _SURE for best, is_right in zip(found, is_own, strict=True) if not is_right) / len(
        found
    )
