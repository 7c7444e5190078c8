"""The folder of an augmentation: which steps are finished, with what they return, in `manifest.json`.

A step is finished when its result is in the manifest, which is written atomically after the step. An interrupted step
is executed again; training, translation and preparation continue where they were. A second command with other options
or other text is an error.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt.config import Config
from nmt.corpora.synthetic_pairs import Limits
from nmt.data.corpus import corpus_paths
from nmt.data.lines import convert_read_errors
from nmt.decoding.resumable_output import differences
from nmt.errors import NmtError
from nmt.storage import checksums
from nmt.storage.atomic_files import convert_write_errors, write_atomically
from nmt.storage.json_text import dump_json, parse_json
from nmt.storage.run_folder import Run

MANIFEST = "manifest.json"
REMEDY = "free disk space or choose a working directory that is writable, and run the same command again"
_VERSION = 1

logger = logging.getLogger(__name__)
Result = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """A part of the work that is executed once."""

    name: str
    """Its name in the manifest."""
    about: str
    """What it does, for the user."""
    action: Callable[[], Result]
    """Does it, and returns what later steps need to know, as JSON values."""
    is_begun: Callable[[], bool] = lambda: False
    """Whether an interrupted process has left a part of the result."""


class State:
    """The results of the finished steps."""

    def __init__(self, folder: Path, identity: Result) -> None:
        """Read the manifest of `folder`. Raise `NmtError` if it was made with another `identity`.

        The identity is the command, its options and configuration, and the text that it reads (`identity_of`), as JSON
        values.
        """
        self.folder, self._identity = folder, parse_json(dump_json(identity))
        self.results: dict[str, Result] = {}
        """The result of each finished step by its name."""
        self._read()

    def execute(self, steps: Sequence[Step]) -> None:
        """Execute the steps that are not finished, in their order. Raise `NmtError` if another process does."""
        with convert_write_errors(self.folder, REMEDY):
            self.folder.mkdir(parents=True, exist_ok=True)
        with Run(self.folder).lock(REMEDY):
            self._read()  # another process may have finished steps before this one had the lock
            self._save()
            for number, step in enumerate(steps, 1):
                if step.name not in self.results:
                    logger.info(f"step {number} of {len(steps)}: {step.about}")
                    self.results[step.name] = step.action()
                    self._save()

    def describe(self, steps: Iterable[Step]) -> list[tuple[str, str]]:
        """Return what each step does, and whether it is finished, begun or to do."""
        return [
            (step.about, "finished" if step.name in self.results else "begun" if step.is_begun() else "to do")
            for step in steps
        ]

    def _read(self) -> None:
        """Read the results of finished steps. Raise `NmtError` if they have another identity."""
        stored = _read(self.folder)
        if stored is None:
            return
        if changes := _changes(stored["identity"], self._identity):
            raise NmtError(
                f"{self.folder / MANIFEST} was made with {'; '.join(changes)}: give the same, choose another --name, "
                f"or remove {self.folder} to start over"
            )
        self.results = stored["results"]

    def _save(self) -> None:
        values = {"version": _VERSION, "identity": self._identity, "results": self.results}
        write_atomically(self.folder / MANIFEST, dump_json(values, indent=1, ensure_ascii=False) + "\n", REMEDY)


def shared_options(checkpoint: str | None, limits: Limits, search: Mapping[str, Any]) -> Result:
    """Return the options that both commands have, as they are written on the command line."""
    return {
        "--checkpoint": checkpoint,
        "--min-score": limits.min_score,
        "--max-ratio": limits.max_ratio or None,
        **{f"--{name.replace('_', '-')}": value for name, value in search.items()},
    }


def identity_of(config: Config, more_files: Iterable[Path] = ()) -> Result:
    """Return a configuration, and the size and the checksum of each file that is read, as JSON values.

    Raise `NmtError` if a file cannot be read.
    """
    inputs: dict[str, Result] = {}
    for path in (*(path for corpus in config.data.train for path in corpus_paths(corpus)), *more_files):
        with convert_read_errors(path):
            if not path.exists():
                raise NmtError(f"{path}: no such file in {Path.cwd()}")
            inputs[str(path)] = {"bytes": path.stat().st_size, "SHA-256": checksums.digest(path)}
    return {"config": identity_of_config(config), "inputs": inputs}


def identity_of_config(config: Config) -> Result:
    """Return the keys of a configuration that a model depends on, as JSON values."""
    values = config.model_dump(mode="json")
    del values["data"]["workers"]
    return values


def _changes(before: Result, now: Result) -> list[str]:
    """Return the differences between two identities: those of options and keys, and the files with other text."""
    known = {key: value for key, value in before.items() if key != "inputs"}
    found = differences(known, {key: value for key, value in now.items() if key != "inputs"})
    old, new = before.get("inputs", {}), now["inputs"]
    return found or [f"other text in {path}" for path in {**old, **new} if old.get(path) != new.get(path)]


def _read(folder: Path) -> Mapping[str, Any] | None:
    """Return the content of the manifest; None if the folder is new."""
    path = folder / MANIFEST
    try:
        values = parse_json(path.read_text(encoding="utf-8"))
        if values["version"] != _VERSION:
            raise NmtError(f"{path}: written by another version of nmt; remove {folder} to start over")
        if not all(isinstance(values[key], dict) for key in ("identity", "results")):
            raise ValueError
    except FileNotFoundError:
        if folder.exists() and (not folder.is_dir() or any(one.name[0] != "." for one in folder.iterdir())):
            raise NmtError(f"{folder}: exists and has no {MANIFEST}; choose another --name") from None
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise NmtError(f"{path}: damaged; remove {folder} to start over") from None
    found: Mapping[str, Any] = values
    return found
