"""Draw the training, validation and test set.

The test set requires new combinations of known words. Some word pairs in a relation are held out of the training and
validation set. Every test sentence has at least one of them, and all its word forms occur in the training set.
"""

import re
from collections import Counter
from dataclasses import dataclass, replace

from grammar.actions import ACTIONS
from grammar.compound import COMPOUND
from grammar.descriptions import DESCRIPTIONS
from grammar.questions import QUESTIONS
from grammar.reasons import REASONS
from grammar.relatives import RELATIVES
from grammar.sentence import Sentence
from grammar.speaker import Speaker
from grammar.words import Pair

CONSTRUCTIONS = (*ACTIONS, *DESCRIPTIONS, *QUESTIONS, *REASONS, *COMPOUND, *RELATIVES)
SIDES = ("en", "de", "zh")
SIZES = {"train": 8000, "valid": 400, "test": 400}
_POOL = 14_000
_HELD_OUT_SHARE = {"adjective": 0.09, "object": 0.1, "subject": 0.03}
_SEEN = 3
"""Minimum occurrences in the training set of each word form (each character in Chinese) of a test sentence."""
_MIN_WORDS, _MAX_WORDS = 3, 25


@dataclass(frozen=True)
class Corpus:
    """The three splits, and the pairs that are held out of the training and validation set."""

    splits: dict[str, list[Sentence]]
    held_out: frozenset[Pair]


def tokens(line: str, side: str) -> list[str]:
    """Return the lower-case words, or the characters in Chinese, without punctuation."""
    if side == "zh":
        return [character for character in line if character not in "，。？！"]
    return re.findall(r"[^\W_]+(?:'s)?", line.lower())


def side_of(sentence: Sentence, side: str) -> str:
    """Return the text of one language."""
    return {"en": sentence.text.en, "de": sentence.text.de, "zh": sentence.text.zh}[side]


def _pool(speaker: Speaker) -> list[Sentence]:
    """Return distinct sentences: no two have the same English, German or Chinese text."""
    makers = [maker for maker, _ in CONSTRUCTIONS]
    weights = [weight for _, weight in CONSTRUCTIONS]
    seen: dict[str, set[str]] = {side: set() for side in SIDES}
    pool: list[Sentence] = []
    while len(pool) < _POOL:
        maker = speaker.weighted(makers, weights)
        made = replace(maker(speaker), construction=maker.__name__)
        lengths = [len(tokens(side_of(made, side), side)) for side in ("en", "de")]
        fits = min(lengths) >= _MIN_WORDS and max(lengths) <= _MAX_WORDS
        kept = fits and not any(side_of(made, side) in seen[side] for side in SIDES)
        speaker.settle(kept)
        if kept:
            for side in SIDES:
                seen[side].add(side_of(made, side))
            pool.append(made)
    return pool


def _held_out(speaker: Speaker, pool: list[Sentence]) -> frozenset[Pair]:
    """Return a share of the pairs of each relation, whose words occur much more often in other pairs."""
    pairs = Counter(pair for made in pool for pair in sorted(made.pairs))
    words: Counter[tuple[str, int, str]] = Counter()
    for (relation, first, second), count in pairs.items():
        words[relation, 0, first] += count
        words[relation, 1, second] += count
    chosen: list[Pair] = []
    for pair in sorted(pairs):
        relation, first, second = pair
        here = pairs[pair]
        rarer = min(words[relation, 0, first], words[relation, 1, second])
        if here >= 2 and rarer >= max(15, 3 * here) and speaker.chance(_HELD_OUT_SHARE[relation]):
            chosen.append(pair)
    return frozenset(chosen)


def build(seed: int = 20260) -> Corpus:
    """Return the corpus of a seed; the same seed gives the same sentences in the same order."""
    speaker = Speaker(seed)
    pool = _pool(speaker)
    held_out = _held_out(speaker, pool)
    ordinary = [made for made in pool if not made.pairs & held_out]
    train = ordinary[: SIZES["train"]]
    valid = ordinary[SIZES["train"] : SIZES["train"] + SIZES["valid"]]
    known = {side: Counter(token for made in train for token in tokens(side_of(made, side), side)) for side in SIDES}
    test = [
        made
        for made in pool
        if made.pairs & held_out
        and all(known[side][token] >= _SEEN for side in SIDES for token in tokens(side_of(made, side), side))
    ][: SIZES["test"]]
    splits = {"train": train, "valid": valid, "test": test}
    for name, size in SIZES.items():
        if len(splits[name]) < size:
            raise ValueError(f"only {len(splits[name])} sentences for {name}, not {size}; increase _POOL in splits.py")
    return Corpus(splits, held_out)
