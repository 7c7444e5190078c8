"""Output files are replaced only when they are complete, and only one process writes a file."""

import os
import sys
from pathlib import Path

import pytest

from nmt.decoding.line_input import open_lines
from nmt.decoding.output_files import open_output
from nmt.errors import NmtError


def test_a_file_is_replaced_when_it_is_complete(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("before")
    (tmp_path / ".out.txt.partial").write_text("left behind by a killed process, and longer")
    with open_output(path) as out:
        out.write(b"after")
        out.flush()
        assert path.read_text() == "before"
    assert path.read_text() == "after" and list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("before")
    with pytest.raises(ValueError, match="halfway"), open_output(path) as out:
        out.write(b"after")
        raise ValueError("halfway")
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]


def test_the_partial_file_is_kept_if_it_cannot_replace_the_output(tmp_path, monkeypatch):
    path, partial = tmp_path / "out.txt", tmp_path / ".out.txt.partial"

    def busy(self, target):
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(Path, "replace", busy)
    refused = pytest.raises(NmtError, match=r"out.txt: cannot be replaced: Device or resource busy;.*partial")
    with refused, open_output(path) as out:
        out.write(b"hours of work")
    assert partial.read_bytes() == b"hours of work"


def test_a_second_writer_is_rejected(tmp_path):
    path = tmp_path / "out.txt"
    with open_output(path) as out:
        with pytest.raises(NmtError, match="in use by another process"), open_output(path):
            pass
        out.write(b"first")
    assert path.read_text() == "first"


def test_a_symbolic_link_is_followed(tmp_path):
    real, link, dangling = tmp_path / "folder" / "real.txt", tmp_path / "link.txt", tmp_path / "dangling.txt"
    real.parent.mkdir()
    real.write_text("before")
    link.symlink_to("folder/real.txt")
    dangling.symlink_to("folder/new.txt")
    for path in (link, dangling):
        with open_output(path) as out:
            out.write(b"after")
            assert real.with_name(f".{path.resolve().name}.partial").exists()
        assert path.is_symlink() and path.read_text() == "after"
    assert real.read_text() == "after" and len(list(real.parent.iterdir())) == 2


def test_a_link_to_itself_is_rejected(tmp_path):
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    with pytest.raises(NmtError, match=r"loop: cannot be written.*name another file"), open_output(loop):
        pass
    assert loop.is_symlink()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
@pytest.mark.parametrize("number", [1, 2])
def test_a_link_to_stdout_or_stderr_is_written_directly(tmp_path, capfd, number):
    """/dev/stdout is such a link; capfd redirects both to regular files."""
    link, second_link = tmp_path / "link", tmp_path / "second_link"
    link.symlink_to(f"/proc/self/fd/{number}")
    second_link.symlink_to(link)
    os.write(number, b"before")
    for path in (link, second_link):
        with open_output(path) as out:
            out.write(b", written")
    assert capfd.readouterr()[number - 1] == "before, written, written"
    assert link.is_symlink() and second_link.is_symlink() and set(tmp_path.iterdir()) == {link, second_link}


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_a_link_to_an_open_file_is_written_directly(tmp_path):
    link, file = tmp_path / "link", tmp_path / "file"
    with file.open("wb") as opened:
        link.symlink_to(f"/proc/self/fd/{opened.fileno()}")
        with open_output(link) as out:
            out.write(b"written")
        assert os.path.samestat(os.fstat(opened.fileno()), file.stat())
    assert file.read_text() == "written" and link.is_symlink() and set(tmp_path.iterdir()) == {link, file}


def test_an_error_names_a_closed_standard_stream(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    monkeypatch.setattr(sys, "stdout", None)
    for path in (None, Path("-")):
        with pytest.raises(NmtError, match="standard input is closed; name a file"):
            open_lines(path)
        with pytest.raises(NmtError, match="standard output is closed"), open_output(path):
            pass
