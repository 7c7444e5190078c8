"""The folder in which `nmt translate --output-folder` writes its outputs: its parts, its manifest, joining of parts.

Several processes, also on several machines, may work in the folder at the same time. What changes the manifest holds
the lock of the folder; the files of parts are written without it.
"""

import contextlib
import dataclasses
import logging
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from nmt.data.lines import InvalidLines
from nmt.decoding.file_manifest import (
    PLAN,
    REMEDY,
    FileRecord,
    Manifest,
    changes_error,
    read_manifest,
    read_plan,
    save_plan,
)
from nmt.decoding.file_parts import CountedFile, FilePart, count_lines, divide
from nmt.decoding.files_job import Shard
from nmt.decoding.input_files import LOCK, PARTS, output_names
from nmt.decoding.input_warnings import UnseenWords, warn_of_long_lines, warn_of_unseen_words
from nmt.decoding.part_files import DamagedPart, HashedFile, PartHeader, join_parts
from nmt.errors import NmtError
from nmt.storage.atomic_files import convert_write_errors, replace_on_success
from nmt.storage.cores import available_cores
from nmt.storage.locks import hold_lock, lock_file

_PATIENCE_SECONDS = 2.0
"""Time to wait for another process without a message."""
OnCount = Callable[[int, int, int], None]
"""Called with the number of input files whose lines are counted, that of all files to count, and the bytes read, not
compressed. It is called in several threads."""

logger = logging.getLogger(__name__)


class OutputFolder:
    """A folder of outputs with a manifest; opened by `open_output_folder` or, if it exists, by `read_output_folder`."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        """As it was when it was last read or written; other processes may have changed it."""

    def parts_folder(self, output: str) -> Path:
        """Return the folder of the parts of an output."""
        return self.path / PARTS / output

    def reload(self) -> None:
        """Read the manifest again."""
        found = read_manifest(self.path)
        if found is None:
            raise NmtError(f"{self.path}: the manifest is missing; somebody has removed it")
        self.manifest = found

    def parts(self, shard: Shard | None = None) -> list[FilePart]:
        """Return the parts of all files that are not complete, or those of a shard, in order.

        The parts of complete files count too, so that a part belongs to the same shard at any time.
        """
        shard = shard or Shard()
        found: list[FilePart] = []
        first = 0
        for record in self.manifest.inputs:
            owned = [n for n in range(self.manifest.count_parts(record)) if shard.owns(first + n)]
            first += self.manifest.count_parts(record)
            if record.state != "complete" and owned and (all_parts := self.file_parts(record)):
                found += [all_parts[n] for n in owned]
        return found

    def file_parts(self, record: FileRecord) -> list[FilePart] | None:
        """Return the parts of a file; None if the plan is missing, as it is when another process has joined them."""
        counted = read_plan(self.parts_folder(record.output))
        if counted is None or counted.sha256 != record.sha256:
            return None
        return divide(counted, record.output, self.parts_folder(record.output).absolute())

    def finished_parts(self, record: FileRecord) -> set[int]:
        """Return the numbers of the parts of a file that are translated, from 0."""
        try:
            names = os.listdir(self.parts_folder(record.output))  # noqa: PTH208 (names only, of many files)
        except OSError:
            return set()
        return {int(name) for name in names if name.isdecimal()}

    def is_joinable(self, output: str) -> bool:
        """Return whether all parts of an output are there, and it is not complete."""
        if output not in self.manifest:  # another process has removed an input that failed and is not given any more
            return False
        record = self.manifest.record(output)
        is_known = record.state != "complete" and bool(record.sha256) and self.parts_folder(record.output).is_dir()
        return is_known and len(self.finished_parts(record)) >= self.manifest.count_parts(record)

    def join(self, outputs: Sequence[str], waits: bool = True) -> list[str]:
        """Join the parts of the `outputs` whose parts are all there; return the names of those that are complete now.

        Without `waits`, do nothing if another process holds the lock of the folder. A damaged part is removed, so that
        it is translated again. Raise `NmtError` if an output cannot be written.
        """
        ready = [name for name in outputs if self.is_joinable(name)]
        if not ready:
            return []
        with lock_folder(self.path, waits) as is_held:
            if not is_held:
                return []
            self.reload()
            joined = []
            for name in filter(self.is_joinable, ready):
                try:
                    joined.append(self._join(self.manifest.record(name)))
                except DamagedPart as error:
                    error.remove()
            if joined:
                self._save(self.manifest.changed(*joined))
            for record in joined:
                self.remove_parts(record.output)
        return [name for name in ready if name in self.manifest and self.manifest.record(name).state == "complete"]

    def fail(self, output: str, error: str) -> None:
        """Record in the manifest why a file could not be translated."""
        with lock_folder(self.path):
            self.reload()
            if output in self.manifest and (record := self.manifest.record(output)).state != "complete":
                self._save(self.manifest.changed(dataclasses.replace(record, state="failed", error=error)))

    def _join(self, record: FileRecord) -> FileRecord:
        """Write an output from its parts and return its new record. Call it while holding the lock.

        A process that is killed before the record is saved leaves the parts, which are then joined again. Raise
        `DamagedPart`.
        """
        target, folder = self.path / record.output, self.parts_folder(record.output)
        parts = self.file_parts(record)
        if parts is None:
            raise NmtError(
                f"{folder / PLAN}: damaged or missing; give the nmt translate command again to count the lines"
            )
        temporary = folder / f".joined.{secrets.token_hex(4)}.tmp"
        with convert_write_errors(target, REMEDY):
            target.parent.mkdir(parents=True, exist_ok=True)
            with replace_on_success(target, temporary, lock_file(temporary)) as file:
                hashed = HashedFile(file)
                headers = join_parts(parts, hashed, record.output.endswith(".gz"))
        _warn(record, headers)
        return dataclasses.replace(
            record,
            state="complete",
            error=None,
            output_lines=sum(each.output_lines for each in headers),
            output_bytes=hashed.bytes,
            output_sha256=hashed.hexdigest(),
        )

    def remove_parts(self, output: str) -> None:
        """Remove the parts of an output, and folders that are empty then."""
        folder = self.parts_folder(output)
        shutil.rmtree(folder, ignore_errors=True)  # another process may still write a part that it does not need
        with contextlib.suppress(OSError):
            for parent in folder.parents:
                if parent == self.path:
                    break
                parent.rmdir()

    def _save(self, manifest: Manifest) -> None:
        manifest.save(self.path)
        self.manifest = manifest


@contextlib.contextmanager
def lock_folder(path: Path, waits: bool = True) -> Iterator[bool]:
    """Hold the lock of an output folder in the block; without `waits`, yield False if another process holds it."""
    with contextlib.ExitStack() as stack:
        with convert_write_errors(path / LOCK, "name a folder in which you may write"):
            is_held = stack.enter_context(hold_lock(path / LOCK, _PATIENCE_SECONDS if waits else 0))
            if waits and not is_held:
                logger.info(f"waiting for another process that counts lines or joins parts in {path}")
                is_held = stack.enter_context(hold_lock(path / LOCK))
        yield is_held


def read_output_folder(path: Path) -> OutputFolder:
    """Return an existing output folder. Raise `NmtError` if it is none."""
    manifest = read_manifest(path) if path.is_dir() else None
    if manifest is None:
        reason = "has no manifest.json" if path.is_dir() else "is a file" if path.exists() else "no such folder"
        raise NmtError(f"{path}: {reason}; name a folder that nmt translate --output-folder has written")
    return OutputFolder(path, manifest)


def open_output_folder(
    path: Path,
    inputs: Sequence[Path],
    made_with: Mapping[str, Any],
    lines_per_part: int,
    on_count: OnCount = lambda done, total, size: None,
) -> OutputFolder:
    """Return the output folder for these inputs, which is created if it is missing; count lines that are not counted.

    An input that cannot be read is recorded as failed. Raise `NmtError` that names the differences if the work in the
    folder was begun with other inputs, another model or other options, and if an output would overwrite another file.
    """
    with convert_write_errors(path, "name another folder"):
        if path.exists() and not path.is_dir():
            raise NmtError(f"{path}: is a file; name a folder")
        path.mkdir(parents=True, exist_ok=True)
    with lock_folder(path):
        before = read_manifest(path)
        if before is not None:
            before.check_same(path, made_with, lines_per_part)
            manifest = before.check_inputs(path, inputs)
        else:
            names = output_names(inputs)
            _check_no_output_exists(path, names)
            _remove_unknown_parts(path)
            unread = [FileRecord(str(each), 0, 0, "", 0, name) for each, name in zip(inputs, names, strict=True)]
            manifest = Manifest(made_with, lines_per_part, unread)
        folder = OutputFolder(path, manifest)
        records = _Counter(folder, on_count).records()
        folder.manifest = dataclasses.replace(manifest, inputs=records)
        folder.manifest.save(path)
        kept = {record.output for record in records if record.state != "complete"}
        for record in before.inputs if before is not None else []:
            if record.output not in kept:  # not given any more, or a process was killed after joining the parts
                folder.remove_parts(record.output)
    return folder


class _Counter:
    """Counts the lines of the inputs that have no record or have changed."""

    def __init__(self, folder: OutputFolder, on_count: OnCount) -> None:
        self._folder, self._on_count = folder, on_count
        self._stopped = threading.Event()
        self._done = self._total = self._bytes = 0

    def records(self) -> list[FileRecord]:
        """Return the records of all inputs. Raise `NmtError` if an input or an output has changed."""
        records = list(self._folder.manifest.inputs)
        unknown = [n for n, each in enumerate(records) if not self._is_up_to_date(each)]
        self._total = len(unknown)
        if unknown:
            self._on_count(0, self._total, 0)
        with ThreadPoolExecutor(max(1, min(len(unknown), available_cores())), "nmt-count") as pool:
            try:
                counts = pool.map(self._count, [records[n] for n in unknown])
                for n, found in zip(unknown, counts, strict=True):
                    records[n] = self._update(records[n], found)
                    self._done += 1
            except BaseException:
                self._stopped.set()
                raise
        return records

    def _is_up_to_date(self, record: FileRecord) -> bool:
        """Return whether a file needs not be read: it is complete, or there is a plan of its parts."""
        if not record.sha256 or not record.has_same_status(Path(record.path)):
            return False
        if record.state != "complete":
            return self._folder.file_parts(record) is not None
        return self._has_output(record)

    def _has_output(self, record: FileRecord) -> bool:
        """Return whether the output of a complete file is there. Raise `NmtError` if its size has changed."""
        output = self._folder.path / record.output
        if not output.exists():
            return False
        if output.stat().st_size != record.output_bytes:
            raise NmtError(f"{output}: has changed since it was written; move it away to translate the file again")
        return True

    def _count(self, record: FileRecord) -> CountedFile | NmtError:
        """Return the counts of a file, from its plan if that is up to date, or the error."""
        lines_per_part, parts = self._folder.manifest.lines_per_part, self._folder.parts_folder(record.output)
        path = Path(record.path)
        found = read_plan(parts)
        if found is not None and (found.path, found.lines_per_part) == (path, lines_per_part):
            planned = FileRecord.of(found, record.output)
            if planned.has_same_status(path):
                return found
        try:
            return count_lines(path, lines_per_part, self._on_block)
        except NmtError as error:
            return error

    def _on_block(self, size: int) -> None:
        if self._stopped.is_set():
            raise NmtError("stopped")
        self._bytes += size
        if size:
            self._on_count(self._done, self._total, self._bytes)

    def _update(self, record: FileRecord, found: CountedFile | NmtError) -> FileRecord:
        """Return the new record of a file that has been counted, and save the plan of its parts."""
        if isinstance(found, NmtError):
            if record.state == "complete":
                raise found
            return dataclasses.replace(record, state="failed", error=str(found))
        is_changed = bool(record.sha256) and record.sha256 != found.sha256
        if is_changed and record.state != "failed":
            raise changes_error(
                self._folder.path, f"was begun with another version of {record.path}, which has changed"
            )
        if record.state == "complete" and self._has_output(record):
            return dataclasses.replace(record, mtime_ns=found.mtime_ns)
        if is_changed:
            self._folder.remove_parts(record.output)
        parts = self._folder.parts_folder(record.output)
        with convert_write_errors(parts, REMEDY):
            parts.mkdir(parents=True, exist_ok=True)
        save_plan(found, parts)
        return FileRecord.of(found, record.output)


def _check_no_output_exists(path: Path, names: Sequence[str]) -> None:
    """Raise `NmtError` if a file has the name of an output, though the folder has no manifest."""
    for name in names:
        if os.path.lexists(path / name):
            raise NmtError(f"{path / name}: exists, and would be overwritten; move it away, or name another folder")


def _remove_unknown_parts(path: Path) -> None:
    """Remove parts without a manifest, which may be of another model. Plans are kept: they say what they are of."""
    for file in (path / PARTS).rglob("*"):
        if file.name != PLAN and file.is_file():
            file.unlink(missing_ok=True)


def _warn(record: FileRecord, headers: Sequence[PartHeader]) -> None:
    """Log warnings about invalid UTF-8, long lines and unseen words in a file that is complete."""
    invalid = [each for each in headers if each.invalid_lines]
    if invalid:
        count = sum(each.invalid_lines for each in invalid)
        logger.warning(str(InvalidLines(record.path, record.lines, count, invalid[0].first_invalid)))
    long = [each for each in headers if each.long_lines]
    if long:
        count = sum(each.long_lines for each in long)
        warn_of_long_lines(record.path, count, long[0].first_long, long[0].typical_length)
    unseen = [each for each in headers if each.unseen_words]
    if unseen:
        words, count = sum(each.words for each in headers), sum(each.unseen_words for each in unseen)
        found = UnseenWords(words, count, unseen[0].first_unseen)
        warn_of_unseen_words(record.path, found, unseen[0].usual_share, unseen[0].sampled_pairs)
