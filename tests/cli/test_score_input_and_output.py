"""`nmt score`: lists of metrics after -m, scores of sentences, TSV input and output."""

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from text_files import write_lines

from nmt.cli.score import command
from nmt.errors import NmtError
from nmt.evaluation.metrics import Scoring

REFERENCE = ["Zeile eins ist hier", "Zeile zwei ist da", "und drei"]
HYPOTHESES = ["Zeile eins ist hier", "Zeile zwei war da", "drei und"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_lines("ref", REFERENCE)
    write_lines("hyp", HYPOTHESES)


def run(*arguments: str, stdin: str | None = None) -> str:
    done = CliRunner().invoke(command, arguments, input=stdin, catch_exceptions=False, standalone_mode=False)
    return done.stdout


def cells(output: str) -> list[list[str]]:
    assert output.endswith("\n")
    return [line.split("\t") for line in output[:-1].split("\n")]


def names(*arguments: str) -> list[str]:
    return [score["name"] for score in json.loads(run("--json", "-r", "ref", *arguments))[0]["scores"]]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["hyp"], ["BLEU", "chrF2", "TER"]),
        (["-m", "bleu", "-m", "chrf", "hyp"], ["BLEU", "chrF2"]),
        (["hyp", "-m", "ter", "bleu"], ["TER", "BLEU"]),
        (["-m", "bleu", "chrf++", "ter", "hyp"], ["BLEU", "chrF2++", "TER"]),
        (["--metrics", "bleu", "chrf", "--", "hyp"], ["BLEU", "chrF2"]),
        (["-m", "bleu,chrf", "ter", "hyp"], ["BLEU", "chrF2", "TER"]),
        (["-m", "bleu chrf", "hyp"], ["BLEU", "chrF2"]),
        (["--metrics=bleu", "-mter", "hyp"], ["BLEU", "TER"]),
        (["-m", "BLEU", "Chrf", "hyp"], ["BLEU", "chrF2"]),
        (["-m", "bleu", "bleu", "-m", "bleu,ter", "hyp"], ["BLEU", "TER"]),
        (["-m", "bleu", "-w", "3", "hyp"], ["BLEU"]),
    ],
)
def test_metrics_may_be_listed_after_one_option_or_repeated(options: list[str], expected: list[str]) -> None:
    assert names(*options) == expected


def test_every_field_of_the_scoring_has_an_option() -> None:
    assert set(Scoring.__dataclass_fields__) <= {option.name for option in command.params}


def test_a_file_may_have_the_name_of_a_metric() -> None:
    write_lines("bleu", HYPOTHESES)
    write_lines("ter", REFERENCE)
    assert names("-m", "chrf", "./bleu") == ["chrF2"]
    assert names("bleu", "-m", "chrf") == ["chrF2"]
    assert names("-m", "chrf", "--", "bleu") == ["chrF2"]
    assert names("-m", "chrf", "-r", "ter", "bleu") == ["chrF2"]
    with pytest.raises(NmtError, match="unknown metric 'blue'; known: bleu, chrf"):
        run("-r", "ref", "hyp", "-m", "blue")


def test_sentence_level_prints_one_line_per_sentence() -> None:
    table = run("-r", "ref", "hyp", "-sl", "-m", "bleu", "ter").split("\n")
    assert [line.split()[0] for line in table[:4]] == ["line", "1", "2", "3"]
    assert table[1].split() == ["1", "100.00", "0.00"]
    assert "eff:yes" in table[5]
    rows = cells(run("-r", "ref", "hyp", "ref", "--sentence-level", "-f", "tsv", "-m", "bleu", "ter", "-w", "0"))
    heads = ["hyp BLEU", "hyp TER", "ref BLEU", "ref TER", "hyp hypothesis", "ref hypothesis", "reference"]
    assert rows[0] == ["line", *heads]
    assert [row[0] for row in rows[1:]] == ["1", "2", "3"]
    assert [row[3] for row in rows[1:]] == ["100"] * 3
    assert [row[5:] for row in rows[1:]] == [list(row) for row in zip(HYPOTHESES, REFERENCE, REFERENCE, strict=True)]
    numbers = cells(run("-r", "ref", "hyp", "ref", "-sl", "-b", "-m", "bleu", "ter", "-w", "0"))
    assert numbers == [row[1:5] for row in rows[1:]]


def test_json_of_sentences_has_one_line_per_sentence() -> None:
    output = run("-r", "ref", "-r", "hyp", "hyp", "ref", "-sl", "--format", "json")
    found = json.loads(output)
    assert [system["system"] for system in found] == ["hyp", "ref"]
    assert found[0]["sentences"][1]["hypothesis"] == HYPOTHESES[1]
    assert found[0]["sentences"][1]["references"] == [REFERENCE[1], HYPOTHESES[1]]
    assert [s["line"] for s in found[1]["sentences"]] == [1, 2, 3]
    lines = [line.strip().rstrip(",") for line in output.split("\n") if '"line"' in line]
    assert [json.loads(line) for line in lines] == [*found[0]["sentences"], *found[1]["sentences"]]


def test_tabs_and_line_breaks_in_texts_do_not_break_the_tsv() -> None:
    odd = ['a\tb "c', "x\x85y\u2028z\x0b\rw", "\x00"]
    write_lines("odd\tname", odd)
    rows = cells(run("-r", "odd\tname", "odd\tname", "hyp", "-sl", "-f", "tsv", "-m", "chrf"))
    assert len(rows) == 4 and {len(row) for row in rows} == {6}
    assert all(len(row.splitlines()) == 1 for row in ("|".join(cells) for cells in rows))
    assert rows[1][5] == 'a b "c'


def test_output_formats_of_whole_test_sets() -> None:
    write_lines("hyp2", REFERENCE)
    rows = cells(run("-r", "ref", "hyp", "hyp2", "-f", "tsv", "-m", "bleu", "ter"))
    assert rows[0] == ["system", "metric", "score", "signature"]
    assert [row[:2] for row in rows[1:]] == [["hyp", "BLEU"], ["hyp", "TER"], ["hyp2", "BLEU"], ["hyp2", "TER"]]
    paired = cells(run("-r", "ref", "hyp", "hyp2", "-f", "tsv", "-m", "bleu", "--paired", "--paired-bs-n", "20"))
    assert paired[0] == ["system", "metric", "score", "mean", "confidence", "p_value", "signature"]
    assert [row[5] == "" for row in paired[1:]] == [True, False]
    assert run("-r", "ref", "hyp", "-f", "json") == run("-r", "ref", "hyp", "--json")
    assert run("-r", "ref", "hyp", "-f", "text") == run("-r", "ref", "hyp")


@pytest.mark.parametrize("stdin", [False, True])
def test_tsv_input_gives_the_same_result_as_files(stdin: bool) -> None:
    rows = [f"{h}\t{r}" for h, r in zip(HYPOTHESES, REFERENCE, strict=True)]
    write_lines("two.tsv", rows)
    write_lines("more.tsv", ["src\tmt\tref", *(f"quelle\t{row}\tx" for row in rows)])
    expected = run("-r", "ref", "hyp", "-b")

    def tsv(name: str, *options: str) -> str:
        if stdin:
            return run("--tsv", "-", "-b", *options, stdin=Path(name).read_text(encoding="utf-8"))
        return run("--tsv", name, "-b", *options)

    assert tsv("two.tsv") == expected
    assert tsv("two.tsv", "--hypothesis-column", "1", "--reference-column", "2") == expected
    named = ["--header", "--hypothesis-column", "mt", "--reference-column", "ref"]
    assert tsv("more.tsv", *named) == expected
    assert tsv("more.tsv", "--header", "--hypothesis-column", "2", "--reference-column", "3") == expected
    several = tsv("more.tsv", *named, "--hypothesis-column", "ref", "--reference-column", "mt")
    assert several == run("-r", "ref", "-r", "hyp", "hyp", "ref", "-b")


def test_tsv_output_can_be_read_as_tsv_input() -> None:
    first = run("-r", "ref", "hyp", "-sl", "-f", "tsv")
    write_lines("a.tsv", first[:-1].split("\n"))
    columns = ["--header", "--hypothesis-column", "hypothesis", "--reference-column", "reference"]
    assert run("--tsv", "a.tsv", *columns, "-sl", "-f", "tsv") == first
    write_lines("b.tsv", [f"s{n}\t{line}" for n, line in enumerate(first[:-1].split("\n"))])
    again = run("--tsv", "b.tsv", *columns, "--source-column", "1", "-sl", "-f", "tsv")
    assert [row[-1] for row in cells(again)] == ["source", "s1", "s2", "s3"]


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (["a\tb", "a"], [], r"a\.tsv: line 2 has 1 tab-separated column, but column 2 is needed: correct the file"),
        (["h\tr"] + ["a"] * 12, ["--header"], r"12 lines have too few .* \(lines 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, …\)"),
        (["a\tb\tc"], [], r"a\.tsv: has 3 columns; choose columns with --hypothesis-column and --reference-column"),
        (["a\tb"], ["x", "2"], "no column 'x': give a number, counted from 1, or with --header a name"),
        (["a\tb"], ["0", "2"], "no column '0'"),
        (["a\tb", "c\td"], ["--header", "x", "b"], r"a\.tsv: line 1 has no column named 'x'; it has: a, b"),
        (["a\ta", "c\td"], ["--header", "a", "2"], r"line 1 has 2 columns named 'a'; give a number"),
        ([], [], r"a\.tsv has no lines; there is nothing to score"),
        (["a\tb"], ["--header"], r"a\.tsv has no lines; there is nothing to score"),
    ],
)
def test_mistakes_in_a_tsv_are_named(content: list[str], options: list[str], message: str) -> None:
    write_lines("a.tsv", content)
    columns = [option for option in options if option != "--header"]
    flags = zip(["--hypothesis-column", "--reference-column"], columns, strict=False)
    header = ["--header"] if "--header" in options else []
    with pytest.raises(NmtError, match=message):
        run("--tsv", "a.tsv", *header, *(word for pair in flags for word in pair))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("hyp", "give the references with --reference FILE"),
        ("-r ref hyp --header", "--header goes with --tsv"),
        ("-r ref hyp --source-column 1", "--source-column goes with --tsv"),
        ("--tsv a.tsv hyp", "leave out HYP and --reference"),
        ("--tsv a.tsv -r ref", "leave out HYP and --reference"),
        ("--tsv a.tsv --hypothesis-column 1", "are given together"),
        ("--tsv a.tsv --source-column 1", "--source-column goes with --sentence-level"),
        ("-r ref hyp ref --paired -sl", "leave out --sentence-level"),
        ("-r ref hyp --json -f tsv", "give --format tsv or --json, not both"),
        ("-r ref hyp -b -f json", "give --format json or --score-only, not both"),
        ("-r ref hyp --smooth-value 1", "--smooth-value goes with --smooth-method floor or add-k"),
        ("-r ref hyp -m bleu --ter-normalized", "--ter-normalized goes with -m ter"),
        ("-r ref hyp -m ter --chrf-beta 1", "--chrf-beta goes with -m chrf"),
        ("-r ref hyp -m ter --smooth-method floor", "--smooth-method goes with -m bleu"),
        ("-r ref hyp -m chrf++ -cw 1", "chrf\\+\\+ is chrf with --chrf-word-order 2"),
        ("-r ref hyp -cc 0", "--chrf-char-order 0 needs a --chrf-word-order"),
        ("-r ref hyp --ter-asian-support", "changes nothing without --ter-normalized or --ter-no-punct"),
    ],
)
def test_options_that_contradict_each_other_are_rejected(arguments: str, message: str) -> None:
    with pytest.raises(click.UsageError, match=message):
        run(*arguments.split())


def test_warnings_go_to_stderr() -> None:
    write_lines("thai", ["วันนี้อากาศดีมาก เราไปเดินเล่นที่สวนสาธารณะ"])
    done = CliRunner().invoke(command, ["-r", "thai", "thai", "-b"], standalone_mode=False)
    assert "thai is written without spaces" in done.stderr and "--tokenize char" in done.stderr
    assert len(done.stdout.split("\t")) == 3
    assert CliRunner().invoke(command, ["-r", "ref", "hyp"], standalone_mode=False).stderr == ""


def test_the_source_column_is_printed() -> None:
    write_lines("a.tsv", ["q\ta\tb"])
    columns = ["--source-column", "1", "--hypothesis-column", "2", "--reference-column", "3", "-sl", "--json"]
    assert json.loads(run("--tsv", "a.tsv", *columns))[0]["sentences"][0]["source"] == "q"
