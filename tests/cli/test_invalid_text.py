"""Every command that reads text notices lines that are not UTF-8: refused where scores would be wrong, else counted."""

import subprocess
import sys
from pathlib import Path

import pytest
from tiny_run import SOURCE, TARGET, make_run

LATIN_1 = "müde\n".encode("latin-1")
REMEDY = "iconv -f"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("invalid")
    make_run(place)
    (place / "good").write_text("".join(f"{line}\n" for line in TARGET), encoding="utf-8")
    (place / "bad").write_bytes("".join(f"{line}\n" for line in TARGET[:3]).encode() + LATIN_1)
    (place / "pairs.tsv").write_bytes(b"a\tb\n" * 3 + LATIN_1.replace(b"\n", b"\tb\n"))
    return place


def nmt(folder: Path, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "nmt", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, cwd=folder)


@pytest.mark.parametrize(
    "arguments",
    [
        ["score", "-r", "good", "bad"],
        ["score", "-r", "bad", "good"],
        ["score", "--tsv", "pairs.tsv"],
        ["evaluate", "-m", "runs/tiny", "--source", "bad", "--reference", "good"],
        ["evaluate", "-m", "runs/tiny", "--source", "good", "--reference", "bad"],
        ["logprob", "-m", "runs/tiny", "-s", "bad", "-t", "good"],
        ["logprob", "-m", "runs/tiny", "-s", "good", "-t", "bad"],
    ],
    ids=" ".join,
)
def test_scores_of_text_that_is_not_utf8_are_refused(arguments: list[str], folder: Path) -> None:
    done = nmt(folder, *arguments)
    said = done.stderr.decode()
    assert done.returncode == 1 and not done.stdout and "Traceback" not in said
    assert "1 of 4 lines are not valid UTF-8, the first is line 4" in said and REMEDY in said
    assert any(name in said for name in ("bad", "pairs.tsv"))


def test_hypotheses_on_stdin_that_are_not_utf8_are_refused(folder: Path) -> None:
    done = nmt(folder, "score", "-r", "good", stdin=(folder / "bad").read_bytes())
    assert done.returncode == 1 and b"standard input: 1 of 4 lines are not valid UTF-8" in done.stderr


@pytest.mark.parametrize("is_file", [True, False])
def test_translate_warns_with_a_count_and_prints_every_line(is_file: bool, folder: Path) -> None:
    lines = (folder / "bad").read_bytes()
    given = ["-i", "bad"] if is_file else []
    done = nmt(folder, "translate", "-m", "runs/tiny", "--device", "cpu", *given, stdin=b"" if is_file else lines)
    said = done.stderr.decode()
    assert done.returncode == 0 and done.stdout.count(b"\n") == 4
    assert said.count("not valid UTF-8") == 1 and REMEDY in said
    assert ("bad: 1 of 4 lines" if is_file else "standard input: 1 of ") in said


def test_a_byte_order_mark_between_files_is_no_part_of_a_line(folder: Path) -> None:
    marked = "".join(f"\ufeff{line}\n" for line in SOURCE).encode()
    plain = "".join(f"{line}\n" for line in SOURCE).encode()
    found = [nmt(folder, "translate", "-m", "runs/tiny", "--device", "cpu", "-q", stdin=raw) for raw in (marked, plain)]
    assert found[0].stdout == found[1].stdout and found[0].stdout.count(b"\n") == len(SOURCE)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32-le"])
def test_utf16_is_refused_everywhere(encoding: str, folder: Path) -> None:
    raw = "".join(f"{line}\n" for line in TARGET).encode(encoding)
    (folder / "wide").write_bytes(raw)
    for arguments in (["score", "-r", "good", "wide"], ["translate", "-m", "runs/tiny", "-i", "wide"]):
        done = nmt(folder, *arguments)
        assert done.returncode == 1 and not done.stdout
        assert b"wide: this is UTF-16 text" in done.stderr and b"iconv" in done.stderr
