"""scripts about large corpora: the invented text and token ids, the figures of a process, and the tables."""

import json
from pathlib import Path

import pytest

from nmt import config as schema
from nmt.data.prepared_data import Prepared
from nmt.data.preprocess import preprocess
from scripts.benchmarks import large_corpus
from scripts.experiments import shuffle


def test_invented_pairs_are_aligned_and_consist_of_known_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_corpus, "CHUNK", 60)
    large_corpus.write_corpus(tmp_path, "x", 150, 0)
    source, target = ((tmp_path / f"x.{side}").read_text(encoding="utf-8").split("\n") for side in ("source", "target"))
    assert len(source) == len(target) == 151 and source[-1] == target[-1] == ""
    translations: dict[str, set[str]] = {}
    for line, other in zip(source[:-1], target[:-1], strict=True):
        for word, translation in zip(line.split(" "), other.split(" "), strict=True):
            translations.setdefault(word, set()).add(translation)
    assert "" not in translations and len(translations) > 300
    assert sum(len(found) for found in translations.values()) < 1.2 * len(translations)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
def test_a_process_measures_its_start_and_its_middle_of_an_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = large_corpus.write_config(tmp_path, 900, 60)
    config = schema.load(path, ["data.workers=1", "subword.kind=word", "subword.vocab_size=500"])
    large_corpus.replace_pairs(preprocess(config).folder, 900)
    assert len(Prepared.open(config.prepared).train[0][0]) == 900
    monkeypatch.setattr("nmt.data.batching.Batches.__init__.__defaults__", (200, 4))
    first = large_corpus.data_process(config, json.dumps({"position": {}, "batches": 0}))
    assert first["middle"]["window"] > 0 and first["middle"]["layout"]["pools"] == 5
    middle = large_corpus.data_process(config, json.dumps({"position": first["middle"], "batches": 3}))
    files, maps = map(int, middle["handles"].split(", "))
    assert files == maps > 4
    assert 0 < first["open"] < first["seconds"] and middle["more"] > 0 and middle["anonymous"] > 5
    measured = {"seconds": 1.0, "peak": 2.0, "until_step": 12.0}
    found = {"pairs": 900, "text": 1, "prepared": 2, "first": first, "middle": middle}
    table = large_corpus.results([found | dict.fromkeys(("preprocess", "train", "resume"), measured)])
    assert "900" in table and "1.00" in table and middle["handles"] in table


def test_the_table_of_shuffles_has_means() -> None:
    lines = [
        {"shuffle": name, "seed": seed, "bleu": bleu, "loss": 0.1}
        for seed, both in ((1, (90.0, 91.0)), (2, (92.0, 94.0)))
        for name, bleu in zip(shuffle.SHUFFLES, both, strict=True)
    ]
    table = shuffle.results(lines)
    assert "together: BLEU 91.00 ± 1.41" in table and "pools: BLEU 92.50 ± 2.12" in table
