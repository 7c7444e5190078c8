"""`nmt compare` shows how models differ: configuration, curves, scores on one test set, sentences."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner
from text_files import write_lines
from tiny_run import SOURCE, TARGET, make_run

from nmt import config
from nmt.cli import compare
from nmt.cli.compare import command
from nmt.errors import NmtError
from nmt.evaluation.comparison import (
    ABSENT,
    ComparedModel,
    Comparison,
    Difference,
    Translated,
    config_differences,
    differing_sentences,
    names_of,
)
from nmt.evaluation.metrics import DEFAULTS
from nmt.evaluation.test_sets import Split
from nmt.reports.comparison import comparison_text
from nmt.reports.comparison_page import write_files
from nmt.storage.run_folder import Run

LOG = [
    {"event": "start", "step": 0, "parameters": "1,234"},
    {"event": "train", "step": 10, "loss": 2.0, "seconds": 75.0, "tokens_per_second": 5000.0, "learning_rate": 0.1},
    {"event": "valid", "step": 10, "loss": 1.5, "bleu": 12.5},
]
CORPUS = {"source": "a", "target": "b"}
CORPORA = [{"source": "a", "target": "b"}, {"source": "c", "target": "d", "weight": 2}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runs first and second, which differ in their weights and their configuration."""
    folder = tmp_path_factory.mktemp("compare")
    first = make_run(folder).rename(folder / "first")
    second = Path(shutil.copytree(first, folder / "second"))
    change(second, {"training": {"label_smoothing": 0.25}})
    (second / "checkpoints" / "best").write_text("step-2\n", encoding="utf-8")
    for run in (first, second):
        (run / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in LOG), encoding="utf-8")
    return folder


def change(run: Path, sections: dict[str, dict[str, Any]]) -> None:
    """Change keys of the configuration of a run."""
    values = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    for section, keys in sections.items():
        values[section] |= keys
    (run / "config.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")


@pytest.fixture
def runs(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """A function that runs the command on copies of the runs in the working directory and returns what it prints."""
    shutil.copytree(folder, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")

    def invoke(*arguments: str) -> str:
        options = ["--device", "cpu", "--precision", "fp32"]
        result = CliRunner().invoke(command, [*arguments, *options], catch_exceptions=False, standalone_mode=False)
        return result.stdout

    return invoke


def test_a_comparison_is_printed_drawn_and_written_as_a_page(
    runs: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = runs("first", "second", "-n", "2", "-o", "new/curves.svg", "--html", "new/page.html")
    assert text.endswith("\n\nnew/curves.svg\nnew/page.html\n")
    sections = dict(part.split("\n", 1) for part in f"\n{text}".split("\n== ")[1:])
    assert sections["Training"].split("\n")[2].split() == (
        ["second", "step-2", "1,234", "10", "1.500", "at", "10", "12.50", "at", "10", "0:01:15", "5,000"]
    )
    rows = [line.split() for line in sections["Configuration"].strip().split("\n")]
    assert rows == [["key", "first", "second"], ["training.label_smoothing", "0.1", "0.25"]]
    [scores] = [body for title, body in sections.items() if title.startswith("Scores on flickr (")]
    assert "first (baseline)" in scores and "p=" in scores and "first: onnx cpu fp32\n" in scores
    [sentences] = [
        body for title, body in sections.items() if title.startswith("The 2 sentences that differ most in chrF2")
    ]
    assert sentences.count("\nsource ") == 2 == sentences.count("\nreference ")
    page = Path("new/page.html").read_text(encoding="utf-8")
    for part in ("<svg", "training.label_smoothing", "<td>0.25</td>", "p = ", "<th>second</th>", "viewport"):
        assert part in page, part
    assert "<svg" in Path("new/curves.svg").read_text(encoding="utf-8")

    # The translations are stored as those of nmt evaluate, and not made again.
    monkeypatch.setattr(compare, "load", lambda *_: pytest.fail("a model was loaded"))
    again = runs("first", "second", "-n", "2")
    assert again == text.removesuffix("\nnew/curves.svg\nnew/page.html\n").replace("cpu fp32\n", "cpu fp32, stored\n")
    none = runs("first", "second", "-n", "0", "--html", "none.html")
    assert "Scores on" in none
    for shown in (none, Path("none.html").read_text(encoding="utf-8")):
        assert "sentences that differ" not in shown and "No sentence" not in shown
    assert len(list(Path("first/evaluations").glob("flickr-step-1-beam2.*"))) == 2
    with pytest.raises(BaseException, match="a model was loaded"):
        runs("first", "second", "--greedy")
    for name in ("first", "second"):  # a stored translation of other text is not used
        shutil.copy(f"{name}/evaluations/flickr-step-{1 + (name == 'second')}-beam2.json", "kept.json")
    write_lines(Path("other.en"), [*SOURCE[1:], SOURCE[0]])
    write_lines(Path("other.de"), [*TARGET[1:], TARGET[0]])
    with pytest.raises(BaseException, match="a model was loaded"):
        runs("first", "second", "-s", "other.en", "-r", "other.de")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"target_language": "fr"}, "first translates en-de, but second en-fr"),
        ({"test": {"flickr": {"source": "short.en", "target": "short.de"}}}, "short.de, with 4 and 1 lines; give"),
        (
            {"test": {"flickr": {"source": "other.en", "target": "other.de"}}},
            "2 source lines, the first is line 2",
        ),
    ],
)
def test_different_test_sets_are_named(
    runs: Callable[..., str], changes: dict[str, Any], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare, "load", lambda *_: pytest.fail("a model was loaded"))
    for name, lines in (("short", (SOURCE[:1], TARGET[:1])), ("other", ([SOURCE[0], "x", "y", SOURCE[3]], TARGET))):
        for side, text in zip(("en", "de"), lines, strict=True):
            write_lines(Path(f"{name}.{side}"), text)
    change(Path("second"), {"data": changes})
    text = runs("first", "second")
    assert "== Scores\nnot compared: " in text and problem in text and "training.label_smoothing" in text


def test_wrong_usage(runs: Callable[..., str]) -> None:
    for arguments, message in (
        (["first"], "give two or more runs"),
        (["first", "second", "--source", "x"], "--source and --reference are given together"),
        (["first", "second", "--split", "x", "-s", "x", "-r", "x"], "--split and --source exclude each other"),
    ):
        with pytest.raises(click.UsageError, match=message):
            runs(*arguments)
    with pytest.raises(NmtError, match=r"curves\.gif: the file extension must be"):
        runs("first", "second", "-o", "curves.gif")
    assert "no split 'x'" in runs("first", "second", "--split", "x")


def test_differences_of_configurations(tmp_path: Path) -> None:
    data: dict[str, Any] = {"valid": CORPUS, "test": {"t": CORPUS}}
    one = config.parse({"name": "one", "data": data | {"train": CORPUS}}, "test")
    two = config.parse({"name": "two", "seed": 2, "data": data | {"train": CORPORA, "test": {}}}, "test")
    found = {row.key: row.values for row in config_differences([one, two, one])}
    assert found["seed"] == (1, 2, 1) and "name" not in found and "data.train.0.source" not in found
    assert found["data.train.1.weight"] == (ABSENT, 2.0, ABSENT) and found["data.test.t.source"][1] is ABSENT
    assert "data.train.1.tag" not in found, "null there, and absent elsewhere"
    assert config_differences([one, one]) == []
    models = tuple(ComparedModel(name, Path(name), "step-1", None) for name in "ab")
    comparison = Comparison(models, (Difference("key", ("x" * 50, ABSENT)),), None, "no test set <x>")
    text = comparison_text(comparison)
    assert f"\nkey  …{'x' * 39}\n" in text and text.endswith("== Scores\nnot compared: no test set <x>")
    [page] = write_files(comparison, None, tmp_path / "page.html")
    assert f"<td>{'x' * 50}</td><td></td>" in page.read_text(encoding="utf-8")
    assert "Not compared: no test set &lt;x&gt;" in page.read_text(encoding="utf-8")
    with pytest.raises(NmtError, match="there are no curves to draw"):
        write_files(comparison, tmp_path / "curves.svg", None)


def test_the_sentences_that_differ_most() -> None:
    references = ["a b c d", "e f g h", "i j k l", "m n o p"]
    split = Split("t", ["1", "2", "3", "4"], [references], ("s", "r"))
    better = ("a b c d", "e f g x", "i j k l", "m n o p")
    worse = ("a b x y", "e f g y", "q", "m n o p")
    systems = [Translated(name, lines, "", {}, True) for name, lines in (("w", worse), ("b", better))]
    found, name = differing_sentences(split, systems, "chrf", DEFAULTS, 2)
    assert name == "chrF2" and [(each.line, each.source) for each in found] == [(3, "3"), (1, "1")]
    assert found[0].translations == ("q", "i j k l") and found[0].scores[1] == pytest.approx(100.0)
    assert found[0].difference == found[0].scores[1] - found[0].scores[0]
    every, name = differing_sentences(split, systems, "bleu", DEFAULTS, 20)
    assert name == "BLEU" and {each.line for each in every} == {1, 3}, "equal scores are left out"


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["runs/a", "runs/b"], ["a", "b"]),
        (["runs/a", "runs/a"], ["runs/a/step-1 (1)", "runs/a/step-1 (2)"]),
        (["x/a", "y/a"], ["x/a/step-1", "y/a/step-1"]),
    ],
)
def test_names(folders: list[str], names: list[str]) -> None:
    models: Any = [SimpleNamespace(run=Run(Path(folder)), name="step-1") for folder in folders]
    assert names_of(models) == names
    models[-1].name = "step-2"
    assert names_of(models) == (names if names == ["a", "b"] else ["a/step-1", "a/step-2"])
