"""The configurations that `nmt augment` and `nmt distill` write."""

from pathlib import Path

import pytest
import yaml

from nmt import config
from nmt.config import Config
from nmt.errors import NmtError
from nmt.training.augmentation import configurations
from nmt.training.augmentation.configurations import CorpusEntry
from nmt.training.augmentation.models import check_one_direction
from nmt.training.augmentation.texts import monolingual_texts, training_texts, write_texts


def parsed(**sections):
    """Return a configuration with other keys in some sections."""
    corpus = {"tsv": "a.tsv", "source_column": 3}
    data = {
        "source_language": "en", "target_language": "zh", "train": corpus, "valid": {"source": "v", "target": "w"},
        **sections.pop("data", {}),
    }  # fmt: skip
    return config.parse({"name": "x", "data": data, **sections}, "test")


def backward(settings):
    return configurations.backward(settings, 7, None, Path("prepared/back"))


def test_the_backward_model_has_every_setting_of_a_side_swapped() -> None:
    before = parsed(
        data={
            "train": [
                {"tsv": "a.tsv", "source_column": 3, "target_language": "zh_Hant", "weight": 2},
                {"tsv": "b.tsv"},
                {"source": "s", "target": "t"},
            ],
            "more_valid": {"old": {"source": "o", "target": "p"}},
            "test": {"test": {"tsv": "c.tsv", "source_column": 5}},
        },
        subword={"joint": False, "source_vocab_size": 100},
        model={"embedding": {"target_vectors": "zh.vec"}},
        training={"max_steps": 3},
    )
    after = backward(before)
    data = after.data
    assert (after.name, after.seed, data.prepared) == ("x-backward-seed7", 7, Path("prepared/back"))
    assert (data.source_language, data.target_language) == ("zh", "en")
    assert [(one.source_column, one.target_column) for one in data.train] == [(2, 3), (2, 1), (1, 2)]
    assert (data.train[0].source_language, data.train[0].target_language) == ("zh_Hant", None)
    assert (data.train[0].weight, data.train[2].source, data.train[2].target) == (2, Path("t"), Path("s"))
    assert (data.valid.source, data.more_valid["old"].target, data.test["test"].target_column) == (
        Path("w"), Path("o"), 5,
    )  # fmt: skip
    assert (after.subword.source_vocab_size, after.subword.target_vocab_size) == (None, 100)
    assert (after.model.embedding.source_vectors, after.model.embedding.target_vectors) == (Path("zh.vec"), None)
    again = backward(after).model_dump() | {"name": "x", "seed": 1}
    again["data"]["prepared"] = None
    assert Config.model_validate(again) == before


@pytest.mark.parametrize(("joint", "expected"), [(True, Path("sub")), (False, None)])
def test_the_backward_model_reuses_only_a_joint_subword_model(joint, expected) -> None:
    assert backward(parsed(subword={"joint": joint, "reuse": "sub"})).subword.reuse == expected


def test_weights_of_the_forward_direction_do_not_start_the_backward_model() -> None:
    settings = parsed(training={"init_from": "runs/old", "max_steps": 3})
    assert backward(settings).training.init_from is None
    assert configurations.forward(settings, 7, None, Path("p")).training.init_from == Path("runs/old")


def test_the_written_configuration_reads_back_and_names_each_corpus() -> None:
    settings = parsed(data={"train": {"source": "a: b#.s", "target": "é,{t}", "weight": 3}}, training={"max_steps": 3})
    entries = configurations.original_entries(settings, {"train-1": {"lines": 1234}}, 0.1)
    entries.append(CorpusEntry({"source": "n.s", "target": "n.t", "tag": "<bt>"}, "12 pairs: new"))
    final = configurations.final(settings, "y", entries, ["training.max_steps=9"], Path("sub"), "<bt>")
    text = configurations.as_yaml(final, entries, ["Written by: nmt augment"])
    lines = text.split("\n")
    assert lines[0] == "# Written by: nmt augment" and "    # 12 pairs: new" in lines
    assert "    # 1,234 original pairs, after the filters" in lines and len(lines) < 40
    found = config.parse(yaml.safe_load(text), "test")
    assert found == final and found.training.max_steps == 9 and found.subword.reuse == Path("sub")
    assert [corpus.weight for corpus in found.data.train] == [0.3, 1.0] and found.subword.user_symbols == ["<bt>"]


def test_text_that_yaml_changes_is_written_in_full() -> None:
    settings = parsed(data={"train": {"source": "a\u2028b", "target": "t"}})
    entries = configurations.original_entries(settings, {"train-1": {"lines": 1}})
    final = configurations.final(settings, "y", entries, [], None)
    text = configurations.as_yaml(final, entries, [])
    assert config.parse(yaml.safe_load(text), "test") == final


@pytest.mark.parametrize(
    ("tag", "data", "message"),
    [
        ("<bt>", {}, None),
        ("", {}, "a tag is a word"),
        ("a b", {}, "a tag is a word"),
        ("<BT>", {"lowercase": True}, "make <bt> of it; use that"),
    ],
)
def test_tags_that_cannot_be_a_symbol_are_rejected(tag, data, message) -> None:
    if message is None:
        configurations.check_tag(parsed(data=data), tag)
        return
    with pytest.raises(NmtError, match=message):
        configurations.check_tag(parsed(data=data), tag)


def test_a_model_of_several_directions_is_rejected() -> None:
    check_one_direction(parsed(), Path("c.yaml"))
    tagged = parsed(data={"train": {"tsv": "a.tsv", "tag": "<2de>"}}, subword={"user_symbols": ["<2de>"]})
    two = parsed(data={"train": [{"tsv": "a.tsv"}, {"tsv": "b.tsv", "target_language": "de"}]})
    for settings, message in ((tagged, "has tags"), (two, "has corpora of several languages")):
        with pytest.raises(NmtError, match=rf"c.yaml: {message}.*one direction"):
            check_one_direction(settings, Path("c.yaml"))


def test_lines_that_training_would_drop_are_not_translated(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.tsv").write_text("A\t1\ta\nA\t2\t\nb\t3\tb\nlonger\t4\tc\nX\t5\tx  y\n")
    Path("mono").write_bytes(b"a\n\nlonger\nA  b\nbad \xff\n")
    filters = {"copies": True, "max_characters": 5}
    settings = parsed(data={"train": {"tsv": "a.tsv", "source_column": 3, "target_column": 1}, "filters": filters})
    texts = [*training_texts(settings), *monolingual_texts("target", [Path("mono")])]
    found = write_texts(texts, settings.data, Path("text"))
    assert found == {
        "train-1": {"lines": 2, "left_out": 3},
        "monolingual-target-1": {"lines": 2, "left_out": 3},
    }
    names = ("train-1.source", "train-1.target", "monolingual-target-1.target")
    assert [Path("text", name).read_text() for name in names] == ["a\nx  y\n", "A\nX\n", "a\nA  b\n"]
    Path("mono").write_text("\n")
    with pytest.raises(NmtError, match=r"mono: no line passes data.filters; there is nothing to translate"):
        write_texts(texts, settings.data, Path("text"))
