"""The folder of a run, and which one is meant when none is named.

runs/NAME/config.yaml              resolved configuration
          subword/                 subword model(s)
          lexicon.safetensors      which target tokens a source token becomes
          lengths.json             how long the training sources were
          checkpoints/step-N/      model.safetensors, meta.json, training/
          checkpoints/best, last   text files that hold the name of a checkpoint
          log.jsonl                one JSON object a line
          finished.json            only once training has ended
          report.html
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt.errors import NmtError
from nmt.storage.json_text import parse_json

RUNS = Path("runs")
HOW_TO_GET_ONE = "train one with 'nmt train --config CONFIG', or name one with --model or $NMT_MODEL"


@dataclass(frozen=True)
class Run:
    """The paths of one run."""

    folder: Path

    @property
    def config_file(self) -> Path:
        """The resolved configuration."""
        return self.folder / "config.yaml"

    @property
    def subword(self) -> Path:
        """Folder of the subword model(s)."""
        return self.folder / "subword"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.folder / "checkpoints"

    @property
    def lexicon(self) -> Path:
        """Target tokens for source tokens, for `--shortlist`."""
        return self.folder / "lexicon.safetensors"

    @property
    def lengths(self) -> Path:
        """How long the training sources were; runs of older versions have none."""
        return self.folder / "lengths.json"

    @property
    def log(self) -> Path:
        """The log, one JSON object a line."""
        return self.folder / "log.jsonl"

    @property
    def finished(self) -> Path:
        """There once training has ended."""
        return self.folder / "finished.json"

    @property
    def can_resume(self) -> bool:
        """Whether a checkpoint has been saved that `nmt train --resume` goes on from."""
        return (self.checkpoints / "last").exists()

    @property
    def disk_remedy(self) -> str:
        """What to do if a file of the run cannot be written; it ends an error message."""
        if self.can_resume:
            return "earlier checkpoints are intact: free disk space, or repair the folder, and resume with --resume"
        return "no checkpoint has been saved yet: free disk space, or repair the folder, and run the command again"

    def checkpoint(self, which: str = "best") -> Path:
        """Return the folder of checkpoint `which`: best, last, averaged or step-N.

        A pointer is read again if the training removes the checkpoint that it named at the same moment.
        """
        is_pointer = which in ("best", "last")
        name, before = self._pointed(which) if is_pointer else which, ""
        while name != before:
            path = self.checkpoints / name
            if Path(name).name == name and (path / "model.safetensors").is_file():
                return path
            name, before = self._pointed(which) if is_pointer else which, name
        there = ", ".join(self.names()) or "none yet"
        raise NmtError(f"{self.folder}: no checkpoint '{which}'; there are: {there}")

    def names(self) -> list[str]:
        """Return the names of the checkpoints, oldest first."""
        steps = [path.name for path in self.checkpoints.glob("step-*") if path.name[5:].isdecimal()]
        averaged = ["averaged"] if (self.checkpoints / "averaged").is_dir() else []
        return sorted(steps, key=lambda name: int(name[5:])) + averaged

    def _pointed(self, pointer: str) -> str:
        path = self.checkpoints / pointer
        try:
            return path.read_text(encoding="utf-8").strip() or "-"
        except (OSError, UnicodeDecodeError):
            raise NmtError(f"{self.folder}: no checkpoint '{pointer}' yet; {HOW_TO_GET_ONE}") from None

    @classmethod
    def open(cls, folder: Path) -> "Run":
        """Return the run in `folder`; raises `NmtError` where there is none."""
        run = cls(folder)
        if not folder.is_dir():
            raise NmtError(f"{folder}: no such run folder; {HOW_TO_GET_ONE}")
        if not run.config_file.is_file() or not run.checkpoints.is_dir():
            raise NmtError(f"{folder}: not a run folder (no config.yaml or checkpoints/); {HOW_TO_GET_ONE}")
        return run


def find_run(model: Path | None) -> tuple[Run, str, str]:
    """Return the run, the name of its checkpoint, and why: `model`, else $NMT_MODEL, else the newest finished run.

    `model` may be a run folder or a checkpoint folder inside one. Raises `NmtError` for anything else.
    """
    if model is not None:
        return *_from_path(model), "as asked"
    if named := os.environ.get("NMT_MODEL"):
        return *_from_path(Path(named).expanduser()), "from $NMT_MODEL"
    done = [path for path in RUNS.glob("*/finished.json") if (path.parent / "config.yaml").is_file()]
    if not done:
        raise NmtError(f"no finished run in {RUNS.resolve()}; {HOW_TO_GET_ONE}")
    newest = max(done, key=lambda path: (path.stat().st_mtime_ns, str(path)))
    return Run.open(newest.parent), "best", "the newest finished run"


def _from_path(path: Path) -> tuple[Run, str]:
    if path.parent.name == "checkpoints" and not (path / "config.yaml").exists():
        return Run.open(path.parent.parent), path.name
    if not (path / "config.yaml").exists():
        _refuse_inside(path)
    return Run.open(path), "best"


def _refuse_inside(path: Path) -> None:
    """Raise `NmtError` if `path` is a file, or lies inside a run, and name the folders to give in its place."""
    what = "is a file" if path.is_file() else "is not a run folder" if path.exists() else "no such file or folder"
    for folder in path.absolute().parents:
        if not (folder / "config.yaml").is_file() or not (folder / "checkpoints").is_dir():
            continue
        parts = path.absolute().relative_to(folder).parts
        run = Run(path.parents[len(parts) - 1] if len(parts) <= len(path.parents) else folder)
        names = run.names()
        example = next((name for name in names if name in parts), names[-1] if names else None)
        checkpoint = f", or a checkpoint folder, such as {run.checkpoints / example}" if example else ""
        raise NmtError(f"{path}: {what}; name the run folder, {run.folder}{checkpoint}")
    if path.is_file():
        raise NmtError(f"{path}: is a file; name the folder of a run (runs/NAME) or of one of its checkpoints")


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return the entries of a log; a line torn by a crash is left out."""
    entries = []
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise NmtError(f"{path}: {error.strerror}") from None
    for line in lines:
        try:
            entry = parse_json(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            entries.append(entry)
    return entries
