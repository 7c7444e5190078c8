"""`nmt evaluate --grid`: search options are chosen on the validation set and kept in the config of the run."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from tiny_run import TARGET, make_run

from nmt.cli.evaluate import command
from nmt.config import load, load_run_config
from nmt.config.model_settings import ModelSettings
from nmt.decoding.loading import find_checkpoints
from nmt.decoding.search_grid import combinations
from nmt.decoding.search_options import SearchOptions
from nmt.decoding.translator import Translator
from nmt.errors import NmtError
from nmt.evaluation import grid_search
from nmt.evaluation.metrics import Score, corpus_scores
from nmt.runtime.checkpoint_graphs import read_settings
from nmt.storage.run_folder import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("grid"))


def invoke(run: Path, *arguments: str) -> str:
    options = ["--model", str(run), "--engine", "onnx", "--precision", "fp32", *arguments]
    return CliRunner().invoke(command, options, catch_exceptions=False, standalone_mode=False).stdout


def give_scores(monkeypatch: pytest.MonkeyPatch, bleu: list[float]) -> None:
    """Let the combinations get these BLEU, in their order."""
    rest = iter(bleu)
    monkeypatch.setattr(
        grid_search, "corpus_scores", lambda *_: [Score("BLEU", next(rest), "s", 1.0), Score("chrF2", 1.0, "s")]
    )


@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        ({"beam_size": [2, 5], "alpha": [0.5, 1.0]}, [(2, 0.5), (2, 1.0), (5, 0.5), (5, 1.0)]),
        ({"length_penalty": ["none", "gnmt"], "alpha": [0.5, 0.7]}, [("none", None), ("gnmt", 0.5), ("gnmt", 0.7)]),
    ],
)
def test_all_combinations_and_no_alpha_without_a_penalty(grid: dict[str, Any], expected: list[tuple[Any, ...]]) -> None:
    found = combinations(SearchOptions(alpha=0.3), grid)
    assert [tuple(each.values.values()) for each in found] == expected
    for each in found:
        assert each.options.alpha == (1.0 if each.options.length_penalty == "none" else each.values["alpha"])
    with pytest.raises(NmtError, match="alpha has no effect"):
        combinations(SearchOptions(length_penalty="none"), {"alpha": [1.0]})


def test_each_row_has_the_scores_of_an_evaluation_with_these_options(run: Path) -> None:
    found = json.loads(invoke(run, "--grid", "beam=1,3", "--grid", "alpha=0,2", "--json"))
    assert [each["values"] for each in found["combinations"]] == [
        {"beam_size": beam, "alpha": alpha} for beam in (1, 3) for alpha in (0, 2)
    ]
    one = found["combinations"][2]
    (single,) = json.loads(invoke(run, "--split", "valid", "-b", "3", "--alpha", "0", "--json"))
    assert one["scores"] == single["scores"][:2] and one["search"] == single["search"]
    assert one["length_ratio"] == single["length_ratio"]
    best = max(each["scores"][0]["score"] for each in found["combinations"])
    first = next(each for each in found["combinations"] if each["scores"][0]["score"] == best)
    assert [each["is_best"] for each in found["combinations"]] == [each is first for each in found["combinations"]]


def test_the_length_ratio_is_that_of_sacrebleu(run: Path) -> None:
    (result,) = json.loads(invoke(run, "--json"))
    hypotheses = Path(result["hypotheses"]).read_text(encoding="utf-8").split("\n")[:-1]
    (score,) = corpus_scores(hypotheses, [TARGET], ["bleu"])
    assert result["length_ratio"] == score.length_ratio
    (double,) = corpus_scores([f"{line} {line}" for line in TARGET], [TARGET], ["bleu"])
    assert double.length_ratio == 2.0
    head, row = (line.split("  ") for line in invoke(run).split("\n")[:2])
    assert "length ratio" in head and f"{result['length_ratio']:.3f}" in [cell.strip() for cell in row]


def test_the_best_is_kept_for_all_commands_and_the_run_keeps_its_comments(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, messages: list[str]
) -> None:
    shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("graphs-*"))
    path = tmp_path / "run" / "config.yaml"
    path.write_text("# mine\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    before = path.read_text(encoding="utf-8")
    invoke(tmp_path / "run")  # makes graphs, which hold the settings
    give_scores(monkeypatch, [3.0, 5.0, 5.0, 5.0])
    table = invoke(tmp_path / "run", "--grid", "beam_size=6,4", "--grid", "alpha=0.3,0.6", "--max-length-ratio", "2",
                   "--keep")  # fmt: skip
    assert [line.endswith("best") for line in table.split("\n")[1:5]] == [False, False, True, False], "the smaller beam"
    after = path.read_text(encoding="utf-8")
    changed = {new for old, new in zip(before.split("\n"), after.split("\n"), strict=True) if old != new}
    assert changed == {"  beam_size: 4", "  alpha: 0.3", "  max_length_ratio: 2.0"}
    settings = find_checkpoints([tmp_path / "run"], None)[0].settings
    assert (settings.decoding["beam_size"], settings.decoding["alpha"]) == (4, 0.3)
    with monkeypatch.context() as patch:  # the settings are read beside the graphs, without the schema
        patch.setattr("nmt.runtime.checkpoint_graphs._load_config", lambda _: pytest.fail("read the config"))
        copy = Run(tmp_path / "run")
        assert read_settings(copy, copy.checkpoint()) == ModelSettings.of(load(path))
    assert any("decoding.beam_size 2 -> 4" in message for message in messages)
    give_scores(monkeypatch, [1.0])
    invoke(tmp_path / "run", "--grid", "beam_size=4", "--max-length-ratio", "2", "--keep")
    assert path.read_text(encoding="utf-8") == after


def test_the_gain_over_the_options_of_the_run_is_tested(
    run: Path, monkeypatch: pytest.MonkeyPatch, messages: list[str]
) -> None:
    give_scores(monkeypatch, [3.0, 5.0, 4.0])
    table = invoke(run, "--grid", "beam=2,3,4")
    assert [line.split()[4:] for line in table.split("\n")[1:4]][:2] == [["0.0", "now"], ["0.0", "best"]]
    assert re.search(
        r"^gain +\+2\.00 BLEU over the options that the run has now \(p = [01]\.\d{3}", table, re.MULTILINE
    )
    assert any("the run is unchanged; with --keep" in message for message in messages)
    messages.clear()
    for scores, mark in (([5.0, 3.0], "now, best"), ([3.0], "best")):
        give_scores(monkeypatch, scores)
        table = invoke(run, "--grid", "beam=2,3" if len(scores) == 2 else "beam=3")
        assert "gain" not in table and any(line.endswith(f"  {mark}") for line in table.split("\n"))
        assert any("unchanged" in message for message in messages) == (mark == "best")


def test_an_interrupt_prints_what_is_done_and_keeps_nothing(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original, count = Translator.translate, 0

    def translate(self: Translator, *arguments: Any, **named: Any) -> Any:
        nonlocal count
        count += 1
        if count == 3:
            raise KeyboardInterrupt
        return original(self, *arguments, **named)

    monkeypatch.setattr(Translator, "translate", translate)
    before = load_run_config(Run(run))
    arguments = ["--model", str(run), "--engine", "onnx", "--grid", "beam=1,2,3", "--keep"]
    done = CliRunner().invoke(command, arguments, standalone_mode=False)
    assert isinstance(done.exception, click.Abort)
    assert [line.split()[0] for line in done.stdout.split("\n")[:4] if line] == ["beam_size", "1", "2"]
    assert load_run_config(Run(run)) == before


def test_a_run_in_use_is_reported_before_the_search(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Translator, "translate", lambda *_, **more: pytest.fail("a line was translated"))
    with Run(run).lock("-"), pytest.raises(NmtError, match="in use by process"):
        invoke(run, "--grid", "beam=1,2", "--keep")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--split", "flickr"], "a test set would then be part of the training"),
        (["--split", "all"], "a test set would then be part of the training"),
        (["--source", "a", "--reference", "a"], "a test set would then be part of the training"),
        (["--grid", "beam_size=2"], "given twice"),
        (["--beam-size", "2"], "exclude each other"),
        (["--greedy"], "greedy search is --grid beam=1"),
        (["--output", "x"], "saves no translations"),
        (["--keep", "--min-length", "2"], "--min-length cannot be kept"),
        (["--grid", "window=2"], "the keys are beam_size, length_penalty"),
        (["--grid", "alpha=1,x"], "not a valid float"),
        (["--grid", "alpha=1,,2"], "a value is missing"),
        (["--grid", "alpha=99"], "not in the range"),
    ],
)
def test_what_does_not_fit_a_grid_is_refused(run: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        invoke(run, "--grid", "beam=1,3", *arguments)
    assert message in str(caught.value)


def test_keep_needs_a_grid(run: Path) -> None:
    with pytest.raises(click.UsageError, match="--keep writes the best combination of --grid"):
        invoke(run, "--keep")
