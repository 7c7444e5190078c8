"""Slices of two files have the lines that reading the files gives, and an error names a file that has changed."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from nmt.data import text_slices
from nmt.data.lines import InvalidLines, read_lines
from nmt.data.text_slices import cut, index_file
from nmt.errors import NmtError

LINES = [b"a", b"", b"\xef\xbb\xbfmark", b"carriage\r", b"\xff invalid", "n\u00e4chste \u2028 Zeile".encode(), b"\x0c"]


def write(path: Path, count: int, ends: bool, is_gzip: bool) -> Path:
    """Write `count` lines, the last one with a newline if `ends`."""
    text = b"".join(LINES[i % len(LINES)] + b" %d\n" % (i // len(LINES)) for i in range(count))
    text = text if ends else text.removesuffix(b"\n")
    path.write_bytes(gzip.compress(text) if is_gzip else text)
    return path


@pytest.mark.parametrize("is_gzip", [False, True])
@pytest.mark.parametrize(("count", "most_lines", "most_bytes"), [(0, 8, 999), (1, 8, 999), (9, 3, 999), (32, 8, 999),
                                                                 (33, 9, 999), (70, 64, 60), (70, 1, 1)])  # fmt: skip
def test_slices_have_the_lines_of_the_files(
    count: int, most_lines: int, most_bytes: int, is_gzip: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_slices, "LINES_PER_MARK", 4)
    paths = [write(tmp_path / "a", count, True, is_gzip), write(tmp_path / "b", count, count % 2 == 0, not is_gzip)]
    files = [index_file(path) for path in paths]
    found: list[list[str]] = [[], []]
    invalid = [InvalidLines(str(path)) for path in paths]
    for slices in cut((files[0], files[1]), most_lines, most_bytes):
        assert slices[0].lines == slices[1].lines <= max(4, most_lines)
        for side, part in enumerate(slices):
            assert (part.content is None) == (side == int(is_gzip))
            counts = InvalidLines(str(paths[side]))
            found[side] += part.read(counts)
            invalid[side].add(counts)
    for side, path in enumerate(paths):
        expected = InvalidLines(str(path))
        assert found[side] == list(read_lines(path, expected))
        assert str(invalid[side]) == str(expected) and invalid[side] == expected
        assert files[side].entry.lines == count


def test_marks_do_not_depend_on_the_blocks_that_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_slices, "LINES_PER_MARK", 3)
    path = write(tmp_path / "a", 50, True, False)
    whole = index_file(path).marks
    for size in (1, 2, 7):
        monkeypatch.setattr("nmt.data.manifest._BLOCK", size)
        assert np.array_equal(index_file(path).marks, whole)


def test_a_file_that_has_changed_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "a", 10, True, False)
    file = index_file(path)
    [(part, _)] = cut((file, file), 100, 1000)
    path.write_bytes(path.read_bytes().replace(b"\n", b" "))
    with pytest.raises(NmtError, match=r"a: the file changed while it was read; run nmt preprocess again"):
        part.read(InvalidLines("a"))
