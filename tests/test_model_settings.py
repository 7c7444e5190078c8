"""The settings of a run that translating needs: the directions of the model, and files of earlier versions."""

import json
from pathlib import Path
from typing import Any

import pytest
from cli.tiny_run import make_run

import nmt
from nmt import config
from nmt.config.model_settings import Direction, ModelSettings
from nmt.runtime.checkpoint_graphs import read_settings
from nmt.runtime.export import export
from nmt.storage import checksums
from nmt.storage.run_folder import Run

ROOT = Path(__file__).resolve().parents[1]
FILES = {"source": "a", "target": "b"}


def settings(*corpora: dict[str, Any], **data: str) -> config.Config:
    values = {"train": [FILES | corpus for corpus in corpora], "valid": FILES, **data}
    tags = sorted({corpus["tag"] for corpus in corpora if "tag" in corpus})
    return config.parse({"name": "x", "data": values, "subword": {"user_symbols": tags}}, "test")


@pytest.mark.parametrize(
    ("corpora", "directions"),
    [
        ([{}], [("en", "de", "")]),
        ([{}, {"weight": 2.0}], [("en", "de", "")]),
        ([{"tag": "<b>"}, {"tag": "<a>"}, {"tag": "<b>"}], [("en", "de", "<b>"), ("en", "de", "<a>")]),
        (
            [{"target_language": "fr", "tag": "<2fr>"}, {"source_language": "de", "target_language": "en"}, {}],
            [("en", "fr", "<2fr>"), ("de", "en", ""), ("en", "de", "")],
        ),
        ([{}, {"source_language": "en", "target_language": "de"}], [("en", "de", "")]),
        ([{"source_language": "de"}], [("de", "de", "")]),
    ],
)
def test_directions_are_those_of_the_training_corpora(
    corpora: list[dict[str, Any]], directions: list[tuple[str, str, str]]
) -> None:
    made = settings(*corpora, source_language="en", target_language="de")
    assert made.data.directions == [Direction(*parts) for parts in directions]
    assert ModelSettings.of(made).text.directions == tuple(made.data.directions)


def test_json_values_are_read_back() -> None:
    wanted = ModelSettings.of(settings({"tag": "<a>"}, {"target_language": "fr"}))
    values = json.loads(json.dumps(wanted.to_json()))
    assert values["text"]["directions"][1] == {"source": "src", "target": "fr", "tag": ""}
    assert ModelSettings.from_json(values) == wanted


def test_values_of_an_earlier_version_have_a_direction_for_each_training_tag() -> None:
    made = settings({"tag": "<a>"}, {"target_language": "fr"}, target_language="de")
    values = json.loads(json.dumps(ModelSettings.of(made).to_json()))
    del values["text"]["directions"]
    assert ModelSettings.from_json(values).text.directions == (
        Direction("src", "de", "<a>"),
        Direction("src", "de", ""),
    )


@pytest.mark.parametrize("directions", [None, 3, ["en"], [3], [{"source": "en", "target": "de"}]])
def test_other_directions_are_an_error(directions: Any) -> None:
    values = ModelSettings.of(settings({})).to_json()
    values["text"]["directions"] = directions
    with pytest.raises((KeyError, TypeError)):
        ModelSettings.from_json(values)


def test_an_exported_folder_of_an_earlier_version_is_loaded(tmp_path: Path) -> None:
    folder = tmp_path / "exported"
    export(make_run(tmp_path / "run"), "best", "int8", folder, force=False)
    (path,) = folder.glob("graphs.json")
    values = json.loads(path.read_text(encoding="utf-8"))
    assert values["settings"]["text"].pop("directions") == [{"source": "en", "target": "de", "tag": ""}]
    path.write_text(json.dumps(values), encoding="utf-8")
    assert checksums.digest(folder / "config.yaml") == values["config"], "the settings are those of graphs.json"
    assert read_settings(Run(folder), folder).text.directions == (Direction("en", "de", ""),)
    assert nmt.load(folder).translate("a dog").text != ""


@pytest.mark.parametrize(
    ("name", "zero_shot"), [("multi30k-zeroshot", ("de", "fr")), ("systems/zeroshot2017", ("zh", "de"))]
)
def test_multilingual_configurations_name_their_directions(name: str, zero_shot: tuple[str, str]) -> None:
    """The tag of each direction is that of its target language."""
    data = config.load(ROOT / "configs" / f"{name}.yaml").data
    assert all(direction.tag == f"<2{direction.target}>" for direction in data.directions)
    for corpus, direction in zip(data.train, data.directions, strict=True):
        assert corpus.source is not None and corpus.target is not None
        names = [path.name.removesuffix(".gz").rsplit(".", 1)[1] for path in (corpus.source, corpus.target)]
        assert names == [direction.source, direction.target]
    assert zero_shot not in {(direction.source, direction.target) for direction in data.directions}
