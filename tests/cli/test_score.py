"""`nmt score` reads files and stdin and prints tables, numbers and JSON."""

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from text_files import write_lines

from nmt.cli.score import command
from nmt.errors import NmtError
from nmt.evaluation.metrics import METRICS


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SACREBLEU_SEED", raising=False)
    reference = [f"Zeile {n} ist hier ein kleiner Test" for n in range(20)]
    write_lines("ref", reference)
    Path("ref2").write_text("".join(f"{line} so\n" for line in reference), encoding="utf-8")
    Path("bad").write_text("".join(line.replace("ein", "kein") + "\n" for line in reference), encoding="utf-8")
    return tmp_path


def run(*arguments: str, stdin: bytes | None = None) -> str:
    return CliRunner().invoke(command, arguments, input=stdin, catch_exceptions=False, standalone_mode=False).stdout


def test_the_table_contains_each_metric_with_its_signature(folder: Path) -> None:
    lines = run("-r", "ref", "ref").split("\n")
    assert [line.split()[:2] for line in lines[:4]] == [
        ["metric", "score"],
        ["BLEU", "100.00"],
        ["chrF2", "100.00"],
        ["TER", "0.00"],
    ]
    assert all("nrefs:1|" in line and "version:" in line for line in lines[1:4])


def test_stdin_a_dash_and_a_file_give_the_same_result(folder: Path) -> None:
    expected = run("-r", "ref", "bad", "--json", "-m", "bleu").replace('"bad"', '"stdin"')
    content = Path("bad").read_bytes()
    assert run("-r", "ref", "--json", "-m", "bleu", stdin=content) == expected
    assert run("-r", "ref", "--json", "-m", "bleu", "-", stdin=content) == expected


def test_several_systems_are_scored_against_several_references(folder: Path) -> None:
    found = json.loads(run("-r", "ref", "-r", "ref2", "ref", "ref2", "bad", "--json"))
    assert [system["system"] for system in found] == ["ref", "ref2", "bad"]
    assert [round(system["scores"][0]["score"]) for system in found][:2] == [100, 100]
    assert found[2]["scores"][0]["score"] < 100
    assert all("nrefs:2" in score["signature"] for system in found for score in system["scores"])
    table = run("-r", "ref", "ref", "bad")
    assert "system" in table
    assert table.count("nrefs:1") == 3


def test_score_only_prints_numbers_and_tabs(folder: Path) -> None:
    assert run("-r", "ref", "ref", "-b", "-m", "bleu", "-w", "1") == "100.0\n"
    rows = [line.split("\t") for line in run("-r", "ref", "ref", "bad", "-b").strip().split("\n")]
    assert [len([float(cell) for cell in row]) for row in rows] == [3, 3]


def test_the_paired_test_compares_with_the_baseline(folder: Path) -> None:
    options = ["-r", "ref", "bad", "ref", "--paired", "--paired-bs-n", "100", "-m", "bleu,ter"]
    table = run(*options)
    assert "bad (baseline)" in table
    assert "*" in table
    assert "seed:12345" in table
    found = json.loads(run(*options, "--json", "--seed", "3"))
    assert found[0]["scores"][0]["p_value"] is None
    assert found[1]["scores"][0]["p_value"] < 0.05
    assert "seed:3" in found[1]["scores"][0]["signature"]


def test_only_newlines_end_lines(folder: Path) -> None:
    odd = "a\x85b\u2028c\x0c\x00\n\n\x1c\r\nlast without newline".encode()
    Path("odd").write_bytes(odd)
    found = json.loads(run("-r", "odd", "--json", stdin=odd))
    assert found[0]["scores"][2]["score"] == 0
    Path("long").write_bytes(odd + b"\n\n")
    with pytest.raises(NmtError, match="stdin has 4 lines but long has 5; the files must be aligned line by line"):
        run("-r", "long", stdin=odd)


def test_mistakes_are_named(folder: Path) -> None:
    Path("short").write_bytes(Path("ref").read_bytes().split(b"\n", 1)[1])
    with pytest.raises(NmtError, match="short has 19 lines but ref has 20; the files must be aligned line by line"):
        run("-r", "ref", "short")
    with pytest.raises(NmtError, match="none: no such file"):
        run("-r", "none", "ref")
    with pytest.raises(click.UsageError, match="--paired compares systems: give two files or more"):
        run("-r", "ref", "bad", "--paired")
    with pytest.raises(click.UsageError, match="--score-only leaves out the result of --paired"):
        run("-r", "ref", "bad", "ref", "--paired", "-b")
    with pytest.raises(NmtError, match="nothing to score"):
        run("-r", "/dev/null", stdin=b"")


@pytest.mark.parametrize("more", [[], ["bad", "--paired"]])
@pytest.mark.parametrize("metrics", ["", " , "])
def test_an_empty_list_of_metrics_is_rejected(folder: Path, metrics: str, more: list[str]) -> None:
    with pytest.raises(click.UsageError, match="--metrics names none; choose from bleu, chrf"):
        run("-r", "ref", "ref", *more, "-m", metrics)


def test_the_seed_in_the_environment_is_used_only_by_the_paired_test(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["-r", "ref", "bad", "ref", "-m", "bleu"]
    plain = run(*options)
    monkeypatch.setenv("SACREBLEU_SEED", "none")
    assert run(*options) == plain
    assert "seed:none" in run(*options, "--paired")
    for alone in ("--seed", "--paired-bs-n"):
        with pytest.raises(click.UsageError, match="go with --paired"):
            run(*options, alone, "7")
    monkeypatch.setenv("SACREBLEU_SEED", "7")
    assert run(*options, "--paired") == run(*options, "--paired", "--seed", "7")
    monkeypatch.setenv("SACREBLEU_SEED", "nonsense")
    assert run(*options) == plain
    with pytest.raises(NmtError, match=r"SACREBLEU_SEED.*not nonsense"):
        run(*options, "--paired")


@pytest.mark.parametrize("metric", METRICS)
def test_an_unknown_tokeniser_is_rejected_for_every_metric(folder: Path, metric: str) -> None:
    with pytest.raises(NmtError, match="unknown tokeniser 'nonsense'"):
        run("-r", "ref", "ref", "-m", metric, "-tok", "nonsense")


def test_scoring_imports_no_torch(folder: Path) -> None:
    code = (
        "import sys; from nmt.cli.main import cli; "
        "cli.main(['score', '-r', 'ref', 'bad', '-b', '-m', 'bleu'], standalone_mode=False); "
        "heavy = {'torch', 'matplotlib', 'sentencepiece'} & set(sys.modules); sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
