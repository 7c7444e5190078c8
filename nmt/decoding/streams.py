"""The loops of the command line: streams of lines in, streams of results out."""

import dataclasses
import functools
import hashlib
import io
import math
import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from nmt.data.corpus import align_lines
from nmt.data.lines import InvalidLines, read_lines, stream_lines
from nmt.decoding.checkpoints import Loaded
from nmt.decoding.entries import NBestEntry, read_n_best, read_objects, with_sources
from nmt.decoding.output import Format, is_special, open_output, render, render_links
from nmt.decoding.progress import InvalidText, LongLines, Progress
from nmt.decoding.resumable import Counted, Resumable, resumable
from nmt.decoding.translation import Translation
from nmt.decoding.translator import Settings
from nmt.errors import NmtError
from nmt.files import dump_json, standard_input

Report = Callable[[str], None]


def open_lines(path: Path | None, invalid: InvalidLines | None = None) -> tuple[Iterator[str], bool]:
    """Return the lines of `path`, or of stdin for None and "-", and whether they come live.

    They do from a terminal, a pipe, a FIFO or a device: whatever is not a regular file. Lines that are not valid UTF-8
    are counted in `invalid`; without it they are errors.
    """
    if path is not None and str(path) != "-":
        return read_lines(path, invalid), _is_live(path.stat)
    stream = standard_input()
    try:
        descriptor = stream.fileno()
    except io.UnsupportedOperation:
        return stream_lines(stream, invalid), False
    # A file object of our own: Python waits for the lock of sys.stdin at exit, which a blocked reader would hold.
    own = open(descriptor, "rb", closefd=False)  # noqa: SIM115 (read as long as there are lines)
    return stream_lines(own, invalid), _is_live(functools.partial(os.fstat, descriptor))


def _is_live(status: Callable[[], os.stat_result]) -> bool:
    try:
        mode = status().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def input_name(path: Path | None) -> str:
    """Return how an input is called in messages."""
    return "standard input" if path is None or str(path) == "-" else str(path)


def plain_size(path: Path | None) -> int | None:
    """Return the bytes of a regular input that is not compressed; None where that is not known."""
    try:
        if path is not None and str(path) != "-":
            found = path.stat()
            if not stat.S_ISREG(found.st_mode):
                return None
            with path.open("rb") as file:
                return None if file.read(2) == b"\x1f\x8b" else found.st_size
        descriptor = standard_input().fileno()
        found = os.fstat(descriptor)
        return found.st_size - os.lseek(descriptor, 0, os.SEEK_CUR) if stat.S_ISREG(found.st_mode) else None
    except OSError:  # io.UnsupportedOperation is one
        return None


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


def translate_stream(loaded: Loaded, settings: Settings, job: Job, say: Report | None, warn: Report) -> None:
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


@dataclass(frozen=True)
class ScoreJob:
    """Pairs whose probability is asked for; "-" is stdin, and None stdout."""

    source: Path
    target: Path
    target_format: Literal["text", "moses"] = "text"
    """Translations line by line, or an n-best list whose entries name the number of their source line."""
    output: Path | None = None
    per_token: bool = False
    """Print one JSON object a line, with the log-probability of each token."""
    append: bool = False
    """Print the n-best list again, with the log-probability as a further feature."""
    tag: str = ""


def log_prob_stream(loaded: Loaded, job: ScoreJob, tokens_per_batch: int, say: Report) -> None:
    """Write the log-probability of each target given its source, in the form that `job` asks for."""
    (sources, is_live), (targets, is_live_too) = open_lines(job.source), open_lines(job.target)
    names = input_name(job.source), input_name(job.target)
    rows: Iterator[tuple[str, str | NBestEntry]] = (
        with_sources(read_n_best(targets, names[1]), sources, names[1], names[0])
        if job.target_format == "moses"
        else align_lines(sources, targets, *names)
    )
    read: deque[tuple[str, str | NBestEntry]] = deque()

    def pairs() -> Iterator[tuple[str, str]]:
        for source, target in rows:
            read.append((source, target))
            yield source, target if isinstance(target, str) else target.text

    limit = loaded.checkpoints[0].config.decoding.max_source_tokens
    long: list[int] = []
    with open_output(job.output) as out:
        is_live = is_live or is_live_too
        scored = loaded.translator.log_probs(pairs(), tokens_per_batch, job.tag, live=is_live)
        for number, (pieces, values) in enumerate(scored, 1):
            source, target = read.popleft()
            total = math.fsum(values)
            if loaded.translator.count_tokens([source])[0] > limit:
                long.append(number)
            line = f"{total:.6f}"
            if job.per_token:
                line = dump_json({"log_prob": total, "tokens": pieces, "token_log_probs": list(values)})
            elif job.append and isinstance(target, NBestEntry):
                line = target.with_feature(total)
            out.write(f"{line}\n".encode("utf-8", "replace"))
            if is_live:
                out.flush()
        out.flush()
    if long:
        say(
            f"warning: {len(long):,} pairs (the first is pair {long[0]:,}) have more than {limit} source tokens: they "
            "are scored whole, but nmt translate would cut them (decoding.max_source_tokens)"
        )
