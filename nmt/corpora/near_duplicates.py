"""Keys that are equal for sentences that differ only in case, punctuation, white space and Unicode form."""

import hashlib
import html
import unicodedata

HASH_BYTES = 8


class _LettersAndDigits(dict[int, str | None]):
    """A table for `str.translate` that keeps letters, marks and digits; it computes each character once.

    Marks stay, because the vowels of many scripts are marks.
    """

    def __missing__(self, point: int) -> str | None:
        character = chr(point)
        value = character if unicodedata.category(character)[0] in "LMN" else None
        self[point] = value
        return value


_TABLE = _LettersAndDigits()


def near_duplicate_key(text: str) -> str:
    """Return the letters, marks and digits of a sentence, in NFKC and with case folding.

    White space is left out, because tokenised text has more of it. A sentence without letters and digits is its own
    key. HTML entities count as their characters.
    """
    plain = html.unescape(text) if "&" in text else text
    if not plain.isascii():
        plain = unicodedata.normalize("NFKC", plain)
    return plain.casefold().translate(_TABLE) or " ".join(plain.casefold().split())


def text_hash(text: str) -> bytes:
    """Return a hash of 64 bits that is the same in every process. Two of a million texts share it with p < 1e-7."""
    return hashlib.blake2b(text.encode("utf-8", errors="replace"), digest_size=HASH_BYTES).digest()
