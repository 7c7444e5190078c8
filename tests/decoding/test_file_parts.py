"""Dividing files into parts, reading parts, and the files of their translations."""

import gzip
import itertools
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from nmt.data.lines import InvalidLines, read_lines
from nmt.decoding import file_parts
from nmt.decoding.file_manifest import read_plan, save_plan
from nmt.decoding.file_parts import FilePart, PartReader, count_lines, divide
from nmt.decoding.part_files import (
    HEADER_BYTES,
    DamagedPart,
    HashedFile,
    copy_part,
    join_parts,
    read_header,
    worker_name,
    workers_of,
    write_part,
)
from nmt.errors import NmtError

TEXTS = {
    "empty": b"",
    "one line": b"a\n",
    "without a last newline": b"a\nb\nc",
    "empty lines": b"\n\n\n\n\n\n\n",
    "all kinds of line ends": "a\r\nb\u2028c\x0bd\n\x85e\r\r\n\rf\n".encode(),
    "byte order marks, invalid bytes": b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n\xff\xfec\nd\xe4e\nf",
    "long lines": b"".join(bytes([97 + n]) * (7 * n) + b"\n" for n in range(12)),
}


def parts_of(path: Path, lines_per_part: int) -> list[FilePart]:
    return divide(count_lines(path, lines_per_part), path.name, path.parent / "parts")


@pytest.mark.parametrize("is_compressed", [False, True])
@pytest.mark.parametrize("name", list(TEXTS))
def test_the_parts_of_a_file_are_its_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, is_compressed: bool
) -> None:
    path = tmp_path / "a"
    path.write_bytes(gzip.compress(TEXTS[name]) if is_compressed else TEXTS[name])
    whole = InvalidLines("a")
    expected = list(read_lines(path, whole))
    for size, block in itertools.product((1, 2, 3, 100), (1, 5, 1 << 20)):
        monkeypatch.setattr(file_parts, "_BLOCK_BYTES", block)
        parts = parts_of(path, size)
        assert [part.lines for part in parts[:-1]] == [size] * (len(parts) - 1)
        assert sum(part.lines for part in parts) == len(expected) == count_lines(path, size).lines
        assert [part.first_line for part in parts] == list(range(0, len(expected), size))
        with PartReader() as reader:
            for part in [*parts, *reversed(parts)]:
                invalid = InvalidLines("a", lines=part.first_line)
                found = list(reader.read(part, invalid))
                assert found == expected[part.first_line : part.first_line + size]
                if whole.first in range(part.first_line + 1, part.first_line + part.lines + 1):
                    assert invalid.first == whole.first


def test_parts_are_read_from_several_files_in_any_order(tmp_path: Path) -> None:
    texts = {name: [f"{name} {number}" for number in range(9)] for name in ("a", "b.gz")}
    for name, lines in texts.items():
        data = "".join(f"{line}\n" for line in lines).encode()
        (tmp_path / name).write_bytes(gzip.compress(data) if name == "b.gz" else data)
    a, b = (parts_of(tmp_path / name, 4) for name in texts)
    with PartReader() as reader:
        for part in (b[1], a[0], b[0], b[2], a[2], a[1]):
            found = list(reader.read(part, InvalidLines("")))
            assert found == texts[part.source.name][part.first_line : part.first_line + 4]


@pytest.mark.parametrize("text", [b"a\nb\nX\nd\ne\n", b"a\nb\n", b"a\nb\nc", b"a\nb\nc d\n"])
def test_a_file_that_has_changed_is_an_error_of_the_changed_part_only(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"a\nb\nc\nd\ne\n")
    parts = parts_of(path, 2)
    path.write_bytes(text)
    with PartReader() as reader:
        assert list(reader.read(parts[0], InvalidLines(""))) == ["a", "b"]
        with pytest.raises(NmtError, match=r"a: has changed since its lines were counted"):
            list(reader.read(parts[1], InvalidLines("")))


def test_damaged_gzip_is_an_error_and_the_reader_goes_on_with_another_file(tmp_path: Path) -> None:
    lines = "".join(f"{number * 7919 % 10007}\n" for number in range(5000)).encode()
    for name in ("a.gz", "b.gz"):
        (tmp_path / name).write_bytes(gzip.compress(lines))
    (a, a_end), (b, _) = (parts_of(tmp_path / name, 4000) for name in ("a.gz", "b.gz"))
    (tmp_path / "a.gz").write_bytes(gzip.compress(lines)[:2000])
    with pytest.raises(NmtError, match=r"a\.gz: damaged or truncated gzip"):
        count_lines(tmp_path / "a.gz", 2)
    with PartReader() as reader:
        for part in (a, a_end):
            with pytest.raises(NmtError, match=r"a\.gz: damaged or truncated gzip"):
                list(reader.read(part, InvalidLines("")))
        assert len(list(reader.read(b, InvalidLines("")))) == 4000


@pytest.mark.parametrize(
    ("data", "message"),
    [("a\n".encode("utf-16"), "this is UTF-16"), (b"\xfd7zXZ\x00\n", "unpack it: xz"), (None, "no such file")],
)
def test_a_file_that_is_not_text_is_an_error(tmp_path: Path, data: bytes | None, message: str) -> None:
    path = tmp_path / "a"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(NmtError, match=message):
        count_lines(path, 3)


def test_parts_can_be_pickled_and_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"a\nb\nc\n")
    counted = count_lines(path, 2)
    parts = divide(counted, "a", tmp_path)
    assert pickle.loads(pickle.dumps(parts)) == parts
    assert read_plan(tmp_path) is None
    save_plan(counted, tmp_path)
    assert read_plan(tmp_path) == counted
    for text in (
        "",
        "{}",
        "[]",
        (tmp_path / "plan.json").read_text(encoding="utf-8").replace('"lines": 3', '"lines": 9'),
    ):
        (tmp_path / "plan.json").write_text(text, encoding="utf-8")
        assert read_plan(tmp_path) is None


@pytest.fixture
def part(tmp_path: Path) -> FilePart:
    return FilePart(tmp_path / "in", "out.gz", 3, 6, 2, 0, 0, tmp_path / "000003")


@pytest.mark.parametrize("output", ["out", "out.gz"])
def test_joined_parts_are_the_text_in_order(tmp_path: Path, output: str) -> None:
    parts = [FilePart(tmp_path / "in", output, n, n, 1, 0, 0, tmp_path / f"{n:06d}") for n in range(3)]
    for part in parts:
        with write_part(part) as writer:
            writer.write(f"ä {part.number}\n\n")
    for chosen in (parts, []):
        with (tmp_path / "joined").open("wb") as file:
            headers = join_parts(chosen, HashedFile(file), output == "out.gz")
        data = (tmp_path / "joined").read_bytes()
        text = gzip.decompress(data) if output == "out.gz" else data
        assert text.decode() == "".join(f"ä {part.number}\n\n" for part in chosen)
        assert [(each.lines, each.output_lines) for each in headers] == [(1, 2)] * len(chosen)
        assert sum(each.bytes for each in headers) == len(data) or not chosen
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000", "000001", "000002", "joined"]


def test_the_file_of_a_part_appears_when_it_is_complete_and_has_the_same_bytes_each_time(part: FilePart) -> None:
    found: list[bytes] = []
    for _ in range(2):
        with write_part(part) as writer, write_part(part) as other:  # two workers with the same part
            writer.write("a\n")
            other.write("a\n")
            assert bool(found) == part.file.exists()
            assert workers_of(part.file) == [worker_name()] * 2
        assert read_header(part) == writer.header and workers_of(part.file) == []
        found.append(part.file.read_bytes())
    assert found[0] == found[1]
    with pytest.raises(ZeroDivisionError), write_part(replace(part, file=part.file.with_name("000004"))):
        _ = 1 / 0
    assert [path.name for path in part.file.parent.iterdir()] == ["000003"]


@pytest.mark.parametrize("place", [0, 2, HEADER_BYTES - 1, HEADER_BYTES, -1, None])
def test_a_damaged_part_is_found_and_removed(part: FilePart, messages: list[str], place: int | None) -> None:
    with write_part(part) as writer:
        writer.write("a\nb\n")
    data = bytearray(part.file.read_bytes())
    if place is None:
        del data[-1]
    else:
        data[place] ^= 1
    if place == HEADER_BYTES - 1:
        del data[10:]
    part.file.write_bytes(data)
    with pytest.raises(DamagedPart, match="000003: damaged"):
        copy_part(part)
    is_header = place in (0, 2, HEADER_BYTES - 1)
    assert (read_header(part) is None) == is_header == (not part.file.exists())
    assert bool(messages) == is_header


def test_the_part_of_another_division_is_damaged(part: FilePart) -> None:
    with write_part(part):
        pass
    with pytest.raises(DamagedPart, match="made from 2 lines, not 5"):
        copy_part(replace(part, lines=5))
