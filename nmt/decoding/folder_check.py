"""Check an output folder: which parts are there, who works on what, whether counts and checksums are right."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nmt.decoding.file_manifest import FileRecord
from nmt.decoding.output_folder import OutputFolder
from nmt.decoding.part_files import DamagedPart, copy_part, workers_of
from nmt.errors import NmtError
from nmt.storage import checksums


@dataclass(frozen=True)
class FileStatus:
    """The state of a file in an output folder."""

    record: FileRecord
    parts: int
    """Number of parts of the file."""
    missing: Sequence[int] = ()
    """Numbers of the parts that are not translated, from 0; empty if the output is complete."""
    working: Mapping[int, Sequence[str]] = dataclasses.field(default_factory=dict)
    """The processes that translate a missing part, as far as the file system can tell."""
    problem: str | None = None
    """What is wrong, and what to do; None if nothing is."""

    @property
    def is_complete(self) -> bool:
        """Whether the output is there and is what was written."""
        return self.record.state == "complete" and self.problem is None


def check_folder(folder: OutputFolder, is_read_only: bool) -> list[FileStatus]:
    """Read all outputs and parts, and return the state of each file.

    Unless `is_read_only`, join the parts that are complete, and remove damaged parts, so that they are translated
    again.
    """
    found = [_check_file(folder, record, is_read_only) for record in folder.manifest.inputs]
    if is_read_only:
        return found
    joined = folder.join([status.record.output for status in found if not status.missing])
    new = {name: _check_file(folder, folder.manifest.record(name), is_read_only) for name in joined}
    return [new.get(status.record.output, status) for status in found]


def _check_file(folder: OutputFolder, record: FileRecord, is_read_only: bool) -> FileStatus:
    count = folder.manifest.count_parts(record)
    if record.state == "complete":
        return FileStatus(record, count, problem=_output_problem(folder, record))
    parts = folder.file_parts(record)
    if parts is None:
        text = record.error or "the plan of its parts is missing; give the nmt translate command again"
        return FileStatus(record, count, list(range(count)), problem=text)
    done = folder.finished_parts(record)
    missing = [number for number in range(count) if number not in done]
    damaged = []
    for number in sorted(done):
        try:
            copy_part(parts[number])
        except DamagedPart as error:
            damaged.append(str(error))
            missing.append(number)
            if not is_read_only:
                error.remove()
        except OSError as error:
            raise NmtError(f"{parts[number].file}: cannot be read: {error.strerror or error}") from None
    working = {number: found for number in missing if (found := workers_of(parts[number].file))}
    problem = "; ".join(damaged) or record.error
    return FileStatus(record, count, sorted(missing), working, problem)


def _output_problem(folder: OutputFolder, record: FileRecord) -> str | None:
    """Return what is wrong with a complete output; None if nothing is."""
    path = folder.path / record.output
    remedy = "give the nmt translate command again"
    try:
        is_same = checksums.digest(path) == record.output_sha256
    except FileNotFoundError:
        return f"{path}: missing; {remedy}"
    except OSError as error:
        return f"{path}: cannot be read: {error.strerror or error}"
    return None if is_same else f"{path}: has changed since it was written; move it away, and {remedy}"
