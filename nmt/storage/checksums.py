"""Checksums of the files of a folder, so that a flipped byte or a cut file is never taken for weights or for text."""

import hashlib
import json
from pathlib import Path

from nmt.errors import NmtError
from nmt.storage.json_text import parse_json

NAME = "checksums.json"
_BLOCK = 1 << 22


def write(folder: Path) -> None:
    """Write the SHA-256 of every file of a finished folder into it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != NAME)
    sums = {path.relative_to(folder).as_posix(): digest(path) for path in files}
    (folder / NAME).write_text(json.dumps(sums, indent=1) + "\n", encoding="utf-8")


def read(folder: Path) -> dict[str, str]:
    """Return the checksum of each file of a folder, nothing where an older version wrote it; raises `ValueError`."""
    path = folder / NAME
    sums = parse_json(path.read_text(encoding="utf-8")) if path.exists() else {}
    if not isinstance(sums, dict):
        raise ValueError(f"{path}: not a list of checksums")
    return sums


def check_all(folder: Path, remedy: str) -> None:
    """Raise `NmtError`, which ends with the `remedy`, unless all files listed are there and as they were written.

    Nothing outside the folder is read, whatever the list says.
    """
    try:
        sums = read(folder)
    except (OSError, ValueError):
        raise NmtError(f"{folder / NAME}: damaged: not a list of checksums; {remedy}") from None
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    for name, expected in sums.items():
        if fault := _fault(folder / name, expected) if name in there else "no such file":
            raise NmtError(f"{folder / name}: damaged or missing: {fault}; {remedy}")


def check(path: Path) -> None:
    """Raise `NmtError` unless a file of a checkpoint is as it was written; one of an older version is not checked."""
    checkpoint = _checkpoint(path)
    try:
        sums = read(checkpoint)
        expected = sums[path.relative_to(checkpoint).as_posix()] if sums else None
    except (OSError, ValueError, KeyError):
        raise damaged(checkpoint / NAME, "not a list of checksums") from None
    if expected is not None and (fault := _fault(path, expected)):
        raise damaged(path, fault)


def damaged(path: Path, reason: str) -> NmtError:
    """Return the error for a damaged file of a checkpoint, which names the checkpoints that could take its place."""
    checkpoint = _checkpoint(path)
    places = (place for place in checkpoint.parent.glob("*/model.safetensors") if not place.parent.name.startswith("."))
    others = sorted(place.parent.name for place in places if place.parent != checkpoint)
    remedy = "there is no other checkpoint"
    if others:
        newest = max(others, key=lambda name: int(name.removeprefix("step-")) if name[5:].isdecimal() else -1)
        resume = f" (nmt train: --resume --checkpoint {newest})" if newest.startswith("step-") else ""
        remedy = f"take another one with --checkpoint, such as {newest}{resume}"
    return NmtError(f"{path}: damaged or missing: {reason}; {remedy}")


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            found.update(block)
    return found.hexdigest()


def of(path: Path) -> str:
    """Return the checksum of a file of a checkpoint: the one kept there, or its own where there is none."""
    checkpoint = _checkpoint(path)
    return read(checkpoint).get(path.relative_to(checkpoint).as_posix()) or digest(path)


def _fault(path: Path, expected: str) -> str:
    """Return what is wrong with a file, nothing where its checksum is the expected one."""
    try:
        return "" if digest(path) == expected else "its checksum is wrong"
    except OSError as error:
        return error.strerror or str(error)


def _checkpoint(path: Path) -> Path:
    return path.parent.parent if path.parent.name == "training" else path.parent
