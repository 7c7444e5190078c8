"""Keep the finished lines of an interrupted translation in `FILE.partial`, and resume after them (--resume).

`FILE.partial.json` is replaced after each window. It holds the number of finished lines, their size in bytes, hashes of
the input lines they were made from, and the model and the options.
"""

import contextlib
import hashlib
import json
import logging
import os
import signal
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO

from nmt.decoding.output_files import is_special, lock_partial, resolve_output
from nmt.errors import NmtError
from nmt.storage.atomic_files import NotReplaced, convert_write_errors, move_into_place, write_atomically
from nmt.storage.json_text import parse_json
from nmt.storage.portability import close_on_windows

_VERSION = 2
_REMEDY = "the finished lines are kept; free disk space and resume with --resume"
_SIGNALS = [number for number in signal.Signals if number.name in ("SIGINT", "SIGTERM", "SIGHUP")]
"""Signals that would end the process. Windows has no SIGHUP."""

logger = logging.getLogger(__name__)


class HashedLines(Iterator[str]):
    """An iterator over lines that counts and hashes the lines it has returned."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._hash = hashlib.sha256()
        self.count = 0
        """Lines returned."""
        self.bytes = 0
        """Their size as UTF-8 with newlines."""

    def __next__(self) -> str:
        line = next(self._lines)
        data = line.encode("utf-8", "surrogatepass") + b"\n"
        self._hash.update(data)
        self.count += 1
        self.bytes += len(data)
        return line

    def share(self, lines: int, size: int | None) -> float | None:
        """Return the share of an input of `size` bytes that `lines` lines of average length are; None if unknown."""
        return self.bytes * lines / self.count / size if size and self.count else None

    def digest(self) -> str:
        """Return the SHA-256 of the lines returned, in hexadecimal."""
        return self._hash.hexdigest()


@dataclass(frozen=True)
class _PartialFile:
    """The partial file of an output, open and locked."""

    real: Path
    """The file to be replaced."""
    partial: Path
    file: BinaryIO

    @property
    def size(self) -> int:
        """Size in bytes, without what is still buffered."""
        return os.fstat(self.file.fileno()).st_size

    def remove(self) -> None:
        """Remove the partial file."""
        close_on_windows(self.file)
        self.partial.unlink(missing_ok=True)  # before it is closed, and thus unlocked


@dataclass
class _State:
    """The contents of `FILE.partial.json`."""

    made_with: dict[str, Any]
    """Model and options."""
    lines: int = 0
    """Finished lines."""
    bytes: list[int] = field(default_factory=lambda: [0])
    """Size of the finished lines in each output."""
    inputs: dict[str, str] = field(default_factory=dict)
    """SHA-256 of the lines read from each input for the finished lines."""


class ResumableOutput:
    """The outputs of a translation that can be resumed; opened by `open_resumable`."""

    def __init__(self, files: Sequence[_PartialFile], state: _State) -> None:
        self._files, self._state = files, state
        self._inputs: Mapping[str, HashedLines] = {}
        self._uncommitted_lines = 0
        self.is_finishing = False

    @property
    def finished_lines(self) -> int:
        """Input lines whose translations are complete and on the disk."""
        return self._state.lines

    def skip_finished(self, inputs: Mapping[str, HashedLines]) -> None:
        """Read the finished lines from the `inputs`. Raise `NmtError` if other lines were translated."""
        self._inputs = inputs
        for name, lines in inputs.items():
            for _ in zip(range(self.finished_lines), lines, strict=False):
                pass
            if self.finished_lines and lines.digest() != self._state.inputs.get(name):
                raise NmtError(
                    f"the first {self.finished_lines:,} lines of the {name} are not those that "
                    f"{self._files[0].partial} was made from: give the same {name}, or {_start_over(self._files)}"
                )

    def write(self, texts: Sequence[str]) -> None:
        """Write the translations of a line, one text for each output."""
        for each, text in zip(self._files, texts, strict=True):
            each.file.write(text.encode())
        self._uncommitted_lines += 1

    def commit(self) -> None:
        """Record that all lines written so far are finished. Call it when each line that was read has its output."""
        for each in self._files:
            with convert_write_errors(each.partial, _REMEDY):
                each.file.flush()
                os.fsync(each.file.fileno())
        digests = {name: lines.digest() for name, lines in self._inputs.items()}
        sizes = [each.size for each in self._files]
        self._save(_State(self._state.made_with, self._state.lines + self._uncommitted_lines, sizes, digests))
        self._uncommitted_lines = 0

    def _save(self, state: _State) -> None:
        text = json.dumps({"version": _VERSION, **vars(state)}, indent=1) + "\n"
        write_atomically(_state_file(self._files[0].partial), text, _REMEDY)
        self._state = state

    def begin(self) -> None:
        """Remove unfinished lines, and save a state from which later processes recognise the files."""
        self._save(self._state)
        self.discard_unfinished()

    def discard_unfinished(self) -> None:
        """Remove what was written of lines that are not finished."""
        for each, size in zip(self._files, self._state.bytes, strict=True):
            with contextlib.suppress(OSError):  # the disk may be full; the finished lines are on it
                each.file.flush()
            with convert_write_errors(each.partial, _REMEDY):
                each.file.truncate(size)
                each.file.seek(size)

    def finish(self) -> None:
        """Move the complete outputs to their places."""
        self.is_finishing = True
        for each in reversed(self._files):  # the first one last, because the state belongs to it
            try:
                move_into_place(each.file, each.real, each.partial)
            except OSError as error:
                is_written = isinstance(error, NotReplaced)
                failed = f"{each.real}: cannot be replaced" if is_written else f"{each.partial}: cannot be written"
                raise NmtError(f"{failed}: {error.strerror or error}") from None
        _state_file(self._files[0].partial).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the partial files, which contain no finished line."""
        for each in self._files:
            each.remove()
        _state_file(self._files[0].partial).unlink(missing_ok=True)


@contextlib.contextmanager
def open_resumable(
    paths: Sequence[Path], made_with: dict[str, Any], resume: bool, resume_command: str
) -> Iterator[ResumableOutput]:
    """Context manager: open output files. On success they replace `paths`; on failure the finished lines are kept.

    With `resume` the files start with the finished lines of an interrupted translation, which must have been made with
    options equal to `made_with`. On failure a message says which lines are kept, and prints `resume_command`, the
    command that continues.
    """
    files: list[_PartialFile] = []
    with contextlib.ExitStack() as stack:
        try:
            for path in paths:
                files.append(_open_partial(path))
                stack.callback(_close, files[-1].file)
            output = ResumableOutput(files, _find_state(files, made_with, resume))
        except NmtError:
            for each in files:
                if not each.size:
                    each.remove()
            raise
        output.begin()
        try:
            with _exit_on_signal(output):
                yield output
                output.finish()
        except BaseException:
            if not output.finished_lines:
                output.remove()
            elif output.is_finishing:
                logger.error(f"the translation is in {files[0].partial}; resume with: {resume_command}")
            else:
                kept = f"{output.finished_lines:,} finished lines are in {files[0].partial}"
                logger.error(f"stopped: {kept}; resume with: {resume_command}")
                output.discard_unfinished()
            raise


def is_complete(path: Path) -> bool:
    """Return whether `path` exists and there is no interrupted translation to it."""
    real = resolve_output(path)
    partial = _partial(real)
    if not real.is_file() or is_special(path) or os.path.lexists(partial):
        return False
    _state_file(partial).unlink(missing_ok=True)  # left by a process that was killed at its very end
    return True


def check_nothing_unfinished(path: Path) -> None:
    """Raise `NmtError` if a new translation to `path` would overwrite finished lines of an interrupted one."""
    partial = _partial(resolve_output(path))
    if is_special(path) or not os.path.lexists(partial):
        return
    first = _open_partial(path)
    with first.file:
        _find_state([first], {}, resume=False)


def _partial(real: Path) -> Path:
    return real.with_name(f"{real.name}.partial")


def _state_file(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.json")


def _open_partial(path: Path) -> _PartialFile:
    """Open the partial file of an output for this process alone."""
    real = resolve_output(path)
    partial = _partial(real)
    return _PartialFile(real, partial, os.fdopen(lock_partial(path, partial, real), "r+b"))


def _find_state(files: Sequence[_PartialFile], made_with: dict[str, Any], resume: bool) -> _State:
    """Return the state to start from. Raise `NmtError` if the files contain something that must not be overwritten."""
    first = files[0].partial
    state = _read_state(_state_file(first)) if files[0].size else None
    known = len(state.bytes) if state is not None else 0
    for each in files[known:]:
        if each.size:
            raise NmtError(
                f"{each.partial}: is not from an interrupted translation to {files[0].real}; move it away, or name "
                "another output"
            )
    if state is None or not state.lines:
        return _State(made_with, 0, [0] * len(files))
    if not resume:
        raise NmtError(
            f"{first} contains {state.lines:,} finished lines of an interrupted translation: add --resume to resume "
            "after them, or remove it to start over"
        )
    if changes := differences(state.made_with, made_with):
        raise NmtError(f"{first} was made with {'; '.join(changes)}: give the same, or {_start_over(files)}")
    if len(files) != known or any(each.size < size for each, size in zip(files, state.bytes, strict=True)):
        raise NmtError(f"{first}: some of the finished lines are missing: {_start_over(files)}")
    return state


def _read_state(path: Path) -> _State | None:
    """Return the state that `ResumableOutput` saved; None if there is none."""
    try:
        values = parse_json(path.read_text(encoding="utf-8"))
        if values.pop("version") != _VERSION:
            raise NmtError(f"{path}: written by another version of nmt; remove it and its .partial file to start over")
        state = _State(**values)
        if state.lines < 0 or not state.bytes or min(state.bytes) < 0 or not {**state.made_with, **state.inputs}:
            raise ValueError
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        raise NmtError(f"{path}: damaged; remove it and its .partial file to start over") from None
    return state


def differences(before: Any, now: Any, name: str = "") -> list[str]:
    """Return the differences between two JSON values, each with its key."""
    if before == now:
        return []
    if isinstance(before, dict) and isinstance(now, dict):
        keys = {**before, **now}
        return [found for key in keys for found in differences(before.get(key), now.get(key), key)]
    return [f"{name} {_short(before)}, not {_short(now)}"]


def _short(value: Any) -> str:
    """Return a value as it appears in a message, a list without brackets."""
    if isinstance(value, list):
        return " + ".join(map(_short, value)) or "none"
    return "none" if value is None else str(value)


def _start_over(files: Sequence[_PartialFile]) -> str:
    return f"remove {' and '.join(str(each.partial) for each in files)} to start over"


def _close(file: BinaryIO) -> None:
    """Close a file, which releases its lock. Unfinished lines in its buffer may be lost."""
    with contextlib.suppress(OSError):
        file.close()


@contextlib.contextmanager
def _exit_on_signal(output: ResumableOutput) -> Iterator[None]:
    """End the block with an exception if a signal would end the process; ignored signals stay ignored."""

    def handle(number: int, frame: FrameType | None) -> None:
        if output.is_finishing:
            return
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)

    is_main = threading.current_thread() is threading.main_thread()  # only the main thread can set handlers
    with contextlib.ExitStack() as stack:
        for number in _SIGNALS if is_main else []:
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                stack.callback(signal.signal, number, signal.signal(number, handle))
        yield
