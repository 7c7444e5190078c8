"""The loops of the command line: streams of lines in, streams of results out."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from nmt.data.lines import InvalidLines
from nmt.decoding.input_formats import read_objects
from nmt.decoding.line_input import input_name, open_lines, plain_size
from nmt.decoding.loading import LoadedTranslator
from nmt.decoding.output_files import is_special, open_output
from nmt.decoding.output_formats import Format, render, render_links
from nmt.decoding.progress import InvalidText, LongLines, Progress
from nmt.decoding.resumable_output import Counted, Resumable, resumable
from nmt.decoding.translation import Translation
from nmt.decoding.translator import Settings
from nmt.errors import NmtError

Report = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """What is to be translated, and where to."""

    source: Path | None = None
    """None is stdin."""
    input_format: Literal["text", "json"] = "text"
    prefixes: Iterable[str] | None = None
    """What each translation must begin with."""
    prefix: str | None = None
    """The prefix, if it is the same for all."""
    output: Path | None = None
    """None is stdout."""
    form: Format = "text"
    alignments: Path | None = None
    """A file for Pharaoh lines; "-" appends them to the lines of the output."""
    resume: bool = False
    """Go on after the finished lines of an interrupted try."""
    again: str = "the same command with --resume"
    """The command that goes on after a stop."""

    @property
    def has_inline_links(self) -> bool:
        """Whether alignments are appended to the lines of the output."""
        return str(self.alignments) == "-"

    @property
    def paths(self) -> list[Path | None]:
        """The output, and the file of the alignments if there is one."""
        return [self.output, *([self.alignments] if self.alignments is not None and not self.has_inline_links else [])]

    def identity(self, settings: Settings) -> dict[str, Any]:
        """Return the options that change the output, as JSON values."""
        options = {**dataclasses.asdict(settings.search), **dataclasses.asdict(settings)}
        for name in ("search", "tokens_per_batch", "window"):
            del options[name]
        prefix = None if self.prefix is None else hashlib.sha256(self.prefix.encode("utf-8", "replace")).hexdigest()
        alignments = "none" if self.alignments is None else "inline" if self.has_inline_links else "file"
        return {
            **{f"--{name.replace('_', '-')}": value for name, value in options.items()},
            "--format": self.form,
            "--input-format": self.input_format,
            "--alignments": alignments,
            "SHA-256 of --prefix": prefix,
        }


def translate_stream(loaded: LoadedTranslator, settings: Settings, job: Job, say: Report | None, warn: Report) -> None:
    """Translate a stream of lines; each line is flushed.

    `say` None keeps quiet; `warn` gets what must be said in any case. An output in a regular file keeps finished lines
    when it is interrupted, see `resumable`.
    """
    invalid = InvalidLines(input_name(job.source))
    lines, is_live = open_lines(job.source, invalid)
    kept = [path for path in job.paths if path is not None and not is_special(path)]
    is_kept = len(kept) == len(job.paths)
    if job.resume and not is_kept:
        raise NmtError("--resume goes on with regular files only, of the output and of the alignments")
    is_live = is_live and not is_kept  # nobody waits for a file that appears when it is complete
    counted = Counted(lines)
    inputs = {"input": counted}
    if job.prefixes is not None and job.prefix is None:
        inputs["--prefix-file"] = Counted(job.prefixes)
    prefixes = inputs.get("--prefix-file", job.prefixes)
    size = plain_size(job.source)

    def share(done: int) -> float | None:
        """Return the share of the input of so many lines, those read earlier included."""
        read = counted.bytes * (first + done) / counted.count if counted.count else 0
        return read / size if size else None

    with ExitStack() as stack:
        output: Resumable | None = None
        if is_kept:
            made_with = {**loaded.identity(), **job.identity(settings)}
            output = stack.enter_context(resumable(kept, made_with, job.resume, warn, job.again))
            output.skip(inputs)
            if job.resume and say is not None:
                none = "there are no finished lines to go on after; translating from the beginning"
                say(f"going on after {output.lines:,} finished lines" if output.lines else none)
        first = output.lines if output is not None else 0
        files = output.files if output is not None else [stack.enter_context(open_output(p)) for p in job.paths]
        long = LongLines(say, loaded.usual_tokens, input_name(job.source), is_live)
        unreadable = InvalidText(say, invalid, is_live)
        progress = stack.enter_context(Progress(say, share, is_live=is_live))
        requests = read_objects(counted, input_name(job.source), first) if job.input_format == "json" else counted
        windows = loaded.translator.windows(requests, settings, prefixes, is_live, first, progress.advance)
        for window in windows:
            written = 0
            for translation in window:
                long.see(translation.number, len(translation.source_pieces))
                _write(files, translation, job, settings.search.n_best)
                written += 1
                if output is None:
                    _flush(files)
            unreadable.look()
            if output is not None:
                output.keep(written, inputs)
    unreadable.finish()
    long.finish()
    if say is not None and progress.lines:
        say(f"translated {progress.figures()}")


def _write(files: Sequence[BinaryIO], translation: Translation, job: Job, n_best: int) -> None:
    """Write a translation, and its alignments if there is a file for them."""
    files[0].write(render(translation, job.form, n_best, job.has_inline_links).encode())
    if len(files) > 1:
        files[1].write(render_links(translation, job.form, n_best).encode())


def _flush(files: Sequence[BinaryIO]) -> None:
    for file in files:
        file.flush()
