"""A built folder is there whole or not at all."""

import threading
from pathlib import Path

import pytest

from nmt.errors import NmtError
from nmt.storage.atomic_folder import build_folder


def make(folder: Path, content: str) -> None:
    with build_folder(folder, lambda: False) as partial:
        assert partial is not None and not any(partial.iterdir())
        (partial / "file").write_text(content, encoding="utf-8")


def test_it_appears_at_the_end_and_replaces(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "made"
    make(folder, "one")
    make(folder, "two")
    assert (folder / "file").read_text(encoding="utf-8") == "two"
    assert [path.name for path in folder.parent.iterdir()] == ["made"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_interrupted_one_leaves_what_was_there(error: type[BaseException], tmp_path: Path) -> None:
    folder = tmp_path / "made"
    make(folder, "one")
    with pytest.raises(error), build_folder(folder, lambda: False) as partial:
        assert partial is not None
        (partial / "file").write_text("half", encoding="utf-8")
        raise error
    assert (folder / "file").read_text(encoding="utf-8") == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_leftovers_of_a_killed_process(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    for leftover in (".made.partial", ".made.old"):
        (tmp_path / leftover).mkdir()
        (tmp_path / leftover / "file").write_text(leftover, encoding="utf-8")
    (tmp_path / ".made.lock").touch()
    with build_folder(folder, folder.exists) as partial:
        assert partial is None  # killed between the two moves: the old one is back
    assert (folder / "file").read_text(encoding="utf-8") == ".made.old"
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_one_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    made = []

    def work() -> None:
        with build_folder(folder, folder.exists) as partial:
            if partial is not None:
                made.append(partial)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1 and folder.is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


@pytest.mark.parametrize("name", [".", "/", ".."])
def test_a_folder_without_a_name_is_refused(name: str) -> None:
    with pytest.raises(NmtError, match="give it a folder of its own"), build_folder(Path(name), lambda: False):
        pytest.fail("it began")
