"""Split a line into sentences with sentencex, and choose the white space between their translations."""

import re
from typing import NamedTuple

from nmt.data.languages import has_spaces, parse_language

_NOT_SPACES = re.compile(r"[^\S ]|[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060\ufeff\ud800-\udfff]")
"""Other white space, control and format characters, and surrogates."""


class Sentence(NamedTuple):
    """A sentence of a line."""

    text: str
    """Without white space at its ends."""
    start: int
    """Position of its first character in the line."""


def split_sentences(line: str, language: str) -> list[Sentence]:
    """Return the sentences of a line in a language; none if the line has only white space.

    sentencex knows the abbreviations of many languages, and treats others like English.
    """
    import sentencex

    # sentencex takes only some characters for white space, and 1.0.32 crashes on a no-break space after an initial.
    plain = _NOT_SPACES.sub(" ", line)
    try:
        parts = sentencex.segment(parse_language(language).base, plain)
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # the error of a Rust library, which is not an `Exception`
            raise
        parts = [plain]
    sentences, start = [], 0
    for part in parts:
        end = start + len(part)
        text = line[start:end]
        if stripped := text.strip():
            sentences.append(Sentence(stripped, start + len(text) - len(text.lstrip())))
        start = end
    return sentences


def space_between(space: str, source_language: str, target_language: str) -> str:
    """Return the white space between the translations of two sentences that have `space` between them.

    It is the same white space, but a language with spaces needs one, and one without spaces, such as Chinese, has none.
    """
    if not has_spaces(target_language):
        return "" if space == " " and has_spaces(source_language) else space
    return space or " "
