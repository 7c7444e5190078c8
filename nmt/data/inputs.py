"""What the prepared data was made from: the files and the settings, so that nothing is made twice."""

import stat
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nmt.checksums import digest
from nmt.config import Config
from nmt.data.corpus import paths
from nmt.data.lines import open_binary
from nmt.data.subword import Vocabularies
from nmt.errors import NmtError

_BLOCK = 1 << 20
_FORMAT = 1


@dataclass(frozen=True)
class Input:
    """An input file as it was when it was read."""

    path: str
    size: int
    mtime_ns: int
    sha256: str
    lines: int


def settings(config: Config) -> dict[str, Any]:
    """Return all of the config that the prepared data depends on, ready for JSON."""
    data = config.data.model_dump(mode="json", include={"train", "valid", "normalization", "filters"})
    data |= config.data.model_dump(include={"collapse_whitespace", "lowercase"})
    if config.data.unescape_html:
        data["unescape_html"] = True
    for corpus in (*data["train"], data["valid"]):
        for key, default in (("tag", None), ("header", False), ("quoting", False)):
            if corpus[key] == default:  # as before there was the key
                del corpus[key]
    subword = config.subword.model_dump(mode="json", exclude={"reuse"}) | {"sampling": config.subword.sampling > 0}
    kind: str = config.subword.kind
    if config.subword.reuse is not None:
        reused = Vocabularies.find(config.subword.reuse, config.subword.joint)
        subword["reuse"], kind = reused.fingerprint, reused.source.kind
    extended = {"extended": True} if config.model.decoder.copy_source and kind == "word" else {}
    return {"format": _FORMAT, "data": data, "subword": subword, **extended}


def files(config: Config) -> list[Path]:
    """Return every file of the training and validation corpora once."""
    return list(dict.fromkeys(path for corpus in [*config.data.train, config.data.valid] for path in paths(corpus)))


def inspect(path: Path) -> Input:
    """Read a file once for its hash and number of lines."""
    status = _status(path)
    return Input(str(path), status[0], status[1], digest(path), _count_lines(path))


def describe(values: Input) -> dict[str, Any]:
    """Return the input ready for JSON."""
    return asdict(values)


def unchanged(known: list[dict[str, Any]], paths: list[Path]) -> bool:
    """Whether the files are those of `known`: same size and time, or else same content."""
    if [entry["path"] for entry in known] != [str(path) for path in paths]:
        return False
    for entry, path in zip(known, paths, strict=True):
        size, mtime_ns = _status(path)
        if size != entry["size"]:
            return False
        if mtime_ns != entry["mtime_ns"] and inspect(path).sha256 != entry["sha256"]:
            return False
    return True


def check_still(inputs: list[Input]) -> None:
    """Raise `NmtError` where a file has changed since it was inspected."""
    for entry in inputs:
        if _status(Path(entry.path)) != (entry.size, entry.mtime_ns):
            raise NmtError(f"{entry.path}: the file changed while it was read; run nmt preprocess again")


def _status(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except FileNotFoundError:
        raise NmtError(f"{path}: no such file") from None
    except OSError as error:
        raise NmtError(f"{path}: cannot be opened: {error.strerror}") from None
    if stat.S_ISDIR(status.st_mode):
        raise NmtError(f"{path}: is a folder, not a text file")
    if not stat.S_ISREG(status.st_mode):
        raise NmtError(f"{path}: preprocessing reads its input more than once; save the stream to a file")
    return status.st_size, status.st_mtime_ns


def _count_lines(path: Path) -> int:
    lines, last = 0, b"\n"
    with open_binary(path) as file:
        while block := file.read(_BLOCK):
            lines += block.count(b"\n")
            last = block[-1:]
    return lines + (last != b"\n")
