"""Pictures are written in the format of their name, whole or not at all."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from nmt.errors import NmtError
from nmt.reports.figure import save


@pytest.mark.parametrize(("name", "magic"), [("a.png", b"\x89PNG"), ("a.SVG", b"<?xml"), ("new/a.pdf", b"%PDF")])
def test_formats(tmp_path: Path, name: str, magic: bytes) -> None:
    save(Figure(), tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(magic)
    assert [path.name for path in (tmp_path / name).parent.iterdir()] == [Path(name).name]


@pytest.mark.parametrize("name", ["a.gif", "a", "png"])
def test_unknown_endings(tmp_path: Path, name: str) -> None:
    with pytest.raises(NmtError, match=r"ends in \.png, \.svg, \.pdf"):
        save(Figure(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NmtError, match="cannot be written"):
        save(Figure(), tmp_path / "file" / "a.png")
