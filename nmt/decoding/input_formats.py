"""Read and write structured lines: JSON objects to translate (JSONL), and Moses n-best lists to score."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from nmt.decoding.source_lines import InputLine
from nmt.errors import NmtError

SEPARATOR = " ||| "
_BARS, _ESCAPED_BAR = "|||", "&#124;"
_ESCAPED = re.compile(r"&((?:amp;)*)#124;")
_ESCAPED_TWICE = re.compile(r"&amp;((?:amp;)*)#124;|&#124;")
_FEATURES = re.compile(r"[^\s=]+=(?:\s|$)|[^\s=]+=\S")
_EXAMPLE = '{"id": 7, "source": "A dog runs."}'


def escape(text: str) -> str:
    """Return `text` without ``|||``, which separates the fields of an n-best list; `unescape` reverses it."""
    return _ESCAPED.sub(r"&amp;\1#124;", text).replace(_BARS, _ESCAPED_BAR * len(_BARS))


def unescape(text: str) -> str:
    """Reverse `escape`."""
    return _ESCAPED_TWICE.sub(lambda found: "|" if found[0] == _ESCAPED_BAR else f"&{found[1]}#124;", text)


@dataclass(frozen=True)
class NBestEntry:
    """A line of an n-best list: ``number ||| text ||| features ||| score``, possibly with an alignment."""

    number: int
    """Number of the source line, from 0."""
    text: str
    first_fields: str
    """The number and the text as they were read."""
    other_fields: tuple[str, ...]
    """The fields after the text, without spaces around them."""

    def with_feature(self, value: float) -> str:
        """Return the line with one more feature, which gets the first unused name of F0, F1, and so on."""
        fields = list(self.other_fields)
        found = [(index, field) for index, field in enumerate(fields) if _FEATURES.match(field)]
        index, features = found[0] if found else (0, "")
        number = next(n for n in range(len(features) + 1) if f"F{n}=" not in features)
        # Replace the field with the features, or insert one after the text.
        fields[index : index + len(found[:1])] = [f"{features} F{number}= {value:.6f}".lstrip()]
        return SEPARATOR.join([self.first_fields, *fields]).rstrip(" ")


def read_n_best(lines: Iterable[str], name: str) -> Iterator[NBestEntry]:
    """Yield the entries of the Moses n-best list `name`. Raise `NmtError` that names a line that is not an entry."""
    before = 0
    for line_number, line in enumerate(lines, 1):
        first, *fields = line.split(_BARS)
        if not fields or not first.strip().isdecimal():
            raise NmtError(
                f"{name}, line {line_number:,}: not an entry of an n-best list, such as '0 ||| text ||| F0= -0.78 ||| "
                "-0.13'; for plain translations use --target-format text"
            )
        number = int(first)
        if number < before:
            raise NmtError(
                f"{name}, line {line_number:,}: entry of sentence {number} after one of {before}; sort the list: "
                "sort -n -s"
            )
        before = number
        text = fields[0].removeprefix(" ").removesuffix(" ")
        other_fields = tuple(field.strip() for field in fields[1:])
        yield NBestEntry(number, unescape(text), f"{first.strip()}{SEPARATOR}{text}", other_fields)


def pair_with_sources(
    entries: Iterable[NBestEntry], sources: Iterable[str], name: str, source_name: str
) -> Iterator[tuple[str, NBestEntry]]:
    """Yield the source line of each entry of the list `name`, and the entry. Raise `NmtError` if it has none."""
    numbered = enumerate(sources, 1)
    count, source = 0, ""
    for line_number, entry in enumerate(entries, 1):
        while count <= entry.number:
            try:
                count, source = next(numbered)
            except StopIteration:
                raise NmtError(
                    f"{name}, line {line_number:,}: entry of sentence {entry.number}, counted from 0, but "
                    f"{source_name} has {count:,} lines"
                ) from None
        yield source, entry


def read_json_lines(lines: Iterable[str], name: str, first: int = 0) -> Iterator[InputLine]:
    """Yield the line to translate of each JSON object in `lines`; `first` is the number of the first line, from 0.

    ``source`` is the text to translate; ``prefix`` and ``tag`` apply to this line only. Raise `NmtError` that names
    a line that is not such an object.
    """
    for number, line in enumerate(lines, first + 1):
        place = f"{name}, line {number:,}"
        try:
            values = json.loads(line, parse_constant=_reject_constant)
        except (ValueError, RecursionError) as error:
            reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            raise NmtError(f"{place}: not JSON ({reason}); give one object per line, such as {_EXAMPLE}") from None
        if not isinstance(values, dict) or not isinstance(values.get("source"), str):
            raise NmtError(f"{place}: not an object with the text to translate under 'source', such as {_EXAMPLE}")
        for key in ("prefix", "tag"):
            if not isinstance(values.get(key, ""), str):
                raise NmtError(f"{place}: '{key}' must be text, not {json.dumps(values[key])[:40]}")
        yield InputLine(values["source"], values.get("prefix", ""), values.get("tag", ""), values)


def _reject_constant(constant: str) -> Any:
    """Raise ValueError for NaN and infinite numbers, which Python accepts but JSON does not have."""
    raise ValueError(f"{constant} is not JSON")
