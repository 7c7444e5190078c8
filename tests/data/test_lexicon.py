"""The lexicon learnt from prepared pairs knows the words of a made-up language; it is read back whole or not at all."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import save_file

from nmt import config
from nmt.data import lexicon_learning as room
from nmt.data.lexicon import CANDIDATES, Lexicon
from nmt.data.lexicon_learning import learn_lexicon
from nmt.data.preprocess import preprocess
from nmt.data.subword import Vocabularies
from nmt.data.token_ids import EOS
from nmt.errors import NmtError

WORDS = [f"w{chr(97 + i)}" for i in range(20)]


def prepared(folder, **subword):
    """Prepare pairs where each word `wx` becomes `vx`, in another order, beside an `und` that belongs to none."""
    draw = random.Random(0)
    sources = [draw.sample(WORDS, draw.randint(2, 7)) for _ in range(400)]
    targets = [[*(word.replace("w", "v") for word in sorted(words)), "und"] for words in sources]
    for name, lines in (("s", sources), ("t", targets)):
        (folder / name).write_text("".join(" ".join(line) + "\n" for line in lines), encoding="utf-8")
    corpus = {"source": str(folder / "s"), "target": str(folder / "t")}
    values = {
        "name": "small",
        "data": {"train": corpus, "valid": corpus, "prepared": str(folder / "prepared"), "workers": 1},
        "subword": {"kind": "word", "vocab_size": 40, "joint": False, "byte_fallback": False, **subword},
    }
    return preprocess(config.parse(values, "test"), lambda line: None)


def best(lexicon, vocabularies, word):
    [[token]] = vocabularies.source.encode([word])
    return vocabularies.target.decode([int(lexicon.candidates[token, 0])])


def test_each_word_becomes_its_own(tmp_path):
    made = prepared(tmp_path)
    lexicon = learn_lexicon(made)
    for word in WORDS:
        assert best(lexicon, made.vocabularies, word) == word.replace("w", "v")
    assert made.vocabularies.target.decode([int(lexicon.common[0])]) == "und"
    assert lexicon.candidates.shape == (made.vocabularies.source.size, CANDIDATES)
    of_end = made.vocabularies.target.decode([int(lexicon.candidates[EOS, 0])])
    assert of_end == "und", "what belongs to no word belongs to the empty one"


def test_pairs_kept_as_text(tmp_path):
    made = prepared(tmp_path, kind="bpe", sampling=0.1, vocab_size=80)
    assert made.train[0][0].is_text
    lexicon = learn_lexicon(made)
    whole = [w for w in WORDS if [len(ids) for ids in made.vocabularies.source.encode([w])] == [1]]
    assert len(whole) > 10 and all(best(lexicon, made.vocabularies, w) == w.replace("w", "v") for w in whole)


def test_a_part_of_a_large_corpus(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "MOST_LINKS", 4000)
    made = prepared(tmp_path)
    source, sizes, *_ = room._pairs(made)
    assert len(sizes) < 200
    right = [best(learn_lexicon(made), made.vocabularies, w) == w.replace("w", "v") for w in WORDS]
    assert sum(right) > 15
    monkeypatch.setattr(room, "MOST_LINKS", 300)
    source, sizes, *_ = room._pairs(made)
    counts = np.bincount(source, minlength=made.vocabularies.source.size)
    assert len(sizes) < 40 and (counts[4:] >= room.LEAST).mean() > 0.8, "rare words are looked for"


def test_a_word_without_a_translation_may_be_a_name(tmp_path):
    made = prepared(tmp_path, joint=True, vocab_size=60)
    assert made.vocabularies.is_joint
    [[token]] = made.vocabularies.source.encode(["vb"])  # of the target only
    assert learn_lexicon(made).candidates[token, 0] == token


def test_kept_and_read(tmp_path):
    made = prepared(tmp_path)
    learnt, path = learn_lexicon(made), tmp_path / "lexicon.safetensors"
    vocabularies = made.vocabularies
    with pytest.raises(NmtError, match="no lexicon"):
        Lexicon.load(path, vocabularies)
    path.write_bytes(learnt.to_bytes(vocabularies))
    found = Lexicon.load(path, vocabularies)
    assert np.array_equal(found.candidates, learnt.candidates) and np.array_equal(found.common, learnt.common)
    swapped = Vocabularies(vocabularies.target, vocabularies.source)
    with pytest.raises(NmtError, match="another vocabulary"):
        Lexicon.load(path, swapped)
    metadata = {"vocabularies": vocabularies.fingerprint}
    for candidates, common in (
        (found.candidates, found.common + vocabularies.target.size),
        (found.candidates - 5, found.common),
        (found.candidates[:-1], found.common),
        (found.candidates[:, 0], found.common),
        (found.candidates.astype(np.float32), found.common),
        (found.candidates.astype(np.int64) + (1 << 32), found.common),
        (found.candidates, np.zeros(1000, np.int32)),
    ):
        save_file({"candidates": np.ascontiguousarray(candidates), "common": common}, path, metadata)
        with pytest.raises(NmtError, match="damaged"):
            Lexicon.load(path, vocabularies)
    save_file({"common": found.common}, path, metadata)
    with pytest.raises(NmtError, match="damaged"):
        Lexicon.load(path, vocabularies)
    path.write_bytes(b"nothing")
    with pytest.raises(NmtError, match="damaged"):
        Lexicon.load(path, vocabularies)


def test_empty_sources_that_nobody_filtered_are_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "MOST_LINKS", 400)  # so that a sample is taken
    found = prepared(tmp_path)
    store, weight = found.train[0]
    lengths = store.source_lengths.copy()
    lengths[-40:] = 0
    silent = SimpleNamespace(source_lengths=lengths, target_lengths=store.target_lengths)
    read = room.read_ids
    monkeypatch.setattr(room, "read_ids", lambda asked, *rest: read(store, *rest))
    found.train[0] = silent, weight
    for asked, rows, *_ in room._sample(found):
        assert asked is silent and (lengths[rows] > 0).all()
