"""Plain text tables for the terminal."""

import unicodedata
from collections.abc import Sequence


def width(text: str) -> int:
    """Return the width of `text` in terminal cells; Chinese characters take two."""
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def table(rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> str:
    """Return `rows` with aligned columns, two spaces apart; columns whose index is in `right` are right-aligned."""
    widths = [max(width(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = []
        for n, cell in enumerate(row):
            gap = " " * (widths[n] - width(cell))
            cells.append(gap + cell if n in right else cell + gap)
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
