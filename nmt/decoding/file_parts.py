"""Divide input files into parts: the plan of `nmt translate --output-folder`.

A part is a number of consecutive lines of one file. Parts are independent of each other, so several processes can
translate them in any order. A file is read once to count its lines and to find where its parts begin.
"""

import itertools
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from nmt.data.lines import (
    InvalidLines,
    check_encoding,
    convert_read_errors,
    decode_lines,
    open_binary,
    open_seekable,
)
from nmt.errors import NmtError
from nmt.storage import checksums

_BLOCK_BYTES = 1 << 20
_NEWLINE = ord("\n")


@dataclass(frozen=True)
class CountedFile:
    """An input file whose lines have been counted."""

    path: Path
    size: int
    """In bytes, as stored."""
    mtime_ns: int
    """Time of modification in nanoseconds, to recognise an unchanged file without reading it."""
    sha256: str
    """Checksum of the file as stored, in hexadecimal."""
    lines: int
    lines_per_part: int
    starts: tuple[int, ...]
    """For each part the number of bytes before it, decompressed."""
    checksums: tuple[int, ...]
    """For each part the CRC-32 of its bytes, decompressed."""


@dataclass(frozen=True)
class FilePart:
    """Consecutive lines of an input file, which are translated together. It can be pickled."""

    source: Path
    """The input file."""
    output: str
    """The name of its output in the output folder."""
    number: int
    """Which part of the file it is, from 0."""
    first_line: int
    """Number of its first line in the file, from 0."""
    lines: int
    start: int
    """Bytes of the file before the part, decompressed."""
    checksum: int
    """CRC-32 of its bytes, decompressed."""
    file: Path
    """Where the translation of the part is written."""

    @property
    def is_compressed(self) -> bool:
        """Whether the output is compressed with gzip."""
        return self.output.endswith(".gz")


def count_parts(lines: int, lines_per_part: int) -> int:
    """Return the number of parts of a file; an empty file has none."""
    return -(-lines // lines_per_part)


def divide(counted: CountedFile, output: str, folder: Path) -> list[FilePart]:
    """Return the parts of a file, whose translations are written to `folder` as 000000, 000001, and so on."""
    size = counted.lines_per_part
    return [
        FilePart(
            source=counted.path,
            output=output,
            number=number,
            first_line=number * size,
            lines=min(size, counted.lines - number * size),
            start=start,
            checksum=checksum,
            file=folder / f"{number:06d}",
        )
        for number, (start, checksum) in enumerate(zip(counted.starts, counted.checksums, strict=True))
    ]


def count_lines(path: Path, lines_per_part: int, on_block: Callable[[int], None] = lambda size: None) -> CountedFile:
    """Read a file, plain or gzip, and return its number of lines and where its parts begin.

    `on_block` is called with the size of each block; it may raise an error to stop. Raise `NmtError` if the file is not
    a regular one, cannot be read, is damaged gzip, or is in another encoding than UTF-8 as a whole.
    """
    if path.exists() and not path.is_file():
        raise NmtError(f"{path}: is not a regular file; translate it alone, without --output-folder")
    with open_binary(path) as file:
        found = path.stat()
        counter = _PartCounter(lines_per_part)
        first = file.peek(_BLOCK_BYTES) if hasattr(file, "peek") else b""
        check_encoding(first.partition(b"\n")[0], str(path))
        while block := file.read(_BLOCK_BYTES):
            on_block(len(block))
            counter.add(block)
    lines = counter.finish()
    return CountedFile(
        path=path,
        size=found.st_size,
        mtime_ns=found.st_mtime_ns,
        sha256=checksums.digest(path, lambda: on_block(0)),
        lines=lines,
        lines_per_part=lines_per_part,
        starts=tuple(counter.starts),
        checksums=tuple(counter.checksums),
    )


class _PartCounter:
    """Finds the parts of a text that it is given in blocks."""

    def __init__(self, lines_per_part: int) -> None:
        self._lines_per_part = lines_per_part
        self.starts: list[int] = []
        self.checksums: list[int] = []
        self._newlines = 0
        """Newlines so far."""
        self._bytes = 0
        self._is_open = False
        """Whether the last line has not ended."""

    def add(self, block: bytes) -> None:
        """Take the next bytes of the text."""
        ends = np.flatnonzero(np.frombuffer(block, np.uint8) == _NEWLINE) + 1
        view = memoryview(block)
        begin = used = 0
        while begin < len(block):
            if self._newlines % self._lines_per_part == 0 and not self._is_open:
                self.starts.append(self._bytes + begin)
                self.checksums.append(0)
            missing = self._lines_per_part - self._newlines % self._lines_per_part
            last = used + missing - 1  # the newline that ends the part
            end = int(ends[last]) if last < len(ends) else len(block)
            self.checksums[-1] = zlib.crc32(view[begin:end], self.checksums[-1])
            found = min(missing, len(ends) - used)
            self._newlines += found
            used += found
            self._is_open = block[end - 1] != _NEWLINE
            begin = end
        self._bytes += len(block)

    def finish(self) -> int:
        """Return the number of lines; the last one counts with or without a newline."""
        return self._newlines + self._is_open


class PartReader(AbstractContextManager["PartReader"]):
    """Reads the lines of parts. It keeps the last file open: in a gzip file, reading on saves decompressing it again.

    Use it in one thread.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._path: Path | None = None
        self._file: BinaryIO

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the open file, if there is one."""
        self._path = None
        self._stack.close()

    def read(self, part: FilePart, invalid: InvalidLines) -> Iterator[str]:
        """Yield the lines of a part. Lines that are not valid UTF-8 are counted in `invalid`.

        Raise `NmtError` if the file cannot be read, or, after the last line, if they are not the lines that were
        counted.
        """
        checksum = 0

        def readline() -> bytes:
            nonlocal checksum
            raw = self._file.readline()
            checksum = zlib.crc32(raw, checksum)
            return raw

        try:
            if self._path != part.source:
                self.close()
                self._file = open_seekable(part.source, self._stack)
                self._path = part.source
            with convert_read_errors(part.source):
                self._file.seek(part.start)
                yield from itertools.islice(decode_lines(readline, str(part.source), invalid), part.lines)
        except NmtError:
            self.close()  # a gzip file cannot be read after an error
            raise
        if checksum != part.checksum:
            self.close()
            raise NmtError(
                f"{part.source}: has changed since its lines were counted; give the same command again for what to do"
            )
