"""Lists of translations in which no text comes twice."""

import itertools
from collections.abc import Iterator
from typing import Protocol, TypeVar


class HasText(Protocol):
    """A translation."""

    @property
    def text(self) -> str:
        """What is printed."""


AText = TypeVar("AText", bound=HasText)


def take(targets: Iterator[AText], count: int, is_distinct: bool) -> tuple[AText, ...]:
    """Return the first `count` of `targets`; where `is_distinct`, without those whose text an earlier one has.

    Equal texts are of several segmentations, or of several words that are printed alike. Reads no further than needed.
    """
    return tuple(itertools.islice(_distinct(targets) if is_distinct else targets, count))


def _distinct(targets: Iterator[AText]) -> Iterator[AText]:
    seen: set[str] = set()
    for target in targets:
        if target.text not in seen:
            seen.add(target.text)
            yield target
