"""Sentence pairs of which a model wrote one side: make them from hypotheses, filter them, and count why pairs drop.

The other side is a line of text that somebody wrote. `synthetic` names the side of the hypothesis.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

from nmt.data.corpus import INVALID_UTF8

Side = Literal["source", "target"]
REASONS = ("empty", INVALID_UTF8, "score", "ratio", "copy", "original", "duplicate")
"""Why a pair is dropped, in the order in which this is tested."""


class Hypothesis(NamedTuple):
    """A translation that a model wrote."""

    text: str
    score: float
    """Mean log-probability of its tokens, in nats."""


@dataclass(frozen=True)
class Limits:
    """Which pairs are kept. Pairs with an empty side and with bytes that are not UTF-8 never are."""

    min_score: float | None = None
    """Lowest score of a hypothesis, in nats per token; None keeps all."""
    max_ratio: float = 0.0
    """The longer side has at most this many times the characters of the shorter one; 0 keeps all."""
    keeps_copies: bool = False
    """Whether a hypothesis may be equal to the line that it translates."""


class KnownPairs:
    """The pairs that a corpus has already: the original pairs, and synthetic pairs."""

    def __init__(self, originals: Iterable[tuple[str, str]] = ()) -> None:
        self._originals = {_key(pair) for pair in originals}
        self._synthetic: set[bytes] = set()

    def add(self, pair: tuple[str, str]) -> str | None:
        """Add a synthetic pair. Return "original" or "duplicate" if it is known."""
        key = _key(pair)
        if key in self._originals:
            return "original"
        if key in self._synthetic:
            return "duplicate"
        self._synthetic.add(key)
        return None


@dataclass
class PairCounts:
    """What became of the hypotheses of a text."""

    lines: int = 0
    """Lines that were translated."""
    hypotheses: int = 0
    dropped: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REASONS, 0))
    """Number of hypotheses that were dropped for each of `REASONS`."""
    kept: int = 0

    def add(self, reason: str | None) -> None:
        """Count a hypothesis that is dropped for a `reason`, or kept."""
        self.hypotheses += 1
        if reason is None:
            self.kept += 1
        else:
            self.dropped[reason] += 1

    def to_json(self) -> dict[str, Any]:
        """Return the counts as JSON values, of which `PairCounts(**values)` makes the object again."""
        return asdict(self)


def make_pairs(
    lines: Iterable[tuple[str, Sequence[Hypothesis]]],
    synthetic: Side,
    limits: Limits,
    counts: PairCounts,
    known: KnownPairs | None = None,
) -> Iterator[tuple[str, str]]:
    """Yield the (source, target) pairs of `lines`, each with its hypotheses; add up `counts`.

    Pairs that are in `known` are dropped; None keeps them.
    """
    for line, hypotheses in lines:
        counts.lines += 1
        for hypothesis in hypotheses:
            pair = (line, hypothesis.text) if synthetic == "target" else (hypothesis.text, line)
            reason = reason_to_drop(line, hypothesis, limits)
            if reason is None and known is not None:
                reason = known.add(pair)
            counts.add(reason)
            if reason is None:
                yield pair


def reason_to_drop(line: str, hypothesis: Hypothesis, limits: Limits) -> str | None:
    """Return which of the first five `REASONS` applies to a hypothesis of a line; None if none does."""
    text = hypothesis.text
    shorter, longer = sorted((len(line), len(text)))
    tests = (
        not (line.strip() and text.strip()),
        "\ufffd" in line or "\ufffd" in text,
        limits.min_score is not None and hypothesis.score < limits.min_score,
        limits.max_ratio > 0 and longer > limits.max_ratio * shorter,
        line == text and not limits.keeps_copies,
    )
    return next((reason for reason, applies in zip(REASONS, tests, strict=False) if applies), None)


def closest(hypotheses: Sequence[Hypothesis], reference: str, score: Callable[[str, str], float]) -> Hypothesis:
    """Return the hypothesis with the highest `score(text, reference)`, the first one of several.

    With sentence BLEU this is the target of sequence-level interpolation (Kim & Rush 2016, section 3.3).
    """
    return max(hypotheses, key=lambda hypothesis: score(hypothesis.text, reference))


def _key(pair: tuple[str, str]) -> bytes:
    """Return a hash of a pair: millions of pairs must fit into memory."""
    return hashlib.blake2b("\n".join(pair).encode("utf-8", "surrogatepass"), digest_size=8).digest()
