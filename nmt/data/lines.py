"""Bytes to lines of text and back, one line in for one line out, whatever the bytes are.

Only b"\\n" ends a line. Everything else that some reader could take for a line break stays inside its line. Text is
UTF-8; a line that is not is an error, unless the caller gives an `InvalidLines` that counts such lines.
"""

import codecs
import gzip
import html
import io
import re
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from nmt import config
from nmt.errors import NmtError

_STDIN = "standard input"
_GZIP = b"\x1f\x8b"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_COMPRESSED = {
    _GZIP: "gzip -dc",
    b"\xfd7zXZ\x00": "xz -dc",
    b"\x28\xb5\x2f\xfd": "zstd -dc",
    b"PK\x03\x04": "unzip -p",
    **{b"BZh%d1AY&SY" % level: "bzip2 -dc" for level in range(1, 10)},
}
"""The first bytes of compressed files, and what unpacks them."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_BREAK = re.compile("[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029\x00]")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_MOST_ESCAPES = 10
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass
class InvalidLines:
    """Counts the lines of a text that are not valid UTF-8, or that are filled with NUL as UTF-16 is."""

    name: str
    """The file, as the user knows it."""
    lines: int = 0
    """Lines read so far."""
    invalid: int = 0
    """Those of them that are not valid."""
    first: int = 0
    """Number of the first invalid line, from 1; 0 where there is none."""

    def decode(self, raw: bytes) -> str:
        """Return the text of the next line, with U+FFFD in place of invalid bytes, and count it."""
        self.lines += 1
        try:
            text = raw.decode("utf-8")
            is_valid = b"\0" not in raw or not _is_filled_with_nul(raw)
        except UnicodeDecodeError:
            text, is_valid = raw.decode("utf-8", errors="replace"), False
        if not is_valid:
            self.invalid += 1
            self.first = self.first or self.lines
        return text

    def __str__(self) -> str:
        """Return the sentence that tells the user what is wrong and what to do."""
        name = self.name if self.name != _STDIN else "FILE"
        return (
            f"{self.name}: {self.invalid:,} of {self.lines:,} lines are not valid UTF-8, the first is line "
            f"{self.first:,}; convert the text: iconv -f ENCODING -t UTF-8 {name} > NEW (ENCODING is what it was saved "
            "in, often WINDOWS-1252, ISO-8859-1, GB18030 or SHIFT_JIS)"
        )


def read_lines(path: Path, invalid: InvalidLines | None = None) -> Iterator[str]:
    """Yield the lines of a UTF-8 file, plain or gzip (recognised by its first bytes), without their ends.

    A final "\\r" and a byte order mark at the beginning of each line are removed; the last line counts with or without
    a newline. Lines that are not valid UTF-8 are counted in `invalid`, and U+FFFD replaces their invalid bytes; without
    `invalid` they raise `NmtError` once the whole file is counted. `NmtError` also for a missing or unreadable file,
    for UTF-16, for damaged gzip, and for a file that is compressed in another way.
    """
    with open_binary(path) as file:
        yield from _decode(file.readline, str(path), invalid)


def stream_lines(stream: BinaryIO, invalid: InvalidLines | None = None, name: str = _STDIN) -> Iterator[str]:
    """Yield the lines of a stream such as stdin like `read_lines`, each as soon as it is complete."""
    return _decode(stream.readline, name, invalid)


@contextmanager
def open_binary(path: Path) -> Iterator[BinaryIO]:
    """Open `path` for reading bytes in the block, uncompressed where it is gzip.

    Raises `NmtError` where it cannot be opened, or read there.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise NmtError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise NmtError(f"{path}: is a folder, not a text file") from None
    except OSError as error:
        raise NmtError(f"{path}: cannot be opened: {error.strerror}") from None
    try:
        with file:
            if file.peek(2)[:2] == _GZIP:
                yield io.BufferedReader(gzip.GzipFile(fileobj=file))
            else:
                yield file
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise NmtError(f"{path}: damaged or truncated gzip file; copy or download it again") from None
    except OSError as error:
        raise NmtError(f"{path}: cannot be read: {error.strerror}") from None


def _decode(readline: Callable[[], bytes], name: str, invalid: InvalidLines | None) -> Iterator[str]:
    counts = InvalidLines(name) if invalid is None else invalid
    while raw := readline():
        if not counts.lines:
            _check_kind(raw, name)
        line = counts.decode(_without_marks(raw))
        if counts.invalid and invalid is None:
            while raw := readline():
                counts.decode(_without_marks(raw))
            raise NmtError(str(counts))
        yield line


def _without_marks(raw: bytes) -> bytes:
    """Return a line without its end and without byte order marks before it, such as `cat` leaves between files."""
    raw = raw.removesuffix(b"\n").removesuffix(b"\r")
    while raw.startswith(codecs.BOM_UTF8):
        raw = raw.removeprefix(codecs.BOM_UTF8)
    return raw


def _check_kind(raw: bytes, name: str) -> None:
    """Raise `NmtError` where the first line of a text shows that it is UTF-16 or compressed."""
    if raw.startswith(_UTF16) or _is_filled_with_nul(raw):
        encoding = "UTF-16" if raw.startswith(_UTF16) else "UTF-16BE" if raw.startswith(b"\0") else "UTF-16LE"
        raise NmtError(f"{name}: this is UTF-16 text, not UTF-8; convert it: iconv -f {encoding} -t UTF-8")
    if remedy := next((unpack for magic, unpack in _COMPRESSED.items() if raw.startswith(magic)), None):
        raise NmtError(f"{name}: this is compressed; unpack it: {remedy} FILE > TEXT")


def _is_filled_with_nul(raw: bytes) -> bool:
    """Return whether at least a quarter of a line of four bytes or more is NUL: UTF-16 or UTF-32 read as bytes."""
    return len(raw) >= 4 and raw.count(0) * 4 >= len(raw)


def normalize(text: str, data: config.Data) -> str:
    """Clean a line as `data` says: HTML entities, Unicode normalisation, white space, case.

    Applying it twice changes nothing.
    """
    if data.unescape_html:
        text = unescape_html(text)
    text = _unicode(text, data)
    if data.collapse_whitespace:
        text = " ".join(_CONTROL.sub(" ", text).split())
    if data.lowercase:
        # Lower-casing can leave a letter and its accent apart where only the small letter has a composed form.
        text = _unicode(text.lower(), data)
    return text


def unescape_html(text: str) -> str:
    """Return `text` with characters in place of HTML entities, also of those escaped several times (&amp;amp;).

    A line break that an entity stands for becomes a space.
    """
    for _ in range(_MOST_ESCAPES):
        if "&" not in text or (plain := html.unescape(text)) == text:
            break
        text = one_line(plain)
    return text


def html_entity(text: str) -> str | None:
    """Return the first HTML entity of a text, such as &apos; or &#39;, None where there is none."""
    if "&" not in text:
        return None
    found = (match[0] for match in _ENTITY.finditer(text))
    return next((entity for entity in found if html.unescape(entity) != entity), None)


def _unicode(text: str, data: config.Data) -> str:
    if data.normalization == "none" or text.isascii():
        return text
    return unicodedata.normalize("NFC" if data.normalization == "nfc" else "NFKC", text)


def one_line(text: str) -> str:
    """Make `text` safe to print as one line: what any reader could take for a line break, and NUL, become a space."""
    return _SURROGATE.sub("\ufffd", _BREAK.sub(" ", text))
