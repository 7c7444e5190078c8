"""Bytes to lines of text and back, one line in for one line out, whatever the bytes are.

Only b"\\n" ends a line. Everything else that some reader could take for a line break stays inside its line.
"""

import codecs
import gzip
import io
import re
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from nmt import config
from nmt.errors import NmtError

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
_SURROGATE = re.compile("[\ud800-\udfff]")


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a UTF-8 file, plain or gzip (told by its first bytes), without their ends.

    Invalid bytes become U+FFFD; a final "\\r" of each line and a byte order mark at the start are removed; the last
    line counts with or without a newline. Raises `NmtError` for a missing or unreadable file, UTF-16, broken gzip, and
    what is compressed in another way.
    """
    with open_binary(path) as file:
        yield from _decode(file.readline, str(path))


def stream_lines(stream: BinaryIO) -> Iterator[str]:
    """Yield the lines of a stream such as stdin like `read_lines`, each as soon as it is complete."""
    return _decode(stream.readline, "standard input")


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


def _decode(readline: Callable[[], bytes], name: str) -> Iterator[str]:
    is_first = True
    while raw := readline():
        if is_first:
            is_first = False
            if raw.startswith(_UTF16):
                raise NmtError(f"{name}: this is UTF-16 text; convert it: iconv -f UTF-16 -t UTF-8")
            if remedy := next((unpack for magic, unpack in _COMPRESSED.items() if raw.startswith(magic)), None):
                raise NmtError(f"{name}: this is compressed; unpack it: {remedy} FILE > TEXT")
            raw = raw.removeprefix(codecs.BOM_UTF8)
        if raw.endswith(b"\n"):
            raw = raw[:-1]
        if raw.endswith(b"\r"):
            raw = raw[:-1]
        yield raw.decode("utf-8", errors="replace")


def normalize(text: str, data: config.Data) -> str:
    """Clean a line as `data` says: Unicode normalisation, white space, case. Applying it twice changes nothing."""
    text = _unicode(text, data)
    if data.collapse_whitespace:
        text = " ".join(_CONTROL.sub(" ", text).split())
    if data.lowercase:
        # Lower-casing can leave a letter and its accent apart where only the small letter has a composed form.
        text = _unicode(text.lower(), data)
    return text


def _unicode(text: str, data: config.Data) -> str:
    if data.normalization == "none" or text.isascii():
        return text
    return unicodedata.normalize("NFC" if data.normalization == "nfc" else "NFKC", text)


def one_line(text: str) -> str:
    """Make `text` safe to print as one line: what any reader could take for a line break, and NUL, become a space."""
    return _SURROGATE.sub("\ufffd", _BREAK.sub(" ", text))
