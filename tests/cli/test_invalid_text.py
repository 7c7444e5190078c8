"""Invalid UTF-8 is an error if it would make scores wrong; `nmt translate` counts such lines and warns."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from text_files import write_lines
from tiny_run import SOURCE, TARGET, make_run

from nmt.cli.main import cli
from nmt.errors import NmtError

LATIN_1 = "müde\n".encode("latin-1")
REMEDY = "iconv -f"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("invalid")
    make_run(place)
    write_lines(place / "good", TARGET)
    (place / "bad").write_bytes("".join(f"{line}\n" for line in TARGET[:3]).encode() + LATIN_1)
    (place / "pairs.tsv").write_bytes(b"a\tb\n" * 3 + LATIN_1.replace(b"\n", b"\tb\n"))
    return place


@dataclass
class Done:
    """The output of a command, and whether it failed."""

    returncode: int
    stdout: bytes
    stderr: str


@pytest.fixture
def nmt(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    monkeypatch.chdir(folder)

    def run(*arguments: str, stdin: bytes = b"") -> Done:
        result = CliRunner().invoke(cli, arguments, input=stdin)
        error = result.exception
        if error is not None and not isinstance(error, (NmtError, SystemExit)):
            raise error
        return Done(int(error is not None), result.stdout_bytes, result.stderr + str(error or ""))

    return run


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
def test_text_that_is_not_utf8_is_not_scored(arguments: list[str], nmt: Callable[..., Done]) -> None:
    done = nmt(*arguments)
    assert done.returncode == 1 and not done.stdout
    assert "1 of 4 lines are not valid UTF-8, the first is line 4" in done.stderr and REMEDY in done.stderr
    assert any(name in done.stderr for name in ("bad", "pairs.tsv"))


def test_hypotheses_on_stdin_that_are_not_utf8_are_not_scored(folder: Path, nmt: Callable[..., Done]) -> None:
    done = nmt("score", "-r", "good", stdin=(folder / "bad").read_bytes())
    assert done.returncode == 1 and "standard input: 1 of 4 lines are not valid UTF-8" in done.stderr


@pytest.mark.parametrize("is_file", [True, False])
def test_translate_warns_with_a_count_and_prints_every_line(
    is_file: bool, folder: Path, nmt: Callable[..., Done]
) -> None:
    lines = (folder / "bad").read_bytes()
    given = ["-i", "bad"] if is_file else []
    done = nmt("translate", "-m", "runs/tiny", "--device", "cpu", *given, stdin=b"" if is_file else lines)
    assert done.returncode == 0 and done.stdout.count(b"\n") == 4
    assert done.stderr.count("not valid UTF-8") == 1 and REMEDY in done.stderr
    assert ("bad: 1 of 4 lines" if is_file else "standard input: 1 of ") in done.stderr


def test_byte_order_marks_are_removed(nmt: Callable[..., Done]) -> None:
    marked = "".join(f"\ufeff{line}\n" for line in SOURCE).encode()
    plain = "".join(f"{line}\n" for line in SOURCE).encode()
    found = [nmt("translate", "-m", "runs/tiny", "--device", "cpu", "-q", stdin=raw) for raw in (marked, plain)]
    assert found[0].stdout == found[1].stdout and found[0].stdout.count(b"\n") == len(SOURCE)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32-le"])
def test_utf16_is_rejected(encoding: str, folder: Path, nmt: Callable[..., Done]) -> None:
    raw = "".join(f"{line}\n" for line in TARGET).encode(encoding)
    (folder / "wide").write_bytes(raw)
    for arguments in (["score", "-r", "good", "wide"], ["translate", "-m", "runs/tiny", "-i", "wide"]):
        done = nmt(*arguments)
        assert done.returncode == 1 and not done.stdout
        assert "wide: this is UTF-16 text" in done.stderr and "iconv" in done.stderr
