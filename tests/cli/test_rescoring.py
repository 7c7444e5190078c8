"""n-best lists of one model are scored by another."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tiny_run import SOURCE, TARGET, make_run

from nmt.cli import logprob, translate
from nmt.decoding.input_formats import read_n_best
from nmt.errors import NmtError


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("rescoring"), "|")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s").write_text("".join(f"{line}\n" for line in [*SOURCE, "", "a dog"]), encoding="utf-8")


def call(command, run: Path, *arguments: object, text: str = "", checkpoint: str = "best") -> Result:  # type: ignore[no-untyped-def]
    asked = ["--model", run, "--device", "cpu", "--precision", "fp32", "--checkpoint", checkpoint, *arguments]
    return CliRunner().invoke(command, [str(word) for word in asked], input=text.encode(), catch_exceptions=False)


def test_the_feature_of_a_list_is_what_logprob_says(run: Path) -> None:
    """The search is left no choice: a prefix longer than the greatest length is the whole translation."""
    Path("t").write_text("".join(f"{line}\n" for line in [*TARGET, "Hund", "ein Hund"]), encoding="utf-8")
    forced = ["--prefix-file", "t", "--max-length-ratio", "1e-9", "--format", "moses"]
    found = call(translate.command, run, "-i", "s", *forced).stdout
    scores = call(logprob.command, run, "-s", "s", "-t", "-", "--target-format", "moses", text=found).stdout
    entries = list(read_n_best(found.split("\n")[:-1], "list"))
    values = list(map(float, scores.split("\n")[:-1]))
    assert len(entries) == len(values) == len(SOURCE) + 2
    for entry, value in zip(entries, values, strict=True):
        assert entry.rest[0].startswith("F0= ")
        if entry.text:  # an empty source has an empty translation
            assert float(entry.rest[0][4:]) == pytest.approx(value, abs=1e-4)


def test_another_model_adds_its_feature_and_so_does_the_next(run: Path) -> None:
    found = call(translate.command, run, "-i", "s", "-n", "2", "--format", "moses", "--alignments", "-").stdout
    Path("list").write_text(found, encoding="utf-8")
    asked = ["-s", "s", "-t", "list", "--target-format", "moses"]
    alone = call(logprob.command, run, *asked, checkpoint="last").stdout.split("\n")[:-1]
    once = call(logprob.command, run, *asked, "--append", checkpoint="last").stdout
    for before, after, value in zip(found.split("\n")[:-1], once.split("\n")[:-1], alone, strict=True):
        number, text, features, *rest = before.split(" ||| ")
        assert after == " ||| ".join([number, text, f"{features} F1= {value}", *rest])
    asked[3] = "-"
    twice = call(logprob.command, run, *asked, "--append", text=once).stdout.split("\n")[:-1]
    assert all(" F1= " in line and " F2= " in line and line.count("|||") in (3, 4) for line in twice)


def test_bars_in_a_translation_survive(run: Path) -> None:
    asked = ["--prefix", "ein ||| Hund &#124;", "--max-length-ratio", "1e-9", "-n", "1", "--format"]
    text = call(translate.command, run, "-i", "s", *asked, "text").stdout.split("\n")
    found = call(translate.command, run, "-i", "s", *asked, "moses").stdout
    entries = list(read_n_best(found.split("\n")[:-1], "list"))
    assert text[0].startswith("ein ||| Hund") and [entry.text for entry in entries] == text[:-1]
    Path("t").write_text("\n".join(text), encoding="utf-8")
    scores = call(logprob.command, run, "-s", "s", "-t", "-", "--target-format", "moses", text=found).stdout
    assert scores == call(logprob.command, run, "-s", "s", "-t", "t").stdout


def test_either_side_is_read_from_stdin(run: Path) -> None:
    Path("t").write_text("ein Hund\n" * 6, encoding="utf-8")
    text = Path("s").read_text(encoding="utf-8")
    expected = call(logprob.command, run, "-s", "s", "-t", "t").stdout
    assert call(logprob.command, run, "-s", "-", "-t", "t", text=text).stdout == expected
    assert call(logprob.command, run, "-s", "s", "-t", "-", text="ein Hund\n" * 6).stdout == expected
    with pytest.raises(NmtError, match="s has 6 lines but standard input has 5"):
        call(logprob.command, run, "-s", "s", "-t", "-", text="ein Hund\n" * 5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-s", "-", "-t", "-"], "cannot both be stdin"),
        (["-s", "s", "-t", "s", "--append"], "--append goes with --target-format moses"),
        (["-s", "s", "-t", "s", "--append", "--per-token", "--target-format", "moses"], "exclude each other"),
    ],
)
def test_options_that_do_not_go_together_are_refused(run: Path, arguments: list[str], message: str) -> None:
    result = call(logprob.command, run, *arguments)
    assert result.exit_code == 2 and message in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 ||| ein\nHund\n", "standard input, line 2: not an entry"),
        ("9 ||| ein\n", "standard input, line 1: entry of sentence 9, counted from 0, but s has 6 lines"),
    ],
)
def test_a_bad_list_is_told(run: Path, text: str, message: str) -> None:
    with pytest.raises(NmtError, match=message):
        call(logprob.command, run, "-s", "s", "-t", "-", "--target-format", "moses", text=text)


@pytest.mark.skipif(os.name != "posix", reason="a shell")
def test_translate_pipes_into_logprob(run: Path) -> None:
    nmt = f"{sys.executable} -m nmt"
    command = (
        f"{nmt} translate -q --model {run} -i s -n 2 --format moses | "
        f"{nmt} logprob -q --model {run} --checkpoint last -s s -t - --target-format moses --append"
    )
    done = subprocess.run(command, shell=True, capture_output=True, check=True)
    assert done.stderr == b"" and all(b" F1= " in line for line in done.stdout.split(b"\n")[:-1])
