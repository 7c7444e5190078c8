"""Translations that are kept while they are made: `FILE.partial`, and what is needed to go on after a stop.

Beside the partial file there is `FILE.partial.json`, which is replaced after each window: how many lines are finished,
how many bytes they take, hashes of the lines they are from, and what model and options they were made with.
"""

import contextlib
import hashlib
import json
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO

from nmt.decoding.output_files import ELSEWHERE, is_special, real_place
from nmt.errors import NmtError
from nmt.storage.atomic_files import NotReplaced, convert_write_errors, move_into_place, write_atomically
from nmt.storage.json_text import parse_json
from nmt.storage.locks import lock_file

_VERSION = 1
_KEPT = "finished lines are kept; free space and go on with --resume"
_SIGNALS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


class Counted:
    """Lines that are counted and hashed while they are read."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._hash = hashlib.sha256()
        self.count = 0
        """Lines read."""
        self.bytes = 0
        """Their bytes in UTF-8, ends of lines included."""

    def __iter__(self) -> "Counted":
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        raw = line.encode("utf-8", "surrogatepass") + b"\n"
        self._hash.update(raw)
        self.count += 1
        self.bytes += len(raw)
        return line

    def digest(self) -> str:
        """Return the SHA-256 of the lines read, in hexadecimal."""
        return self._hash.hexdigest()


@dataclass(frozen=True)
class _File:
    """An output that is written beside its place."""

    real: Path
    partial: Path
    file: BinaryIO
    is_new: bool
    """Whether the partial file was made by this process."""

    @property
    def size(self) -> int:
        return os.fstat(self.file.fileno()).st_size


@dataclass
class _State:
    """What is kept beside the partial file."""

    made_with: dict[str, Any]
    """Model and options."""
    lines: int = 0
    """Lines that are finished."""
    bytes: list[int] = field(default_factory=lambda: [0])
    """Bytes of them in each output."""
    inputs: dict[str, str] = field(default_factory=dict)
    """SHA-256 of what was read for them of each input."""


class Resumable:
    """The outputs of a translation that can go on after a stop; `resumable` makes one."""

    def __init__(self, files: Sequence[_File], state: _State) -> None:
        self._files, self._state = files, state
        self.is_finishing = False

    @property
    def lines(self) -> int:
        """Lines that are finished."""
        return self._state.lines

    @property
    def files(self) -> list[BinaryIO]:
        """The outputs to write to."""
        return [each.file for each in self._files]

    def skip(self, inputs: Mapping[str, Counted]) -> None:
        """Read from the `inputs` what is finished; raises `NmtError` if that is not what was translated."""
        for name, counted in inputs.items():
            for _ in zip(range(self.lines), counted, strict=False):
                pass
            if self.lines and counted.digest() != self._state.inputs.get(name):
                raise NmtError(
                    f"the first {self.lines:,} lines of the {name} are not those that {self._files[0].partial} was "
                    f"made from: give the same {name}, or {_remedy(self._files)}"
                )

    def keep(self, lines: int, inputs: Mapping[str, Counted]) -> None:
        """Note that `lines` more are written, and that the `inputs` have been read up to them."""
        for each in self._files:
            with convert_write_errors(each.partial, _KEPT):
                each.file.flush()
                os.fsync(each.file.fileno())
        digests = {name: counted.digest() for name, counted in inputs.items()}
        sizes = [each.size for each in self._files]
        self._save(_State(self._state.made_with, self._state.lines + lines, sizes, digests))

    def _save(self, state: _State) -> None:
        text = json.dumps({"version": _VERSION, **vars(state)}, indent=1) + "\n"
        write_atomically(_state_file(self._files[0].partial), text, _KEPT)
        self._state = state

    def begin(self) -> None:
        """Make the outputs hold what is finished and nothing else; from now on they are known to be ours."""
        if not self.lines:
            self._save(self._state)
        self.cut()

    def cut(self) -> None:
        """Remove what is written of lines that are not finished."""
        for each, size in zip(self._files, self._state.bytes, strict=True):
            with contextlib.suppress(OSError):  # a full disk; what was written before is on it
                each.file.flush()
            with convert_write_errors(each.partial, _KEPT):
                each.file.truncate(size)
                each.file.seek(size)

    def finish(self) -> None:
        """Move the outputs to their places."""
        self.is_finishing = True
        for each in reversed(self._files):  # the first is last, as the state is beside it
            try:
                move_into_place(each.file, each.real, each.partial)
            except NotReplaced as error:
                raise NmtError(f"{each.real}: cannot be replaced: {error.strerror or error}") from None
            except OSError as error:
                raise NmtError(f"{each.partial}: cannot be written: {error.strerror or error}") from None
        _state_file(self._files[0].partial).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove what was begun; there is no finished line in it."""
        for each in self._files:
            each.partial.unlink(missing_ok=True)
        _state_file(self._files[0].partial).unlink(missing_ok=True)


@contextlib.contextmanager
def resumable(
    paths: Sequence[Path], made_with: dict[str, Any], resume: bool, say: Callable[[str], None], again: str
) -> Iterator[Resumable]:
    """Give outputs that replace `paths` if the block succeeds, and else keep the lines that are finished.

    With `resume` they go on after the finished lines of an earlier try, which must have been `made_with` the same.
    `say` gets what is kept when the block fails, and `again`, the command that goes on.
    """
    files: list[_File] = []
    with contextlib.ExitStack() as stack:
        for path in paths:
            files.append(_open(path))
            stack.callback(_close, files[-1].file)
        try:
            output = Resumable(files, _find_state(files, made_with, resume))
        except NmtError:
            for each in files:
                if each.is_new:
                    each.partial.unlink(missing_ok=True)
            raise
        output.begin()
        try:
            with _signals(output):
                yield output
                output.finish()
        except BaseException:
            if not output.lines:
                output.remove()
            elif output.is_finishing:
                say(f"the translation is in {files[0].partial}; go on with: {again}")
            else:
                say(f"stopped: {output.lines:,} finished lines are in {files[0].partial}; go on with: {again}")
                output.cut()
            raise


def is_done(path: Path) -> bool:
    """Tell whether `path` is there and nothing is left of an interrupted translation to it."""
    real = real_place(path)
    partial = _partial(real)
    if not real.is_file() or is_special(path) or os.path.lexists(partial):
        return False
    _state_file(partial).unlink(missing_ok=True)  # of a process that was killed at its very end
    return True


def check_free(path: Path) -> None:
    """Raise `NmtError` if finished lines of an interrupted translation to `path` would be lost, before work is done."""
    partial = _partial(real_place(path))
    if is_special(path) or not os.path.lexists(partial):
        return
    first = _open(path)
    try:
        _find_state([first], {}, resume=False)
    finally:
        _close(first.file)


def _partial(real: Path) -> Path:
    return real.with_name(f"{real.name}.partial")


def _state_file(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.json")


def _open(path: Path) -> _File:
    """Open the partial file of an output for this process alone."""
    with convert_write_errors(path, ELSEWHERE):
        real = real_place(path)
        partial = _partial(real)
        is_new = not os.path.lexists(partial)
        handle = lock_file(partial, wait=False, replaces=real)
    if handle is None:
        raise NmtError(f"{path}: being written already, by another process or for another option; name another file")
    return _File(real, partial, os.fdopen(handle, "r+b"), is_new)


def _find_state(files: Sequence[_File], made_with: dict[str, Any], resume: bool) -> _State:
    """Return the state to go on from; raises `NmtError` if what is there must not be written over."""
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
        raise _unfinished(first, state.lines)
    if changes := _differences(state.made_with, made_with):
        raise NmtError(f"{first} was made with {'; '.join(changes)}: give the same, or {_remedy(files)}")
    if len(files) != known or any(each.size < size for each, size in zip(files, state.bytes, strict=True)):
        raise NmtError(f"{first}: some of the finished lines are missing: {_remedy(files)}")
    return state


def _read_state(path: Path) -> _State | None:
    """Return what `Resumable` has written; None if there is nothing."""
    try:
        values = parse_json(path.read_text(encoding="utf-8"))
        if values.pop("version") != _VERSION:
            raise NmtError(f"{path}: of another version of nmt; remove it and the file beside it to begin anew")
        state = _State(**values)
        if state.lines < 0 or not state.bytes or min(state.bytes) < 0 or not {**state.made_with, **state.inputs}:
            raise ValueError
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        raise NmtError(f"{path}: damaged; remove it and the file beside it to begin anew") from None
    return state


def _unfinished(partial: Path, lines: int) -> NmtError:
    return NmtError(
        f"{partial} holds {lines:,} finished lines of an interrupted translation: add --resume to go on after them, or "
        "remove it to begin anew"
    )


def _differences(before: Any, now: Any, name: str = "") -> list[str]:
    """Return what differs between two JSON objects, by its keys."""
    if before == now:
        return []
    if isinstance(before, dict) and isinstance(now, dict):
        keys = {**before, **now}
        return [found for key in keys for found in _differences(before.get(key), now.get(key), key)]
    return [f"{name} {_short(before)}, not {_short(now)}"]


def _short(value: Any) -> str:
    """Return a value for a message, of lists without brackets."""
    if isinstance(value, list):
        return " + ".join(map(_short, value))
    return "none" if value is None else str(value)


def _remedy(files: Sequence[_File]) -> str:
    return f"remove {' and '.join(str(each.partial) for each in files)} to begin anew"


def _close(file: BinaryIO) -> None:
    """Close a file, and so release it; of lines that are not finished it does not matter whether they are written."""
    with contextlib.suppress(OSError):
        file.close()


@contextlib.contextmanager
def _signals(output: Resumable) -> Iterator[None]:
    """End the block with an exception when a signal comes that would end the process; ignored ones stay ignored."""

    def handle(number: int, frame: FrameType | None) -> None:
        if output.is_finishing:
            return
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)

    own = (signal.SIG_DFL, signal.default_int_handler)
    is_main = threading.current_thread() is threading.main_thread()
    before = {n: signal.getsignal(n) for n in _SIGNALS if is_main and signal.getsignal(n) in own}
    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
