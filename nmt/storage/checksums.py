"""Detect corrupted checkpoints and prepared data: write and verify the SHA-256 checksum of each file of a folder."""

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path

from nmt.errors import NmtError
from nmt.storage.json_text import parse_json

NAME = "checksums.json"
_BLOCK_BYTES = 1 << 22


def write(folder: Path, apply: Callable[[Callable[[Path], str], Iterable[Path]], Iterable[str]] = map) -> None:
    """Write the checksums of all files of a finished folder into `checksums.json`.

    `apply` is a function like `map`, which may use several processes.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != NAME)
    sums = {path.relative_to(folder).as_posix(): found for path, found in zip(files, apply(digest, files), strict=True)}
    (folder / NAME).write_text(json.dumps(sums, indent=1) + "\n", encoding="utf-8")


def read(folder: Path) -> dict[str, str]:
    """Return the recorded checksum of each file of a folder; none if an older version wrote it. Raise `ValueError`."""
    path = folder / NAME
    sums = parse_json(path.read_text(encoding="utf-8")) if path.exists() else {}
    if not isinstance(sums, dict):
        raise ValueError(f"{path}: not a list of checksums")
    return sums


def verify_folder(folder: Path, remedy: str, is_verified: Callable[[str], bool] = lambda name: True) -> None:
    """Raise `NmtError`, which ends with the `remedy`, if a file with a recorded checksum is missing or has changed.

    Names that lead outside the folder are not read. Files for whose names `is_verified` is False need only exist.
    """
    try:
        sums = read(folder)
    except (OSError, ValueError):
        raise NmtError(f"{folder / NAME}: damaged: not a list of checksums; {remedy}") from None
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    for name, expected in sums.items():
        if name in present and not is_verified(name):
            continue
        if reason := _find_change(folder / name, expected) if name in present else "no such file":
            raise NmtError(f"{folder / name}: damaged or missing: {reason}; {remedy}")


def verify_file(path: Path) -> None:
    """Raise `NmtError` if a file of a checkpoint has changed. Checkpoints without checksums are not verified."""
    checkpoint = _checkpoint_of(path)
    try:
        sums = read(checkpoint)
        expected = sums[path.relative_to(checkpoint).as_posix()] if sums else None
    except (OSError, ValueError, KeyError):
        raise corruption_error(checkpoint / NAME, "not a list of checksums") from None
    if expected is not None and (reason := _find_change(path, expected)):
        raise corruption_error(path, reason)


def corruption_error(path: Path, reason: str) -> NmtError:
    """Return the error for a corrupted file of a checkpoint, which suggests the newest of the other checkpoints."""
    checkpoint = _checkpoint_of(path)
    weights = (file for file in checkpoint.parent.glob("*/model.safetensors") if not file.parent.name.startswith("."))
    others = sorted(file.parent.name for file in weights if file.parent != checkpoint)
    remedy = "there is no other checkpoint"
    if others:
        newest = max(others, key=lambda name: int(name.removeprefix("step-")) if name[5:].isdecimal() else -1)
        resume = f" (nmt train: --resume --checkpoint {newest})" if newest.startswith("step-") else ""
        remedy = f"choose another one with --checkpoint, such as {newest}{resume}"
    return NmtError(f"{path}: damaged or missing: {reason}; {remedy}")


def digest(path: Path, on_block: Callable[[], None] = lambda: None) -> str:
    """Return the SHA-256 of a file, in hexadecimal. `on_block` is called for each block; it may raise an error."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            on_block()
            found.update(block)
    return found.hexdigest()


def recorded_digest(path: Path) -> str:
    """Return the recorded checksum of a file of a checkpoint, or compute it if none is recorded."""
    checkpoint = _checkpoint_of(path)
    return read(checkpoint).get(path.relative_to(checkpoint).as_posix()) or digest(path)


def _find_change(path: Path, expected: str) -> str:
    """Return why the content of a file does not have the expected checksum, or an empty string if it has."""
    try:
        return "" if digest(path) == expected else "its checksum is wrong"
    except OSError as error:
        return error.strerror or str(error)


def _checkpoint_of(path: Path) -> Path:
    return path.parent.parent if path.parent.name == "training" else path.parent


def of_code() -> str:
    """Return a short hash of the source files of this package, to compare installations."""
    found = hashlib.sha256()
    top = Path(__file__).parents[1]
    for path in sorted(top.rglob("*.py")):
        found.update(f"{path.relative_to(top).as_posix()}\n".encode() + path.read_bytes())
    return found.hexdigest()[:12]
