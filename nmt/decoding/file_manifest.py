"""The manifest of a folder of translated files: what each file was made from, with counts and checksums.

It is replaced atomically, so other programs can read it while work goes on. The starts and the checksums of the parts
of a file are in a plan beside them, which is removed with the parts.
"""

import contextlib
import dataclasses
import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from nmt import __version__
from nmt.decoding.file_parts import CountedFile, count_parts
from nmt.decoding.input_files import MANIFEST
from nmt.decoding.resumable_output import differences
from nmt.errors import NmtError
from nmt.storage.atomic_files import write_atomically
from nmt.storage.json_text import parse_json

_VERSION = 1
REMEDY = "free disk space, and give the same command again"
_MAX_DIFFERENCES = 5
"""Differences that a message lists."""
PLAN = "plan.json"


@dataclass(frozen=True)
class FileRecord:
    """An input file and its output. The field names are keys of the manifest."""

    path: str
    """The absolute path of the input."""
    size: int
    mtime_ns: int
    sha256: str
    """The checksum of the input as stored; empty if it could not be read."""
    lines: int
    output: str
    """The name of the output in the folder."""
    state: Literal["waiting", "failed", "complete"] = "waiting"
    error: str | None = None
    """Why the last attempt failed."""
    output_lines: int | None = None
    output_bytes: int | None = None
    output_sha256: str | None = None

    @classmethod
    def of(cls, counted: CountedFile, output: str) -> "FileRecord":
        """Return the record of a file that is to be translated."""
        return cls(str(counted.path), counted.size, counted.mtime_ns, counted.sha256, counted.lines, output)

    def has_same_status(self, path: Path) -> bool:
        """Return whether the input has its recorded size and time of modification."""
        try:
            found = path.stat()
        except OSError:
            return False
        return (found.st_size, found.st_mtime_ns) == (self.size, self.mtime_ns)


@dataclass(frozen=True)
class Manifest:
    """What the output folder contains, or will contain."""

    made_with: Mapping[str, Any]
    """Model and options."""
    lines_per_part: int
    inputs: Sequence[FileRecord]
    nmt: str = __version__
    """The version of nmt that began the work."""

    def count_parts(self, record: FileRecord) -> int:
        """Return the number of parts of a file."""
        return count_parts(record.lines, self.lines_per_part)

    def changed(self, *records: FileRecord) -> "Manifest":
        """Return the manifest with other records of the outputs that the `records` name."""
        new = {each.output: each for each in records}
        return dataclasses.replace(self, inputs=[new.get(each.output, each) for each in self.inputs])

    def record(self, output: str) -> FileRecord:
        """Return the record of an output."""
        return self._by_output[output]

    def __contains__(self, output: str) -> bool:
        return output in self._by_output

    @functools.cached_property
    def _by_output(self) -> dict[str, FileRecord]:
        return {each.output: each for each in self.inputs}

    def save(self, folder: Path) -> None:
        """Write the manifest to the folder, atomically."""
        values = {
            "version": _VERSION,
            "nmt": self.nmt,
            "made_with": self.made_with,
            "lines_per_part": self.lines_per_part,
            "inputs": [asdict(each) for each in self.inputs],
        }
        write_atomically(folder / MANIFEST, json.dumps(values, indent=1) + "\n", REMEDY)

    def check_same(self, folder: Path, made_with: Mapping[str, Any], lines_per_part: int) -> None:
        """Raise `NmtError` that names the differences if the model or the options are not those of the manifest."""
        before = {**self.made_with, "--part-lines": self.lines_per_part}
        if changes := differences(before, {**made_with, "--part-lines": lines_per_part}):
            raise changes_error(folder, f"was begun with {'; '.join(changes)}")

    def check_inputs(self, folder: Path, paths: Sequence[Path]) -> "Manifest":
        """Return the manifest without inputs that failed and are not given any more.

        Raise `NmtError` that names the differences if the inputs are not those of the manifest.
        """
        given = {str(path) for path in paths}
        records = [each for each in self.inputs if each.state != "failed" or each.path in given]
        known = {each.path for each in records}
        changes = [f"without the input {path}" for path in sorted(given - known)]
        changes += [f"with the input {path}, which is not given now" for path in sorted(known - given)]
        if changes:
            more = f"; and {len(changes) - _MAX_DIFFERENCES:,} more" if len(changes) > _MAX_DIFFERENCES else ""
            raise changes_error(folder, f"was begun {'; '.join(changes[:_MAX_DIFFERENCES])}{more}")
        return dataclasses.replace(self, inputs=records)


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest of a folder; None if there is none. Raise `NmtError` if it is damaged."""
    path = folder / MANIFEST
    try:
        values = parse_json(path.read_text(encoding="utf-8"))
        if values.pop("version") != _VERSION:
            raise NmtError(f"{path}: written by another version of nmt; name another folder")
        records = [FileRecord(**each) for each in values.pop("inputs")]
        return Manifest(**values, inputs=records)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        raise NmtError(f"{path}: damaged, or not a manifest of nmt translate; name another --output-folder") from None


def changes_error(folder: Path, changes: str) -> NmtError:
    """Return the error for a command that does not fit the work in the folder."""
    return NmtError(f"{folder}: {changes}: give the same, or name another --output-folder")


def save_plan(counted: CountedFile, folder: Path) -> None:
    """Write where the parts of a file begin to the folder of its parts."""
    values = {**asdict(counted), "path": str(counted.path)}
    write_atomically(folder / PLAN, json.dumps(values) + "\n", REMEDY)


def read_plan(folder: Path) -> CountedFile | None:
    """Return what `save_plan` wrote; None if there is no such file, or if it is damaged."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        values = parse_json((folder / PLAN).read_text(encoding="utf-8"))
        lists = {name: tuple(values.pop(name)) for name in ("starts", "checksums")}
        counted = CountedFile(**{**values, **lists, "path": Path(values["path"])})
        parts = count_parts(counted.lines, counted.lines_per_part)
        return counted if parts == len(counted.starts) == len(counted.checksums) else None
    return None
