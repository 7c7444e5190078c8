"""Texts of several lines: take the lines apart, translate each, and join the translations with the same white space."""

from collections.abc import Sequence
from dataclasses import dataclass

from nmt.data.lines import one_line
from nmt.decoding.source_lines import InputLine
from nmt.decoding.translation import Translation
from nmt.decoding.word_alignment import split_words


@dataclass(frozen=True)
class TextLine:
    """A line of a text: white space, text, white space."""

    before: str
    text: str
    after: str


@dataclass(frozen=True)
class TextTranslation:
    """A translation of a whole text."""

    text: str
    score: float
    """Mean of the scores of the lines that have text; 0 if there is none."""
    alignments: list[list[int]]
    """Pairs of a word of the source and of the translation, from 0. Words end at spaces and line breaks."""


class Text:
    """A text to translate."""

    def __init__(self, text: str) -> None:
        """Split at line feeds. Other line breaks become spaces."""
        self.lines = []
        for line in text.split("\n"):
            stripped = line.strip()
            start = line.index(stripped) if stripped else len(line)
            self.lines.append(TextLine(line[:start], stripped, line[start + len(stripped) :]))

    @property
    def inputs(self) -> list[InputLine]:
        """The lines that have text."""
        return [InputLine(line.text) for line in self.lines if line.text]

    def join(self, translations: Sequence[Translation], rank: int = 0) -> TextTranslation:
        """Return the translation of the text from those of its `inputs`: the best, or the one with a `rank`.

        A line that has fewer translations keeps its last one.
        """
        rest = iter(translations)
        texts, scores, alignments = [], [], []
        source_words = target_words = 0
        for line in self.lines:
            if not line.text:
                texts.append(line.before)
                continue
            translation = next(rest)
            target = translation.targets[min(rank, len(translation.targets) - 1)]
            texts.append(line.before + target.text + line.after)
            scores.append(target.score)
            alignments += [[source_words + i, target_words + j] for i, j in target.alignment or ()]
            source_words += len(split_words(one_line(line.text)))
            target_words += len(split_words(target.text))
        return TextTranslation("\n".join(texts), sum(scores) / len(scores) if scores else 0.0, alignments)
