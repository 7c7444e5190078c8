"""A lexicon learnt from prepared pairs has the translations of the words, and its file is read back or refused."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from nmt import config
from nmt.data import lexicon_learning
from nmt.data.lexicon import CANDIDATES_PER_TOKEN, Lexicon
from nmt.data.lexicon_learning import MIN_PAIRS_PER_TOKEN, learn_lexicon, sample_pairs
from nmt.data.prepared_data import Prepared
from nmt.data.preprocess import preprocess
from nmt.data.subword import Vocabularies
from nmt.data.token_ids import EOS
from nmt.errors import NmtError

WORDS = [f"w{chr(97 + i)}" for i in range(20)]


def prepared(folder: Path, empty: int = 0, **subword: Any) -> Prepared:
    """Prepare pairs in which each word `wx` becomes `vx`, in another order, with an `und` that has no source.

    The last `empty` source lines are empty.
    """
    draw = random.Random(0)
    sources = [draw.sample(WORDS, draw.randint(2, 7)) for _ in range(400)]
    targets = [[*(word.replace("w", "v") for word in sorted(words)), "und"] for words in sources]
    sources[len(sources) - empty :] = [[]] * empty
    for name, lines in (("s", sources), ("t", targets)):
        (folder / name).write_text("".join(" ".join(line) + "\n" for line in lines), encoding="utf-8")
    corpus = {"source": str(folder / "s"), "target": str(folder / "t")}
    data = {"train": corpus, "valid": corpus, "prepared": str(folder / "prepared"), "workers": 1}
    values = {
        "name": "small",
        "data": data | {"filters": {"empty": False}},
        "subword": {"kind": "word", "vocab_size": 40, "joint": False, "byte_fallback": False, **subword},
    }
    return preprocess(config.parse(values, "test"))


def best(lexicon: Lexicon, vocabularies: Vocabularies, word: str) -> str:
    [[token]] = vocabularies.source.encode([word])
    return vocabularies.target.decode([int(lexicon.candidates[token, 0])])


def test_each_word_gets_its_translation(tmp_path: Path) -> None:
    made = prepared(tmp_path)
    lexicon = learn_lexicon(made)
    for word in WORDS:
        assert best(lexicon, made.vocabularies, word) == word.replace("w", "v")
    assert made.vocabularies.target.decode([int(lexicon.common[0])]) == "und"
    assert lexicon.candidates.shape == (made.vocabularies.source.size, CANDIDATES_PER_TOKEN)
    of_end = made.vocabularies.target.decode([int(lexicon.candidates[EOS, 0])])
    assert of_end == "und", "a target word without a source belongs to the empty word"


def test_a_lexicon_is_learnt_from_pairs_stored_as_text(tmp_path: Path) -> None:
    made = prepared(tmp_path, kind="bpe", sampling=0.1, vocab_size=80)
    assert made.train[0][0].is_text
    lexicon = learn_lexicon(made)
    whole = [w for w in WORDS if [len(ids) for ids in made.vocabularies.source.encode([w])] == [1]]
    assert len(whole) > 10 and all(best(lexicon, made.vocabularies, w) == w.replace("w", "v") for w in whole)


def test_a_large_corpus_is_sampled_and_rare_words_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexicon_learning, "MAX_LINKS", 4000)
    made = prepared(tmp_path)
    _, sizes, *_ = sample_pairs(made)
    assert len(sizes) < 200
    right = [best(learn_lexicon(made), made.vocabularies, w) == w.replace("w", "v") for w in WORDS]
    assert sum(right) > 15
    monkeypatch.setattr(lexicon_learning, "MAX_LINKS", 300)
    source, sizes, *_ = sample_pairs(made)
    counts = np.bincount(source, minlength=made.vocabularies.source.size)
    assert len(sizes) < 40 and (counts[4:] >= MIN_PAIRS_PER_TOKEN).mean() > 0.8, "pairs with rare words are added"


def test_a_word_without_a_translation_may_be_a_name(tmp_path: Path) -> None:
    made = prepared(tmp_path, joint=True, vocab_size=60)
    assert made.vocabularies.is_joint
    [[token]] = made.vocabularies.source.encode(["vb"])  # of the target only
    assert learn_lexicon(made).candidates[token, 0] == token


def test_a_lexicon_is_read_back_and_a_damaged_one_is_an_error(tmp_path: Path) -> None:
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


def test_empty_sources_are_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexicon_learning, "MAX_LINKS", 400)  # so that pairs are sampled
    _, sizes, *_ = sample_pairs(prepared(tmp_path, empty=40))
    assert len(sizes) and (sizes > 1).all()  # EOS is counted
