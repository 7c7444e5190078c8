"""Files with the translations of parts: written atomically, checked, and joined to the output.

A file begins with a header of `HEADER_BYTES`, a JSON object that is filled with spaces; the translation follows. If the
output is compressed, the translation is a gzip member: joined members are one gzip file (RFC 1952, section 2.2). Header
and translation are one file, so they always belong together, even if two workers translate the same part.
"""

import contextlib
import gzip
import hashlib
import json
import logging
import os
import secrets
import socket
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from nmt.decoding.file_parts import FilePart
from nmt.errors import NmtError
from nmt.storage.atomic_files import replace_on_success
from nmt.storage.json_text import parse_json
from nmt.storage.locks import is_locked, lock_file

HEADER_BYTES = 1024
_BLOCK_BYTES = 1 << 20
_COMPRESSION_LEVEL = 6

logger = logging.getLogger(__name__)


class DamagedPart(NmtError):
    """The file of a part is not what was written."""

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(f"{file}: damaged: {reason}")
        self.file = file

    def remove(self) -> None:
        """Remove the file, so that the part is translated again; log a warning."""
        logger.warning(f"{self}; removed, so that it is translated again")
        self.file.unlink(missing_ok=True)


@dataclass
class PartHeader:
    """What is known about the translation of a part."""

    lines: int
    """Lines of the input."""
    output_lines: int = 0
    bytes: int = 0
    """Size of the translation as stored."""
    sha256: str = ""
    """Its checksum."""
    tokens: int = 0
    """Target tokens generated."""
    invalid_lines: int = 0
    """Lines of the input that are not valid UTF-8."""
    first_invalid: int = 0
    """Number of the first of them in its file, from 1; 0 if there is none."""
    long_lines: int = 0
    """Lines that are longer than the training lines."""
    first_long: int = 0
    """Number of the first of them in its file, from 1; 0 if there is none."""
    typical_length: int | None = None
    """The number of source tokens from which on a line is long; None if it is not known."""
    words: int = 0
    """Words of the input, if the words of the training text are known."""
    unseen_words: int = 0
    """Those that are not in the training text."""
    first_unseen: int = 0
    """Number of the first line with such a word in its file, from 1; 0 if there is none."""
    usual_share: float = 1.0
    """The share of such words above which text is unusual."""
    sampled_pairs: int | None = None
    """The number of pairs whose words are known; None if they are those of all training pairs."""
    worker: str = ""
    """Host name and process that translated the part."""


class HashedFile:
    """Passes what is written on to a file, and counts and hashes it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.bytes = 0
        """Bytes written."""

    def write(self, data: bytes) -> int:
        """Write bytes; return their number."""
        self._file.write(data)
        self._hash.update(data)
        self.bytes += len(data)
        return len(data)

    def flush(self) -> None:
        """Do what `GzipFile` needs."""
        self._file.flush()

    def hexdigest(self) -> str:
        """Return the SHA-256 of what has been written, in hexadecimal."""
        return self._hash.hexdigest()


class PartWriter:
    """Writes the translation of a part; opened by `write_part`."""

    def __init__(self, file: BinaryIO, is_compressed: bool, header: PartHeader) -> None:
        self.header = header
        self._file = file
        file.seek(HEADER_BYTES)
        self._hashed = HashedFile(file)
        self._gzip = _open_gzip(self._hashed) if is_compressed else None

    def write(self, text: str) -> None:
        """Write the output of a line."""
        (self._gzip or self._hashed).write(text.encode())
        self.header.output_lines += text.count("\n")

    def finish(self) -> None:
        """Write the rest of the translation, and the header."""
        if self._gzip is not None:
            self._gzip.close()
        self.header.bytes, self.header.sha256 = self._hashed.bytes, self._hashed.hexdigest()
        text = json.dumps(asdict(self.header)).encode()
        self._file.seek(0)
        self._file.write(text.ljust(HEADER_BYTES - 1) + b"\n")


@contextlib.contextmanager
def write_part(part: FilePart) -> Iterator[PartWriter]:
    """Yield the writer of a part, whose file appears when the block succeeds. Raise OSError if it cannot be written.

    Several processes may write the same part at the same time: each has a temporary file of its own. Its name has the
    host and the process, and the file is locked, so that others see who works on the part.
    """
    temporary = part.file.with_name(f".{part.file.name}.{worker_name()}.{secrets.token_hex(4)}.tmp")
    with replace_on_success(part.file, temporary, lock_file(temporary)) as file:
        writer = PartWriter(file, part.is_compressed, PartHeader(part.lines, worker=worker_name()))
        yield writer
        writer.finish()


def worker_name() -> str:
    """Return the host name and the number of this process, such as node7:4711."""
    return f"{socket.gethostname().partition('.')[0]}:{os.getpid()}"


def workers_of(file: Path) -> list[str]:
    """Return the running processes that write the part `file`, as far as the file system can tell.

    A host on which a process has been killed may hold its locks for some time on a network file system.
    """
    found = []
    for path in file.parent.glob(f".{file.name}.*.tmp"):
        if is_locked(path):
            found.append(path.name.removeprefix(f".{file.name}.").rsplit(".", 2)[0])
    return sorted(found)


def read_header(part: FilePart) -> PartHeader | None:
    """Return the header of the file of a part; None if there is no such file, or a damaged one, which is removed."""
    try:
        with part.file.open("rb") as opened:
            return _parse_header(opened, part)
    except FileNotFoundError:
        return None
    except DamagedPart as error:
        error.remove()
        return None


def copy_part(part: FilePart, target: HashedFile | None = None) -> PartHeader:
    """Check the translation in the file of a part, append it to `target`, and return its header.

    Raise `DamagedPart`, and OSError if the file cannot be read or `target` cannot be written.
    """
    found, size = hashlib.sha256(), 0
    with part.file.open("rb") as opened:
        header = _parse_header(opened, part)
        while block := opened.read(_BLOCK_BYTES):
            found.update(block)
            size += len(block)
            if target is not None:
                target.write(block)
    if (size, found.hexdigest()) != (header.bytes, header.sha256):
        raise DamagedPart(part.file, "its checksum is wrong")
    return header


def join_parts(parts: Sequence[FilePart], target: HashedFile, is_compressed: bool) -> list[PartHeader]:
    """Write the translations of all parts of a file to `target`, in order; return their headers. Raises as `copy_part`.

    Without parts the file is empty; compressed, an empty gzip file.
    """
    if is_compressed and not parts:
        _open_gzip(target).close()
    return [copy_part(part, target) for part in parts]


def _open_gzip(file: HashedFile) -> gzip.GzipFile:
    """Open a gzip member for writing, without a file name and a time, so that the same text gives the same bytes."""
    return gzip.GzipFile("", "wb", _COMPRESSION_LEVEL, file, mtime=0)


def _parse_header(opened: BinaryIO, part: FilePart) -> PartHeader:
    try:
        header = PartHeader(**parse_json(opened.read(HEADER_BYTES)))
    except (ValueError, TypeError):
        raise DamagedPart(part.file, "it has no header") from None
    if header.lines != part.lines:
        raise DamagedPart(part.file, f"made from {header.lines} lines, not {part.lines}")
    return header
