"""`nmt doctor`: exit status, text and JSON, for a configuration and for a run."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tiny_run import make_run

from nmt.cli.doctor import command
from nmt.diagnosis.run import diagnose_run
from nmt.errors import NmtError

QUICKSTART = Path(__file__).parents[2] / "data/quickstart"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command, list(map(str, arguments)))


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration with a part of the quickstart corpus."""
    monkeypatch.setattr("nmt.diagnosis.data.FEW_PAIRS", 200)
    for name, count in (("train", 300), ("valid", 40), ("test", 40)):
        for side in ("en", "de"):
            lines = (QUICKSTART / f"{name}.{side}").read_text(encoding="utf-8").split("\n")[:count]
            (tmp_path / f"{name}.{side}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    path = tmp_path / "c.yaml"
    path.write_text(
        f"""
name: x
data:
  source_language: en
  target_language: de
  train: {{source: {tmp_path}/train.en, target: {tmp_path}/train.de}}
  valid: {{source: {tmp_path}/valid.en, target: {tmp_path}/valid.de}}
  test: {{test: {{source: {tmp_path}/test.en, target: {tmp_path}/test.de}}}}
subword: {{vocab_size: 400}}
""",
        encoding="utf-8",
    )
    return path


def test_a_healthy_corpus_has_no_findings(config: Path) -> None:
    result = run("--config", config)
    assert result.exit_code == 0, result.output
    scope = "300 training pairs, data.valid (40 pairs), data.test.test (40 pairs)"
    assert result.stdout == f"{config}: nothing found; checked: {scope}\n"


def test_findings_set_the_exit_status(config: Path) -> None:
    target = config.parent / "train.de"
    lines = target.read_text(encoding="utf-8").split("\n")[:-1]
    target.write_text("\n".join(lines[1:]) + "\n", encoding="utf-8")  # a line is missing
    result = run("--config", config, "--json", "--set", "subword.vocab_size=401")
    assert result.exit_code == 3
    (finding,) = json.loads(result.stdout)["findings"]
    assert finding["name"] == "misaligned pairs"
    assert "train.en has 300 lines but " in finding["text"] and "1 line earlier" in finding["text"]


def test_errors_of_input_and_usage(config: Path) -> None:
    (config.parent / "test.de").unlink()
    result = run("--config", config)
    assert isinstance(result.exception, NmtError) and "no such file" in str(result.exception)
    assert run("--config", config, "runs/x").exit_code == 2
    assert run("--set", "seed=1").exit_code == 2


def test_an_untrained_run_is_diagnosed(tmp_path: Path) -> None:
    tiny_run = make_run(tmp_path)
    records = [{"event": "train", "step": step, "loss": 6.0, "learning_rate": 1e-5} for step in range(10, 100, 10)]
    (tiny_run / "log.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    diagnosis = diagnose_run(tiny_run)
    names = [finding.name for finding in diagnosis.findings]
    assert {"too few pairs", "learning rate too low", "source ignored"} <= set(names)
    assert "the log of 9 training and 0 validation records; 4 translations of data.valid" in str(diagnosis)
    (tiny_run.parents[1] / "x.en").unlink()
    diagnosis = diagnose_run(tiny_run)
    assert [finding.name for finding in diagnosis.findings] == ["learning rate too low"]
    assert "not checked: the text: no such file: " in str(diagnosis) and "x.en (paths are" in str(diagnosis)
    with pytest.raises(NmtError, match="no such run folder"):
        diagnose_run(tmp_path / "none")
