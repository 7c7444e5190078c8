"""Text files for tests."""

from collections.abc import Iterable
from pathlib import Path


def write_lines(path: Path | str, lines: Iterable[str]) -> Path:
    """Write `lines` to `path` in UTF-8, each with a newline at its end, and return the path."""
    path = Path(path)
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
    return path
