"""Translate an input line by line: read, translate in windows, write, and resume (the loop of `nmt translate`)."""

import dataclasses
import hashlib
import logging
from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nmt.data.lines import InvalidLines
from nmt.decoding.input_formats import read_json_lines
from nmt.decoding.line_input import input_name, open_lines, uncompressed_size
from nmt.decoding.loading import LoadedTranslator
from nmt.decoding.output_files import DirectOutput, is_special, open_output
from nmt.decoding.output_formats import Format, render, render_alignments
from nmt.decoding.progress import Progress
from nmt.decoding.resumable_output import HashedLines, ResumableOutput, open_resumable
from nmt.decoding.search_options import SearchOptions
from nmt.decoding.translation import Translation
from nmt.errors import NmtError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TranslationJob:
    """The input and the output of a translation, and their formats."""

    source: Path | None = None
    """None and "-" are stdin."""
    input_format: Literal["text", "json"] = "text"
    prefixes: Iterable[str] | None = None
    """For each line the text that its translation must begin with."""
    prefix: str | None = None
    """The prefix, if it is the same for all lines."""
    output: Path | None = None
    """None and "-" are stdout."""
    output_format: Format = "text"
    alignments: Path | None = None
    """File for alignments in Pharaoh format; "-" appends them to the lines of the output."""
    resume: bool = False
    """Resume after the finished lines of an interrupted translation."""
    resume_command: str = "the same command with --resume"
    """The command that resumes this translation if it is interrupted."""

    @property
    def has_inline_alignments(self) -> bool:
        """Whether alignments are appended to the lines of the output."""
        return str(self.alignments) == "-"

    @property
    def paths(self) -> list[Path | None]:
        """The output, and the file for alignments if there is one."""
        has_file = self.alignments is not None and not self.has_inline_alignments
        return [self.output, self.alignments] if has_file else [self.output]

    def identity(self, search: SearchOptions) -> dict[str, Any]:
        """Return the options that the output depends on, as JSON values."""
        options = dataclasses.asdict(search)
        for name in ("tokens_per_batch", "window", "shortlist", "return_all_finished"):
            del options[name]
        if not search.split_sentences:  # output files of earlier versions have no such key
            del options["split_sentences"]
        prefix = None if self.prefix is None else hashlib.sha256(self.prefix.encode("utf-8", "replace")).hexdigest()
        alignments = "none" if self.alignments is None else "inline" if self.has_inline_alignments else "file"
        return {
            **{f"--{name.replace('_', '-')}": value for name, value in options.items()},
            "--format": self.output_format,
            "--input-format": self.input_format,
            "--alignments": alignments,
            "SHA-256 of --prefix": prefix,
        }

    def render(self, translation: Translation, n_best: int) -> list[str]:
        """Return the lines of one translation for each of `paths`."""
        text = render(translation, self.output_format, n_best, self.has_inline_alignments)
        has_file = len(self.paths) > 1
        return [text, render_alignments(translation, self.output_format, n_best)] if has_file else [text]


def translate_lines(loaded: LoadedTranslator, search: SearchOptions, job: TranslationJob) -> None:
    """Translate the lines of an input and write the translations in the same order.

    If all outputs are regular files, an interrupted translation keeps its finished lines (see `open_resumable`).
    Otherwise each line is flushed.
    """
    name, size = input_name(job.source), uncompressed_size(job.source)
    invalid = InvalidLines(name)
    lines, is_live = open_lines(job.source, invalid)
    source = HashedLines(lines)
    inputs = {"input": source}
    if job.prefixes is not None and job.prefix is None:
        inputs["--prefix-file"] = HashedLines(job.prefixes)
    with ExitStack() as stack:
        output = stack.enter_context(_open_outputs(loaded, search, job, stack))
        output.skip_finished(inputs)
        first = output.finished_lines
        if job.resume:
            none = "no finished lines to resume after; translating from the beginning"
            logger.info(f"resuming after {first:,} finished lines" if first else none)
        is_live = is_live and isinstance(output, DirectOutput)  # a resumable output appears only when it is complete
        warnings = loaded.input_warnings(name, invalid, is_live)
        progress = stack.enter_context(Progress(lambda n: source.share(first + n, size), is_live=is_live))
        windows = loaded.translator.windows(
            read_json_lines(source, name, first) if job.input_format == "json" else source,
            search,
            inputs.get("--prefix-file", job.prefixes),
            is_live,
            first,
            progress.advance,
        )
        for window in windows:
            for translation in window:
                sentences = translation.sentences or (translation,)
                tokens = max(len(each.source_pieces) for each in sentences)
                warnings.check(translation.number, tokens, translation.source)
                output.write(job.render(translation, search.n_best))
            output.commit()
    warnings.finish()
    if progress.lines:
        logger.info(f"translated {progress.figures()}")


def _open_outputs(
    loaded: LoadedTranslator, search: SearchOptions, job: TranslationJob, stack: ExitStack
) -> AbstractContextManager[ResumableOutput | DirectOutput]:
    """Return a resumable output if all outputs are regular files; otherwise open them in `stack`."""
    regular = [path for path in job.paths if path is not None and not is_special(path)]
    if len(regular) == len(job.paths):
        made_with = {**loaded.identity(), **job.identity(search)}
        return open_resumable(regular, made_with, job.resume, job.resume_command)
    if job.resume:
        raise NmtError("--resume needs regular files as --output and as --alignments")
    return nullcontext(DirectOutput([stack.enter_context(open_output(path)) for path in job.paths]))
