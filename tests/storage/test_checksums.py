"""Corrupted and missing files of a checkpoint or of prepared data are detected."""

from pathlib import Path

import pytest

from nmt.errors import NmtError
from nmt.storage import checksums


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoints" / "step-2"
    (folder / "training").mkdir(parents=True)
    for name in ("model.safetensors", "training/state.json"):
        (folder / name).write_text(name, encoding="utf-8")
    checksums.write(folder)
    return folder


def test_unchanged_files_pass(checkpoint: Path) -> None:
    checksums.verify_folder(checkpoint, "")
    for name in ("model.safetensors", "training/state.json"):
        checksums.verify_file(checkpoint / name)
        assert checksums.recorded_digest(checkpoint / name) == checksums.digest(checkpoint / name)


def test_files_without_recorded_checksums_are_not_verified(checkpoint: Path) -> None:
    (checkpoint / checksums.NAME).unlink()
    (checkpoint / "model.safetensors").write_text("of an older version", encoding="utf-8")
    checksums.verify_folder(checkpoint, "")
    checksums.verify_file(checkpoint / "model.safetensors")
    assert checksums.recorded_digest(checkpoint / "model.safetensors")


@pytest.mark.parametrize(
    ("content", "reason"), [("Model.safetensors", "its checksum is wrong"), (None, "No such file or directory")]
)
def test_a_changed_or_missing_file_is_named_with_another_checkpoint(
    checkpoint: Path, content: str | None, reason: str
) -> None:
    path = checkpoint / "model.safetensors"
    path.unlink()
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(NmtError) as caught:
        checksums.verify_file(path)
    assert str(caught.value) == f"{path}: damaged or missing: {reason}; there is no other checkpoint"
    with pytest.raises(NmtError, match=r"model.safetensors: damaged or missing: .*; run it again"):
        checksums.verify_folder(checkpoint, "run it again")
    for name in ("step-10", "step-9", "averaged", ".step-12.tmp"):
        (checkpoint.parent / name).mkdir()
        (checkpoint.parent / name / "model.safetensors").touch()
    with pytest.raises(NmtError, match=r"such as step-10 \(nmt train: --resume --checkpoint step-10\)"):
        checksums.verify_file(path)


@pytest.mark.parametrize("text", ["", "[]", "{}x"])
def test_a_corrupted_list_of_checksums_is_named(checkpoint: Path, text: str) -> None:
    (checkpoint / checksums.NAME).write_text(text, encoding="utf-8")
    with pytest.raises(NmtError, match=r"checksums\.json: damaged or missing: not a list of checksums"):
        checksums.verify_file(checkpoint / "model.safetensors")
    with pytest.raises(NmtError, match=r"checksums\.json: damaged: not a list of checksums; run it again"):
        checksums.verify_folder(checkpoint, "run it again")


def test_files_outside_the_folder_are_not_read(checkpoint: Path) -> None:
    (checkpoint / checksums.NAME).write_text('{"../../../outside": ""}', encoding="utf-8")
    with pytest.raises(NmtError, match="no such file"):
        checksums.verify_folder(checkpoint, "")
