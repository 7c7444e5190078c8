"""Initial weights from another run or from word vectors, and reused subword models."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.numpy import load_file
from tiny_training import changed, logged, tiny, with_model

from nmt.data.subword import Vocabularies
from nmt.errors import NmtError
from nmt.models.weights import load_model
from nmt.training.session import train


def test_training_starts_with_the_weights_of_another_run(corpus_folder, messages):
    first = train(tiny("first", precision="fp32", max_steps=8, ema_decay=0.9))
    second = train(tiny("second", precision="fp32", max_steps=1, learning_rate=1e-9, init_from=str(first.folder)))
    a, b = (load_file(run.checkpoint() / "model.safetensors") for run in (first, second))
    assert all(abs(a[key] - b[key]).max() < 1e-6 for key in a)
    assert f"starting with the weights of {first.checkpoint()}" in messages


def test_initial_weights_of_another_network_or_vocabulary_are_rejected(corpus_folder):
    first = train(tiny("first", max_steps=3))
    other_network = tiny("second", subword={"vocab_size": 70}, init_from=str(first.folder))
    with pytest.raises(NmtError, match=r"init_from: the network of .*config\.yaml is not that of this") as caught:
        train(with_model(other_network, decoder={"size": 16}, encoder={"merge": "sum"}))
    differing = 'model.encoder.merge is "concat" there and "sum" here, model.decoder.size is 12 there and 16 here;'
    assert differing in str(caught.value)
    assert not other_network.prepared.exists()
    Path("other.src").write_text(Path("train.src").read_text() + "new words\n" * 40)
    Path("other.tgt").write_text(Path("train.tgt").read_text() + "NEUE WORTE\n" * 40)
    corpus = {"train": {"source": "other.src", "target": "other.tgt"}, "prepared": "prepared-other"}
    settings = changed(tiny("third", max_steps=2, init_from=str(first.folder)), data=corpus)
    message = r"another subword model than prepared-other; set subword\.reuse: runs/first"
    with pytest.raises(NmtError, match=message):
        train(settings)
    with pytest.raises(NmtError, match=message):
        train(changed(settings, data={"prepared": "prepared-none"}, subword={"reuse": "prepared-other"}))
    assert not Path("prepared-none").exists()
    second = train(changed(settings, subword={"reuse": "runs/first"}))
    assert (second.subword / "joint.model").read_bytes() == (first.subword / "joint.model").read_bytes()


def test_coverage_can_be_added_to_a_trained_network(corpus_folder):
    network = {"decoder": {"context_to": "next_input"}, "attention": {"score": "additive", "size": 8}}
    first = train(with_model(tiny("first", max_steps=3), **network))
    begun = {"init_from": str(first.folder), "precision": "fp32", "max_steps": 1, "log_every": 1}
    same = train(with_model(tiny("same", **begun), **network))
    network["attention"]["coverage"] = True
    covered = train(changed(with_model(tiny("covered", **begun), **network), training={"coverage_loss": 0.0}))
    a, b = (logged(run, "train", "loss") for run in (same, covered))
    assert a == b and len(a) == 1
    learnt = load_file(covered.checkpoint("last") / "model.safetensors")["decoder.attention.score.covered.weight"]
    assert 0 < abs(learnt).max() < 0.01
    network["attention"]["coverage"] = False
    with pytest.raises(NmtError, match=r"model\.attention\.coverage is true there and false here"):
        train(with_model(tiny("third", init_from=str(covered.folder)), **network))


def test_minimum_risk_training_starts_with_a_trained_model(corpus_folder):
    first = train(tiny("first", metric="loss", max_steps=30, learning_rate=0.02))
    risk = {"objective": "risk", "risk_samples": 3}
    second = train(tiny("second", init_from=str(first.folder), max_steps=4, log_every=1, **risk))
    before, after = logged(second, "valid", "loss")
    assert before == pytest.approx(json.loads(first.finished.read_text())["loss"], rel=1e-4)
    assert abs(after - before) < 0.5
    risks = logged(second, "train", "smoothed_loss")  # expected 1 - BLEU of a sentence
    assert len(risks) == 4 and all(0 < value <= 1 + 1e-6 for value in risks)
    assert all(0 < value < 1 for value in logged(first, "train", "accuracy"))
    with pytest.raises(KeyError, match="accuracy"):
        logged(second, "train", "accuracy")


def test_subword_models_to_reuse_must_exist(corpus_folder):
    with pytest.raises(NmtError, match=r"subword\.reuse: nowhere has no joint\.model"):
        train(tiny(subword={"reuse": "nowhere"}))


VECTORS = {"max_steps": 1, "precision": "fp32", "learning_rate": 1e-9, "validation_bleu": False, "metric": "loss"}
WORDS = {"kind": "word", "byte_fallback": False, "vocab_size": 60}


@pytest.mark.parametrize(
    ("side", "tie", "word"),
    [("source", "none", "ba"), ("source", "all", "BA"), ("target", "none", "BA"), ("target", "target", "BA")],
)
def test_embeddings_start_with_word_vectors(corpus_folder, messages, side, tie, word):
    """Upper-case words are those of the target, which a joint vocabulary holds, too."""
    Path("vectors.txt").write_text(f"{word} " + " ".join(["0.5"] * 12) + "\nunheard " + " ".join(["1"] * 12) + "\n")
    settings = with_model(tiny(subword=WORDS, **VECTORS), embedding={f"{side}_vectors": "vectors.txt", "tie": tie})
    run = train(settings)
    assert any(line.startswith("vectors.txt: vectors for 1 of") for line in messages)
    vocabularies = Vocabularies.load(run.subword)
    size = vocabularies.target.size
    model = load_model(run.checkpoint(), settings, size, size, torch.device("cpu"))
    embedded = getattr(model, f"{side}_embedding")(torch.arange(size).unsqueeze(0))[0]  # (V, 12)
    [token] = vocabularies.target.encode([word])[0]
    assert (embedded[token] - 0.5).abs().max() < 1e-6
    assert ((embedded - 0.5).abs().amax(1) < 1e-6).sum() == 1


def test_word_vectors_of_another_size_are_rejected_before_data_is_prepared(corpus_folder):
    Path("wide.txt").write_text("1 13\nba " + " ".join(["0.5"] * 13) + "\n")
    settings = with_model(tiny(subword=WORDS), embedding={"source_vectors": "wide.txt", "tie": "none"})
    with pytest.raises(NmtError, match=r"wide\.txt: line 2 has 13 numbers after its word"):
        train(settings)
    assert not settings.prepared.exists()
