"""Files are there whole or as they were before."""

import os
from pathlib import Path

import pytest

from nmt.errors import NmtError
from nmt.files import parse_json, write_whole


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    (tmp_path / ".a.txt.tmp").write_text("left by a killed process")
    write_whole(path, "später\n", "")
    write_whole(path, b"anew", "")
    assert path.read_bytes() == b"anew" and list(tmp_path.iterdir()) == [path]


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("kept")
    for name in ("a", ".a.tmp"):
        (tmp_path / name).symlink_to(outside)
    write_whole(tmp_path / "a", "new", "")
    assert outside.read_text() == "kept" and (tmp_path / "a").read_text() == "new"


def test_a_failure_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NmtError, match=r"a.txt: cannot be written: No space left on device; make room"):
        write_whole(path, "after", "make room")
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_replaced_leaves_nothing_and_names_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(NmtError, match=r"a.txt: cannot be written: .*; name another"):
        write_whole(tmp_path / "a.txt", "new", "name another")
    assert list(tmp_path.iterdir()) == [tmp_path / "a.txt"]


@pytest.mark.parametrize("text", ["", "{", "[" * 200_000, b"\xff"])
def test_what_is_no_json_is_one_kind_of_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        parse_json(text)
