"""A file is written completely, or it stays as it was."""

import os
import stat
from pathlib import Path

import pytest

from nmt.decoding.output_files import open_output
from nmt.errors import NmtError
from nmt.storage.atomic_files import write_atomically

posix = pytest.mark.skipif(os.name != "posix", reason="permissions")


def test_a_file_is_replaced_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    (tmp_path / ".a.txt.tmp").write_text("left by a killed process")
    write_atomically(path, "später\n", "")
    assert path.read_bytes() == "später\n".encode()
    write_atomically(path, b"new", "")
    assert path.read_bytes() == b"new" and list(tmp_path.iterdir()) == [path]


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("unchanged")
    for name in ("a", ".a.tmp"):
        (tmp_path / name).symlink_to(outside)
    write_atomically(tmp_path / "a", "new", "")
    assert outside.read_text() == "unchanged" and (tmp_path / "a").read_text() == "new"


def test_an_error_leaves_the_old_file_and_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(NmtError, match=r"a.txt: cannot be written: No space left on device; free disk space"):
        write_atomically(path, "after", "free disk space")
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]


def test_a_folder_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(NmtError, match=r"a.txt: cannot be written: .*; name another"):
        write_atomically(tmp_path / "a.txt", "new", "name another")
    assert list(tmp_path.iterdir()) == [tmp_path / "a.txt"]


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o444, 0o755, 0o400])
def test_a_replaced_file_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    path.chmod(mode)
    write_atomically(path, "after", "")
    with open_output(path) as out:
        partial = tmp_path / ".a.txt.partial"
        assert stat.S_IMODE(partial.stat().st_mode) & ~0o600 == mode & ~0o600, "nobody else can read the partial file"
        out.write(b"again")
    assert path.read_text() == "again" and stat.S_IMODE(path.stat().st_mode) == mode


@posix
def test_a_private_file_is_never_readable_for_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even between the creation of the temporary file and the change of its mode."""
    path, created = tmp_path / "secret", []
    path.write_text("before")
    path.chmod(0o600)
    original = os.open

    def record(name, flags, mode=0o777, **rest):  # type: ignore[no-untyped-def]
        handle = original(name, flags, mode, **rest)
        created.append(stat.S_IMODE(os.fstat(handle).st_mode))
        return handle

    monkeypatch.setattr(os, "open", record)
    write_atomically(path, "after", "")
    assert created and all(mode & 0o077 == 0 for mode in created)


@posix
def test_a_new_file_has_the_mode_of_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "a", "text", "")
        with open_output(tmp_path / "b") as out:
            out.write(b"text")
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"] == [0o640, 0o640]
