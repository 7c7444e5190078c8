"""Read n-best lists as JSON lines, as `nmt translate --n-best N --format json` writes them."""

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from nmt.data.lines import one_line
from nmt.errors import NmtError

_REMEDY = "write the list with: nmt translate --n-best N --format json"


@dataclass(frozen=True)
class NBestList:
    """The hypotheses of one source line."""

    source: str
    values: dict[str, Any]
    """The whole JSON object."""
    hypotheses: tuple[dict[str, Any], ...]
    """At least one, each with `text` and a finite `score`."""

    @property
    def texts(self) -> list[str]:
        """The texts of the hypotheses."""
        return [hypothesis["text"] for hypothesis in self.hypotheses]

    @property
    def characters(self) -> int:
        """The number of characters of all pairs of the source and a hypothesis."""
        return sum(len(text) + len(self.source) for text in self.texts)

    @property
    def tagged_source(self) -> str:
        """The source, after the tag of the line if the line has its own."""
        tag = self.values.get("tag", "")
        return f"{tag} {self.source}" if tag and not self.source.startswith(tag) else self.source


def read_lists(lines: Iterable[str], name: str) -> Iterator[NBestList]:
    """Yield the n-best list of each line of the file `name`. Raise `NmtError` for a line that has none."""
    for number, line in enumerate(lines, 1):
        place = f"{name}, line {number:,}"
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            raise NmtError(f"{place}: not a JSON object; {_REMEDY}") from None
        if not isinstance(values, dict) or not isinstance(values.get("source"), str):
            raise NmtError(f"{place}: not an object with the source line under 'source'; {_REMEDY}")
        if not isinstance(values.get("tag", ""), str):
            raise NmtError(f"{place}: 'tag' must be text")
        found = values.get("hypotheses")
        if not isinstance(found, list) or not found:
            what = "an empty list" if found == [] else "no list"
            raise NmtError(f"{place}: {what} of translations under 'hypotheses'; {_REMEDY}")
        for rank, hypothesis in enumerate(found, 1):
            if not isinstance(hypothesis, dict) or not isinstance(hypothesis.get("text"), str):
                raise NmtError(f"{place}: hypothesis {rank} has no 'text'; {_REMEDY}")
            if not _is_finite(hypothesis.get("score")):
                raise NmtError(f"{place}: hypothesis {rank} has no 'score' that is a finite number; {_REMEDY}")
        yield NBestList(values["source"], values, tuple(found))


def check_sources(
    lists: Iterable[NBestList], sources: Iterable[str], name: str, source_name: str
) -> Iterator[NBestList]:
    """Yield the lists. Raise `NmtError` at the first whose source is not the line of the file with the same number."""
    rest, number = iter(sources), 0
    for number, each in enumerate(lists, 1):
        line = next(rest, None)
        if line is None:
            raise NmtError(f"{name} has more lists than {source_name} has lines ({number - 1:,}); give its own sources")
        if one_line(line) != each.source:
            raise NmtError(
                f"{name}, line {number:,}: the list is of {each.source!r:.60}, but line {number:,} of {source_name} is "
                f"{line!r:.60}; give the sources that the list was made from, in the same order"
            )
        yield each
    if next(rest, None) is not None:
        raise NmtError(f"{name} has {number:,} lists, but {source_name} has more lines; give the complete list")


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
