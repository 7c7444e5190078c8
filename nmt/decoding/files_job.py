"""What the user chooses for the translation of many files: the files, the folder, the size of parts, and the share."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LINES_PER_PART = 10_000
"""Default number of lines of a part. On two CPU cores it takes about a minute, which is what an interruption loses.
Smaller parts make more files, and search sorts fewer lines by length; larger ones are shared less evenly."""


@dataclass(frozen=True)
class Shard:
    """The share of one of several processes: the parts number, number + count, number + 2 count, …"""

    number: int = 1
    """From 1."""
    count: int = 1

    def owns(self, index: int) -> bool:
        """Return whether the part with this index among the parts of all files, from 0, belongs to the shard."""
        return index % self.count == self.number - 1


@dataclass(frozen=True)
class FilesJob:
    """The input files and the output folder of a translation."""

    inputs: Sequence[Path]
    """Absolute paths, from `find_inputs`."""
    folder: Path
    lines_per_part: int = LINES_PER_PART
    shard: Shard | None = None
    """The share of this process; None for all parts."""
