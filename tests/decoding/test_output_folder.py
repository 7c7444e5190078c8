"""The output folder of many files: counting, resuming, joining, shards, and what differs or is damaged."""

import contextlib
import gzip
import json
import os
import random
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from text_files import write_lines

from nmt.data.lines import InvalidLines
from nmt.decoding import translate_files
from nmt.decoding.file_manifest import Manifest, read_manifest
from nmt.decoding.file_parts import FilePart, PartReader
from nmt.decoding.files_job import Shard
from nmt.decoding.folder_check import check_folder
from nmt.decoding.input_files import find_inputs, output_names
from nmt.decoding.output_folder import OutputFolder, open_output_folder, read_output_folder
from nmt.decoding.part_files import PartHeader, write_part
from nmt.decoding.part_translation import PartResult
from nmt.decoding.translate_files import finish_parts, work_in_order
from nmt.decoding.translator import OnBatch
from nmt.errors import NmtError
from nmt.reports.file_table import files_text

MADE_WITH = {"model": ["a/step-1 00"], "--beam-size": 5}
FILES = {"a": 7, "b.gz": 12, "empty": 0, "empty.gz": 0, "sub/c": 3}


@pytest.fixture(autouse=True)
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the input files to `in`."""
    monkeypatch.chdir(tmp_path)
    for name, count in FILES.items():
        path = Path("in") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(f"{name} {number}\n" for number in range(count)).encode()
        path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)


def open_folder(name: str = "out", made_with: dict[str, Any] = MADE_WITH, lines_per_part: int = 2) -> OutputFolder:
    return open_output_folder(Path(name), find_inputs([Path("in/**")], Path(name)), made_with, lines_per_part)


def translate(part: FilePart) -> PartResult:
    """Write the lines of a part as capitals, unless another process has done it and has joined all parts."""
    try:
        with PartReader() as reader, write_part(part) as writer:
            for line in reader.read(part, InvalidLines(str(part.source))):
                writer.write(f"{line.upper()}\n")
    except FileNotFoundError:
        return PartResult(part, PartHeader(part.lines))
    return PartResult(part, writer.header)


def translate_all(parts: Sequence[FilePart], on_batch: OnBatch) -> Iterable[PartResult]:
    return map(translate, parts)


def outputs(folder: str = "out") -> dict[str, bytes]:
    """Return all files in a folder."""
    paths = [path for path in Path(folder).rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture
def expected() -> dict[str, bytes]:
    """The outputs and the manifest of work without interruption."""
    finish_parts(open_folder("expected"), translate_all)
    found = outputs("expected")
    texts = {name: gzip.decompress(data) if name.endswith(".gz") else data for name, data in found.items()}
    for path, count in FILES.items():
        assert texts[Path(path).name].decode() == "".join(f"{path} {number}\n".upper() for number in range(count))
    assert found.keys() == {*(Path(name).name for name in FILES), "manifest.json"}
    return found


def test_the_manifest_has_counts_and_checksums(expected: dict[str, bytes]) -> None:
    values = json.loads(expected["manifest.json"])
    assert values["made_with"] == MADE_WITH and values["lines_per_part"] == 2 and values["nmt"]
    record = next(each for each in values["inputs"] if each["output"] == "b.gz")
    assert record["path"] == str(Path("in/b.gz").absolute()) and record["size"] == Path("in/b.gz").stat().st_size
    assert (record["lines"], record["output_lines"], record["state"]) == (12, 12, "complete")
    assert record["output_bytes"] == len(expected["b.gz"]) and len(record["sha256"]) == 64 != record["output_sha256"]


@pytest.mark.parametrize("count", [1, 2, 3, 13])
def test_shards_give_the_same_bytes_in_any_order(expected: dict[str, bytes], count: int) -> None:
    all_parts = open_folder().parts()
    shards = [Shard(number, count) for number in range(1, count + 1)]
    assert sorted(str(p.file) for s in shards for p in open_folder().parts(s)) == sorted(str(p.file) for p in all_parts)
    assert open_folder().parts(Shard(1, count)) == all_parts[::count]
    random.Random(count).shuffle(shards)
    for done, shard in enumerate(shards):
        assert (outputs() == expected) == (done >= min(count, len(all_parts)) > 0) or done
        finish_parts(open_folder(), translate_all, shard)
    assert outputs() == expected


def test_the_shard_of_a_part_does_not_change_when_files_are_complete() -> None:
    first = {part.file: n for n in (1, 2, 3) for part in open_folder().parts(Shard(n, 3))}
    folder = open_folder()
    for part in folder.parts():
        if part.output == "a":
            translate(part)
    assert folder.join(["a"]) == ["a"]
    later = {part.file: n for n in (1, 2, 3) for part in open_folder().parts(Shard(n, 3))}
    assert later == {file: n for file, n in first.items() if file.parent.name != "a"}


def test_processes_that_work_at_the_same_time_give_the_same_bytes(expected: dict[str, bytes]) -> None:
    errors: list[BaseException] = []

    def work(shard: Shard | None) -> None:
        try:
            finish_parts(open_folder(), translate_all, shard)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=[Shard(n, 2) if n else None]) for n in (1, 2, 0, 1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    open_folder()
    assert errors == [] and outputs() == expected


def test_parts_that_another_process_works_on_come_last_and_are_translated_if_it_ends(
    expected: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, messages: list[str]
) -> None:
    folder = open_folder()
    parts = folder.parts()
    others = [write_part(parts[0]), write_part(parts[2])]
    writers = [other.__enter__() for other in others]
    done: list[FilePart] = []

    class Translator:
        def translate(self, part: FilePart, on_batch: OnBatch) -> PartResult:
            done.append(part)
            return PartResult(part, PartHeader(2)) if part.file.exists() else translate(part)

    def let_them_end(seconds: float) -> None:
        """One process finishes its part, the other one is killed."""
        writers[0].write("A 0\nA 1\n")
        others[0].__exit__(None, None, None)
        assert not others[1].__exit__(ZeroDivisionError, ZeroDivisionError(), None)

    monkeypatch.setattr(translate_files, "time", SimpleNamespace(sleep=let_them_end, monotonic=time.monotonic))
    finish_parts(folder, lambda missing, on_batch: work_in_order(Translator(), missing, on_batch))
    assert done == [*parts[1:2], *parts[3:], parts[0], parts[2]] and outputs() == expected
    assert sum("waiting for 2 parts that other processes translate" in message for message in messages) == 1


@pytest.mark.parametrize("stop", range(1, 14))
def test_work_that_is_interrupted_goes_on_and_repeats_no_part(
    expected: dict[str, bytes], stop: int, messages: list[str]
) -> None:
    done: list[Path] = []

    def interrupted(parts: Sequence[FilePart], on_batch: OnBatch) -> Iterable[PartResult]:
        for part in parts:
            if len(done) == stop:
                part.file.with_name(f".{part.file.name}.host:1.0.tmp").write_bytes(b"x")  # as SIGKILL leaves it
                raise KeyboardInterrupt
            done.append(part.file)
            yield translate(part)

    def count(parts: Sequence[FilePart], on_batch: OnBatch) -> Iterable[PartResult]:
        done.extend(part.file for part in parts)
        return translate_all(parts, on_batch)

    if stop < 12:
        with pytest.raises(KeyboardInterrupt):
            finish_parts(open_folder(), interrupted)
        assert f"stopped: {stop} of 12 parts" in messages[-1]
        complete = {each.output for each in open_folder().manifest.inputs if each.state == "complete"}
        assert {*outputs()} >= complete > {"empty", "empty.gz"} - complete
    finish_parts(open_folder(), count)
    assert len(done) == len(set(done)) == 12 and outputs() == expected


@pytest.mark.parametrize("step", ["save", "remove_parts"])
def test_a_process_that_is_killed_while_it_joins_leaves_nothing_that_is_not_joined_again(
    expected: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    folder = open_folder()
    for part in folder.parts():
        translate(part)
    with monkeypatch.context() as patch:

        def die(*arguments: object) -> None:
            raise SystemExit

        patch.setattr(Manifest if step == "save" else OutputFolder, step, die)
        with pytest.raises(SystemExit):
            folder.join(["a", "b.gz"])
    assert Path("out/a").read_bytes() == expected["a"] and Path("out/.parts/a/000000").exists()
    assert (read_output_folder(Path("out")).manifest.record("a").state == "complete") == (step == "remove_parts")
    finish_parts(open_folder(), translate_all)
    assert outputs() == expected


def test_counting_is_reported() -> None:
    calls: list[tuple[int, int, int]] = []
    arguments = (find_inputs([Path("in/**")], Path("out")), MADE_WITH, 2)
    open_output_folder(Path("out"), *arguments, lambda *figures: calls.append(figures))
    text = sum(len(f"{name} {number}\n") for name, count in FILES.items() for number in range(count))
    assert calls[0] == (0, 5, 0) and max(calls)[1:] == (5, text) and len(calls) == 4
    open_output_folder(Path("out"), *arguments, lambda *figures: calls.append(figures))
    assert len(calls) == 4


def test_counts_are_kept_and_an_unchanged_file_is_not_read_again(
    expected: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = open_folder().manifest
    with monkeypatch.context() as patch:
        patch.setattr("nmt.decoding.output_folder.count_lines", None)
        assert open_folder().manifest == before
        Path("out/manifest.json").unlink()  # a process was killed before it had counted all files
        assert open_folder().manifest == before
    finish_parts(open_folder(), translate_all)
    os.utime("in/a")
    finish_parts(open_folder(), translate_all)
    record = read_output_folder(Path("out")).manifest.record("a")
    assert record.has_same_status(Path("in/a").absolute()) and outputs()["a"] == expected["a"]


def test_parts_without_a_manifest_are_not_used(expected: dict[str, bytes]) -> None:
    """They may be of another model."""
    folder = open_folder()
    part = folder.parts()[0]
    with write_part(part) as writer:
        writer.write("wrong\n")
    Path("out/manifest.json").unlink()
    finish_parts(open_folder(), translate_all)
    assert outputs() == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"made_with": {**MADE_WITH, "--beam-size": 3}}, "out: was begun with --beam-size 5, not 3: give the same"),
        ({"made_with": {**MADE_WITH, "model": ["b"]}}, "with model a/step-1 00, not b"),
        ({"lines_per_part": 3}, "with --part-lines 2, not 3"),
        ("new", r"was begun without the input \S+/in/new"),
        ("removed", r"was begun with the input \S+/in/a, which is not given now"),
        ("changed", r"another version of \S+/in/a, which has changed"),
        ("same size", r"another version of \S+/in/a, which has changed"),
    ],
)
@pytest.mark.parametrize("is_complete", [False, True])
def test_what_differs_from_the_first_command_is_named(change: Any, message: str, is_complete: bool) -> None:
    open_folder()
    if is_complete:
        finish_parts(open_folder(), translate_all)
    before = outputs()
    if change == "new":
        write_lines("in/new", ["x"])
    elif change == "removed":
        Path("in/a").unlink()
    elif change == "changed":
        write_lines("in/a", ["x"])
    elif change == "same size":
        Path("in/a").write_bytes(Path("in/a").read_bytes().replace(b"3", b"8"))
        os.utime("in/a", (0, 0))
    with pytest.raises(NmtError, match=message):
        open_folder(**(change if isinstance(change, dict) else {}))
    assert outputs() == before


def test_the_other_files_are_translated_if_one_cannot_be_read(expected: dict[str, bytes], messages: list[str]) -> None:
    data = Path("in/b.gz").read_bytes()
    Path("in/b.gz").write_bytes(data[:30])
    for _ in range(2):
        with pytest.raises(NmtError, match=r"1 file could not be translated.*\n  \S+/in/b\.gz: damaged or truncated"):
            finish_parts(open_folder(), translate_all)
        assert outputs()["a"] == expected["a"] and "b.gz" not in outputs()
    Path("in/b.gz").write_bytes(data)
    finish_parts(open_folder(), translate_all)
    assert {**outputs(), "manifest.json": b""} == {**expected, "manifest.json": b""}


@pytest.mark.parametrize("remedy", ["corrected", "removed"])
def test_a_file_whose_lines_cannot_be_translated_may_be_corrected_or_left_out(remedy: str) -> None:
    def failing(parts: Sequence[FilePart], on_batch: OnBatch) -> Iterable[PartResult]:
        for part in parts:
            is_bad = part.output == "a" and part.number in (1, 3)
            yield PartResult(part, PartHeader(0), f"a, part {part.number}: bad") if is_bad else translate(part)

    with pytest.raises(NmtError, match=r"1 file could not be translated.*\n  a, part 1: bad$"):
        finish_parts(open_folder(), failing)
    record = read_output_folder(Path("out")).manifest.record("a")
    assert (record.state, record.error) == ("failed", "a, part 1: bad") and "c" in outputs()
    if remedy == "corrected":
        write_lines("in/a", ["new", "text", "of", "a"])
    else:
        Path("in/a").unlink()
    finish_parts(open_folder(), translate_all)
    assert outputs().get("a") == (b"NEW\nTEXT\nOF\nA\n" if remedy == "corrected" else None)
    assert not Path("out/.parts").exists() and len(open_folder().manifest.inputs) == 4 + (remedy == "corrected")


def test_a_failed_input_may_be_left_out_while_another_process_works(expected: dict[str, bytes]) -> None:
    folder = open_folder()
    folder.fail("a", "bad")
    Path("in/a").unlink()
    finish_parts(open_folder(), translate_all)
    folder.fail("a", "bad")
    finish_parts(folder, translate_all)
    assert outputs().keys() == expected.keys() - {"a"} and len(open_folder().manifest.inputs) == 4


def test_an_output_that_was_removed_is_made_again_and_one_that_was_changed_is_an_error(
    expected: dict[str, bytes],
) -> None:
    finish_parts(open_folder(), translate_all)
    Path("out/a").unlink()
    finish_parts(open_folder(), translate_all)
    assert outputs() == expected
    write_lines("out/a", ["x"])
    with pytest.raises(NmtError, match=r"out/a: has changed since it was written; move it away"):
        open_folder()


def test_foreign_files_are_not_overwritten() -> None:
    Path("out").mkdir()
    write_lines("out/a", ["x"])
    with pytest.raises(NmtError, match=r"out/a: exists, and would be overwritten"):
        open_folder()
    write_lines("out/manifest.json", ['{"name": "a web page"}'])
    with pytest.raises(NmtError, match=r"out/manifest.json: damaged, or not a manifest"):
        open_folder()
    with pytest.raises(NmtError, match=r"in/a: is a file; name a folder"):
        open_output_folder(Path("in/a"), find_inputs([Path("in/b.gz")], Path("in/a")), MADE_WITH, 2)
    for name, reason in (("nowhere", "no such folder"), ("in/a", "is a file"), ("in", r"has no manifest\.json")):
        with pytest.raises(NmtError, match=f"{name}: {reason}"):
            read_output_folder(Path(name))
    assert read_manifest(Path("in")) is None


def check(is_read_only: bool = False) -> list[str]:
    """Return the rows of the table as words, without the head."""
    found = check_folder(read_output_folder(Path("out")), is_read_only)
    return [" ".join(row.split()) for row in files_text(found).split("\n")[1:]]


def test_the_table_of_shards_lists_parts_and_joins_them(expected: dict[str, bytes]) -> None:
    folder = open_folder()
    empty = ["empty 0 0 0 complete", "empty.gz 0 0 0 complete"]
    assert check(True) == [
        "a 7 4 0 0-3 waiting",
        "b.gz 12 6 0 0-5 waiting",
        "empty 0 0 0 waiting",
        "empty.gz 0 0 0 waiting",
        "c 3 2 0 0-1 waiting",
        "all 22 12 0 0 of 5 complete",
    ]
    parts = folder.parts()
    for part in parts[:4] + parts[5:6]:
        translate(part)
    assert check(True)[0] == "a 7 4 4 waiting" and not Path("out/a").exists()
    with pytest.raises(ZeroDivisionError), write_part(parts[7]):
        rows = check()
        _ = 1 / 0
    assert rows[:4] == ["a 7 4 4 complete", rows[1], *empty] and Path("out/a").read_bytes() == expected["a"]
    host = os.uname().nodename.partition(".")[0] if hasattr(os, "uname") else ""
    assert rows[1].startswith("b.gz 12 6 1 0, 2-5") and f"{host}:{os.getpid()} (3)" in rows[1]
    finish_parts(open_folder(), translate_all)
    assert check()[-1] == "all 22 12 12 5 of 5 complete" and outputs() == expected


@pytest.mark.parametrize("is_read_only", [False, True])
def test_damaged_parts_and_outputs_are_found(expected: dict[str, bytes], is_read_only: bool) -> None:
    folder = open_folder()
    for part in folder.parts()[:10]:
        translate(part)
    path = folder.parts()[5].file
    path.write_bytes(path.read_bytes()[:-3])
    found = check_folder(read_output_folder(Path("out")), is_read_only)
    b = found[1]
    assert (list(b.missing), b.is_complete) == ([1], False) and f"{path}: damaged" in str(b.problem)
    assert path.exists() == is_read_only
    with pytest.raises(NmtError, match="parts are missing") if is_read_only else contextlib.nullcontext():
        finish_parts(open_folder(), translate_all)  # finds and removes the damaged part only when it joins
    finish_parts(open_folder(), translate_all)
    assert outputs() == expected
    data = bytearray(expected["b.gz"])
    data[40] ^= 1
    Path("out/b.gz").write_bytes(data)
    Path("out/a").unlink()
    rows = check(is_read_only)
    assert [row.split()[-1] for row in rows[:3]] == ["damaged", "damaged", "complete"]


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["in/a"], ["in/a"]),
        (["in/*"], ["in/a", "in/b.gz", "in/empty", "in/empty.gz"]),
        (["in/*.gz", "in/a", "in/[ab]*"], ["in/b.gz", "in/empty.gz", "in/a"]),
        (["in/**/[abc]*"], ["in/a", "in/b.gz", "in/sub/c"]),
        (["in/../in/a", "in/sub/../a"], ["in/a"]),
        (["in/x[1]"], ["in/x[1]"]),
        (["[io]*/a"], ["in/a"]),
    ],
)
def test_inputs_are_files_or_patterns(tmp_path: Path, patterns: list[str], expected: list[str]) -> None:
    write_lines("in/x[1]", [])
    Path("out").mkdir()
    write_lines("out/a", [])
    Path("in/x[1]").rename("in/x[1]" if "in/x[1]" in patterns else "x[1]")
    found = find_inputs([Path(each) for each in patterns], Path("out"))
    assert [path.relative_to(tmp_path).as_posix() for path in found] == expected


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("in", r"in: is a folder; give its files as a pattern in quotes: --input 'in/\*'"),
        ("in/none", "in/none: no such file"),
        ("in/*.de", r"in/\*.de: no file matches this pattern$"),
        ("in/s*", r"no file matches this pattern; it matches only folders: add /\*"),
    ],
)
def test_an_input_that_is_no_file_is_an_error_that_says_what_to_write(pattern: str, message: str) -> None:
    with pytest.raises(NmtError, match=message):
        find_inputs([Path(pattern)], Path("out"))


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["/x/a", "/x/y/b"], ["a", "b"]),
        (["/x/a", "/x/y/b", "/x/z/a"], ["a", "y/b", "z/a"]),
        (["/x/de/A", "/x/en/a"], ["de/A", "en/a"]),
        (["/x/manifest.json"], None),
        (["/x/.parts/a", "/x/y/a"], None),
    ],
)
def test_names_of_outputs(paths: list[str], names: list[str] | None) -> None:
    if names is None:
        with pytest.raises(NmtError, match=r"the output folder has a file .* of its own; rename the input"):
            output_names([Path(path) for path in paths])
    else:
        assert output_names([Path(path) for path in paths]) == names
