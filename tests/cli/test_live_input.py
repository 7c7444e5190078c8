"""Whoever writes a line into a FIFO, a pipe or a device gets its answer before writing the next."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_run import SOURCE, TARGET, make_run

pytestmark = pytest.mark.skipif(os.name != "posix", reason="FIFOs")
LIMIT = 60
"""Seconds after which a deadlock ends."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("live"))


def begin(run: Path, *arguments: str, stdin: int | None = None) -> "subprocess.Popen[bytes]":
    command, *rest = arguments
    asked = ["timeout", str(LIMIT), sys.executable, "-m", "nmt", command, "--model", str(run), "--precision", "fp32"]
    return subprocess.Popen([*asked, *rest], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def whole(run: Path, *arguments: str, text: bytes = b"") -> list[bytes]:
    """Return the lines that come out where the input comes at once."""
    process = begin(run, *arguments, stdin=subprocess.PIPE)
    return process.communicate(text)[0].split(b"\n")[:-1]


def test_translate_answers_a_fifo_line_by_line(run: Path, tmp_path: Path) -> None:
    expected = whole(run, "translate", text="".join(f"{line}\n" for line in SOURCE).encode())
    os.mkfifo(tmp_path / "fifo")
    with (
        begin(run, "translate", "-i", str(tmp_path / "fifo")) as process,
        (tmp_path / "fifo").open("r+b", buffering=0) as fifo,
    ):
        assert process.stdout is not None
        for line, answer in zip(SOURCE, expected, strict=True):
            fifo.write(f"{line}\n".encode())
            assert process.stdout.readline() == answer + b"\n"
        fifo.close()
        assert process.stdout.read() == b"" and process.wait(LIMIT) == 0


@pytest.mark.skipif(not Path("/dev/stdin").exists(), reason="needs /dev/stdin")
@pytest.mark.parametrize("name", ["/dev/stdin", "/dev/fd/0", "-", "link"])
def test_translate_answers_pipes_by_any_name(run: Path, tmp_path: Path, name: str) -> None:
    if name == "link":
        (tmp_path / "link").symlink_to("/dev/stdin")
        name = str(tmp_path / "link")
    expected = whole(run, "translate", text=b"a dog\nthe cat\n")
    with begin(run, "translate", "--input", name, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        for line, answer in zip([b"a dog\n", b"the cat\n"], expected, strict=True):
            process.stdin.write(line)
            process.stdin.flush()
            assert process.stdout.readline() == answer + b"\n"
        process.stdin.close()
        assert process.wait(LIMIT) == 0


def test_translate_answers_prefixes_and_objects_line_by_line(run: Path, tmp_path: Path) -> None:
    for name in ("fifo", "prefixes"):
        os.mkfifo(tmp_path / name)
    asked = ["-i", str(tmp_path / "fifo"), "--prefix-file", str(tmp_path / "prefixes"), "--input-format", "json"]
    with begin(run, "translate", *asked, "--shortlist", "0") as process:
        assert process.stdout is not None
        with (
            (tmp_path / "fifo").open("r+b", buffering=0) as fifo,
            (tmp_path / "prefixes").open("r+b", buffering=0) as prefixes,
        ):
            for prefix in (b"ein", b"zwei"):
                fifo.write(b'{"source": "a dog"}\n')
                prefixes.write(prefix + b"\n")
                assert process.stdout.readline().startswith(prefix)
        assert process.wait(LIMIT) == 0


def test_logprob_answers_fifos_line_by_line(run: Path, tmp_path: Path) -> None:
    for name, lines in (("s", SOURCE), ("t", TARGET)):
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        os.mkfifo(tmp_path / f"{name}.fifo")
    expected = whole(run, "logprob", "-s", str(tmp_path / "s"), "-t", str(tmp_path / "t"))
    asked = ["-s", str(tmp_path / "s.fifo"), "-t", str(tmp_path / "t.fifo")]
    with (
        begin(run, "logprob", *asked) as process,
        (tmp_path / "s.fifo").open("r+b", buffering=0) as sources,
        (tmp_path / "t.fifo").open("r+b", buffering=0) as targets,
    ):
        assert process.stdout is not None
        for source, target, answer in zip(SOURCE, TARGET, expected, strict=True):
            sources.write(f"{source}\n".encode())
            targets.write(f"{target}\n".encode())
            assert float(process.stdout.readline()) == pytest.approx(float(answer), abs=1e-4)
        sources.close()
        targets.close()
        assert process.wait(LIMIT) == 0


def test_logprob_answers_one_pipe_and_one_file(run: Path, tmp_path: Path) -> None:
    (tmp_path / "s").write_text("".join(f"{line}\n" for line in SOURCE), encoding="utf-8")
    with begin(run, "logprob", "-s", str(tmp_path / "s"), "-t", "-", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        for line in TARGET:
            process.stdin.write(f"{line}\n".encode())
            process.stdin.flush()
            assert float(process.stdout.readline()) < 0
        process.stdin.close()
        assert process.wait(LIMIT) == 0


def test_compressed_text_in_a_fifo_is_read_and_on_stdin_refused(run: Path, tmp_path: Path) -> None:
    packed = gzip.compress(b"a dog\nthe cat\n")
    expected = whole(run, "translate", text=b"a dog\nthe cat\n")
    os.mkfifo(tmp_path / "fifo")
    with begin(run, "translate", "-i", str(tmp_path / "fifo")) as process:
        (tmp_path / "fifo").write_bytes(packed)
        assert process.stdout is not None
        assert process.stdout.read().split(b"\n")[:-1] == expected
    asked = ["translate", "--model", str(run)]
    done = subprocess.run([sys.executable, "-m", "nmt", *asked], input=packed, capture_output=True, check=False)
    assert done.returncode == 1 and b"standard input: this is compressed" in done.stderr


def test_a_closed_reader_ends_a_fifo_quietly(run: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    command = [sys.executable, "-m", "nmt", "translate", "--model", str(run), "-i", str(tmp_path / "fifo")]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process,
        (tmp_path / "fifo").open("r+b", buffering=0) as fifo,
    ):
        assert process.stdout is not None and process.stderr is not None
        fifo.write(b"a dog\n")
        assert process.stdout.readline()
        process.stdout.close()
        fifo.write(b"a dog\n")
        said = process.stderr.read()
        assert process.wait(LIMIT) in (1, 141, -13)  # though the FIFO is open
    assert b"Traceback" not in said and b"Exception" not in said
