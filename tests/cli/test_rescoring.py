"""n-best lists of one model are scored by another model (`nmt logprob`)."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from text_files import write_lines
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
    write_lines("s", [*SOURCE, "", "a dog"])


def call(command, run: Path, *arguments: object, text: str = "", checkpoint: str = "best") -> Result:  # type: ignore[no-untyped-def]
    words = ["--model", run, "--device", "cpu", "--precision", "fp32", "--checkpoint", checkpoint, *arguments]
    return CliRunner().invoke(command, [str(word) for word in words], input=text.encode(), catch_exceptions=False)


def test_the_feature_of_an_n_best_list_equals_the_score_of_logprob(run: Path) -> None:
    """A prefix longer than the maximum length is the whole translation, so the search has no choice."""
    write_lines("t", [*TARGET, "Hund", "ein Hund"])
    forced = ["--prefix-file", "t", "--max-length-ratio", "1e-9", "--format", "moses"]
    found = call(translate.command, run, "-i", "s", *forced).stdout
    scores = call(logprob.command, run, "-s", "s", "-t", "-", "--target-format", "moses", text=found).stdout
    entries = list(read_n_best(found.split("\n")[:-1], "list"))
    values = list(map(float, scores.split("\n")[:-1]))
    assert len(entries) == len(values) == len(SOURCE) + 2
    for entry, value in zip(entries, values, strict=True):
        assert entry.other_fields[0].startswith("F0= ")
        if entry.text:  # an empty source has an empty translation
            assert float(entry.other_fields[0][4:]) == pytest.approx(value, abs=1e-4)


def test_each_model_appends_its_feature_to_the_n_best_list(run: Path) -> None:
    found = call(translate.command, run, "-i", "s", "-n", "2", "--format", "moses", "--alignments", "-").stdout
    Path("list").write_text(found, encoding="utf-8")
    arguments = ["-s", "s", "-t", "list", "--target-format", "moses"]
    alone = call(logprob.command, run, *arguments, checkpoint="last").stdout.split("\n")[:-1]
    once = call(logprob.command, run, *arguments, "--append", checkpoint="last").stdout
    for before, after, value in zip(found.split("\n")[:-1], once.split("\n")[:-1], alone, strict=True):
        number, text, features, *rest = before.split(" ||| ")
        assert after == " ||| ".join([number, text, f"{features} F1= {value}", *rest])
    arguments[3] = "-"
    twice = call(logprob.command, run, *arguments, "--append", "--quiet", text=once)
    assert twice.stderr == ""
    for line in twice.stdout.split("\n")[:-1]:
        assert " F1= " in line and " F2= " in line and line.count("|||") in (3, 4)


def test_bars_in_a_translation_are_escaped(run: Path) -> None:
    arguments = ["--prefix", "ein ||| Hund &#124;", "--max-length-ratio", "1e-9", "-n", "1", "--format"]
    text = call(translate.command, run, "-i", "s", *arguments, "text").stdout.split("\n")
    found = call(translate.command, run, "-i", "s", *arguments, "moses").stdout
    entries = list(read_n_best(found.split("\n")[:-1], "list"))
    assert text[0].startswith("ein ||| Hund") and [entry.text for entry in entries] == text[:-1]
    Path("t").write_text("\n".join(text), encoding="utf-8")
    scores = call(logprob.command, run, "-s", "s", "-t", "-", "--target-format", "moses", text=found).stdout
    assert scores == call(logprob.command, run, "-s", "s", "-t", "t").stdout


def test_sources_or_targets_can_be_read_from_stdin(run: Path) -> None:
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
        (["-s", "s", "-t", "s", "--append"], "--append needs --target-format moses"),
        (["-s", "s", "-t", "s", "--append", "--per-token", "--target-format", "moses"], "exclude each other"),
    ],
)
def test_contradicting_options_are_rejected(run: Path, arguments: list[str], message: str) -> None:
    result = call(logprob.command, run, *arguments)
    assert result.exit_code == 2 and message in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 ||| ein\nHund\n", "standard input, line 2: not an entry"),
        ("9 ||| ein\n", "standard input, line 1: entry of sentence 9, counted from 0, but s has 6 lines"),
    ],
)
def test_an_error_names_the_bad_line_of_an_n_best_list(run: Path, text: str, message: str) -> None:
    with pytest.raises(NmtError, match=message):
        call(logprob.command, run, "-s", "s", "-t", "-", "--target-format", "moses", text=text)
