"""`nmt config show | check | keys`."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from nmt.cli.config import command
from nmt.config import Decoder, load, parse
from nmt.errors import NmtError


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    corpus = {"source": "a.en", "target": "a.zh"}
    values = {"name": "run", "data": {"train": [corpus], "valid": dict(corpus)}}
    Path("c.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    Path("a.en").touch()
    Path("a.zh").touch()
    return "c.yaml"


def run(*arguments: str) -> str:
    return CliRunner().invoke(command, arguments, catch_exceptions=False, standalone_mode=False).stdout


def test_show_prints_a_config_that_loads_as_the_same(file: str) -> None:
    shown = yaml.safe_load(run("show", "-c", file, "--set", "training.max_steps=5", "--set", "seed=3"))
    assert parse(shown, "shown") == load(Path(file), ["training.max_steps=5", "seed=3"])
    assert shown["training"]["max_steps"] == 5


def test_check_names_every_missing_file(file: str) -> None:
    assert "the run will be runs/run" in run("check", "--config", file)
    Path("a.zh").unlink()
    with pytest.raises(NmtError) as caught:
        run("check", "--config", file)
    lines = str(caught.value).split("\n")
    assert lines[:2] == [
        "c.yaml: data.train.0.target: no such file: a.zh",
        "c.yaml: data.valid.target: no such file: a.zh",
    ]
    assert "relative to the working directory" in lines[2]
    with pytest.raises(NmtError, match="did you mean 'seed'"):
        run("check", "--config", file, "--set", "sead=1")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.embedding.source_vectors=none.txt", "model.embedding.source_vectors: none.txt: no such file"),
        ("training.init_from=runs/nothing", "training.init_from: runs/nothing: no such run folder"),
        ("subword.reuse=runs/nothing", "subword.reuse: runs/nothing has no joint.model"),
    ],
)
def test_check_finds_missing_initial_weights_and_vectors(file: str, override: str, message: str) -> None:
    with pytest.raises(NmtError) as caught:
        run("check", "--config", file, "--set", override)
    assert str(caught.value).startswith(f"c.yaml: {message}")


def test_keys_explains_the_keys_under_a_prefix(file: str) -> None:
    assert run("keys", "training.max_steps").startswith(
        "training.max_steps  (integer > 0; default 10000)\n    Optimizer"
    )
    assert run("keys", "model.decoder").count("model.decoder.") == len(Decoder.model_fields)
    assert run("keys").count("\n") > 100
    with pytest.raises(NmtError, match=r"no key 'model.decodr'; did you mean 'model.decoder'\?"):
        run("keys", "model.decodr")


def test_check_finds_lines_without_a_tag_if_there_are_several_target_languages(file: str) -> None:
    pair = {"source": "a.en", "target": "a.zh"}
    data = {"train": [{**pair, "tag": "<2zh>"}, {**pair, "tag": "<2de>"}], "valid": {**pair, "tag": "<2zh>"}}
    values = {"name": "run", "data": data, "subword": {"user_symbols": ["<2zh>", "<2de>"]}}
    Path(file).write_text(yaml.safe_dump(values), encoding="utf-8")
    for name in pair.values():
        Path(name).write_text("a\n", encoding="utf-8")
    assert "the run will be runs/run" in run("check", "--config", file)
    with pytest.raises(NmtError, match=r"c\.yaml: data\.valid, line 1: .* set data\.valid\.tag, or begin"):
        run("check", "--config", file, "--set", "data.valid.tag=null")


def test_check_names_the_language_code_that_text_without_spaces_needs(file: str) -> None:
    Path("a.en").write_text("The weather is fine today.\n", encoding="utf-8")
    Path("a.zh").write_text("今天天气很好，我们去公园散步。\n", encoding="utf-8")
    done = CliRunner().invoke(command, ["check", "-c", file], catch_exceptions=False, standalone_mode=False)
    assert "set data.target_language to its code, e.g. zh" in done.stderr
    assert "the run will be runs/run" in done.stdout
    options = ["check", "-c", file, "--set", "data.target_language=cmn_Hans"]
    assert CliRunner().invoke(command, options, catch_exceptions=False, standalone_mode=False).stderr == ""
