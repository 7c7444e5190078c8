"""The reference of configuration keys is complete and agrees with the schema."""

import re
from pathlib import Path

import pytest
import yaml

from nmt.config import Config, dump, parse
from nmt.reports.config_reference import keys, markdown, sections

CORPUS = {"source": "a", "target": "b"}
SETS = {"some": CORPUS}
EVERYTHING = {"name": "x", "data": {"train": [CORPUS], "valid": CORPUS, "more_valid": SETS, "test": SETS}}


def _paths(value: object, name: str = "") -> set[str]:
    if isinstance(value, dict) and value:
        return {path for key, item in value.items() for path in _paths(item, f"{name}.{key}".lstrip("."))}
    return {name}


def test_exactly_the_keys_of_a_resolved_config_are_documented() -> None:
    resolved = yaml.safe_load(dump(parse(EVERYTHING, "test")))
    resolved["data"]["train"] = {"N": resolved["data"]["train"][0]}
    for key in ("test", "more_valid"):
        resolved["data"][key] = {"NAME": resolved["data"][key]["some"]}
    documented = {key.name for key in keys()} - {"data.train", "data.test", "data.more_valid"}
    assert documented == _paths(resolved)


def test_every_key_and_section_has_a_description() -> None:
    assert [key.name for key in keys() if len(key.text) < 8] == []
    assert [section.name for section in sections() if len(section.text) < 5] == []


def test_documented_defaults_are_those_of_the_schema() -> None:
    """What the document gives as default must parse to the very default."""
    config: object = parse(EVERYTHING, "test")
    for key in keys():
        if key.default in ("required", "unset") or ".N" in key.name or key.name in ("data.test", "data.more_valid"):
            continue
        value: object = config
        for part in key.name.split("."):
            value = getattr(value, part)
        written = yaml.safe_load(key.default)
        assert (list(value) if isinstance(value, tuple) else value) == (
            float(written) if isinstance(value, float) else written
        )


@pytest.mark.parametrize(
    ("name", "kind", "default"),
    [
        ("name", r"text like `\S+`", "required"),
        ("seed", "integer ≥ 0", "1"),
        ("data.train", "list of corpus sections", "required"),
        ("data.test", "mapping of names to corpus sections", "{}"),
        ("data.train.N.weight", "number > 0", "1.0"),
        ("data.test.NAME.source", "path", "unset"),
        ("subword.character_coverage", "number > 0 and ≤ 1", "1.0"),
        ("subword.source_vocab_size", "integer > 0", "unset"),
        ("subword.user_symbols", "list of texts", r"\[\]"),
        ("training.betas", "list of 2: number ≥ 0 and < 1", r"\[0.9, 0.998\]"),
        ("model.decoder.cell", r"`lstm` \| `gru` \| `rnn`", "lstm"),
        ("training.validation_bleu", r"`true` \| `false`", "true"),
    ],
)
def test_value_types_are_described(name: str, kind: str, default: str) -> None:
    (key,) = [key for key in keys() if key.name == name]
    assert re.fullmatch(kind, key.kind)
    assert re.fullmatch(default, key.default)


def test_prefix_selects_whole_names_only() -> None:
    assert {key.name for key in keys("model.decoder")} == {f"model.decoder.{f}" for f in _fields("decoder")}
    assert [key.name for key in keys("training.max_steps")] == ["training.max_steps"]
    assert keys("training.max_s") == []
    assert keys("") == keys()


def _fields(part: str) -> list[str]:
    model = Config.model_fields["model"].default
    return list(type(getattr(model, part)).model_fields)


def test_bars_are_escaped_in_table_cells() -> None:
    rows = [line for line in markdown().split("\n") if line.startswith("| `")]
    assert len(rows) == len(keys())
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {5}


def test_committed_document_is_up_to_date() -> None:
    assert (Path(__file__).parents[2] / "docs" / "config.md").is_file()
