"""The layout of a run folder (runs/NAME), and how a command finds its run: --model, $NMT_MODEL, or the newest.

runs/NAME/config.yaml              resolved configuration
          subword/                 subword model(s)
          lexicon.safetensors      likely target tokens of each source token
          lengths.json             lengths of the training sources
          words.json               hashes of the words of the training sources
          checkpoints/step-N/      model.safetensors, meta.json, training/
          checkpoints/averaged/    the mean of several checkpoints, which training or `nmt average` writes under this
                                   or another name: as step-N/, without training/
          checkpoints/best, last   text files with the name of a checkpoint
          corpus.json              facts about the text: lengths, subwords, overlap
          log.jsonl                one JSON object per line
          validation/              translations of the best and the last validation
          finished.json            exists only after the end of training
          report.html
          tensorboard/             event files, with training.tensorboard
          .lock                    locked by the process that trains; contains its id

An exported folder (`nmt.runtime.export`) has config.yaml, subword/, lexicon.safetensors, lengths.json and words.json if
the run has them, the graphs (`nmt.runtime.graph_files`), and no checkpoints.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt.errors import NmtError
from nmt.storage.atomic_files import convert_write_errors
from nmt.storage.json_text import parse_json
from nmt.storage.locks import try_lock_file

RUNS = Path("runs")
GRAPHS = "graphs.json"
"""The file that describes the graphs of an exported folder."""
CHECKPOINT_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
"""Names that the folder of a checkpoint may have."""
NO_RUN_REMEDY = "train one with 'nmt train --config CONFIG', or name one with --model or $NMT_MODEL"
RENAME_REMEDY = "choose another name (--set name=NAME)"


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
        """The folder of the subword model or models."""
        return self.folder / "subword"

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.folder / "checkpoints"

    @property
    def lexicon(self) -> Path:
        """The likely target tokens of each source token, for `--shortlist`."""
        return self.folder / "lexicon.safetensors"

    @property
    def lengths(self) -> Path:
        """The lengths of the training sources. Runs of older versions lack this file."""
        return self.folder / "lengths.json"

    @property
    def words(self) -> Path:
        """The words of the training sources (`nmt.data.training_words`). Runs of older versions lack this file."""
        return self.folder / "words.json"

    @property
    def corpus(self) -> Path:
        """Facts about the text (`nmt.data.corpus_facts`). Runs of older versions lack this file."""
        return self.folder / "corpus.json"

    @property
    def validation(self) -> Path:
        """The folder of the translations of the best and the last validation."""
        return self.folder / "validation"

    @property
    def log(self) -> Path:
        """The log, one JSON object per line."""
        return self.folder / "log.jsonl"

    @property
    def finished(self) -> Path:
        """A file that exists only after the end of training."""
        return self.folder / "finished.json"

    @property
    def can_resume(self) -> bool:
        """Whether a checkpoint has been saved that `nmt train --resume` can continue from."""
        return (self.checkpoints / "last").exists()

    @property
    def is_exported(self) -> bool:
        """Whether this is a folder that `nmt export` wrote: graphs and what translating needs, and no checkpoints."""
        return (self.folder / GRAPHS).is_file()

    def check_not_exported(self, purpose: str) -> None:
        """Raise `NmtError` if this is an exported folder, which cannot be used for a `purpose`, such as "plot"."""
        if self.is_exported:
            raise NmtError(
                f"{self.folder}: is an exported model, which can only translate; to {purpose}, give the run that it "
                "was exported from"
            )

    @property
    def write_remedy(self) -> str:
        """What to do if a file of the run cannot be written: the end of an error message."""
        if self.can_resume:
            return "earlier checkpoints are intact: free disk space, or repair the folder, and resume with --resume"
        return "no checkpoint has been saved yet: free disk space, or repair the folder, and run the command again"

    def checkpoint(self, which: str = "best") -> Path:
        """Return the folder of checkpoint `which`: best, last, step-N, averaged or another name of a mean.

        `best` and `last` are files with the name of a checkpoint. If training has just removed that checkpoint, the
        file is read again. If there is no such checkpoint, raise an `NmtError` that lists the existing ones. An
        exported folder is its own checkpoint.
        """
        if self.is_exported:
            if which != "best":
                raise NmtError(
                    f"{self.folder}: an exported model has one checkpoint only; leave out --checkpoint {which}"
                )
            return self.folder
        name, previous = self._resolve(which), ""
        while name != previous:
            path = self.checkpoints / name
            if Path(name).name == name and (path / "model.safetensors").is_file():
                return path
            name, previous = self._resolve(which), name
        raise NmtError(f"{self.folder}: no checkpoint '{which}'; there are: {', '.join(self.names()) or 'none yet'}")

    def names(self) -> list[str]:
        """Return the names of the checkpoints: those of training, oldest first, then means of several by name."""
        return self.step_names() + self.mean_names()

    def step_names(self) -> list[str]:
        """Return the names of the checkpoints of training, step-N, oldest first."""
        steps = [path.name for path in self.checkpoints.glob("step-*") if path.name[5:].isdecimal()]
        return sorted(steps, key=lambda name: int(name[5:]))

    def trained_names(self) -> list[str]:
        """Return the names of the checkpoints of training after at least one step, oldest first."""
        return [name for name in self.step_names() if name != "step-0"]

    def mean_names(self) -> list[str]:
        """Return the names of the means of checkpoints: `averaged`, and those that `nmt average` wrote."""
        folders = [path.parent.name for path in self.checkpoints.glob("*/meta.json")]
        return sorted(name for name in folders if not name.startswith((".", "step-")))

    def _resolve(self, which: str) -> str:
        """Return the name of the checkpoint that `best` or `last` refers to; other names are returned unchanged."""
        if which not in ("best", "last"):
            return which
        try:
            return (self.checkpoints / which).read_text(encoding="utf-8").strip() or "-"
        except (OSError, UnicodeDecodeError):
            raise NmtError(f"{self.folder}: no checkpoint '{which}' yet; {NO_RUN_REMEDY}") from None

    @contextmanager
    def lock(self, remedy: str) -> Iterator[None]:
        """Lock the run for this process. Raise `NmtError` that names the process if another one holds the lock.

        `remedy` ends the error message if the lock file cannot be written.
        """
        path = self.folder / ".lock"
        with convert_write_errors(path, remedy):
            handle = try_lock_file(path)
        if handle is None:
            with path.open("rb") as file:
                file.seek(1)  # Windows lets no other process read the locked first byte
                holder = file.read().decode("ascii", errors="replace")
            raise NmtError(f"{self.folder} is in use by process {holder}; wait for it or stop it")
        with os.fdopen(handle, "wb", buffering=0) as file:
            with convert_write_errors(path, remedy):
                file.truncate()
                file.write(f" {os.getpid()}".encode())
            yield

    @classmethod
    def open(cls, folder: Path) -> "Run":
        """Return the run in `folder`. Raise `NmtError` if there is none."""
        run = cls(folder)
        if not folder.is_dir():
            raise NmtError(f"{folder}: no such run folder; {NO_RUN_REMEDY}")
        if not run.config_file.is_file() or not (run.is_exported or run.checkpoints.is_dir()):
            raise NmtError(f"{folder}: not a run folder (no config.yaml or checkpoints/); {NO_RUN_REMEDY}")
        return run


def find_run(model: Path | None) -> tuple[Run, str, str]:
    """Find the run that `model` names, else $NMT_MODEL, else the newest finished run in `RUNS`.

    `model` is a run folder or a checkpoint folder inside one. Return the run, the name of its checkpoint, and the
    reason for this choice as a text for the user. Raise `NmtError` if there is no such run.
    """
    if model is not None:
        return *_from_path(model), "as requested"
    if named := os.environ.get("NMT_MODEL"):
        return *_from_path(Path(named).expanduser()), "from $NMT_MODEL"
    finished = [path for path in RUNS.glob("*/finished.json") if (path.parent / "config.yaml").is_file()]
    if not finished:
        started = [path for path in RUNS.glob("*/checkpoints/last") if (path.parents[1] / "config.yaml").is_file()]
        newest = max(started, key=lambda path: (path.stat().st_mtime_ns, str(path)), default=None)
        unfinished = f"; to use the unfinished {newest.parents[1]}, name it with --model" if newest else ""
        raise NmtError(f"no finished run in {RUNS.resolve()}{unfinished or f'; {NO_RUN_REMEDY}'}")
    newest = max(finished, key=lambda path: (path.stat().st_mtime_ns, str(path)))
    return Run.open(newest.parent), "best", "the newest finished run"


def _from_path(path: Path) -> tuple[Run, str]:
    if path.parent.name == "checkpoints" and not (path / "config.yaml").exists():
        return Run.open(path.parent.parent), path.name
    if not (path / "config.yaml").exists():
        _check_not_inside_run(path)
    return Run.open(path), "best"


def _check_not_inside_run(path: Path) -> None:
    """Raise `NmtError` that names the folders to give instead if `path` is a file or inside a run folder."""
    state = "is a file" if path.is_file() else "is not a run folder" if path.exists() else "no such file or folder"
    for folder in path.absolute().parents:
        if not (folder / "config.yaml").is_file() or not (folder / "checkpoints").is_dir():
            continue
        parts = path.absolute().relative_to(folder).parts
        run = Run(path.parents[len(parts) - 1] if len(parts) <= len(path.parents) else folder)
        names = run.names()
        example = next((name for name in names if name in parts), names[-1] if names else None)
        checkpoint = f", or a checkpoint folder, such as {run.checkpoints / example}" if example else ""
        raise NmtError(f"{path}: {state}; name the run folder, {run.folder}{checkpoint}")
    if path.is_file():
        raise NmtError(f"{path}: is a file; name the folder of a run (runs/NAME) or of one of its checkpoints")


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return the entries of a log, without lines that a crash has cut off. Raise `NmtError` if it cannot be read."""
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
