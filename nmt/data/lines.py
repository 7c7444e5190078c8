"""Read lines of UTF-8 text from files (also gzip) or standard input, and normalise a line.

Only b"\\n" ends a line; other characters that some programs take for line breaks stay in the line. A line that is not
valid UTF-8 is an error, unless the caller gives an `InvalidLines` that counts such lines.
"""

import codecs
import gzip
import html
import io
import re
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

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
"""The first bytes of compressed files, and the commands that unpack them."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_BREAK = re.compile("[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029\x00]")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_MAX_UNESCAPE_PASSES = 10
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass
class InvalidLines:
    """Counts lines that are not valid UTF-8, or have so many NUL characters that they are probably UTF-16."""

    name: str
    """The file name for messages."""
    lines: int = 0
    """Lines read so far."""
    invalid: int = 0
    """Invalid lines among them."""
    first: int = 0
    """Number of the first invalid line, from 1; 0 if there is none."""

    def decode(self, raw: bytes) -> str:
        """Return the text of the next line, with U+FFFD for invalid bytes, and count it."""
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
        """Return the message for the user: what is wrong and what to do."""
        name = self.name if self.name != _STDIN else "FILE"
        return (
            f"{self.name}: {self.invalid:,} of {self.lines:,} lines are not valid UTF-8, the first is line "
            f"{self.first:,}; convert the text: iconv -f ENCODING -t UTF-8 {name} > NEW (ENCODING is the encoding of "
            "the file, often WINDOWS-1252, ISO-8859-1, GB18030 or SHIFT_JIS)"
        )


def read_lines(path: Path, invalid: InvalidLines | None = None) -> Iterator[str]:
    """Yield the lines of a UTF-8 file, plain or gzip (recognised by its first bytes), without line ends.

    A final "\\r" and byte order marks at the beginning of a line are removed. The last line counts with or without a
    newline. If `invalid` is given, lines that are not valid UTF-8 are counted in it, and U+FFFD replaces their invalid
    bytes. Otherwise they raise NmtError: at the end of a regular file, with their number; at once for a FIFO. Raise
    NmtError also for a missing or unreadable file, for UTF-16, damaged gzip and other compression formats.
    """
    with open_binary(path) as file:
        yield from decode_lines(file.readline, str(path), invalid, is_live=not path.is_file())


def stream_lines(stream: BinaryIO, invalid: InvalidLines | None = None, is_live: bool = False) -> Iterator[str]:
    """Yield the lines of standard input like `read_lines`, each line as soon as it is complete.

    Invalid lines raise NmtError at the end of the stream, with their number; at once if the stream `is_live`.
    """
    return decode_lines(stream.readline, _STDIN, invalid, is_live)


@contextmanager
def open_binary(path: Path) -> Iterator[BinaryIO]:
    """Open `path` for reading bytes in the block; gzip is decompressed.

    Raise NmtError if the file cannot be opened, or cannot be read in the block.
    """
    with ExitStack() as stack, convert_read_errors(path):
        yield open_seekable(path, stack)


def open_seekable(path: Path, stack: ExitStack) -> BinaryIO:
    """Open `path` for reading bytes until `stack` is closed; gzip is decompressed. Raise NmtError if that fails.

    In a gzip file `seek` decompresses up to the position, from the beginning if the position is behind the file's.
    """
    try:
        file = stack.enter_context(path.open("rb"))
    except FileNotFoundError:
        raise NmtError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise NmtError(f"{path}: is a folder, not a text file") from None
    except OSError as error:
        raise NmtError(f"{path}: cannot be opened: {error.strerror}") from None
    with convert_read_errors(path):
        is_gzip = file.peek(2)[:2] == _GZIP
    return io.BufferedReader(gzip.GzipFile(fileobj=file)) if is_gzip else file


@contextmanager
def convert_read_errors(path: Path) -> Iterator[None]:
    """Turn the errors of reading the file `path` in this context into `NmtError`."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise NmtError(f"{path}: damaged or truncated gzip file; copy or download it again") from None
    except OSError as error:
        raise NmtError(f"{path}: cannot be read: {error.strerror}") from None


def decode_lines(
    readline: Callable[[], bytes], name: str, invalid: InvalidLines | None = None, is_live: bool = False
) -> Iterator[str]:
    """Yield the decoded lines that `readline` returns, as `read_lines` does.

    If `invalid` has counted lines before, the first line is not checked for other encodings of a whole file.
    """
    counts = InvalidLines(name) if invalid is None else invalid
    while raw := readline():
        if not counts.lines:
            check_encoding(raw, name)
        line = counts.decode(_strip_marks(raw))
        if counts.invalid and invalid is None:
            while not is_live and (raw := readline()):
                counts.decode(_strip_marks(raw))
            raise NmtError(str(counts))
        yield line


def _strip_marks(raw: bytes) -> bytes:
    """Return a line without its line end and without byte order marks before it, which `cat` leaves between files."""
    raw = raw.removesuffix(b"\n").removesuffix(b"\r")
    while raw.startswith(codecs.BOM_UTF8):
        raw = raw.removeprefix(codecs.BOM_UTF8)
    return raw


def check_encoding(raw: bytes, name: str) -> None:
    """Raise NmtError if the first line of a text shows that it is UTF-16 or compressed."""
    if raw.startswith(_UTF16) or _is_filled_with_nul(raw):
        encoding = "UTF-16" if raw.startswith(_UTF16) else "UTF-16BE" if raw.startswith(b"\0") else "UTF-16LE"
        raise NmtError(f"{name}: this is UTF-16 text, not UTF-8; convert it: iconv -f {encoding} -t UTF-8")
    if remedy := next((unpack for magic, unpack in _COMPRESSED.items() if raw.startswith(magic)), None):
        raise NmtError(f"{name}: this is compressed; unpack it: {remedy} COMPRESSED > TEXT")


def _is_filled_with_nul(raw: bytes) -> bool:
    """Return whether at least a quarter of a line of four bytes or more is NUL, as in UTF-16 and UTF-32."""
    return len(raw) >= 4 and raw.count(0) * 4 >= len(raw)


class Normalization(Protocol):
    """How lines are normalised: the keys of `config.Data`, or of the settings of a model."""

    @property
    def normalization(self) -> str:
        """The Unicode normalisation: none, nfc or nfkc."""

    @property
    def collapse_whitespace(self) -> bool:
        """Whether each run of white space and control characters becomes one space."""

    @property
    def lowercase(self) -> bool:
        """Whether letters become small."""

    @property
    def unescape_html(self) -> bool:
        """Whether HTML entities become characters."""


def normalize(text: str, data: Normalization) -> str:
    """Normalise a line as `data` says: HTML entities, Unicode normalisation, white space, case.

    A normalised line is not changed by a second call.
    """
    if data.unescape_html:
        text = unescape_html(text)
    text = _normalize_unicode(text, data)
    if data.collapse_whitespace:
        text = " ".join(_CONTROL.sub(" ", text).split())
    if data.lowercase:
        # Lower-casing can leave a letter and its accent apart if only the small letter has a composed form.
        text = _normalize_unicode(text.lower(), data)
    return text


def unescape_html(text: str) -> str:
    """Return `text` with HTML entities replaced by their characters, also if escaped several times (&amp;amp;).

    An entity for a line break becomes a space.
    """
    for _ in range(_MAX_UNESCAPE_PASSES):
        if "&" not in text or (plain := html.unescape(text)) == text:
            break
        text = one_line(plain)
    return text


def html_entity(text: str) -> str | None:
    """Return the first HTML entity of a text, such as &apos; or &#39;; None if there is none."""
    if "&" not in text:
        return None
    found = (match[0] for match in _ENTITY.finditer(text))
    return next((entity for entity in found if html.unescape(entity) != entity), None)


def _normalize_unicode(text: str, data: Normalization) -> str:
    if data.normalization == "none" or text.isascii():
        return text
    return unicodedata.normalize("NFC" if data.normalization == "nfc" else "NFKC", text)


def one_line(text: str) -> str:
    """Make `text` safe to print as one line: replace all kinds of line breaks, and NUL, by spaces."""
    return _SURROGATE.sub("\ufffd", _BREAK.sub(" ", text))
