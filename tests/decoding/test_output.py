"""Files of results appear when they are whole, and two writers never share one."""

import pytest

from nmt.decoding.output import open_output
from nmt.errors import NmtError


def test_a_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("before")
    (tmp_path / ".out.txt.partial").write_text("left behind by a killed process, and longer")
    with open_output(path) as out:
        out.write(b"after")
        out.flush()
        assert path.read_text() == "before"
    assert path.read_text() == "after" and list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_what_was_there(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("before")
    with pytest.raises(ValueError, match="halfway"), open_output(path) as out:
        out.write(b"after")
        raise ValueError("halfway")
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]


def test_a_second_writer_is_refused(tmp_path):
    path = tmp_path / "out.txt"
    with open_output(path) as out:
        with pytest.raises(NmtError, match="being written already"), open_output(path):
            pass
        out.write(b"first")
    assert path.read_text() == "first"
