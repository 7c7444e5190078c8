"""`nmt score` prints the same scores and signatures as the sacrebleu command with the same options."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from text_files import write_lines

from nmt.cli.score import command

REFERENCE = ["Das ist ein kleiner Test.", "Der Hund schläft heute, &amp; wie!", "Wir gehen ins Kino.", "今天天气很好。"]
OTHER = ["Dies ist ein kleiner Test.  ", "Heute schläft der Hund.", "Morgen gehen wir ins Kino.", "今日天气真好。"]
HYPOTHESES = ["Das IST ein Test.", "Der  hund schläft heute\t", "Wir Gehen ins Kino morgen .", "今天天气好，"]
OPTIONS = [
    "",
    "-tok char",
    "--tokenize zh -lc",
    "-tok none --lowercase --smooth-method floor --ter-normalized",
    "--smooth-method add-k --smooth-value 0.5 --chrf-lowercase --ter-case-sensitive",
    "-tok intl --smooth-method none --chrf-word-order 2 --ter-no-punct",
    "--chrf-char-order 4 --chrf-beta 3 --ter-normalized --ter-asian-support",
    "-tok zh --chrf-whitespace -cw 1 --ter-no-punct --ter-asian-support",
    "--chrf-eps-smoothing -cc 0 -cw 2 --ter-normalized --ter-asian-support --ter-no-punct --ter-case-sensitive",
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, lines in {"ref": REFERENCE, "other": OTHER, "hyp": HYPOTHESES}.items():
        write_lines(name, lines)
    return tmp_path


def sacrebleu(*arguments: str) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "SACREBLEU_FORMAT"}
    done = [sys.executable, "-m", "sacrebleu", "ref", "other", "-i", "hyp", "-w", "6", *arguments]
    return subprocess.run(done, capture_output=True, text=True, check=True, env=environment, encoding="utf-8").stdout


def nmt_score(*arguments: str) -> str:
    arguments = ("-r", "ref", "-r", "other", "hyp", *arguments)
    return CliRunner().invoke(command, arguments, catch_exceptions=False, standalone_mode=False).stdout


@pytest.mark.parametrize("options", OPTIONS)
def test_scores_and_signatures_agree(folder: Path, options: str) -> None:
    theirs = json.loads(sacrebleu("-m", "bleu", "chrf", "ter", *options.split()))
    ours = json.loads(nmt_score("--json", *options.split()))[0]["scores"]
    assert [s["signature"] for s in ours] == [s["signature"] for s in theirs]
    assert [s["name"] for s in ours] == [s["name"] for s in theirs]
    assert [s["score"] for s in ours] == pytest.approx([s["score"] for s in theirs], abs=1e-6)


@pytest.mark.parametrize("tokenizer", ["none", "zh", "char", "intl"])
def test_options_of_bleu_do_not_change_other_metrics_of_the_paired_test(folder: Path, tokenizer: str) -> None:
    options = ("other", "--paired", "--paired-bs-n", "20", "--json", "-m", "chrf", "ter")
    assert nmt_score(*options, "-tok", tokenizer, "-lc") == nmt_score(*options)


@pytest.mark.parametrize("metric", ["bleu", "chrf", "ter"])
def test_sentence_scores_agree(folder: Path, metric: str) -> None:
    options = ("-m", metric, "--sentence-level", "-tok", "zh")
    theirs = [line.split(" = ", 1) for line in sacrebleu(*options, "-f", "text").splitlines()]
    [ours] = json.loads(nmt_score(*options, "--json"))
    [found] = ours["metrics"]
    assert {head for head, _ in theirs} == {f"{found['name']}|{found['signature']}"}
    expected = [float(rest.split()[0]) for _, rest in theirs]
    assert [s["scores"][found["name"]] for s in ours["sentences"]] == pytest.approx(expected, abs=1e-6)
    numbers = nmt_score(*options, "-b", "-w", "6")
    assert [float(line) for line in numbers.splitlines()] == pytest.approx(expected, abs=1e-6)
