"""`nmt translate --resume` continues after the finished lines of an interrupted translation."""

import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from text_files import write_lines
from tiny_run import make_run

from nmt.cli import translate
from nmt.errors import NmtError

posix = pytest.mark.skipif(os.name != "posix", reason="signals and FIFOs")
NOT_JSON = "not JSON"
JSON = ["--input-format", "json"]
INTERRUPTED = ["-i", "bad", *JSON, "-o", "out"]
COMPLETE = ["-i", "good", *JSON, "-o", "out"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("resume"))


@pytest.fixture(autouse=True)
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write 11 lines to `in` and, as JSON, to `good`; `bad` has a line that is not JSON as its eighth line."""
    monkeypatch.chdir(tmp_path)
    draw = random.Random(1)
    lines = [" ".join(draw.choices(["a", "dog", "the", "cat", "runs", "here"], k=draw.randrange(6))) for _ in range(11)]
    write_lines("in", lines)
    objects = [json.dumps({"id": number, "source": line}) for number, line in enumerate(lines)]
    write_lines("good", objects)
    write_lines("bad", [*objects[:7], NOT_JSON, *objects[8:]])


def names() -> set[str]:
    return {path.name for path in Path().iterdir()}


def options(run: Path, *arguments: object) -> list[str]:
    """Return a command line for windows of three lines. The last value of an option counts."""
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
    return CliRunner().invoke(translate.command, options(run, *arguments), input=text, catch_exceptions=False)


def interrupt(run: Path, *arguments: object) -> str:
    """Translate `bad` to `out` up to the line that is not JSON; return the messages."""
    result = CliRunner().invoke(translate.command, options(run, *INTERRUPTED, *arguments))
    assert isinstance(result.exception, NmtError) and "line 8: not JSON" in str(result.exception)
    return result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--alignments", "links"],
        ["--format", "moses", "--n-best", "2", "--alignments", "-"],
        ["--format", "json", "--n-best", "2"],
        ["--sample", "--seed", "3", "--n-best", "2", "--format", "moses"],
        ["--greedy", "--alignments", "links", "--prefix-file", "prefixes"],
        ["--prefix", "ein"],
    ],
)
def test_a_resumed_translation_equals_one_that_was_not_interrupted(run: Path, arguments: list[str]) -> None:
    write_lines("prefixes", list("abcdefghijk"))
    outputs = ["out", *(["links"] if "links" in arguments else [])]
    call(run, *COMPLETE, *arguments)
    expected = [Path(name).read_bytes() for name in outputs]
    for name in outputs:
        Path(name).unlink()
    stderr = interrupt(run, *arguments)
    assert "6 finished lines are in out.partial" in stderr and "--resume" in stderr
    assert not Path("out").exists() and expected[0].startswith(Path("out.partial").read_bytes())
    assert json.loads(Path("out.partial.json").read_text(encoding="utf-8"))["lines"] == 6
    result = call(run, *COMPLETE, *arguments, "--resume")
    assert "resuming after 6 finished lines" in result.stderr
    assert [Path(name).read_bytes() for name in outputs] == expected
    assert names() == {"in", "good", "bad", "prefixes", *outputs}


def test_the_command_that_resumes_is_printed_even_with_quiet(run: Path) -> None:
    stderr = interrupt(run, "--prefix", "ein Hund", "--keep-unknown", "--quiet")
    words = shlex.split(stderr.split("resume with: nmt translate ")[1])
    expected = ["--model", str(run), "--device", "cpu", "--precision", "fp32", "--window", "3", "--input", "bad", *JSON]
    expected += ["--output", "out", "--prefix", "ein Hund", "--keep-unknown", "--quiet", "--resume"]
    assert sorted(words) == sorted(expected) and stderr.count("\n") == 1
    stderr = interrupt(run, "--prefix", "ein Hund", "--keep-unknown", "--resume")
    assert "6 finished lines" in stderr and stderr.count("--resume") == 1


def test_finished_lines_are_not_overwritten_without_resume(run: Path) -> None:
    interrupt(run)
    before = Path("out.partial").read_bytes()
    with pytest.raises(NmtError, match=r"out.partial contains 6 finished lines.*add --resume.*or remove it"):
        call(run, "-i", "in", "-o", "out")
    assert Path("out.partial").read_bytes() == before and before.count(b"\n") == 6


def test_resume_names_the_options_that_differ(run: Path) -> None:
    interrupt(run)
    before = Path("out.partial").read_bytes()
    for changes, message in [
        (["--beam-size", "3"], r"--beam-size 2, not 3"),
        (["--n-best", "2"], r"--n-best 1, not 2"),
        (["--checkpoint", "last"], r"model tiny/step-1 \w+, not tiny/step-2 \w+"),
        (["--format", "moses"], r"--format text, not moses"),
        (["--alignments", "links"], r"--alignments none, not file"),
        (["--prefix", "a"], r"--prefix none, not \w+"),
        (["--shortlist", "4"], r"shortlist 0, not 4"),
        (
            ["--precision", "bf16", "--max-source-tokens", "9"],
            r"arithmetic onnx cpu fp32, not cpu bf16; .*-tokens 256, not 9",
        ),
        (["-i", "in", "--input-format", "text"], r"--input-format json, not text"),
    ]:
        with pytest.raises(NmtError, match=rf"out.partial was made with .*{message}.*remove out.partial"):
            call(run, *COMPLETE, "--resume", *changes)
        assert Path("out.partial").read_bytes() == before and not Path("out").exists()
    assert call(run, *COMPLETE, "--resume", "--tokens-per-batch", "50").exit_code == 0


def test_resume_rejects_another_input_and_accepts_the_same_lines_from_stdin(run: Path) -> None:
    interrupt(run)
    text = Path("good").read_text(encoding="utf-8")
    lines = text.split("\n")[:-1]
    for other in (["{}", *lines[1:]], lines[:4], lines[1:]):
        write_lines("other", other)
        with pytest.raises(NmtError, match=r"first 6 lines of the input are not those that out.partial was made from"):
            call(run, "-i", "other", *JSON, "-o", "out", "--resume")
    assert "6 finished" in interrupt(run, "--resume")
    assert call(run, *JSON, "-o", "out", "--resume", text=text).exit_code == 0
    assert len(Path("out").read_text(encoding="utf-8").split("\n")) == 12


def test_resume_rejects_other_prefixes(run: Path) -> None:
    write_lines("one", list("abcdefghijk"))
    write_lines("two", list("abcxefghijk"))
    interrupt(run, "--prefix-file", "one")
    with pytest.raises(NmtError, match="the first 6 lines of the --prefix-file are not those"):
        call(run, *COMPLETE, "--resume", "--prefix-file", "two")


def test_resume_starts_from_the_beginning_or_leaves_a_complete_output(run: Path) -> None:
    resume = ["-i", "in", "-o", "out", "--resume"]
    first = call(run, *resume)
    assert "from the beginning" in first.stderr and "translated 11 lines" in first.stderr
    Path("out").write_text("complete", encoding="utf-8")
    second = call(run, *resume)
    assert "out is complete" in second.stderr and Path("out").read_text(encoding="utf-8") == "complete"
    assert call(run, "-i", "in", "-o", "out").exit_code == 0
    assert Path("out").read_text(encoding="utf-8") != "complete"


@posix
def test_resume_needs_regular_files(run: Path) -> None:
    for arguments in (["--resume"], ["--resume", "-o", "-"]):
        result = call(run, *arguments)
        assert result.exit_code == 2 and "--resume needs --output" in result.stderr
    assert call(run, "-i", "in", "-o", "/dev/null").exit_code == 0
    for arguments in (["-o", "/dev/null"], ["-o", "out", "--alignments", "/dev/null"]):
        with pytest.raises(NmtError, match="--resume needs regular files"):
            call(run, "-i", "in", *arguments, "--resume")
    assert names() == {"in", "good", "bad"}


def wait_for_finished_lines(count: int) -> None:
    for _ in range(600):
        try:
            if json.loads(Path("out.partial.json").read_text(encoding="utf-8"))["lines"] == count:
                return
        except (OSError, ValueError):
            pass
        time.sleep(0.05)
    raise AssertionError("too slow")


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_process_that_a_signal_ends_loses_no_finished_window(run: Path, number: signal.Signals) -> None:
    call(run, "-i", "in", "-o", "expected", "--sample")
    lines = Path("in").read_bytes().split(b"\n")[:-1]
    os.mkfifo("fifo")
    command = [sys.executable, "-m", "nmt", "translate", "--model", str(run), "--precision", "fp32", "--window", "3"]
    with (
        subprocess.Popen(
            [*command, "-i", "fifo", "-o", "out", "--sample"],
            stderr=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # ignored under `&`
        ) as process,
        Path("fifo").open("r+b", buffering=0) as fifo,
    ):
        try:
            fifo.write(b"\n".join(lines[:8]) + b"\n")
            wait_for_finished_lines(6)
            for more in ([], ["--resume"]):
                with pytest.raises(NmtError, match="out: in use by another process"):
                    call(run, "-i", "in", "-o", "out", "--sample", *more)
            process.send_signal(number)
            stderr = process.communicate(timeout=60)[1].decode()
        finally:
            process.kill()
    assert process.returncode == {2: 130, 15: 143, 9: -9}[number] and "Traceback" not in stderr
    if number != signal.SIGKILL:
        assert "stopped: 6 finished lines are in out.partial; resume with: nmt translate" in stderr
    result = call(run, "-i", "in", "-o", "out", "--sample", "--resume")
    assert "resuming after 6 finished lines" in result.stderr
    assert Path("out").read_bytes() == Path("expected").read_bytes()
    assert names() == {"in", "good", "bad", "fifo", "out", "expected"}
