"""Facts about the text of a run: counts, overlap of training and evaluated text, rarity of words."""

import dataclasses
import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from nmt import config
from nmt.data import corpus_facts as module
from nmt.data import prepared_data
from nmt.data.batching import Sentences
from nmt.data.corpus_facts import corpus_facts
from nmt.data.prepared_data import Prepared
from nmt.data.preprocess import preprocess
from nmt.data.store import Store
from nmt.data.training_words import count_words

TRAIN = [("the cat sleeps .", "die Katze schläft ."), ("the dog runs .", "der Hund rennt ."), ("", "leer")] * 4
TRAIN += [("a bird sings .", "ein Vogel singt .")]
VALID = [("the cat sleeps .", "die Katze schläft ."), ("the dog runs .", "anders"), ("the bird .", "der Vogel .")]
TEST = [("a fish swims .", "der Hund rennt ."), ("the cat sleeps .", "Katze")]


def facts_of(folder: Path, **subword: Any) -> dict[str, Any]:
    """Return the facts about the text of `make`."""
    values, prepared = make(folder, **subword)
    return corpus_facts(values, prepared, count_words(prepared, "en")[0])


def make(folder: Path, **subword: Any) -> tuple[config.Config, Prepared]:
    for name, pairs in (("train", TRAIN), ("valid", VALID), ("test", TEST)):
        for side in (0, 1):
            (folder / f"{name}.{side}").write_text("".join(f"{pair[side]}\n" for pair in pairs), encoding="utf-8")
    corpora = {
        name: {"source": str(folder / f"{name}.0"), "target": str(folder / f"{name}.1")}
        for name in ("train", "valid", "test")
    }
    missing = {"source": str(folder / "missing.0"), "target": str(folder / "missing.1")}
    values = {
        "name": "x",
        "data": {
            "source_language": "en", "target_language": "de", "train": corpora["train"], "valid": corpora["valid"],
            "test": {"new": corpora["test"], "gone": missing}, "prepared": str(folder / "prepared"), "workers": 1,
        },
        "subword": {"kind": "unigram", "vocab_size": 60, "byte_fallback": False, **subword},
    }  # fmt: skip
    parsed = config.parse(values, "test")
    return parsed, preprocess(parsed)


@pytest.mark.parametrize("subword", [{}, {"kind": "word"}, {"sampling": 0.1}], ids=str)
def test_overlap_and_rarity_are_counted(tmp_path: Path, subword: dict[str, Any]) -> None:
    facts = facts_of(tmp_path, **subword)
    assert json.loads(json.dumps(facts)) == facts
    assert facts["pairs"] == 9 and "pairs_read" not in facts
    valid, test = facts["sets"]
    assert (valid["name"], valid["pairs"], test["name"]) == ("valid", 3, "new")
    assert valid["in_training"] == {"source": 2, "target": 1, "both": 1}
    assert test["in_training"] == {"source": 1, "target": 1, "both": 0}
    assert valid["rarest_word"] == [4, 4, 1] and test["rarest_word"] == [0, 4]
    assert facts["dropped"][0].split()[:3] == ["corpus", "pairs", "empty"]


def test_tokens_and_lengths_are_counted(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, kind="word")
    source, lengths = facts["source"], facts["lengths"]
    assert (source["language"], source["tokens"], source["words"]) == ("en", 36, 36)
    assert source["characters"] == sum(len(line.replace(" ", "")) for line, _ in TRAIN)
    assert source["rarest"][0][1] == 1 and {"▁bird", "▁sings"} <= {piece for piece, _ in source["rarest"]}
    assert source["unknown"] == 0 and source["unused"] > 0  # words of the target only
    assert lengths["width"] == 1 and lengths["source"]["counts"] == [0, 0, 0, 0, 9]
    assert (lengths["target"]["mean"], lengths["target"]["max"]) == (4.0, 4)


def test_of_a_large_text_a_part_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PAIRS", 5)
    monkeypatch.setattr(prepared_data, "PAIRS_PER_BLOCK", 1)
    monkeypatch.setattr(module, "PAIRS_PER_CHUNK", 2)
    facts = facts_of(tmp_path, kind="word")
    assert facts["pairs_read"] == 5 and facts["source"]["tokens"] == 20
    assert sum(facts["lengths"]["source"]["counts"]) == 9


def test_a_part_is_read_in_blocks(tmp_path: Path) -> None:
    _, prepared = make(tmp_path)
    stores = [(cast(Store, range(size)), 1.0) for size in (1000, 100, 0)]
    first, second, third = dataclasses.replace(prepared, train=stores).sample_pairs(400)  # every third block
    assert first.tolist() == [*range(128), *range(384, 512), *range(768, 896)]
    assert second.tolist() == list(range(100)) and third.tolist() == []


@pytest.mark.parametrize("share", [0.1, 0.5, 0.995])
def test_quantiles_of_counted_lengths_are_those_of_the_lengths(share: float) -> None:
    draw = np.random.default_rng(0)
    for size, largest in ((1, 4), (2, 0), (3, 50), (100, 7), (999, 300)):
        lengths = draw.integers(0, largest + 1, size)
        assert module._quantile(np.bincount(lengths), share) == pytest.approx(np.quantile(lengths, share))
    assert module._quantile(np.zeros(1, np.int64), share) == 0.0


def test_hashes_depend_on_tokens_and_their_order() -> None:
    lines = [[5, 6, 7], [7, 6, 5], [5, 6], [], [5, 6, 7, 0], [5, 6, 7], [1], [99], [98], [6, 5, 7]]
    hashes = module._sentence_hashes(Sentences.from_lists(lines), 50)
    assert hashes[0] == hashes[5] and hashes[7] == hashes[8] == hashes[6]  # ids beyond the vocabulary are unknown
    assert len(np.unique(hashes)) == len(lines) - 3
