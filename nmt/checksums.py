"""Checksums of the files of a checkpoint, so that a flipped byte or a cut file is never taken for weights."""

import hashlib
import json
from pathlib import Path

from nmt.errors import NmtError
from nmt.files import parse_json

NAME = "checksums.json"
_BLOCK = 1 << 22


def write(checkpoint: Path) -> None:
    """Write the SHA-256 of every file of a finished checkpoint folder into it."""
    files = sorted(path for path in checkpoint.rglob("*") if path.is_file() and path.name != NAME)
    sums = {path.relative_to(checkpoint).as_posix(): digest(path) for path in files}
    (checkpoint / NAME).write_text(json.dumps(sums, indent=1) + "\n", encoding="utf-8")


def check(path: Path) -> None:
    """Raise `NmtError` unless a file of a checkpoint is as it was written; one of an older version is not checked."""
    checkpoint = _checkpoint(path)
    listed = checkpoint / NAME
    if not listed.exists():
        return
    try:
        sums = parse_json(listed.read_text(encoding="utf-8"))
        expected = sums[path.relative_to(checkpoint).as_posix()]
    except (OSError, ValueError, KeyError, TypeError):
        raise damaged(listed, "not a list of checksums") from None
    try:
        found = digest(path)
    except OSError as error:
        raise damaged(path, error.strerror or str(error)) from None
    if found != expected:
        raise damaged(path, "its checksum is wrong")


def damaged(path: Path, reason: str) -> NmtError:
    """Return the error for a damaged file of a checkpoint, which names the checkpoints that could take its place."""
    checkpoint = _checkpoint(path)
    places = (place for place in checkpoint.parent.glob("*/model.safetensors") if not place.parent.name.startswith("."))
    others = sorted(place.parent.name for place in places if place.parent != checkpoint)
    remedy = "there is no other checkpoint"
    if others:
        newest = max(others, key=lambda name: int(name.removeprefix("step-")) if name[5:].isdecimal() else -1)
        remedy = f"take another one with --checkpoint, such as {newest} (nmt train: --resume --checkpoint {newest})"
    return NmtError(f"{path}: damaged or missing: {reason}; {remedy}")


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            found.update(block)
    return found.hexdigest()


def _checkpoint(path: Path) -> Path:
    return path.parent.parent if path.parent.name == "training" else path.parent
