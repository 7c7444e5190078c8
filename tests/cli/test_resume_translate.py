"""A translation that is interrupted keeps its finished lines, and `--resume` goes on after them."""

import json
import os
import random
import shlex
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tiny_run import make_run

from nmt.cli import translate
from nmt.errors import NmtError

posix = pytest.mark.skipif(os.name != "posix", reason="signals and FIFOs")
BAD = "not JSON"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("resume"))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, on 11 lines; `bad` has them as JSON, with a line that is not JSON as the eighth."""
    monkeypatch.chdir(tmp_path)
    draw = random.Random(1)
    lines = [" ".join(draw.choices(["a", "dog", "the", "cat", "runs", "here"], k=draw.randrange(6))) for _ in range(11)]
    Path("in").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    objects = [json.dumps({"id": number, "source": line}) for number, line in enumerate(lines)]
    Path("good").write_text("".join(f"{line}\n" for line in objects), encoding="utf-8")
    Path("bad").write_text("".join(f"{line}\n" for line in [*objects[:7], BAD, *objects[8:]]), encoding="utf-8")


def options(run: Path, *arguments: object) -> list[str]:
    """Return a command line for windows of three lines; the last value of an option counts."""
    words = ["--model", str(run), "--device", "cpu", "--precision", "fp32", "--window", "3", *map(str, arguments)]
    given: dict[str, list[str]] = {}
    for word in words:
        if word.startswith("-"):
            name = word
            given[name] = []
        else:
            given[name] = [word]
    return [word for name, value in given.items() for word in (name, *value)]


def call(run: Path, *arguments: object, text: str = "") -> Result:
    """Translate."""
    return CliRunner().invoke(translate.command, options(run, *arguments), input=text, catch_exceptions=False)


def interrupt(run: Path, *arguments: object, **rest: str) -> str:
    """Translate `bad` to `out` up to the line that is not JSON; return the messages."""
    result = CliRunner().invoke(translate.command, options(run, *arguments), **rest)
    assert isinstance(result.exception, NmtError) and "line 8: not JSON" in str(result.exception)
    return result.stderr


JSON = ["--input-format", "json"]
BEGINNING = ["-i", "bad", *JSON, "-o", "out"]
FORMS = [
    [],
    ["--alignments", "links"],
    ["--format", "moses", "--n-best", "2", "--alignments", "-"],
    ["--format", "json", "--n-best", "2"],
    ["--sample", "--seed", "3", "--n-best", "2", "--format", "moses"],
    ["--greedy", "--alignments", "links", "--prefix-file", "prefixes"],
    ["--prefix", "ein"],
]


@pytest.mark.parametrize("form", FORMS)
def test_what_is_resumed_is_what_was_never_interrupted(run: Path, form: list[str]) -> None:
    Path("prefixes").write_text("".join(f"{word}\n" for word in "abcdefghijk"), encoding="utf-8")
    names = ["out", *(["links"] if "links" in form else [])]
    call(run, "-i", "good", *JSON, "-o", "out", *form)
    whole = [Path(name).read_bytes() for name in names]
    for name in names:
        Path(name).unlink()
    said = interrupt(run, *BEGINNING, *form)
    assert "6 finished lines are in out.partial" in said and "--resume" in said
    assert not Path("out").exists() and whole[0].startswith(Path("out.partial").read_bytes())
    assert json.loads(Path("out.partial.json").read_text(encoding="utf-8"))["lines"] == 6
    result = call(run, "-i", "good", *JSON, "-o", "out", *form, "--resume")
    assert "going on after 6 finished lines" in result.stderr
    assert [Path(name).read_bytes() for name in names] == whole
    assert {path.name for path in Path().iterdir()} == {"in", "good", "bad", "prefixes", *names}


def test_what_continues_is_told_and_is_resumed_twice(run: Path) -> None:
    said = interrupt(run, *BEGINNING, "--prefix", "ein Hund", "--keep-unknown")
    [told] = [line for line in said.split("\n") if "go on with: nmt translate " in line]
    words = shlex.split(told.split("nmt translate ")[1])
    expected = ["--model", str(run), "--device", "cpu", "--precision", "fp32", "--window", "3", "--input", "bad"]
    expected += ["--input-format", "json", "--output", "out", "--prefix", "ein Hund", "--keep-unknown", "--resume"]
    assert sorted(words) == sorted(expected)
    again = interrupt(run, *BEGINNING, "--prefix", "ein Hund", "--keep-unknown", "--resume")
    assert "6 finished lines" in again and again.count("--resume") == 1


def test_a_partial_with_finished_lines_is_not_written_over(run: Path) -> None:
    interrupt(run, *BEGINNING)
    kept = Path("out.partial").read_bytes()
    with pytest.raises(NmtError, match=r"out.partial holds 6 finished lines.*add --resume.*or remove it"):
        call(run, "-i", "in", "-o", "out")
    assert Path("out.partial").read_bytes() == kept and kept.count(b"\n") == 6
    Path("out.partial").unlink()
    assert call(run, "-i", "in", "-o", "out").exit_code == 0
    assert {path.name for path in Path().iterdir()} == {"in", "good", "bad", "out"}


def test_nothing_is_kept_where_nothing_was_finished(run: Path) -> None:
    Path("bad").write_text(f"{BAD}\n", encoding="utf-8")
    with pytest.raises(NmtError, match="line 1: not JSON"):
        call(run, *BEGINNING)
    assert {path.name for path in Path().iterdir()} == {"in", "good", "bad"}


def test_a_foreign_file_is_not_written_over(run: Path) -> None:
    for name, more in (("out.partial", []), ("links.partial", ["--alignments", "links"])):
        Path(name).write_text("precious", encoding="utf-8")
        with pytest.raises(NmtError, match=rf"{name}: is not from an interrupted translation to out; move it away"):
            call(run, "-i", "in", "-o", "out", *more)
        assert Path(name).read_text(encoding="utf-8") == "precious"
        Path(name).unlink()
    assert {path.name for path in Path().iterdir()} == {"in", "good", "bad"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--beam-size", "3"], r"--beam-size 2, not 3"),
        (["--n-best", "2"], r"--n-best 1, not 2"),
        (["--checkpoint", "last"], r"model tiny/step-1 \w+, not tiny/step-2 \w+"),
        (["--format", "moses"], r"--format text, not moses"),
        (["--alignments", "links"], r"--alignments none, not file"),
        (["--prefix", "a"], r"--prefix none, not \w+"),
        (["--shortlist", "4"], r"shortlist 0, not 4"),
        (
            ["--precision", "bf16", "--max-source-tokens", "9"],
            r"arithmetic cpu fp32, not cpu bf16; .*-tokens 256, not 9",
        ),
        (["-i", "in", "--input-format", "text"], r"--input-format json, not text"),
    ],
)
def test_what_differs_is_named(run: Path, changes: list[str], message: str) -> None:
    interrupt(run, *BEGINNING)
    before = Path("out.partial").read_bytes()
    with pytest.raises(NmtError, match=rf"out.partial was made with .*{message}.*remove out.partial"):
        call(run, "-i", "good", *JSON, "-o", "out", "--resume", *changes)
    assert Path("out.partial").read_bytes() == before and not Path("out").exists()
    assert call(run, "-i", "good", *JSON, "-o", "out", "--resume", "--tokens-per-batch", "50").exit_code == 0


def test_another_input_is_refused(run: Path) -> None:
    interrupt(run, *BEGINNING)
    lines = Path("good").read_text(encoding="utf-8").split("\n")
    for other in (["{}", *lines[1:]], lines[:4], lines[1:]):
        Path("other").write_text("\n".join(other), encoding="utf-8")
        with pytest.raises(
            NmtError, match=r"the first 6 lines of the input are not those that out.partial was made from"
        ):
            call(run, "-i", "other", *JSON, "-o", "out", "--resume")
    assert "6 finished" in interrupt(run, *BEGINNING, "--resume")
    text = Path("good").read_text(encoding="utf-8")
    assert call(run, *JSON, "-o", "out", "--resume", text=text).exit_code == 0  # the same lines, from stdin
    assert len(Path("out").read_text(encoding="utf-8").split("\n")) == 12


def test_other_prefixes_are_refused(run: Path) -> None:
    for name, words in (("one", "abcdefghijk"), ("two", "abcxefghijk")):
        Path(name).write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
    interrupt(run, *BEGINNING, "--prefix-file", "one")
    with pytest.raises(NmtError, match="the first 6 lines of the --prefix-file are not those"):
        call(run, "-i", "good", *JSON, "-o", "out", "--resume", "--prefix-file", "two")


def test_damage_is_told(run: Path) -> None:
    resume = ["-i", "good", *JSON, "-o", "out", "--resume"]
    interrupt(run, *BEGINNING)
    kept = Path("out.partial").read_bytes()
    Path("out.partial").write_bytes(kept[:-3])
    with pytest.raises(NmtError, match=r"out.partial: some of the finished lines are missing: remove out.partial"):
        call(run, *resume)
    Path("out.partial").write_bytes(kept)
    for text in (
        "",
        "{",
        '{"version": 1}',
        '{"version": 1, "lines": "6", "made_with": {}, "bytes": [1], "inputs": {}}',
    ):
        Path("out.partial.json").write_text(text, encoding="utf-8")
        with pytest.raises(NmtError, match=r"out.partial.json: damaged; remove it"):
            call(run, *resume)
    assert Path("out.partial").read_bytes() == kept


def test_resume_begins_where_there_is_nothing_and_leaves_what_is_complete(run: Path) -> None:
    resume = ["-i", "in", "-o", "out", "--resume"]
    first = call(run, *resume)
    assert "from the beginning" in first.stderr and "translated 11 lines" in first.stderr
    Path("out").write_text("complete", encoding="utf-8")
    second = call(run, *resume)
    assert "out is complete" in second.stderr and Path("out").read_text(encoding="utf-8") == "complete"
    assert call(run, "-i", "in", "-o", "out").exit_code == 0
    assert Path("out").read_text(encoding="utf-8") != "complete"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--resume"], "--resume goes with --output"), (["--resume", "-o", "-"], "--resume goes with --output")],
)
def test_resume_needs_a_file(run: Path, arguments: list[str], message: str) -> None:
    result = call(run, *arguments)
    assert result.exit_code == 2 and message in result.stderr


@posix
def test_special_outputs_have_no_partial(run: Path) -> None:
    assert call(run, "-i", "in", "-o", "/dev/null").exit_code == 0
    with pytest.raises(NmtError, match="--resume goes on with regular files only"):
        call(run, "-i", "in", "-o", "/dev/null", "--resume")
    with pytest.raises(NmtError, match="--resume goes on with regular files only"):
        call(run, "-i", "in", "-o", "out", "--alignments", "/dev/null", "--resume")
    assert {path.name for path in Path().iterdir()} == {"in", "good", "bad"}


@posix
def test_what_nobody_may_read_is_kept_so(run: Path) -> None:
    Path("out").write_text("secret", encoding="utf-8")
    Path("out").chmod(0o600)
    interrupt(run, *BEGINNING)
    assert stat.S_IMODE(Path("out.partial").stat().st_mode) == 0o600
    assert call(run, "-i", "good", *JSON, "-o", "out", "--resume").exit_code == 0
    assert stat.S_IMODE(Path("out").stat().st_mode) == 0o600


def start(run: Path, *arguments: str, ignored: signal.Signals | None = None) -> "subprocess.Popen[bytes]":
    """Translate a FIFO of which only some lines come; only the signal `ignored` is ignored, also under `&`."""
    os.mkfifo("fifo")
    command = [sys.executable, "-m", "nmt", "translate", "--model", str(run), "--precision", "fp32", "--window", "3"]

    def set_signals() -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN if number == ignored else signal.SIG_DFL)

    return subprocess.Popen(
        [*command, "-i", "fifo", "-o", "out", *arguments], stderr=subprocess.PIPE, preexec_fn=set_signals
    )


def ended(process: "subprocess.Popen[bytes]") -> str:
    """Return what a process says until it ends; one that does not end is killed, and the test fails."""
    try:
        return process.communicate(timeout=60)[1].decode()
    except subprocess.TimeoutExpired:
        process.kill()
        raise


def wait_for(lines: int) -> None:
    """Wait until so many lines are finished."""
    for _ in range(600):
        try:
            if json.loads(Path("out.partial.json").read_text(encoding="utf-8"))["lines"] == lines:
                return
        except (OSError, ValueError):
            pass
        time.sleep(0.05)
    raise AssertionError("too slow")


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_loses_no_finished_window(run: Path, number: signal.Signals) -> None:
    call(run, "-i", "in", "-o", "whole", "--sample")
    lines = Path("in").read_bytes().split(b"\n")[:-1]
    with start(run, "--sample") as process, Path("fifo").open("r+b", buffering=0) as fifo:
        fifo.write(b"\n".join(lines[:8]) + b"\n")
        wait_for(6)
        for more in ([], ["--resume"]):
            with pytest.raises(NmtError, match="out: being written already, by another process"):
                call(run, "-i", "in", "-o", "out", "--sample", *more)
        process.send_signal(number)
        said = ended(process)
        assert process.returncode == {2: 130, 15: 143, 1: 129, 9: -9}[number]
    assert "Traceback" not in said
    if number != signal.SIGKILL:
        assert "stopped: 6 finished lines are in out.partial; go on with: nmt translate" in said
    result = call(run, "-i", "in", "-o", "out", "--sample", "--resume")
    assert "going on after 6 finished lines" in result.stderr
    assert Path("out").read_bytes() == Path("whole").read_bytes()
    assert {path.name for path in Path().iterdir()} == {"in", "good", "bad", "fifo", "out", "whole"}


@posix
def test_a_signal_that_is_ignored_stays_ignored(run: Path) -> None:
    """As nohup does with SIGHUP."""
    with start(run, ignored=signal.SIGHUP) as process, Path("fifo").open("r+b", buffering=0) as fifo:
        fifo.write(b"a dog\n" * 4)
        wait_for(3)
        process.send_signal(signal.SIGHUP)
        fifo.close()
        assert process.wait(20) == 0
    assert Path("out").read_bytes().count(b"\n") == 4
