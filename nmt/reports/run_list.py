"""List the runs of a folder: state, languages, steps, scores, size, age and how to continue, without torch.

Only what the list shows is read: of the log the validations and the last line, of the configuration two keys of `data`.
"""

import math
import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from nmt.errors import NmtError
from nmt.reports.table import table
from nmt.storage.history import History
from nmt.storage.json_text import dump_json, parse_json
from nmt.storage.locks import is_locked
from nmt.storage.run_folder import NO_RUN_REMEDY, RUNS, Run

State = Literal["training", "finished", "interrupted", "failed", "exported", "damaged"]
HEAD = ("run", "state", "languages", "steps", "valid BLEU", "test BLEU", "size", "changed", "continue with")
_KEY = re.compile(r"^  (source_language|target_language): *(.*?) *$|^(name): *(.*?) *$|^  (max_steps): *(\d+) *$", re.M)


@dataclass(frozen=True)
class ListedRun:
    """What the list shows of a run; None is not known."""

    folder: str
    state: State
    """failed: training ended with an error; interrupted: it was stopped or killed; damaged: it cannot be used."""
    note: str = ""
    """What is wrong with a failed or damaged run."""
    source_language: str | None = None
    target_language: str | None = None
    step: int | None = None
    """Optimizer steps done; for an exported model, those of its checkpoint."""
    max_steps: int | None = None
    valid_bleu: float | None = None
    """Best BLEU of a validation."""
    valid_loss: float | None = None
    """Lowest loss of a validation, in nats per target token."""
    test_bleu: float | None = None
    """BLEU of the newest evaluation of a test set."""
    test_set: str | None = None
    size: int = 0
    """Bytes on disk."""
    changed: float = 0.0
    """When the log, the configuration or the end was last written, in seconds since 1970."""
    command: str | None = None
    """The command that continues: resumes training, or translates. None while the run is training, if it is damaged,
    and if it must be moved to a folder runs/ first."""


def list_runs(folder: Path) -> list[ListedRun]:
    """Return the runs and exported models in `folder`, or the one that `folder` is, the newest first.

    Other folders are left out; a damaged run is in the list. Raise `NmtError` if there is no such folder or no run.
    """
    if not folder.is_dir():
        raise NmtError(f"{folder}: no such folder; {NO_RUN_REMEDY}")
    inner = [folder] if _looks_like_run(folder) else [path for path in folder.iterdir() if _looks_like_run(path)]
    if not inner:
        raise NmtError(f"no run in {folder.resolve()}; {NO_RUN_REMEDY}")
    return sorted(map(_describe, inner), key=lambda run: (-run.changed, run.folder))


def runs_text(runs: Sequence[ListedRun], now: float) -> str:
    """Return a table with a row for each run; `now` is in seconds since 1970."""
    notes = [f"{run.folder}: {run.note}" for run in runs if run.note]
    rows = [_row(run, now) for run in runs]
    return "\n".join([table([HEAD, *rows], right=frozenset({3, 4, 6})), *([""] if notes else []), *notes])


def runs_json(runs: Sequence[ListedRun]) -> str:
    """Return the runs as a JSON list of objects with the fields of `ListedRun`."""
    return dump_json([asdict(run) for run in runs], indent=1, ensure_ascii=False)


def _looks_like_run(folder: Path) -> bool:
    run = Run(folder)
    return run.is_exported or any(path.exists() for path in (run.config_file, run.checkpoints, run.log))


def _describe(folder: Path) -> ListedRun:
    run = Run(folder)
    listed = ListedRun(str(folder), "damaged", size=_size(folder), changed=_changed(run))
    if run.checkpoints.is_dir() and not any(path.exists() for path in (run.config_file, run.log)):
        if is_locked(run.folder / ".lock"):
            return replace(listed, state="training", note="the data is being prepared")
        if not run.names():
            return replace(listed, state="interrupted", note="training had not begun; run the command again")
    try:
        listed = replace(listed, **_of_config(run), **_of_log(run), **_of_evaluations(run))
        state, note = _state(run)
    except (OSError, ValueError) as error:
        return replace(listed, note=str(error))
    if state == "exported" and listed.step is None:
        listed = replace(listed, step=_exported_step(run))
    command = _command(run, state)
    if command is None and state != "training":
        note = "; ".join(filter(None, [note, f"to resume it, move it to a folder {RUNS.name}/"]))
    return replace(listed, state=state, note=note, command=command)


def _of_config(run: Run) -> dict[str, Any]:
    """Return languages and `max_steps`. The file is one that `nmt` wrote; parsing YAML would take 20 times as long."""
    try:
        text = run.config_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ValueError("config.yaml is missing or unreadable; restore it from a copy") from None
    values = _config_values(text)
    if "max_steps" not in values:
        raise ValueError("config.yaml is damaged; restore it from a copy")
    languages = {key: values.get(key) for key in ("source_language", "target_language")}
    return {**languages, "max_steps": int(values["max_steps"])}


def _config_values(text: str) -> dict[str, str]:
    """Return name, languages and `max_steps` in the text of a configuration."""
    found = (match for match in _KEY.finditer(text))
    values: dict[str, str] = {}
    for match in found:
        key, value = (part for part in match.groups() if part is not None)
        values.setdefault(key, value.strip("'\""))
    return values


def _of_log(run: Run) -> dict[str, Any]:
    """Return the step and the best validation values; nothing if the run has no log yet."""
    try:
        lines = run.log.read_bytes().split(b"\n")
    except FileNotFoundError:
        return {}
    valid = [entry for line in lines if line.startswith(b'{"event": "valid"') and (entry := _parsed(line))]
    history = History(run.folder.name, valid=[entry for entry in valid if isinstance(entry.get("step"), int)])
    bleu, loss = history.best("bleu", highest=True), history.best("loss", highest=False)
    last = next((e for line in reversed(lines) if (e := _parsed(line)) and isinstance(e.get("step"), int)), {})
    return {
        "step": last.get("step"),
        "valid_bleu": None if bleu is None else bleu[1],
        "valid_loss": None if loss is None else loss[1],
    }


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        entry = parse_json(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def _of_evaluations(run: Run) -> dict[str, Any]:
    """Return the BLEU of the newest evaluation of a test set; nothing if there is none."""
    paths = [path for path in run.folder.glob("evaluations/*.json") if not path.name.startswith("valid-")]
    for path in sorted(paths, key=lambda path: path.stat().st_mtime_ns, reverse=True):
        try:
            result = parse_json(path.read_text(encoding="utf-8"))
            bleu = next(float(score["score"]) for score in result["scores"] if score["name"] == "BLEU")
            return {"test_bleu": bleu, "test_set": str(result["split"])}
        except (OSError, ValueError, KeyError, TypeError, StopIteration):
            continue
    return {}


def _state(run: Run) -> tuple[State, str]:
    """Return the state of a run and a note on it."""
    if run.is_exported:
        return "exported", ""
    if is_locked(run.folder / ".lock"):
        return "training", ""
    if not run.checkpoints.is_dir():
        raise ValueError("checkpoints/ is missing; restore it from a copy")
    has_last = run.can_resume
    if has_last and not (run.checkpoints / (run.checkpoints / "last").read_text("utf-8").strip()).is_dir():
        raise ValueError("the last checkpoint is missing; restore it from a copy")
    if run.finished.exists():
        return "finished", ""
    error = _last_entry(run.log)
    if error.get("event") == "error":
        return "failed", str(error.get("message"))
    return "interrupted", "" if has_last else "no checkpoint was saved: it begins anew"


def _last_entry(log: Path) -> dict[str, Any]:
    try:
        lines = log.read_bytes().rstrip().split(b"\n")
    except FileNotFoundError:
        return {}
    return _parsed(lines[-1])


def _exported_step(run: Run) -> int | None:
    """Return the step of an exported checkpoint, which is called step-N."""
    description = _parsed((run.folder / "graphs.json").read_bytes())
    name = str(description.get("checkpoint"))
    return int(name[5:]) if re.fullmatch(r"step-\d+", name) else None


def _command(run: Run, state: State) -> str | None:
    if state == "training":
        return None
    if state in ("finished", "exported"):
        return shlex.join(["nmt", "translate", "--model", str(run.folder)])
    # A run is in runs/ of the working directory of its training, to which the paths of its configuration are relative.
    folder = run.folder.resolve()
    if folder.parent.name != RUNS.name:
        return None
    home = folder.parent.parent
    words = ["nmt", "train", "--config", str(Path(RUNS.name, folder.name, run.config_file.name))]
    if _config_values(run.config_file.read_text(encoding="utf-8")).get("name") != folder.name:
        words += ["--set", f"name={folder.name}"]
    words += ["--resume"] if run.can_resume else []
    change = "" if home == Path.cwd() else f"cd {shlex.quote(str(home))} && "
    return change + shlex.join(words)


def _size(folder: Path) -> int:
    """Return the number of bytes of the files in a folder; files that training removes meanwhile do not count."""
    total = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    total += _size(Path(entry.path))
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    except OSError:
        return total
    return total


def _changed(run: Run) -> float:
    times = [0.0]
    for path in (run.log, run.finished, run.config_file, run.checkpoints / "last", run.folder / "graphs.json"):
        try:
            times.append(path.stat().st_mtime)
        except OSError:
            continue
    return max(times)


def _row(run: ListedRun, now: float) -> tuple[str, ...]:
    languages = f"{run.source_language}-{run.target_language}" if run.target_language else ""
    steps = "" if run.step is None else f"{run.step:,}"
    if run.state not in ("finished", "exported") and run.max_steps is not None:
        steps = f"{run.step or 0:,}/{run.max_steps:,}"
    test = "" if run.test_bleu is None else f"{run.test_bleu:.2f} {'' if run.test_set == 'test' else run.test_set}"
    return (
        run.folder,
        run.state,
        languages,
        steps,
        "" if run.valid_bleu is None else f"{run.valid_bleu:.2f}",
        test.rstrip(),
        _size_text(run.size),
        _age_text(now - run.changed),
        run.command or "",
    )


def _size_text(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{math.ceil(size / 1e6)} MB"


def _age_text(seconds: float) -> str:
    """Return a time in the past as a text, e.g. 3 hours ago."""
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'s' * (count > 1)} ago"
    return "just now"
