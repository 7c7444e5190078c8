"""A line that is written into a FIFO or a pipe is answered before the next line is written."""

import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import FileIO
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from text_files import write_lines
from tiny_run import SOURCE, TARGET, make_run

from nmt.cli import logprob, translate

pytestmark = pytest.mark.skipif(os.name != "posix", reason="FIFOs")
LIMIT = 60
"""Seconds after which a deadlock fails the test."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("live"))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_lines("source", SOURCE)
    write_lines("target", TARGET)


def words(run: Path, *arguments: object) -> list[str]:
    return ["--model", str(run), "--device", "cpu", "--precision", "fp32", *map(str, arguments)]


def answers(command: click.Command, run: Path, *arguments: object) -> list[str]:
    """Return the lines of stdout."""
    return CliRunner().invoke(command, words(run, *arguments), catch_exceptions=False).stdout.split("\n")[:-1]


@contextmanager
def running(command: click.Command, run: Path, *arguments: object, fifos: list[str]) -> Iterator[list[FileIO]]:
    """Run a command in a thread with the FIFO `out` as output; return the `fifos` and `out`, and wait for its end."""
    with ExitStack() as stack:
        for name in [*fifos, "out"]:
            os.mkfifo(name)
        files = [stack.enter_context(Path(name).open("r+b", buffering=0)) for name in [*fifos, "out"]]
        given = words(run, *arguments, "-o", "out")
        thread = threading.Thread(target=command.main, args=(given,), kwargs={"standalone_mode": False}, daemon=True)
        thread.start()
        yield files
        for file in files[:-1]:
            file.close()
        thread.join(LIMIT)
        assert not thread.is_alive()


def read_answer(file: FileIO) -> str:
    assert select.select([file], [], [], LIMIT)[0], "no answer"
    return file.readline().decode().removesuffix("\n")


def test_translate_answers_each_line_of_a_fifo(run: Path) -> None:
    expected = answers(translate.command, run, "-i", "source")
    with running(translate.command, run, "-i", "fifo", fifos=["fifo"]) as (fifo, out):
        for line, answer in zip(SOURCE, expected, strict=True):
            fifo.write(f"{line}\n".encode())
            assert read_answer(out) == answer


def test_translate_answers_each_json_object_with_its_prefix(run: Path) -> None:
    arguments = ["-i", "fifo", "--prefix-file", "prefixes", "--input-format", "json", "--shortlist", "0"]
    with running(translate.command, run, *arguments, fifos=["fifo", "prefixes"]) as (fifo, prefixes, out):
        for prefix in ("ein", "zwei"):
            fifo.write(json.dumps({"source": "a dog"}).encode() + b"\n")
            prefixes.write(f"{prefix}\n".encode())
            assert read_answer(out).startswith(prefix)


@pytest.mark.parametrize("live", [["s", "t"], ["t"]])
def test_logprob_answers_each_pair(run: Path, live: list[str]) -> None:
    expected = answers(logprob.command, run, "-s", "source", "-t", "target")
    arguments = ["-s", "s" if "s" in live else "source", "-t", "t"]
    with running(logprob.command, run, *arguments, fifos=live) as (*inputs, out):
        for *lines, answer in zip(SOURCE, TARGET, expected, strict=True):
            for file, line in zip(inputs, lines[-len(inputs) :], strict=True):
                file.write(f"{line}\n".encode())
            assert float(read_answer(out)) == pytest.approx(float(answer), abs=1e-4)


def test_translate_ends_without_traceback_if_nobody_reads_its_output_and_the_fifo_stays_open(run: Path) -> None:
    os.mkfifo("fifo")
    command = [sys.executable, "-m", "nmt", "translate", "--model", str(run), "-i", "fifo"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process,
        Path("fifo").open("r+b", buffering=0) as fifo,
    ):
        assert process.stdout is not None and process.stderr is not None
        fifo.write(b"a dog\n")
        assert process.stdout.readline()
        process.stdout.close()
        fifo.write(b"a dog\n")
        stderr = process.stderr.read()
        assert process.wait(LIMIT) in (1, 141, -13)
    assert b"Traceback" not in stderr and b"Exception" not in stderr
