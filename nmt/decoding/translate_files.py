"""Translate many files to a folder: the loop of `nmt translate --output-folder`.

What is done with finished parts does not depend on who translates them: `finish_parts` takes them from any iterator.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from nmt.decoding.file_parts import FilePart
from nmt.decoding.files_job import FilesJob, Shard
from nmt.decoding.loading import LoadedTranslator
from nmt.decoding.output_folder import OutputFolder, open_output_folder
from nmt.decoding.part_files import workers_of
from nmt.decoding.part_translation import PartResult, PartTranslator
from nmt.decoding.progress import Progress
from nmt.decoding.search_options import SearchOptions
from nmt.decoding.translate_lines import TranslationJob
from nmt.decoding.translator import OnBatch
from nmt.errors import NmtError

POLL_SECONDS = 1.0
"""Time after which a part that another process works on is looked at again."""
_REPORT_SECONDS = 10.0
_JOIN_INTERVAL = 10
"""Time until files are joined again, in multiples of the time that the last joining took."""

Work = Callable[[Sequence[FilePart], OnBatch], Iterable[PartResult]]
"""Translates parts and returns the results in any order. It may report progress within a part by the `OnBatch`."""

logger = logging.getLogger(__name__)


def translate_files(loaded: LoadedTranslator, search: SearchOptions, job: TranslationJob, files: FilesJob) -> None:
    """Translate files to a folder in this process; `job` has the formats.

    Finished files and parts are not translated again. Raise `NmtError` if a file could not be translated, after the
    other files, and for everything that `open_output_folder` raises.
    """
    loaded.translator.lines.check(search)
    made_with = {**loaded.identity(), **job.identity(search)}
    with PartTranslator(loaded, search, job) as translator:
        translate_to_folder(files, made_with, lambda parts, on_batch: work_in_order(translator, parts, on_batch))


def translate_to_folder(files: FilesJob, made_with: Mapping[str, Any], work: Work) -> None:
    """Let `work` translate what is missing in the folder; `made_with` is what the translations depend on."""
    folder = open_output_folder(files.folder, files.inputs, made_with, files.lines_per_part, _CountReport())
    finish_parts(folder, work, files.shard)


def work_in_order(translator: PartTranslator, parts: Sequence[FilePart], on_batch: OnBatch) -> Iterator[PartResult]:
    """Yield the results of the parts. What other processes work on comes last, in case they do not finish it.

    After an error the other parts of the file are left out.
    """
    waiting = list(parts)
    failed: set[str] = set()
    has_waited = False
    while waiting:
        this_round, waiting = waiting, []
        for part in this_round:
            if part.output in failed:
                continue
            if not part.file.exists() and workers_of(part.file):
                waiting.append(part)
                continue
            result = translator.translate(part, on_batch)
            if result.error is not None:
                failed.add(part.output)
            yield result
        if len(waiting) == len(this_round):
            if not has_waited:
                logger.info(f"waiting for {len(waiting):,} parts that other processes translate, {waiting[0].file} …")
            has_waited = True
            time.sleep(POLL_SECONDS)


def finish_parts(folder: OutputFolder, work: Work, shard: Shard | None = None) -> None:
    """Let `work` translate the missing parts of all files, or of a shard; join the files that are complete.

    Raise `NmtError` at the end if files could not be translated, and, without a shard, if parts are missing.
    """
    parts = folder.parts(shard)
    done = {record.output: folder.finished_parts(record) for record in folder.manifest.inputs}
    missing = [part for part in parts if part.number not in done[part.output]]
    logger.info(_plan(folder, parts, missing, shard))
    outputs = [record.output for record in folder.manifest.inputs]
    folder.join(outputs)
    total = sum(part.lines for part in missing)
    with Progress(lambda n: n / total if total else None) as progress:
        collector = _Collector(folder, len(missing), progress)
        try:
            for result in work(missing, progress.advance):
                collector.add(result)
        except KeyboardInterrupt:
            logger.error(f"stopped: {collector.figures()} are done; the same command goes on")
            raise
    folder.join(outputs)
    _finish(folder, progress, collector.errors, shard)


class _Collector:
    """Counts finished parts and joins files whose parts are all there."""

    def __init__(self, folder: OutputFolder, total: int, progress: Progress) -> None:
        """Take the number of parts to translate, and the progress, which may have counted lines of a part before."""
        self._folder, self._total, self._progress = folder, total, progress
        self._parts = self._lines = self._tokens = 0
        self._joinable: set[str] = set()
        self._next_join = 0.0
        self.errors: dict[str, str] = {}
        """For each file that failed the first error."""

    def figures(self) -> str:
        """Return how many parts and files are done."""
        files = self._folder.manifest.inputs
        complete = sum(record.state == "complete" for record in files)
        return f"{self._parts:,} of {self._total:,} parts, {complete:,} of {len(files):,} files"

    def add(self, result: PartResult) -> None:
        """Take a result; join the parts of its file if they are all there and no other process holds the lock."""
        output = result.part.output
        if result.error is not None:
            if output not in self.errors:
                self.errors[output] = result.error
                logger.error(f"error: {result.error}")
                self._folder.fail(output, result.error)
            return
        self._parts += 1
        self._lines += result.part.lines
        self._tokens += result.header.tokens
        if self._folder.is_joinable(output):
            self._joinable.add(output)
        start = time.monotonic()
        if self._joinable and start >= self._next_join:
            self._joinable.difference_update(self._folder.join(sorted(self._joinable), waits=False))
            # Many small files are joined together: each time the whole manifest is written.
            self._next_join = start + _JOIN_INTERVAL * (time.monotonic() - start)
        self._progress.details = self.figures()
        missing_lines, missing_tokens = self._lines - self._progress.lines, self._tokens - self._progress.tokens
        self._progress.advance(max(0, missing_lines), max(0, missing_tokens))


def _plan(folder: OutputFolder, parts: Sequence[FilePart], missing: Sequence[FilePart], shard: Shard | None) -> str:
    """Return the message about the work to do."""
    records = folder.manifest.inputs
    complete = sum(record.state == "complete" for record in records)
    share = f"shard {shard.number} of {shard.count}: " if shard is not None else ""
    lines = sum(part.lines for part in missing)
    return (
        f"{_files(len(records))}, {complete:,} complete; {share}{len(missing):,} of {len(parts):,} parts to "
        f"translate, {lines:,} lines"
    )


def _finish(folder: OutputFolder, progress: Progress, errors: dict[str, str], shard: Shard | None) -> None:
    """Log what has been done; raise `NmtError` for what has not."""
    folder.reload()
    records = folder.manifest.inputs
    errors = {record.output: record.error for record in records if record.error and not record.sha256} | errors
    incomplete = [record for record in records if record.state != "complete"]
    counts = f"{len(records) - len(incomplete):,} of {len(records):,} files are complete in {folder.path}"
    logger.info(f"translated {progress.figures()}; {counts}" if progress.lines else counts)
    if errors:
        listed = "".join(f"\n  {error}" for error in errors.values())
        raise NmtError(
            f"{_files(len(errors))} could not be translated; correct and give the same command again:{listed}"
        )
    if incomplete and shard is None:
        raise NmtError(f"{incomplete[0].output}: parts are missing; give the same command again")
    if incomplete:
        logger.info(f"the other shards translate the rest; nmt shards {folder.path} shows what is missing")


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"


class _CountReport:
    """Logs how many files have been counted and how much text has been read, if it takes long."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _REPORT_SECONDS

    def __call__(self, done: int, total: int, size: int) -> None:
        if not size:
            logger.info(f"counting the lines of {_files(total)}")
        elif time.monotonic() >= self._next:
            self._next = time.monotonic() + _REPORT_SECONDS
            logger.info(f"counted the lines of {done:,} of {_files(total)}; {size / 1e6:,.0f} MB of text read")
