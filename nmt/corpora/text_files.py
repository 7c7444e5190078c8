"""Open a text file of any usual encoding and compression, and read its lines.

UTF-8, UTF-16 and UTF-32 are recognised by their byte order mark or their bytes. Text that is not UTF-8 is read as
Windows-1252 (which contains Latin-1) if that gives plausible words; otherwise the user must name the encoding.
"""

import bz2
import codecs
import io
import lzma
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from nmt.data.lines import open_binary
from nmt.errors import NmtError

MAX_LINE_CHARACTERS = 1_000_000
"""A longer line is an error: the file is probably not text with one sentence per line."""
MAX_INVALID_SHARE = 0.01
"""Largest share of lines with invalid bytes in a UTF-8 file; they are left out."""
_BLOCK_BYTES = 1 << 20
_SAMPLE_BYTES = 1 << 16
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
"""Byte order marks with their encodings; the mark of UTF-32-LE begins with that of UTF-16-LE."""
_SPREADSHEET = "is a spreadsheet or an archive, not text; save the table as 'CSV UTF-8' or as tab-separated text"
_NOT_TEXT = {
    b"PK\x03\x04": _SPREADSHEET,
    b"\xd0\xcf\x11\xe0": _SPREADSHEET,
    b"%PDF": "is a PDF, not text; give a text file with one pair of sentences in each line",
    b"\x28\xb5\x2f\xfd": "is compressed with zstd; unpack it: zstd -d",
    b"7z\xbc\xaf\x27\x1c": "is a 7z archive; unpack it",
    b"Rar!": "is a RAR archive; unpack it",
}
"""The first bytes of files that are not text, and what they are."""
_CONTROL = re.compile(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f]")
_SYMBOL_IN_WORD = re.compile(r"[^\W\d_][^\w\s'’´`.-][^\W\d_]")
_CAPITAL_IN_WORD = re.compile(r"[a-zß-öø-ÿ][À-ÖØ-Þ][a-zß-öø-ÿ]")
ENCODING_REMEDY = (
    "name it with --encoding, for example --encoding cp1250 (Czech, Polish), cp1251 (Russian), gb18030 (Chinese) or "
    "shift_jis (Japanese)"
)


@dataclass(frozen=True)
class TextFile:
    """A text file and how it is decoded."""

    path: Path
    encoding: str
    """Name of a Python codec."""
    compression: str = ""
    """gzip, bz2 or xz; "" for none."""
    is_guessed: bool = False
    """The encoding was told from the text: Windows-1252."""
    invalid_lines: int = 0
    """Lines with bytes that are not valid; U+FFFD replaces these bytes."""
    first_invalid: int = 0
    """Number of the first of them, from 1."""
    line_end: str = "\n"
    """The character that ends a line: a line feed; a carriage return in texts of old Macintosh programs."""

    def lines(self) -> Iterator[str]:
        """Yield the lines without line ends and byte order marks. Raise `NmtError` for a line that is too long."""
        with open_decompressed(self.path) as binary:
            stream = io.TextIOWrapper(binary, self.encoding, errors="replace", newline=self.line_end)
            number = 0
            while line := stream.readline(MAX_LINE_CHARACTERS):
                number += 1
                if len(line) == MAX_LINE_CHARACTERS and not line.endswith(self.line_end):
                    raise NmtError(
                        f"{self.path}: line {number:,} has more than {MAX_LINE_CHARACTERS:,} characters; give a text "
                        "file with one sentence, or one pair of sentences, in each line"
                    )
                yield line.removesuffix(self.line_end).removesuffix("\r").lstrip("\ufeff")

    def __str__(self) -> str:
        """Return the encoding and the compression in words."""
        names = {"utf-8": "UTF-8", "cp1252": "Windows-1252 (Latin-1)"}
        name = names.get(self.encoding, self.encoding.upper())
        return f"{name}, {self.compression}" if self.compression else name


def open_text(path: Path, encoding: str = "") -> TextFile:
    """Return how to decode a file; `encoding` is the name of a Python codec, or empty to recognise it.

    The whole file is read. Raise `NmtError` if it is missing, empty, not text, or in an undetectable encoding.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise NmtError(f"{path}: is not a regular file; it is read several times, so write the text to a file first")
    with open_decompressed(path) as binary:
        start = binary.peek(_SAMPLE_BYTES)[:_SAMPLE_BYTES] if isinstance(binary, io.BufferedReader) else b""
    compression = _compression(path)
    if not start.strip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0"):
        raise NmtError(f"{path}: is empty; give a file with sentence pairs")
    for magic, what in _NOT_TEXT.items():
        if start.startswith(magic):
            raise NmtError(f"{path}: {what}")
    if encoding:
        return _named(path, encoding, compression)
    encoding = _by_mark(start) or _by_nul(start)
    if encoding not in ("", "utf-8"):
        return TextFile(path, encoding, compression)
    if start.count(0) * 100 > len(start) or len(_CONTROL.findall(start)) * 50 > len(start):
        raise NmtError(f"{path}: is not text: it has many NUL or control characters; give a text file")
    return _utf8_or_legacy(path, compression, start)


@contextmanager
def open_decompressed(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading bytes in the block; gzip, bz2 and xz are decompressed."""
    with open_binary(path) as file:
        kind = _magic(file)
        if kind == "":
            yield file
            return
        try:
            with bz2.BZ2File(file) if kind == "bz2" else lzma.LZMAFile(file) as unpacked:
                yield cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, unpacked)))
        except (EOFError, lzma.LZMAError, ValueError, OSError) as error:
            raise NmtError(f"{path}: damaged {kind} file ({error}); copy or download it again") from None


def _magic(file: BinaryIO) -> str:
    start = file.peek(6)[:6] if isinstance(file, io.BufferedReader) else b""
    if re.match(rb"BZh[1-9]1A", start):
        return "bz2"
    return "xz" if start.startswith(b"\xfd7zXZ\x00") else ""


def _compression(path: Path) -> str:
    with path.open("rb") as file:
        return "gzip" if file.peek(2)[:2] == b"\x1f\x8b" else _magic(file)


def _named(path: Path, encoding: str, compression: str) -> TextFile:
    """Return the file in an encoding that the user named. Raise `NmtError` if Python does not know it."""
    try:
        is_text = codecs.lookup(encoding)._is_text_encoding
    except LookupError:
        is_text = False
    if not is_text:
        raise NmtError(f"--encoding {encoding}: unknown encoding; give one such as utf-8, cp1252, cp1251 or gb18030")
    return TextFile(path, encoding, compression)


def _by_mark(start: bytes) -> str:
    return next((encoding for mark, encoding in _MARKS if start.startswith(mark)), "")


def _by_nul(start: bytes) -> str:
    """Return UTF-16 in one of its byte orders if the NUL bytes are where it has them, otherwise ""."""
    even, odd = start[::2].count(0), start[1::2].count(0)
    if (even + odd) * 50 < len(start) or min(even, odd) * 10 > max(even, odd):
        return ""
    encoding = "utf-16-be" if even > odd else "utf-16-le"
    try:
        text = start[: len(start) // 2 * 2 - 2].decode(encoding)
    except UnicodeDecodeError:
        return ""
    return encoding if sum(character.isprintable() or character.isspace() for character in text) > len(text) / 2 else ""


def _utf8_or_legacy(path: Path, compression: str, start: bytes) -> TextFile:
    """Return the file as UTF-8 if all but a few lines are valid, otherwise as Windows-1252 if that is plausible."""
    line_end = "\r" if b"\r" in start and b"\n" not in start else "\n"
    lines = invalid = first = valid_special = 0
    sample: list[bytes] = []
    for block in _whole_lines(path, line_end.encode()):
        if _is_utf8(block):
            count = block.count(line_end.encode())
            lines += count
            valid_special += 0 if block.isascii() else sum(not line.isascii() for line in block.split(b"\n"))
            continue
        for line in block.removesuffix(b"\n").split(line_end.encode()):
            lines += 1
            if line.isascii():
                continue
            if _is_utf8(line):
                valid_special += 1
                continue
            first = first or lines
            invalid += 1
            if len(sample) < 5000:
                sample.append(line[:1000])
    if not invalid or (valid_special and invalid <= max(1, MAX_INVALID_SHARE * lines)):
        return TextFile(path, "utf-8", compression, False, invalid, first, line_end)
    if valid_special > invalid / 10:
        raise NmtError(
            f"{path}: {invalid:,} of {lines:,} lines are not UTF-8, the first is line {first:,}, but others are: the "
            f"file mixes encodings; correct these lines, or {ENCODING_REMEDY}"
        )
    if not _is_western(b"\n".join(sample)):
        raise NmtError(f"{path}: line {first:,} is not UTF-8, and its encoding cannot be detected; {ENCODING_REMEDY}")
    return TextFile(path, "cp1252", compression, True, line_end=line_end)


def _whole_lines(path: Path, line_end: bytes) -> Iterator[bytes]:
    """Yield blocks of a file that end with a line end, except the last."""
    with open_decompressed(path) as file:
        rest = b""
        while block := file.read(_BLOCK_BYTES):
            head, separator, tail = block.rpartition(line_end)
            if separator:
                yield rest + head + separator
                rest = tail
            else:
                rest += block
                if len(rest) > 4 * MAX_LINE_CHARACTERS:
                    raise NmtError(
                        f"{path}: has a line of more than {MAX_LINE_CHARACTERS:,} characters; give a text file with "
                        "one sentence, or one pair of sentences, in each line"
                    )
        if rest:
            yield rest


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _is_western(raw: bytes) -> bool:
    """Return whether bytes are plausible as Windows-1252: few special characters, and letters inside of words.

    In other encodings of one byte, letters would be symbols or capitals of Windows-1252 inside of words; in encodings
    of several bytes, most characters would be special.
    """
    try:
        text = raw.decode("cp1252")
    except UnicodeDecodeError:
        return False
    special = sum(not character.isascii() for character in text)
    letters = sum(character.isalpha() for character in text)
    odd = len(_SYMBOL_IN_WORD.findall(text)) + len(_CAPITAL_IN_WORD.findall(text))
    return special <= 0.25 * letters and odd <= 0.05 * special
