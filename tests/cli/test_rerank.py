"""`nmt rerank` on the output of `nmt translate`, with models in run folders."""

import json
import math
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from text_files import write_lines
from tiny_run import SOURCE, TARGET, make_run

from nmt.cli import rerank, translate
from nmt.decoding.loading import load
from nmt.errors import NmtError

MACHINE = ["--engine", "onnx", "--precision", "fp32"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run `forward`, the run `backward` of the opposite direction, and n-best lists of `forward`."""
    base = tmp_path_factory.mktemp("reranking")
    forward = make_run(base / "forward", decoding={"beam_size": 4})
    backward = make_run(base / "backward")
    config = backward / "config.yaml"
    text = config.read_text(encoding="utf-8")
    text = text.replace("source_language: en\n  target_language: de", "source_language: de\n  target_language: en")
    config.write_text(text, encoding="utf-8")
    write_lines(base / "source", SOURCE)
    write_lines(base / "reference", TARGET)
    arguments = ["--model", str(forward), *MACHINE, "-i", str(base / "source"), "-n", "4", "--format", "json"]
    lists = CliRunner().invoke(translate.command, arguments, catch_exceptions=False).stdout
    (base / "lists").write_text(lists, encoding="utf-8")
    return base


@pytest.fixture(autouse=True)
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def call(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(
        rerank.command, [*arguments, *MACHINE], input=text, catch_exceptions=False, standalone_mode=False
    )


FORWARD, BACKWARD = "forward/runs/tiny", "backward/runs/tiny"
MODELS = ["--backward", BACKWARD, "--model", f"{FORWARD}/checkpoints/step-2"]


def test_tuned_weights_rerank_and_the_features_are_those_of_logprob() -> None:
    table = call("--tune", "-i", "lists", "-s", "source", "-r", "reference", *MODELS, "-w", "w.json").stdout
    rows = [line.split() for line in table.split("\n")]
    assert [row[0] for row in rows[1:4]] == ["score", "backward", "model"]
    assert rows[2][2:] == ["tiny/step-1"] and rows[3][3:] == ["tiny/step-2"]
    before, after = (float(row[-1]) for row in rows if row[:1] in (["score"], ["all"]) and len(row) > 2)
    assert after >= before
    lists = Path("lists").read_text(encoding="utf-8")
    found = [
        json.loads(line) for line in call("-w", "w.json", *MODELS, "--format", "json", text=lists).stdout.splitlines()
    ]
    best = call("-i", "lists", "-w", "w.json", *MODELS).stdout.split("\n")[:-1]
    assert best == [each["hypotheses"][0]["text"] for each in found] and len(best) == len(SOURCE)
    pairs = [(each["source"], one["text"]) for each in found for one in each["hypotheses"]]
    features = [one["features"] for each in found for one in each["hypotheses"]]
    backward, model = (
        load(BACKWARD, engine="onnx", precision="fp32"),
        load(FORWARD, "step-2", engine="onnx", precision="fp32"),
    )
    for name, translator, turned in (("backward", backward, True), ("model 1", model, False)):
        scored = translator.token_log_probs([pair[::-1] if turned else pair for pair in pairs], 1000)
        for values, (_, log_probs) in zip(features, scored, strict=True):
            assert values[name] == pytest.approx(math.fsum(log_probs) / len(log_probs), abs=1e-5)


def test_mistakes_are_named() -> None:
    call("--tune", "-i", "lists", "-r", "reference", "--backward", BACKWARD, "-w", "one.json")
    with pytest.raises(NmtError, match="has weights for score, backward, length, but the options give score, length"):
        call("-i", "lists", "-w", "one.json")
    with pytest.raises(NmtError, match=r"backward was tuned with tiny/step-1 .*, but --backward .* is tiny/step-2"):
        call("-i", "lists", "-w", "one.json", "--backward", f"{BACKWARD}/checkpoints/step-2")
    with pytest.raises(NmtError, match=r"translates from en to de, .*opposite direction"):
        call("-i", "lists", "-w", "one.json", "--backward", FORWARD, "--model", FORWARD)
    with pytest.raises(NmtError, match="the list is of 'a dog runs', but line 1 of reference"):
        call("-i", "lists", "-w", "one.json", "--backward", BACKWARD, "-s", "reference")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tune"], "--tune needs --reference"),
        (["--reference", "reference"], "--reference is for --tune"),
        (["--seed", "2"], "--seed is for --tune"),
        (["--tune", "-r", "reference", "--format", "json"], "leave out --format"),
        (["--backward-tag", "x"], "--backward-tag needs --backward"),
        (["--tag", "x"], "--tag is for the models"),
    ],
)
def test_options_that_do_not_fit_are_refused(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(rerank.command, ["-i", "lists", "-w", "w", *arguments])
    assert result.exit_code == 2 and message in " ".join(result.stderr.split())
