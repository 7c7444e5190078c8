"""Figures are written atomically in the format of their file extension."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from nmt.errors import NmtError
from nmt.reports.figure import save


@pytest.mark.parametrize(("name", "magic"), [("a.png", b"\x89PNG"), ("a.SVG", b"<?xml"), ("new/a.pdf", b"%PDF")])
def test_format_follows_the_extension(tmp_path: Path, name: str, magic: bytes) -> None:
    save(Figure(), tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(magic)
    assert [path.name for path in (tmp_path / name).parent.iterdir()] == [Path(name).name]


@pytest.mark.parametrize("name", ["a.gif", "a", "png"])
def test_unknown_extensions_are_rejected(tmp_path: Path, name: str) -> None:
    with pytest.raises(NmtError, match=r"must be one of \.png, \.svg, \.pdf"):
        save(Figure(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_unwritable_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NmtError, match="cannot be written"):
        save(Figure(), tmp_path / "file" / "a.png")
