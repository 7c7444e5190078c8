"""Files are there whole or as they were before."""

import json
import math
import os
import stat
from pathlib import Path

import pytest

from nmt.decoding.output_files import open_output
from nmt.errors import NmtError
from nmt.storage.atomic_files import write_atomically
from nmt.storage.json_text import dump_json, parse_json


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    (tmp_path / ".a.txt.tmp").write_text("left by a killed process")
    write_atomically(path, "später\n", "")
    write_atomically(path, b"anew", "")
    assert path.read_bytes() == b"anew" and list(tmp_path.iterdir()) == [path]


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("kept")
    for name in ("a", ".a.tmp"):
        (tmp_path / name).symlink_to(outside)
    write_atomically(tmp_path / "a", "new", "")
    assert outside.read_text() == "kept" and (tmp_path / "a").read_text() == "new"


def test_a_failure_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NmtError, match=r"a.txt: cannot be written: No space left on device; make room"):
        write_atomically(path, "after", "make room")
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_replaced_leaves_nothing_and_names_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(NmtError, match=r"a.txt: cannot be written: .*; name another"):
        write_atomically(tmp_path / "a.txt", "new", "name another")
    assert list(tmp_path.iterdir()) == [tmp_path / "a.txt"]


@pytest.mark.parametrize("text", ["", "{", "[" * 200_000, b"\xff"])
def test_what_is_no_json_is_one_kind_of_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        parse_json(text)


@pytest.mark.skipif(os.name != "posix", reason="permissions")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o444, 0o755, 0o400])
def test_a_file_that_is_replaced_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    path.chmod(mode)
    write_atomically(path, "after", "")
    with open_output(path) as out:
        partial = tmp_path / ".a.txt.partial"
        assert stat.S_IMODE(partial.stat().st_mode) & ~0o600 == mode & ~0o600, "nobody else reads it meanwhile"
        out.write(b"again")
    assert path.read_text() == "again" and stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.skipif(os.name != "posix", reason="permissions")
def test_nobody_reads_early_what_only_the_owner_may_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even a file that was opened before its mode was set."""
    path, created = tmp_path / "secret", []
    path.write_text("before")
    path.chmod(0o600)
    opened = os.open

    def watched(name, flags, mode=0o777, **rest):  # type: ignore[no-untyped-def]
        handle = opened(name, flags, mode, **rest)
        created.append(stat.S_IMODE(os.fstat(handle).st_mode))
        return handle

    monkeypatch.setattr(os, "open", watched)
    write_atomically(path, "after", "")
    assert created and all(mode & 0o077 == 0 for mode in created)


@pytest.mark.skipif(os.name != "posix", reason="permissions")
def test_a_new_file_has_the_mode_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "a", "text", "")
        with open_output(tmp_path / "b") as out:
            out.write(b"text")
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"] == [0o640, 0o640]


def test_json_has_null_in_place_of_numbers_that_are_not_finite() -> None:
    value = {"a": [1.5, math.nan, (math.inf, 2)], "b": {"c": -math.inf, "d": "NaN", "e": None, "f": True}}
    expected = {"a": [1.5, None, [None, 2]], "b": {"c": None, "d": "NaN", "e": None, "f": True}}
    assert json.loads(dump_json(value), parse_constant=pytest.fail) == expected
    assert (
        dump_json({"ä": 1, "a": [2]}, indent=1, ensure_ascii=False, sort_keys=True)
        == '{\n "a": [\n  2\n ],\n "ä": 1\n}'
    )
    assert parse_json('{"a": NaN, "b": [Infinity, -Infinity]}') == {"a": None, "b": [None, None]}
