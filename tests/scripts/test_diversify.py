"""scripts/experiments/diversify.py on a corpus of a few words."""

import argparse
from pathlib import Path

import pytest

from nmt import config
from nmt.errors import NmtError
from nmt.storage.run_folder import Run
from scripts.experiments import diversify


@pytest.mark.usefixtures("commands_in_process")
def test_both_directions_translate_the_whole_training_text(tiny_config: Path) -> None:
    options = argparse.Namespace(
        config=tiny_config, seeds=[3], overrides=[], final=["training.max_steps=3"], checkpoint="last"
    )
    diversify.run(options)
    folder = Path("data") / "tiny-diverse"
    lines = len(Path("s").read_text().splitlines())
    for name in ("train.source", "train.target", "forward-seed3.target", "backward-seed3.source"):
        assert len((folder / name).read_text().splitlines()) == lines
    runs = [Run(Path("runs") / name) for name in ("tiny-backward-seed3", "tiny-diverse")]
    backward, last = map(config.load_run_config, runs)
    assert (backward.data.train[0].source, backward.data.train[0].target) == (Path("t"), Path("s"))
    assert last.training.max_steps == 3 and last.subword.reuse == Path("runs") / "tiny-seed3"
    corpora = [(corpus.source, corpus.target) for corpus in last.data.train]
    assert corpora == [
        (Path("s"), Path("t")),
        (folder / "train.source", folder / "forward-seed3.target"),
        (folder / "backward-seed3.source", folder / "train.target"),
    ]


def test_reversing_swaps_every_setting_that_has_a_side() -> None:
    corpus = {"tsv": "a.tsv", "source_column": 3, "target_column": 1}
    data = {"source_language": "en", "target_language": "zh", "train": corpus, "valid": {"source": "v", "target": "w"}}
    subword = {"joint": False, "source_vocab_size": 100, "target_vocab_size": 200}
    before = config.parse({"name": "x", "data": data, "subword": subword}, "test")
    after = config.parse(diversify.reversed_direction(before), "test")
    assert (after.data.source_language, after.data.target_language) == ("zh", "en")
    assert (after.data.train[0].source_column, after.data.train[0].target_column) == (1, 3)
    assert (after.data.valid.source, after.data.valid.target) == (Path("w"), Path("v"))
    assert (after.subword.source_vocab_size, after.subword.target_vocab_size) == (200, 100)
    again = diversify.reversed_direction(after) | {"name": "x"}
    assert config.parse(again, "test") == before


def test_a_model_of_several_directions_cannot_be_reversed(tiny_config: Path) -> None:
    settings = ["data.train.tag=<2de>", "subword.user_symbols=['<2de>']"]
    options = argparse.Namespace(config=tiny_config, seeds=[1], overrides=settings, final=[], checkpoint="best")
    with pytest.raises(NmtError, match="only a model of one direction"):
        diversify.run(options)
