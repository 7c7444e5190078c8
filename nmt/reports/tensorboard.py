"""Write the scalars of a training log as TensorBoard event files, while training writes them or afterwards.

tensorboardX writes the records. They go to the file at once, without its queue and its thread, so that a killed run
has in its event files what it has in its log.
"""

import importlib
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from nmt.errors import NmtError, missing_package
from nmt.storage.atomic_files import convert_write_errors
from nmt.storage.history import History, is_number, read_history
from nmt.storage.run_folder import Run

SCALARS = {
    "train": ("loss", "smoothed_loss", "accuracy", "learning_rate", "gradient_norm", "tokens_per_second"),
    "valid": ("loss", "perplexity", "bleu"),
}
"""The values of each event of the log; their names in TensorBoard are such as train/loss."""
FILE_PREFIX = "events.out.tfevents"


def check_installed(option: str = "training.tensorboard") -> None:
    """Raise `NmtError` that says what to install if tensorboardX, which `option` needs, is missing."""
    try:
        importlib.import_module("tensorboardX")
    except ModuleNotFoundError as error:
        if (message := missing_package(error)) is None:
            raise
        raise NmtError(f"{option}: {message}") from None


class EventFile:
    """A new event file in a folder, which may have files of earlier sessions of the same run."""

    def __init__(self, folder: Path, remedy: str, first_step: int = 0) -> None:
        """Create the file. TensorBoard then ignores what earlier files have for `first_step` and later steps."""
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto import event_pb2

        self._folder, self._remedy = folder, remedy
        with convert_write_errors(folder, remedy):
            folder.mkdir(parents=True, exist_ok=True)
            # TensorBoard reads the files in the order of their names, which contain the time in seconds.
            self._writer = EventsWriter(str(folder / "events"), f".{len(event_files(folder)):04d}")
        if first_step > 0:
            start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
            self._add(event_pb2.Event(wall_time=time.time(), step=first_step, session_log=start))

    def write(self, entry: dict[str, Any], wall_time: float | None = None) -> None:
        """Write the scalars of an entry of the log, if it has any, with the `wall_time` since 1970, default now."""
        from tensorboardX.proto import event_pb2
        from tensorboardX.proto.summary_pb2 import Summary

        event = str(entry.get("event"))
        values = [
            Summary.Value(tag=f"{event}/{key}", simple_value=entry[key])
            for key in SCALARS.get(event, ())
            if is_number(entry.get(key))
        ]
        if values:
            wall_time = time.time() if wall_time is None else wall_time
            self._add(event_pb2.Event(wall_time=wall_time, step=entry["step"], summary=Summary(value=values)))

    def close(self) -> None:
        """Close the file."""
        with convert_write_errors(self._folder, self._remedy):
            self._writer.close()

    def _add(self, event: Any) -> None:
        with convert_write_errors(self._folder, self._remedy):
            self._writer.write_event(event)
            self._writer.flush()


def event_files(folder: Path) -> list[Path]:
    """Return the event files of a folder in the order in which they were begun."""
    return sorted(folder.glob(f"{FILE_PREFIX}.*"))


def open_event_file(run: Run, entries: Iterable[dict[str, Any]], step: int | None) -> EventFile:
    """Return a new event file of a run that starts, or is resumed at `step`; `entries` are those of its log.

    A new run removes files of an earlier start that saved no checkpoint. If the run has no file yet, because
    `training.tensorboard` was off, all entries are written to the new one. Otherwise what earlier files have of later
    steps is marked as invalid, and what the log has of `step` is written again.
    """
    folder = run.folder / "tensorboard"
    earlier = event_files(folder)
    if step is None:
        with convert_write_errors(folder, run.write_remedy):
            for path in earlier:
                path.unlink()
    first = step if earlier and step is not None else 0
    file = EventFile(folder, run.write_remedy, first)
    for entry in entries:
        if entry.get("step", -1) >= first:
            file.write(entry)
    return file


def export_logs(runs: Sequence[Path], folder: Path) -> list[Path]:
    """Write the log of each run folder, or log file, to `folder`/RUN for TensorBoard; return the event files.

    Raise `NmtError`, before anything is written, if there are event files already, because TensorBoard would show every
    value twice, or if two runs have the same name.
    """
    check_installed("--tensorboard")
    histories = [read_history(run) for run in runs]
    names = [history.name for history in histories]
    for name in names:
        if event_files(folder / name):
            raise NmtError(f"{folder / name}: has event files already; choose another folder, or remove it")
        if names.count(name) > 1:
            raise NmtError(f"two of the runs have the name {name}; write them to different folders")
    for run, history in zip(runs, histories, strict=True):
        _export(history, run / "log.jsonl" if run.is_dir() else run, folder / history.name)
    return [event_files(folder / name)[-1] for name in names]


def _export(history: History, log: Path, folder: Path) -> None:
    entries = sorted([*history.train, *history.valid], key=lambda entry: (entry["step"], entry["event"]))
    end = max((entry.get("seconds") or 0.0 for entry in entries), default=0.0)
    begin = log.stat().st_mtime - end  # the log has no times of day
    file = EventFile(folder, "choose another folder with --tensorboard")
    try:
        for entry in entries:
            file.write(entry, begin + (entry.get("seconds") or 0.0))
    finally:
        file.close()
