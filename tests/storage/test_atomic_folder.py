"""A folder is built completely or not at all, by one process at a time."""

import threading
from pathlib import Path

import pytest

from nmt.errors import NmtError
from nmt.storage.atomic_folder import build_folder


def build(folder: Path, content: str) -> None:
    with build_folder(folder, lambda: False) as partial:
        assert partial is not None and not any(partial.iterdir())
        (partial / "file").write_text(content, encoding="utf-8")


def test_a_folder_is_replaced_and_leaves_no_temporary_folder(tmp_path: Path) -> None:
    folder = tmp_path / "built"
    build(folder, "one")
    build(folder, "two")
    assert (folder / "file").read_text(encoding="utf-8") == "two"
    assert [path.name for path in folder.parent.iterdir()] == ["built"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_interrupted_build_leaves_the_old_folder(error: type[BaseException], tmp_path: Path) -> None:
    folder = tmp_path / "built"
    build(folder, "one")
    with pytest.raises(error), build_folder(folder, lambda: False) as partial:
        assert partial is not None
        (partial / "file").write_text("half", encoding="utf-8")
        raise error
    assert (folder / "file").read_text(encoding="utf-8") == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["built"]


def test_a_folder_that_is_removed_is_not_created_again(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), build_folder(tmp_path / "removed" / "built", lambda: False):
        pytest.fail("the block was entered")
    assert not any(tmp_path.iterdir())


def test_the_old_folder_is_restored_if_a_process_was_killed_between_the_renames(tmp_path: Path) -> None:
    folder = tmp_path / "built"
    for leftover in (".built.partial", ".built.old"):
        (tmp_path / leftover).mkdir()
        (tmp_path / leftover / "file").write_text(leftover, encoding="utf-8")
    (tmp_path / ".built.lock").touch()
    with build_folder(folder, folder.exists) as partial:
        assert partial is None
    assert (folder / "file").read_text(encoding="utf-8") == ".built.old"
    assert [path.name for path in tmp_path.iterdir()] == ["built"]


def test_only_one_of_several_builders_builds(tmp_path: Path) -> None:
    folder = tmp_path / "built"
    built = []

    def work() -> None:
        with build_folder(folder, folder.exists) as partial:
            if partial is not None:
                built.append(partial)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1 and folder.is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["built"]


@pytest.mark.parametrize("name", [".", "/", ".."])
def test_a_folder_without_a_name_is_rejected(name: str) -> None:
    with pytest.raises(NmtError, match="give it a folder of its own"), build_folder(Path(name), lambda: False):
        pytest.fail("the block was entered")
