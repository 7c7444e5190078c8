"""Write and read the two graphs of a network as a folder: `encoder.onnx`, `decoder.onnx` and `graphs.json`.

`graphs.json` says what the graphs were made from, and has the size and the SHA-256 of every file of the folder. The
graphs hold their weights; they name no other file.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import nmt
from nmt.engine import Arithmetic
from nmt.errors import NmtError
from nmt.runtime.graph_check import check_graph
from nmt.storage import checksums
from nmt.storage.json_text import parse_json
from nmt.storage.run_folder import CHECKPOINT_NAME, GRAPHS

FORMAT = 1
"""Version of the files, and of the inputs and outputs of the graphs. Other formats are refused."""
EXPORTER = 1
"""Version of the code that builds graphs. Raise it if the same weights give other graphs: those kept beside checkpoints
are then made again."""
NAME = GRAPHS
ENCODER, DECODER = "encoder.onnx", "decoder.onnx"
EXPORT_REMEDY = "export the run again with 'nmt export'"
TEXT_SUFFIXES = {".json", ".yaml"}
MAX_TEXT_BYTES = 1 << 20
"""Largest size of a JSON or YAML file."""
_HEXADECIMAL = re.compile(r"[0-9a-f]{64}")


class NoGraphsError(NmtError):
    """The graphs of a network cannot be made here, but torch can run it."""

    def __init__(self, reason: str, *remedies: str) -> None:
        """Take the message, and what else than using torch may help."""
        super().__init__(reason)
        self.remedies = remedies


@dataclass(frozen=True)
class File:
    """What `graphs.json` says of a file."""

    size: int
    """In bytes."""
    sha256: str


@dataclass(frozen=True)
class Description:
    """The content of `graphs.json`."""

    precision: Arithmetic
    run: str
    """Name of the run."""
    checkpoint: str
    """Name of the checkpoint: step-N, averaged or another name of a mean."""
    weights: str
    """SHA-256 of its weights."""
    config: str
    """SHA-256 of the file config.yaml of the run."""
    settings: Mapping[str, Any]
    """What translating needs of this file, as JSON values (`ModelSettings`)."""
    vocabularies: str
    """Fingerprint of the subword models."""
    source_size: int
    target_size: int
    """Entries of the vocabularies."""
    exporter: int = EXPORTER
    files: Mapping[str, File] = dataclasses.field(default_factory=dict)
    """The files of the folder by their names, with / between folder and file."""

    def to_text(self) -> str:
        """Return the content of `graphs.json`."""
        files = {name: {"bytes": file.size, "sha256": file.sha256} for name, file in self.files.items()}
        described = {"format": FORMAT, "nmt": nmt.__version__, **dataclasses.asdict(self), "files": files}
        return json.dumps(described, indent=1) + "\n"


@dataclass(frozen=True)
class Graphs:
    """The serialised graphs of a network, and what they were made from."""

    encoder: bytes
    decoder: bytes
    description: Description

    def save(self, folder: Path) -> None:
        """Write the graphs to a folder, and describe all files that it then has in `graphs.json`."""
        (folder / ENCODER).write_bytes(self.encoder)
        (folder / DECODER).write_bytes(self.decoder)
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        files = {
            path.relative_to(folder).as_posix(): File(path.stat().st_size, checksums.digest(path)) for path in paths
        }
        described = dataclasses.replace(self.description, files=files)
        (folder / NAME).write_text(described.to_text(), encoding="utf-8")


def load_graphs(folder: Path, remedy: str) -> Graphs:
    """Read the graphs of a folder.

    Raise `NmtError`, which names the file and ends with the `remedy`, if a file is missing, damaged or of another
    format, or if a graph uses operators that `nmt` never writes.
    """
    description = read_description(folder, remedy)
    encoder, decoder = (read_file(folder, description, name, remedy) for name in (ENCODER, DECODER))
    for name, graph in ((ENCODER, encoder), (DECODER, decoder)):
        try:
            check_graph(graph)
        except ValueError as error:
            raise NmtError(f"{folder / name}: not a graph that nmt has written: {error}; {remedy}") from None
    return Graphs(encoder, decoder, description)


def read_description(folder: Path, remedy: str) -> Description:
    """Return the content of `graphs.json`. Raise `NmtError` if it is missing, damaged or of another format."""
    path = folder / NAME
    try:
        if path.stat().st_size > MAX_TEXT_BYTES:
            raise ValueError
        found = parse_json(path.read_text(encoding="utf-8"))
        version = found["format"]
    except OSError as error:
        raise NmtError(f"{path}: cannot be read: {error.strerror or error}; {remedy}") from None
    except (ValueError, KeyError, TypeError):
        raise NmtError(f"{path}: damaged: not the description of graphs; {remedy}") from None
    if version != FORMAT:
        raise NmtError(
            f"{path}: has format {version!r:.20}, which needs another version of nmt (this one reads format {FORMAT}); "
            f"{remedy}"
        )
    try:
        return _description(found)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise NmtError(f"{path}: damaged: not the description of graphs; {remedy}") from None


def read_file(folder: Path, description: Description, name: str, remedy: str) -> bytes:
    """Return the content of a file of a folder. Raise `NmtError` if its size or its checksum is wrong."""
    path = _checked_path(folder, description, name, remedy)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise NmtError(f"{path}: cannot be read: {error.strerror or error}; {remedy}") from None
    if hashlib.sha256(content).hexdigest() != description.files[name].sha256:
        raise NmtError(f"{path}: damaged: its checksum is wrong; {remedy}")
    return content


def verify_files(
    folder: Path, description: Description, needed: Iterable[str], optional: Iterable[str], remedy: str
) -> None:
    """Check the files of a folder that are read besides the graphs, which `load_graphs` checks.

    Raise `NmtError` if a file is damaged, too large or outside the folder, if a `needed` file is missing, or if an
    `optional` one exists and is not listed, or the reverse.
    """
    for name in optional:
        if name not in description.files and (folder / name).exists():
            raise NmtError(f"{folder / name}: is not a file of this exported model; remove it, or {remedy}")
    for name in (*needed, *(name for name in optional if name in description.files)):
        path = _checked_path(folder, description, name, remedy)
        if path.suffix in TEXT_SUFFIXES and description.files[name].size > MAX_TEXT_BYTES:
            raise NmtError(f"{path}: has more than {MAX_TEXT_BYTES:,} bytes; {remedy}")
        try:
            is_intact = checksums.digest(path) == description.files[name].sha256
        except OSError as error:
            raise NmtError(f"{path}: cannot be read: {error.strerror or error}; {remedy}") from None
        if not is_intact:
            raise NmtError(f"{path}: damaged: its checksum is wrong; {remedy}")


def _checked_path(folder: Path, description: Description, name: str, remedy: str) -> Path:
    """Return the path of a file. Raise `NmtError` if it is not a file of this size inside the folder."""
    path = folder / name
    if name not in description.files:
        raise NmtError(f"{folder / NAME}: damaged: it does not list {name}; {remedy}")
    try:
        if not path.resolve(strict=True).is_relative_to(folder.resolve()):
            raise NmtError(f"{path}: is a link to a file outside the folder; replace it by the file, or {remedy}")
        if not path.is_file():
            raise NmtError(f"{path}: is not a file; {remedy}")
        size = path.stat().st_size
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        reason = getattr(error, "strerror", None) or error
        raise NmtError(f"{path}: cannot be read: {reason}; {remedy}") from None
    if size != (expected := description.files[name].size):
        raise NmtError(f"{path}: damaged: it has {size:,} bytes, not {expected:,}; {remedy}")
    return path


def _description(found: Mapping[str, Any]) -> Description:
    """Check the values of `graphs.json`. Raise ValueError, KeyError, TypeError or AttributeError if one is wrong."""
    files = {}
    for name, file in found["files"].items():
        if not _is_inside(name) or not _is_size(file["bytes"]) or not _HEXADECIMAL.fullmatch(file["sha256"]):
            raise ValueError
        files[name] = File(file["bytes"], file["sha256"])
    sizes, digests = ("source_size", "target_size", "exporter"), ("weights", "config", "vocabularies")
    if found["precision"] not in ("fp32", "int8") or not CHECKPOINT_NAME.fullmatch(found["checkpoint"]):
        raise ValueError
    if not all(_is_size(found[key]) for key in sizes) or not all(_HEXADECIMAL.fullmatch(found[key]) for key in digests):
        raise ValueError
    if not found["run"].isprintable() or not isinstance(found["settings"], dict):
        raise ValueError
    keys = ("precision", "run", "checkpoint", "settings", *digests, *sizes)
    return Description(**{key: found[key] for key in keys}, files=files)


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**40


def _is_inside(name: str) -> bool:
    """Return whether a name leads to a place inside the folder, on every system."""
    parts = PurePosixPath(name).parts
    return (
        name.isprintable() and "/".join(parts) == name and not {"..", "/"} & set(parts) and not set(name) & set(":\\")
    )
