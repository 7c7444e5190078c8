"""Files are flushed, replaced and removed also under the restrictions of Windows, which are simulated here."""

import os
from pathlib import Path
from typing import Any

import pytest

from nmt.storage import portability
from nmt.storage.atomic_files import write_atomically
from nmt.storage.atomic_folder import build_folder


@pytest.mark.parametrize("is_windows", [False, True])
def test_only_on_windows_files_are_closed_before_they_are_renamed_or_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_windows: bool
) -> None:
    """And folders, which Windows cannot open, are not flushed there."""
    opened: dict[Path, int] = {}
    is_closed: list[bool] = []
    original_open = os.open

    def open_file(path: Path, *arguments: int) -> int:
        if Path(path).is_dir() and is_windows:
            raise PermissionError(13, "Permission denied")
        opened[Path(path)] = original_open(path, *arguments)
        return opened[Path(path)]

    def record(name: str) -> None:
        original = getattr(Path, name)

        def call(path: Path, *arguments: Any, **options: Any) -> None:
            if path in opened:
                try:
                    os.fstat(opened[path])
                    is_closed.append(False)
                except OSError:
                    is_closed.append(True)
            original(path, *arguments, **options)

        monkeypatch.setattr(Path, name, call)

    monkeypatch.setattr(portability, "IS_WINDOWS", is_windows)
    monkeypatch.setattr(os, "open", open_file)
    record("replace")
    record("unlink")
    write_atomically(tmp_path / "a", "text", "")
    with build_folder(tmp_path / "b", lambda: False) as partial:
        assert partial is not None
    portability.sync_tree(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    assert is_closed == [is_windows] * 2
