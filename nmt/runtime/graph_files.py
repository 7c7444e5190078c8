"""Write and read the two graphs of a network as a folder: `encoder.onnx`, `decoder.onnx` and `graphs.json`.

`graphs.json` has the format version, the precision, the checkpoint that the graphs were made from, the fingerprint and
the sizes of the vocabularies, and the size and the SHA-256 of every file of the folder. The graphs hold their weights;
they name no other file.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nmt
from nmt.engine import Arithmetic
from nmt.errors import NmtError
from nmt.runtime.graph_check import check_graph
from nmt.storage.json_text import parse_json
from nmt.storage.run_folder import GRAPHS

FORMAT = 1
"""Version of the files and of the inputs and outputs of the graphs. A newer format is refused."""
NAME = GRAPHS
EXPORT_REMEDY = "export the run again with 'nmt export'"
ENCODER, DECODER = "encoder.onnx", "decoder.onnx"


@dataclass(frozen=True)
class Graphs:
    """The serialised graphs of a network, and what they were made from."""

    encoder: bytes
    decoder: bytes
    precision: Arithmetic
    vocabularies: str
    """Fingerprint of the subword models."""
    source_size: int
    target_size: int
    """Entries of the vocabularies."""
    run: str
    """Name of the run."""
    checkpoint: str
    """Name of the checkpoint, step-N or averaged."""
    weights: str
    """SHA-256 of its weights."""
    config: str
    """SHA-256 of the file config.yaml of the run."""
    settings: Mapping[str, Any]
    """What translating needs of this file, as JSON values (`ModelSettings`)."""

    def save(self, folder: Path, others: Mapping[str, bytes]) -> None:
        """Write the graphs and `others`, the content of further files by name, to an existing empty folder."""
        files = {ENCODER: self.encoder, DECODER: self.decoder, **others}
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        described = {
            "format": FORMAT,
            "nmt": nmt.__version__,
            "precision": self.precision,
            "run": self.run,
            "checkpoint": self.checkpoint,
            "weights": self.weights,
            "config": self.config,
            "settings": self.settings,
            "vocabularies": self.vocabularies,
            "source_size": self.source_size,
            "target_size": self.target_size,
            "files": {
                name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
                for name, content in files.items()
            },
        }
        (folder / NAME).write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")


def load_graphs(folder: Path, remedy: str) -> Graphs:
    """Read the graphs of a folder.

    Raise `NmtError`, which names the file and ends with the `remedy`, if a file is missing, damaged or of a newer
    format, or if a graph uses operators that `nmt` never writes.
    """
    found = read_description(folder, remedy)
    encoder, decoder = (read_file(folder, found, name, remedy) for name in (ENCODER, DECODER))
    for name, graph in ((ENCODER, encoder), (DECODER, decoder)):
        try:
            check_graph(graph)
        except ValueError as error:
            raise NmtError(f"{folder / name}: not a graph that nmt has written: {error}; {remedy}") from None
    try:
        return Graphs(
            encoder,
            decoder,
            precision="int8" if found["precision"] == "int8" else "fp32",
            source_size=int(found["source_size"]),
            target_size=int(found["target_size"]),
            settings=dict(found["settings"]),
            **{key: str(found[key]) for key in ("vocabularies", "run", "checkpoint", "weights", "config")},
        )
    except (KeyError, TypeError, ValueError):
        raise NmtError(f"{folder / NAME}: damaged: not the description of graphs; {remedy}") from None


def read_description(folder: Path, remedy: str) -> dict[str, Any]:
    """Return the content of `graphs.json`. Raise `NmtError` if it is missing, damaged or of a newer format."""
    path = folder / NAME
    try:
        found = parse_json(path.read_text(encoding="utf-8"))
        version = found["format"]
    except OSError as error:
        raise NmtError(f"{path}: cannot be read: {error.strerror or error}; {remedy}") from None
    except (ValueError, KeyError, TypeError):
        raise NmtError(f"{path}: damaged: not the description of graphs; {remedy}") from None
    if version != FORMAT:
        raise NmtError(
            f"{path}: has format {version}, but this version of nmt reads format {FORMAT}; update nmt, or export the "
            "model again with this version"
        )
    described: dict[str, Any] = found
    return described


def read_file(folder: Path, described: Mapping[str, Any], name: str, remedy: str) -> bytes:
    """Return the content of a file that `described` lists. Raise `NmtError` if its size or its checksum is wrong."""
    path = folder / name
    try:
        expected = described["files"][name]
        size, digest = int(expected["bytes"]), str(expected["sha256"])
    except (KeyError, TypeError, ValueError):
        raise NmtError(f"{folder / NAME}: damaged: it does not list {name}; {remedy}") from None
    try:
        if path.stat().st_size != size:
            raise NmtError(f"{path}: damaged: it has {path.stat().st_size:,} bytes, not {size:,}; {remedy}")
        content = path.read_bytes()
    except OSError as error:
        raise NmtError(f"{path}: cannot be read: {error.strerror or error}; {remedy}") from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise NmtError(f"{path}: damaged: its checksum is wrong; {remedy}")
    return content
