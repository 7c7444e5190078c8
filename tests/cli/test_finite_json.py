"""The JSON output of commands contains null instead of NaN and Infinity, which JSON lacks."""

import json
import math
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from tiny_run import SOURCE, make_run

from nmt.cli import evaluate, logprob
from nmt.decoding.output_formats import render
from nmt.decoding.translation import Target, Translation
from nmt.decoding.translator import Translator


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("finite"))


def call(run: Path, command: click.Command, *arguments: str) -> str:
    options = ["--model", str(run), "--device", "cpu", "--precision", "fp32", *arguments]
    text = "".join(f"{line}\n" for line in SOURCE)
    return CliRunner().invoke(command, options, input=text, catch_exceptions=False, standalone_mode=False).stdout


def strict(text: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    return found


@pytest.fixture
def infinite(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make one token of every pair impossible."""
    monkeypatch.setattr(
        Translator,
        "token_log_probs",
        lambda self, pairs, *rest, **more: ((["a", "</s>"], (-math.inf, -1.0)) for _ in pairs),
    )


@pytest.mark.usefixtures("infinite")
def test_infinite_log_probabilities_of_tokens_become_null(run: Path) -> None:
    files = ["--source", str(run.parents[1] / "x.en"), "--target", str(run.parents[1] / "x.de")]
    entries = [strict(line) for line in call(run, logprob.command, *files, "--per-token").split("\n")[:-1]]
    assert len(entries) == len(SOURCE)
    assert entries[0] == {"log_prob": None, "tokens": ["a", "</s>"], "token_log_probs": [None, -1.0]}


@pytest.mark.usefixtures("infinite")
def test_an_infinite_loss_becomes_null_in_results_that_are_printed_and_saved(run: Path) -> None:
    [printed] = strict(call(run, evaluate.command, "--json"))  # type: ignore[misc]
    saved = strict(Path(printed["hypotheses"]).with_suffix(".json").read_text(encoding="utf-8"))
    for result in (printed, saved):
        assert (result["loss"], result["perplexity"]) == (None, None)
    assert "inf" in call(run, evaluate.command)  # the table is not JSON


def test_scores_of_translations_that_are_not_finite_become_null() -> None:
    target = Target("a", math.nan, -math.inf, (), (), ((0, 0),), None)
    entry = strict(render(Translation(0, "x", (), (target,)), "json", 1, with_alignment=False))
    assert entry["hypotheses"] == [{"text": "a", "score": None, "log_prob": None, "alignment": [[0, 0]]}]
