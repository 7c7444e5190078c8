"""A run from its configuration to the best checkpoint: it learns, and its folder is complete and protected."""

import json
import os
import shutil
from pathlib import Path

import pytest
from tiny_training import WORDS, before_step, changed, logged, tiny, with_model, without_dropout, write_corpus

from nmt import config
from nmt.data.preprocess import preprocess
from nmt.decoding.loading import load
from nmt.decoding.search_options import SearchOptions
from nmt.errors import NmtError
from nmt.storage.run_folder import Run, find_run, read_log
from nmt.training.session import train

NETWORKS = {
    "attention": ({}, 100, 80),
    "copying and coverage": (
        {
            "decoder": {"copy_source": True, "context_to": "next_input"},
            "attention": {"score": "additive", "coverage": True},
        },
        50,
        90,
    ),
    "no attention, no feedback": (
        {"decoder": {"context_to": "every_step", "feedback": False}, "attention": {"score": "none"}},
        150,
        50,
    ),
    "transformer": (
        {
            "encoder": {"kind": "transformer", "heads": 2, "feed_forward": 64},
            "decoder": {"kind": "transformer", "heads": 2, "feed_forward": 64},
        },
        100,
        80,
    ),
}
"""Sections of the model, training steps, and a BLEU that is reached easily."""


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_learns_to_reverse_sentences(tmp_path, monkeypatch, network):
    monkeypatch.chdir(tmp_path)
    write_corpus(3000, WORDS[:10], shortest=4, longest=4, change=str)
    sections, steps, bleu = NETWORKS[network]
    training = {"max_steps": steps, "validate_every": steps, "save_every": steps, "sentences_per_batch": 64}
    words = {"kind": "word", "vocab_size": 60}
    settings = with_model(tiny(subword=words, learning_rate=0.02, warmup_steps=20, **training), **sections)
    size = {name: {"size": 32} for name in ("embedding", "encoder", "decoder")}
    run = train(without_dropout(with_model(settings, **size)))
    assert logged(run, "valid", "bleu")[-1] > bleu


def test_a_finished_run_has_all_its_files_and_is_found(corpus_folder, monkeypatch):
    monkeypatch.delenv("NMT_MODEL", raising=False)
    with pytest.raises(NmtError, match="nmt train"):
        find_run(None)
    run = train(tiny(average_last=2))
    assert find_run(None)[:2] == (Run(Path("runs/run")), "best")
    assert json.loads(run.finished.read_text())["step"] == 12
    assert (run.checkpoint("best") / "graphs-int8" / "graphs.json").is_file()
    assert run.names()[-3:] == ["step-9", "step-12", "averaged"]
    assert (run.folder / "report.html").is_file()
    assert not [path for path in run.folder.rglob("*") if path.suffix in (".pt", ".pkl", ".bin")]


def test_the_lexicon_is_learnt_only_for_shortlists_and_can_be_added(corpus_folder):
    run = train(tiny(max_steps=3))
    checkpoint = run.checkpoint("last")
    assert not run.lexicon.exists()
    with pytest.raises(NmtError) as caught:
        next(load(checkpoint, engine="torch", precision="fp32").translate(["ba"], shortlist=4))
    command = f"nmt train --config {run.config_file.resolve()} --resume --set decoding.shortlist=32"
    assert command in str(caught.value)
    weights = (checkpoint / "model.safetensors").read_bytes()
    train(config.load(run.config_file, ["decoding.shortlist=4"]), resume=True)
    assert (run.checkpoint("last") / "model.safetensors").read_bytes() == weights
    with_shortlist = load(run.folder, "last", engine="torch", precision="fp32")
    assert len(list(with_shortlist.translate(["ba be"], shortlist=4))) == 1
    first_try = run.lexicon.read_bytes()
    assert train(changed(tiny("new", max_steps=3), decoding={"shortlist": 4})).lexicon.read_bytes() == first_try


def test_a_run_is_never_overwritten(corpus_folder):
    run = train(tiny(max_steps=3))
    before = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}
    with pytest.raises(NmtError, match="--resume"):
        train(tiny(max_steps=3))
    with pytest.raises(NmtError, match="'seed' differs"):
        train(config.parse({**tiny(max_steps=3).model_dump(mode="json"), "seed": 2}, "test"), resume=True)
    assert before == {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}


def test_a_run_can_be_made_longer_without_the_corpora(corpus_folder):
    train(tiny(max_steps=3))
    for path in corpus_folder.glob("train.*"):
        path.unlink()
    assert train(tiny(max_steps=6), resume=True).checkpoint("last").name == "step-6"


def test_changed_data_is_rejected(corpus_folder):
    train(tiny(max_steps=3))
    Path("train.src").write_text(Path("train.src").read_text().replace("ba", "be"))
    preprocess(tiny(max_steps=6), force=True)
    with pytest.raises(NmtError, match=r"step-3 was not trained on the data in prepared-False"):
        train(tiny(max_steps=6), resume=True)


def test_without_a_checkpoint_there_is_nothing_to_resume(corpus_folder):
    with pytest.raises(NmtError, match="nothing to resume"):
        train(tiny(), resume=True)


def test_a_second_process_is_rejected(corpus_folder, monkeypatch):
    def train_again():
        with pytest.raises(NmtError, match=f"in use by process {os.getpid()}"):
            train(tiny(max_steps=1))
        raise KeyError("the second was rejected")

    before_step(monkeypatch, 1, train_again)
    with pytest.raises(KeyError, match="rejected"):
        train(tiny(max_steps=1))


def test_a_run_that_saved_no_checkpoint_leaves_nothing_in_the_log(corpus_folder):
    settings = tiny(max_steps=4)
    run = train(settings)
    events = [entry["event"] for entry in read_log(run.log)]
    shutil.rmtree(run.checkpoints)
    run.finished.unlink()
    train(settings)
    assert [entry["event"] for entry in read_log(run.log)] == events


def directions(name="both", valid_tag="<up>", **training):
    """Return the settings of a model of two directions: reversed in upper case, and unchanged."""
    values = tiny(name, {"user_symbols": ["<up>", "<down>"]}, **training).model_dump(mode="json")
    pairs = {"source": "train.src", "target": "train.tgt"}, {"source": "train.src", "target": "train.src"}
    values["data"]["train"] = [{**pair, "tag": tag} for pair, tag in zip(pairs, ("<up>", "<down>"), strict=True)]
    values["data"]["valid"]["tag"] = valid_tag
    return config.parse(values, "test")


def test_one_model_learns_several_directions(corpus_folder):
    """The tag alone decides between them, here between upper and lower case."""
    run = train(directions(max_steps=120, learning_rate=0.02, validate_every=120, save_every=120))
    translator = load(run.folder, engine="torch", precision="fp32")
    lines = ["ba be bi", "do fu"]
    for tag, is_right in (("<up>", str.isupper), ("<down>", str.islower)):
        texts = [line.targets[0].text for line in translator.translate(lines, SearchOptions(tag=tag))]
        assert all(map(is_right, texts)), texts


@pytest.mark.parametrize("more", [{}, {"validation_bleu": False, "metric": "loss"}])
def test_validation_text_of_several_directions_needs_a_tag(corpus_folder, more):
    with pytest.raises(
        NmtError, match=r"data\.valid, line 1: .*: set data\.valid\.tag, or begin the line with one of the tags"
    ):
        train(directions(valid_tag=None, **more))
