"""Lines with a structure that are read: JSON objects to translate, Moses n-best lists to score."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from nmt.decoding.source_lines import Request
from nmt.errors import NmtError

SEPARATOR = " ||| "
_BARS, _BAR = "|||", "&#124;"
_ESCAPED = re.compile(r"&((?:amp;)*)#124;")
_ESCAPED_TWICE = re.compile(r"&amp;((?:amp;)*)#124;|&#124;")
_FEATURES = re.compile(r"[^\s=]+=(?:\s|$)|[^\s=]+=\S")


def escape(text: str) -> str:
    """Return `text` without ``|||``, which separates the fields of an n-best list; `unescape` undoes it."""
    return _ESCAPED.sub(r"&amp;\1#124;", text).replace(_BARS, _BAR * len(_BARS))


def unescape(text: str) -> str:
    """Undo `escape`."""
    return _ESCAPED_TWICE.sub(lambda found: "|" if found[0] == _BAR else f"&{found[1]}#124;", text)


@dataclass(frozen=True)
class NBestEntry:
    """A line of an n-best list: ``number ||| text ||| features ||| score``, and perhaps an alignment."""

    number: int
    """Number of the source line, from 0."""
    text: str
    rest: tuple[str, ...]
    """The fields after the text, as they are."""
    head: str
    """The first two fields, as they are."""

    def with_feature(self, value: float) -> str:
        """Return the line with one more feature, which gets the first free name of F0, F1, and so on."""
        fields = list(self.rest)
        place = next((i for i, field in enumerate(fields) if _FEATURES.match(field.strip())), None)
        there = "" if place is None else fields[place].strip()
        number = next(n for n in range(len(there) + 1) if f"F{n}=" not in there)
        added = f"{there} F{number}= {value:.6f}".lstrip()
        if place is None:
            fields.insert(0, added)
        else:
            fields[place] = added
        return SEPARATOR.join([self.head, *fields]).rstrip(" ")


def read_n_best(lines: Iterable[str], name: str) -> Iterator[NBestEntry]:
    """Yield the entries of the Moses n-best list `name`; raises `NmtError` naming the line that is not an entry."""
    before = 0
    for line_number, line in enumerate(lines, 1):
        first, *fields = line.split(_BARS)
        if not fields or not first.strip().isdecimal():
            raise NmtError(
                f"{name}, line {line_number:,}: not an entry of an n-best list, such as '0 ||| text ||| F0= -0.78 ||| "
                "-0.13'; plain translations need --target-format text"
            )
        number = int(first)
        if number < before:
            raise NmtError(
                f"{name}, line {line_number:,}: entry of sentence {number} after one of {before}; sort the list: "
                "sort -n -s"
            )
        before = number
        text = fields[0].removeprefix(" ").removesuffix(" ")
        rest = tuple(field.strip() for field in fields[1:])
        yield NBestEntry(number, unescape(text), rest, f"{first.strip()}{SEPARATOR}{text}")


def with_sources(
    entries: Iterable[NBestEntry], sources: Iterable[str], name: str, source_name: str
) -> Iterator[tuple[str, NBestEntry]]:
    """Yield each entry of the list `name` after its source line; raises `NmtError` if there is none."""
    remaining = iter(sources)
    count, source = 0, ""
    for line, entry in enumerate(entries, 1):
        while count <= entry.number:
            found = next(remaining, None)
            if found is None:
                raise NmtError(
                    f"{name}, line {line:,}: entry of sentence {entry.number}, counted from 0, but {source_name} has "
                    f"{count:,} lines"
                )
            count, source = count + 1, found
        yield source, entry


def read_objects(lines: Iterable[str], name: str, first: int = 0) -> Iterator[Request]:
    """Yield what each line of `name`, a JSON object, asks for; `first` is the number of the first line.

    ``source`` is the text to translate; ``prefix`` and ``tag`` are for this line alone. Raises `NmtError` naming the
    line that is not such an object.
    """
    for number, line in enumerate(lines, first + 1):
        place = f"{name}, line {number:,}"
        try:
            values = json.loads(line, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            raise NmtError(f"{place}: not JSON ({reason}); give an object a line, such as {_EXAMPLE}") from None
        if not isinstance(values, dict) or not isinstance(values.get("source"), str):
            raise NmtError(f"{place}: not an object with the text to translate under 'source', such as {_EXAMPLE}")
        for key in ("prefix", "tag"):
            if not isinstance(values.get(key, ""), str):
                raise NmtError(f"{place}: '{key}' must be text, not {json.dumps(values[key])[:40]}")
        yield Request(values["source"], values.get("prefix", ""), values.get("tag", ""), values)


_EXAMPLE = '{"id": 7, "source": "A dog runs."}'


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")
