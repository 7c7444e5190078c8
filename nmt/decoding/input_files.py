"""Find the input files that `--input` names, files or patterns, and the names of their outputs."""

import collections
import glob
import os
from collections.abc import Sequence
from pathlib import Path

from nmt.errors import NmtError

MANIFEST, PARTS, LOCK = "manifest.json", ".parts", ".lock"
"""Names in the output folder that no output may have."""


def find_inputs(patterns: Sequence[Path], folder: Path) -> list[Path]:
    """Return the absolute paths of the files that the patterns name, each once; those of a pattern are sorted.

    A pattern matches no folders, no hidden files, and no files in the output `folder`. Raise `NmtError` for a folder,
    for a file that is missing, and for a pattern that matches no file.
    """
    output = folder.resolve()
    found: dict[Path, None] = {}
    for pattern in patterns:
        path = Path(os.path.abspath(pattern))  # noqa: PTH100 (removes .. without following links)
        if path.is_dir():
            raise NmtError(f"{pattern}: is a folder; give its files as a pattern in quotes: --input '{pattern / '*'}'")
        if path.exists():
            found[path] = None
            continue
        if not glob.has_magic(str(pattern)):
            raise NmtError(f"{pattern}: no such file")
        matches = sorted(Path(each) for each in glob.glob(str(path), recursive=True) if os.path.lexists(each))  # noqa: PTH207 (**)
        files = [each for each in matches if not each.is_dir() and not each.resolve().is_relative_to(output)]
        if not files:
            folders = "; it matches only folders: add /*" if matches else ""
            raise NmtError(f"{pattern}: no file matches this pattern{folders}")
        found |= dict.fromkeys(files)
    return list(found)


def output_names(paths: Sequence[Path]) -> list[str]:
    """Return the name of the output of each input: its own, or the path below the common folder of all inputs if two
    inputs have the same name.

    Raise `NmtError` for a name that the output folder needs itself.
    """
    names = [path.name for path in paths]
    repeated = [name for name, count in collections.Counter(name.casefold() for name in names).items() if count > 1]
    if repeated:
        common = Path(os.path.commonpath([path.parent for path in paths]))
        names = [path.relative_to(common).as_posix() for path in paths]
    for path, name in zip(paths, names, strict=True):
        if name.split("/")[0] in (MANIFEST, PARTS, LOCK):
            raise NmtError(f"{path}: the output folder has a file {name} of its own; rename the input")
    return names
