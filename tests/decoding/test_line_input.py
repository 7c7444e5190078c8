"""Opening files, FIFOs and standard input as lines."""

import gzip
import io
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from nmt.decoding.line_input import input_name, open_lines, uncompressed_size
from nmt.errors import NmtError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="FIFOs")


@pytest.fixture
def standard_input(monkeypatch: pytest.MonkeyPatch) -> Iterator[BinaryIO]:
    """Make standard input a pipe; return its other end."""
    reader, writer = os.pipe()
    saved = os.dup(0)
    os.dup2(reader, 0)
    os.close(reader)
    with open(0, closefd=False) as stdin, os.fdopen(writer, "wb", buffering=0) as file:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield file
    os.dup2(saved, 0)
    os.close(saved)


def test_a_fifo_is_live_and_its_lines_arrive_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    lines, is_live = open_lines(path)
    assert is_live and uncompressed_size(path) is None
    with path.open("r+b", buffering=0) as fifo:
        for line in ("a dog", "the cat"):
            fifo.write(f"{line}\n".encode())
            assert next(lines) == line


@pytest.mark.parametrize("name", [None, "-", "/dev/stdin", "link"])
def test_a_pipe_is_live_by_any_name(name: str | None, standard_input: BinaryIO, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/stdin")
    path = tmp_path / "link" if name == "link" else None if name is None else Path(name)
    lines, is_live = open_lines(path)
    assert is_live and uncompressed_size(path) is None
    for line in ("a dog", "the cat"):
        standard_input.write(f"{line}\n".encode())
        assert next(lines) == line
    assert input_name(path) == ("standard input" if name in (None, "-") else str(path))


def test_a_regular_file_is_not_live_and_its_size_is_known_unless_compressed(tmp_path: Path) -> None:
    text = b"a dog\nthe cat\n"
    (tmp_path / "text").write_bytes(text)
    (tmp_path / "text.gz").write_bytes(gzip.compress(text))
    for name, size in (("text", len(text)), ("text.gz", None)):
        lines, is_live = open_lines(tmp_path / name)
        assert list(lines) == ["a dog", "the cat"] and not is_live
        assert uncompressed_size(tmp_path / name) == size
    assert uncompressed_size(tmp_path / "missing") is None


def test_the_size_of_redirected_stdin_is_what_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text").write_bytes(b"a dog\nthe cat\n")
    with (tmp_path / "text").open("rb") as file:
        os.lseek(file.fileno(), 6, os.SEEK_SET)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(file))
        assert uncompressed_size(None) == 8
        lines, is_live = open_lines(None)
        assert list(lines) == ["the cat"] and not is_live


def test_gzip_is_read_from_a_fifo_but_not_from_stdin(standard_input: BinaryIO, tmp_path: Path) -> None:
    packed = gzip.compress(b"a dog\nthe cat\n")
    os.mkfifo(tmp_path / "fifo")
    writer = threading.Thread(target=(tmp_path / "fifo").write_bytes, args=(packed,))
    writer.start()
    assert list(open_lines(tmp_path / "fifo")[0]) == ["a dog", "the cat"]
    writer.join()
    standard_input.write(packed)
    standard_input.close()
    with pytest.raises(NmtError, match="standard input: this is compressed"):
        next(open_lines(None)[0])
