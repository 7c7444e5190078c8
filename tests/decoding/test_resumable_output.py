"""Finished lines of an interrupted translation are kept, and nothing else is overwritten."""

import os
import signal
import stat
from pathlib import Path

import pytest

from nmt.decoding import resumable_output
from nmt.decoding.resumable_output import HashedLines, check_nothing_unfinished, is_complete, open_resumable
from nmt.errors import NmtError
from nmt.storage import portability

LINES = ["a", "b", "c", "d"]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(stop_after: int | None = None, resume: bool = False, names: tuple[str, ...] = ("out",)) -> None:
    """Write `LINES` to the files `names` and commit every line; stop in the line after `stop_after`."""
    with open_resumable([Path(name) for name in names], {"model": 1}, resume, "COMMAND --resume") as output:
        lines = HashedLines(LINES)
        output.skip_finished({"input": lines})
        for line in lines:
            output.write([f"{line}\n"] * len(names))
            if lines.count - 1 == stop_after:
                raise NmtError("stopped")
            output.commit()


def interrupt(stop_after: int, **rest: bool | tuple[str, ...]) -> None:
    with pytest.raises(NmtError, match="stopped"):
        write(stop_after, **rest)


def file_names() -> set[str]:
    return {path.name for path in Path().iterdir()}


def test_a_resumed_output_equals_one_that_was_not_interrupted(messages: list[str]) -> None:
    interrupt(2)
    assert messages == ["stopped: 2 finished lines are in out.partial; resume with: COMMAND --resume"]
    assert file_names() == {"out.partial", "out.partial.json"} and Path("out.partial").read_text() == "a\nb\n"
    interrupt(3, resume=True)
    write(resume=True)
    assert file_names() == {"out"} and Path("out").read_text() == "a\nb\nc\nd\n"


def test_no_file_is_left_if_no_line_is_finished(messages: list[str]) -> None:
    interrupt(0, names=("out", "alignments"))
    assert file_names() == set() and messages == []


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
@pytest.mark.parametrize("is_windows", [False, True])
def test_only_on_windows_a_partial_file_is_closed_before_it_is_removed(
    is_windows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portability, "IS_WINDOWS", is_windows)
    open_paths: list[set[str]] = []
    unlink = Path.unlink

    def record(path: Path, missing_ok: bool = False) -> None:
        if path.name == "out.partial":
            open_paths.append({link.readlink().name for link in Path("/proc/self/fd").iterdir() if link.exists()})
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", record)
    interrupt(0)
    assert ["out.partial" in paths for paths in open_paths] == [not is_windows] and file_names() == set()


def test_finished_lines_are_not_overwritten_without_resume() -> None:
    interrupt(2)
    for attempt in (write, lambda: check_nothing_unfinished(Path("out"))):
        with pytest.raises(NmtError, match=r"out.partial contains 2 finished lines.*add --resume.*or remove it"):
            attempt()
    assert Path("out.partial").read_text() == "a\nb\n"
    Path("out.partial").unlink()
    check_nothing_unfinished(Path("out"))
    write()
    assert file_names() == {"out"}


@pytest.mark.parametrize("name", ["out.partial", "alignments.partial"])
def test_a_file_of_the_user_is_not_overwritten(name: str) -> None:
    Path(name).write_text("precious")
    with pytest.raises(NmtError, match=rf"{name}: is not from an interrupted translation to out; move it away"):
        write(names=("out", "alignments"))
    assert file_names() == {name} and Path(name).read_text() == "precious"


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("out.partial", "a\nb", "out.partial: some of the finished lines are missing: remove out.partial"),
        ("out.partial.json", "", "out.partial.json: damaged; remove it"),
        ("out.partial.json", "{", "out.partial.json: damaged; remove it"),
        ("out.partial.json", '{"version": 2}', "out.partial.json: damaged; remove it"),
        ("out.partial.json", '{"version": 1}', "out.partial.json: written by another version of nmt; remove it"),
        (
            "out.partial.json",
            '{"version": 2, "lines": "6", "made_with": {}, "bytes": [1], "inputs": {}}',
            "out.partial.json: damaged; remove it",
        ),
    ],
)
def test_damaged_files_are_not_resumed(file: str, text: str, message: str) -> None:
    interrupt(2)
    Path(file).write_text(text)
    before = Path("out.partial").read_text()
    with pytest.raises(NmtError, match=message):
        write(resume=True)
    assert Path("out.partial").read_text() == before


def test_an_output_is_complete_if_there_is_no_partial_file() -> None:
    assert not is_complete(Path("out"))
    write()
    Path("out.partial.json").write_text("left by a process that was killed at its end")
    assert is_complete(Path("out")) and file_names() == {"out"}
    interrupt(1)
    assert not is_complete(Path("out"))


@pytest.mark.skipif(os.name != "posix", reason="permissions")
def test_the_partial_file_has_the_permissions_of_the_output() -> None:
    Path("out").write_text("secret")
    Path("out").chmod(0o600)
    interrupt(1)
    assert stat.S_IMODE(Path("out.partial").stat().st_mode) == 0o600
    write(resume=True)
    assert stat.S_IMODE(Path("out").stat().st_mode) == 0o600


@pytest.mark.parametrize("number", resumable_output._SIGNALS)
def test_a_signal_ends_the_block_and_keeps_finished_lines(number: signal.Signals, messages: list[str]) -> None:
    is_interrupt = number == signal.SIGINT
    before = signal.signal(number, signal.default_int_handler if is_interrupt else signal.SIG_DFL)
    try:
        with (
            pytest.raises(KeyboardInterrupt if is_interrupt else SystemExit) as stopped,
            open_resumable([Path("out")], {}, False, "COMMAND") as output,
        ):
            for text in ("a\n", "b\n"):
                output.write([text])
                output.commit()
            output.write(["unfinished"])
            signal.raise_signal(number)
    finally:
        restored = signal.signal(number, before)
    assert restored == (signal.default_int_handler if is_interrupt else signal.SIG_DFL)
    assert is_interrupt or stopped.value.code == 128 + number
    assert "2 finished lines are in out.partial" in messages[0] and Path("out.partial").read_text() == "a\nb\n"


def test_an_ignored_signal_stays_ignored() -> None:
    """As `nohup` ignores SIGHUP."""
    number = resumable_output._SIGNALS[-1]
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with open_resumable([Path("out")], {}, False, "COMMAND") as output:
            output.write(["a\n"])
            signal.raise_signal(number)
            output.commit()
    finally:
        signal.signal(number, before)
    assert Path("out").read_text() == "a\n"
