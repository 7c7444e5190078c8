"""Translate the lines of one part of a file: the work that processes of one machine, shards and Ray share."""

import itertools
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from nmt.data.lines import InvalidLines
from nmt.decoding.file_manifest import REMEDY
from nmt.decoding.file_parts import FilePart, PartReader
from nmt.decoding.input_formats import read_json_lines
from nmt.decoding.input_warnings import UnseenWords
from nmt.decoding.loading import LoadedTranslator
from nmt.decoding.part_files import PartHeader, PartWriter, read_header, write_part
from nmt.decoding.search_options import SearchOptions
from nmt.decoding.translate_lines import TranslationJob
from nmt.decoding.translator import OnBatch
from nmt.errors import NmtError


@dataclass(frozen=True)
class PartResult:
    """A part that is done. It can be pickled."""

    part: FilePart
    header: PartHeader = field(default_factory=lambda: PartHeader(0))
    """What is known about the translation."""
    error: str | None = None
    """Why the lines of the part cannot be translated, with the name of the file; None if the part is translated."""


class PartTranslator(AbstractContextManager["PartTranslator"]):
    """Translates parts with a model that is loaded once. Use it in one thread.

    `job` has the formats and the prefix; its input and its output are not used.
    """

    def __init__(self, loaded: LoadedTranslator, search: SearchOptions, job: TranslationJob) -> None:
        self._translator, self._search, self._job = loaded.translator, search, job
        self._typical_length, self._known = loaded.typical_length, loaded.training_words
        self._reader = PartReader()

    def __exit__(self, *error: object) -> None:
        self._reader.close()

    def translate(self, part: FilePart, on_batch: OnBatch = lambda lines, tokens: None) -> PartResult:
        """Translate a part and write its file atomically; do nothing if there is one.

        The translation depends on the part, the model and the options only, not on who translates it. An error of the
        input is in the result. Raise `NmtError` if the file cannot be written.
        """
        if (header := read_header(part)) is not None:
            return PartResult(part, header)
        try:
            with write_part(part) as writer:
                self._translate_lines(part, writer, on_batch)
        except NmtError as error:
            text = str(error)
            return PartResult(part, error=text if str(part.source) in text else f"{part.source}: {text}")
        except FileNotFoundError:  # another process has translated the part, joined all parts, and removed them
            return PartResult(part, PartHeader(part.lines))
        except OSError as error:
            raise NmtError(f"{part.file}: cannot be written: {error.strerror or error}; {REMEDY}") from None
        return PartResult(part, writer.header)

    def _translate_lines(self, part: FilePart, writer: PartWriter, on_batch: OnBatch) -> None:
        job, header, first = self._job, writer.header, part.first_line
        invalid, unseen = InvalidLines(str(part.source), lines=first), UnseenWords()
        lines = self._reader.read(part, invalid)

        def count(completed: int, tokens: int) -> None:
            header.tokens += tokens
            on_batch(completed, tokens)

        windows = self._translator.windows(
            read_json_lines(lines, str(part.source), first) if job.input_format == "json" else lines,
            self._search,
            None if job.prefix is None else itertools.repeat(job.prefix),
            first=first,
            on_batch=count,
        )
        for translation in itertools.chain.from_iterable(windows):
            sentences = translation.sentences or (translation,)
            longest = max(len(each.source_pieces) for each in sentences)
            if self._typical_length is not None and longest > self._typical_length:
                header.long_lines += 1
                header.first_long = header.first_long or translation.number + 1
            if self._known is not None:
                unseen.add(translation.number, translation.source, self._known)
            [text] = job.render(translation, self._search.n_best)
            writer.write(text)
        header.typical_length = self._typical_length
        if self._known is not None:
            header.words, header.unseen_words, header.first_unseen = unseen.words, unseen.unseen, unseen.first_line
            header.usual_share, header.sampled_pairs = self._known.usual_share, self._known.sampled_pairs
        header.invalid_lines, header.first_invalid = invalid.invalid, invalid.first
