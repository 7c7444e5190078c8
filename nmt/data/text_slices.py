"""Cut aligned text files into slices of lines that worker processes read themselves, at places known from one pass.

A worker cannot start in the middle of a compressed file, so slices of such a file carry their text.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from nmt.data.lines import InvalidLines, open_binary, split_lines
from nmt.data.manifest import InputFile, inspect_file
from nmt.errors import NmtError

LINES_PER_MARK = 1 << 10


@dataclass(frozen=True)
class IndexedFile:
    """An input file, and where in its text every `lines_per_mark`-th line begins."""

    entry: InputFile
    lines_per_mark: int
    marks: npt.NDArray[np.int64]
    """(ceil(lines / lines_per_mark) + 1,) offsets in bytes, 0 and the end of the text included."""
    is_compressed: bool


@dataclass(frozen=True)
class TextSlice:
    """Consecutive lines of a file."""

    path: Path
    start: int
    """Offset in bytes in the text."""
    size: int
    lines: int
    content: bytes | None
    """The lines, if the file is compressed."""

    def read(self, invalid: InvalidLines) -> list[str]:
        """Return the lines as `read_lines` does; count those that are not valid UTF-8."""
        content = self.content
        if content is None:
            with open_binary(self.path) as file:
                file.seek(self.start)
                content = file.read(self.size)
        lines = split_lines(content, invalid)
        if len(lines) != self.lines:
            raise NmtError(f"{self.path}: the file changed while it was read; run nmt preprocess again")
        return lines


class _Marks:
    """Collects the offset of every `LINES_PER_MARK`-th line of a text that is read block by block."""

    def __init__(self) -> None:
        self.offsets = [np.zeros(1, np.int64)]
        self.bytes = self._lines = 0

    def add(self, block: bytes) -> None:
        ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))
        first = LINES_PER_MARK - 1 - self._lines % LINES_PER_MARK
        self.offsets.append(ends[first::LINES_PER_MARK] + (self.bytes + 1))
        self._lines += len(ends)
        self.bytes += len(block)


def index_file(path: Path) -> IndexedFile:
    """Read a file once, for the facts of the manifest and for slices."""
    marks = _Marks()
    entry = inspect_file(path, marks.add)
    offsets = np.concatenate(marks.offsets)
    if offsets[-1] != marks.bytes:  # the last lines
        offsets = np.append(offsets, marks.bytes)
    return IndexedFile(entry, LINES_PER_MARK, offsets, is_compressed=entry.size != marks.bytes)


def cut(files: tuple[IndexedFile, IndexedFile], most_lines: int, most_bytes: int) -> Iterator[tuple[TextSlice, ...]]:
    """Yield slices of two files with the same number of lines, at most `most_lines` and about `most_bytes` each."""
    lines, marks, step = files[0].entry.lines, len(files[0].marks) - 1, files[0].lines_per_mark
    with ExitStack() as stack:
        streams = [stack.enter_context(open_binary(Path(f.entry.path))) if f.is_compressed else None for f in files]
        start = 0
        while start < marks:
            stop = start + 1
            while stop < marks and (stop + 1 - start) * step <= most_lines:
                if sum(int(file.marks[stop + 1] - file.marks[start]) for file in files) > most_bytes:
                    break
                stop += 1
            count = min(lines, stop * step) - start * step
            yield tuple(_slice(file, stream, start, stop, count) for file, stream in zip(files, streams, strict=True))
            start = stop


def _slice(file: IndexedFile, stream: BinaryIO | None, start: int, stop: int, lines: int) -> TextSlice:
    begin, end = int(file.marks[start]), int(file.marks[stop])
    content = None if stream is None else stream.read(end - begin)
    return TextSlice(Path(file.entry.path), begin, end - begin, lines, content)
