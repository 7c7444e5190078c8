"""When a run can be resumed: with the same network and text, also in other files; everything else may change."""

import gzip
import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from tiny_training import Killed, before_step, changed, interrupted, same_state, same_weights, tiny, with_model

from nmt import config
from nmt.data import manifest_v1
from nmt.data.preprocess import preprocess
from nmt.data.subword import Vocabularies
from nmt.data.token_ids import EOS
from nmt.errors import NmtError
from nmt.storage import checksums
from nmt.training import checkpoint
from nmt.training.session import train
from nmt.training.trainer import Trainer


def count_pairs_of_first_epoch(monkeypatch, counts):
    """Count how often each pair, as token ids, is trained on in the first epoch."""
    original = Trainer.step

    def counting(self, batch):
        if self.progress.position.epoch == 0:
            for source, target in zip(batch.source.tolist(), batch.target.tolist(), strict=True):
                counts[tuple(source[: source.index(EOS)]), tuple(target[: target.index(EOS)])] += 1
        original(self, batch)

    monkeypatch.setattr(Trainer, "step", counting)


def kill():
    raise Killed


@pytest.mark.parametrize(
    ("size", "is_old"),
    [
        ({"sentences_per_batch": 13}, False),
        ({"sentences_per_batch": 13}, True),
        ({"sentences_per_batch": 90}, False),
        ({"sentences_per_batch": None, "tokens_per_batch": 100}, False),
    ],
)
def test_with_another_batch_size_no_pair_of_the_epoch_is_repeated_or_skipped(corpus_folder, monkeypatch, size, is_old):
    monkeypatch.setattr("nmt.data.batching.MIN_PAIRS_PER_WINDOW", 1)
    monkeypatch.setattr("nmt.data.batching.BATCHES_PER_WINDOW", 3)
    settings = {"sentences_per_batch": 30, "max_steps": 28, "validate_every": 200, "save_every": 200}
    whole, parts = Counter(), Counter()
    with monkeypatch.context() as patch:
        count_pairs_of_first_epoch(patch, whole)
        train(tiny("whole", **settings | {"max_steps": 15}))
    assert sum(whole.values()) == 300
    with monkeypatch.context() as patch:
        count_pairs_of_first_epoch(patch, parts)
        run = interrupted(monkeypatch, tiny("parts", **settings), step=5)
    assert 0 < sum(parts.values()) < 300
    if is_old:  # older versions saved less of the position
        path = run.checkpoints / "step-5" / "training" / "state.json"
        state = json.loads(path.read_text())
        state["position"] = {key: state["position"][key] for key in ("epoch", "window", "batch")}
        path.write_text(json.dumps(state))
        checksums.write(path.parents[1])
        with monkeypatch.context() as patch, pytest.raises(Killed):  # after config.yaml is written
            before_step(patch, 6, kill)
            train(tiny("parts", **settings | size), resume=True)
    with monkeypatch.context() as patch:
        count_pairs_of_first_epoch(patch, parts)
        train(tiny("parts", **settings | size), resume=True)
    assert parts == whole


def move_corpus():
    Path("text").mkdir()
    return {"source": str(Path("train.src").rename("text/train.src").absolute()), "target": "train.tgt"}


def compress_corpus():
    Path("train.src").write_bytes(gzip.compress(Path("train.src").read_bytes()))
    return {"source": str(Path("train.src").rename("train.src.gz")), "target": "train.tgt"}


@pytest.mark.parametrize("is_prepared", [True, False])
@pytest.mark.parametrize("change", [move_corpus, compress_corpus])
def test_a_run_is_resumed_with_a_moved_or_compressed_corpus(
    corpus_folder, whole_run, monkeypatch, messages, change, is_prepared
):
    interrupted(monkeypatch, tiny("parts"), step=6)
    corpus = change()
    if not is_prepared:
        shutil.rmtree("prepared-False")
    messages.clear()
    parts = train(changed(tiny("parts"), data={"train": corpus}), resume=True)
    assert any(line.startswith("changed since the run began: data.train.0.source ") for line in messages)
    assert any(line.startswith("prepared ") for line in messages) != is_prepared
    assert same_state(whole_run, parts)


def test_a_run_is_resumed_with_another_weight_of_a_corpus(corpus_folder, monkeypatch, messages):
    interrupted(monkeypatch, tiny(), step=6)
    corpus = {"source": "train.src", "target": "train.tgt", "weight": 2.0}
    run = train(changed(tiny(), data={"train": corpus}), resume=True)
    assert "changed since the run began: data.train.0.weight 1.0 -> 2.0" in messages
    assert config.load_run_config(run).data.train[0].weight == 2.0


def test_a_run_is_resumed_with_other_languages_of_a_corpus(corpus_folder, monkeypatch, messages):
    interrupted(monkeypatch, tiny(), step=6)
    messages.clear()
    corpus = {"source": "train.src", "target": "train.tgt", "source_language": "en"}
    run = train(changed(tiny(), data={"train": corpus}), resume=True)
    assert "changed since the run began: data.train.0.source_language null -> en" in messages
    assert not any(line.startswith("prepared ") for line in messages)
    assert config.load_run_config(run).data.directions[0].source == "en"


def test_a_run_in_a_moved_project_is_resumed_without_its_corpora(corpus_folder, monkeypatch, messages):
    old = corpus_folder / "old"
    old.mkdir()
    for path in [*corpus_folder.glob("*.src"), *corpus_folder.glob("*.tgt")]:
        path.rename(old / path.name)
    monkeypatch.chdir(old)

    def settings(name):
        files = [{"source": str(Path(f"{n}.src").absolute()), "target": f"{n}.tgt"} for n in ("train", "valid")]
        data = {"train": files[0], "valid": files[1], "prepared": str(Path("prepared").absolute())}
        return changed(tiny(name), data=data)

    whole = train(settings("whole"))
    interrupted(monkeypatch, settings("parts"), step=6)
    old.rename(corpus_folder / "new")
    monkeypatch.chdir(corpus_folder / "new")
    for path in Path().glob("*.src"):
        path.unlink()
    messages.clear()
    parts = train(settings("parts"), resume=True)
    assert any("train.src, data.valid.source: " in line and "training uses the text in" in line for line in messages)
    assert same_state(whole, parts)


def test_other_text_in_other_files_is_rejected_with_its_key(corpus_folder, monkeypatch):
    interrupted(monkeypatch, tiny(), step=6)
    Path("other.tgt").write_text(Path("train.tgt").read_text().lower())
    with pytest.raises(NmtError, match=r"'data\.train\.0\.target' differs: other\.tgt does not hold the text that the"):
        train(changed(tiny(), data={"train": {"source": "train.src", "target": "other.tgt"}}), resume=True)
    two = [{"source": "train.src", "target": "train.tgt"}] * 2
    with pytest.raises(
        NmtError, match=r"'data\.train' differs: the number of corpora was 1 and is now 2; to resume, restore"
    ):
        train(changed(tiny(), data={"train": two}), resume=True)


CHANGES = [
    ({"data": {"lowercase": True}}, "'data.lowercase' differs: false then, true now"),
    ({"data": {"filters": {"max_words": 9}}}, "'data.filters.max_words' differs: 0 then, 9 now"),
    ({"subword": {"vocab_size": 80}}, "'subword.vocab_size' differs: 70 then, 80 now"),
    (
        {"model": {"encoder": {"size": 16}, "decoder": {"size": 14}}},
        "'model.encoder.size' differs: 12 then, 16 now, 'model.decoder.size' differs: 12 then, 14 now",
    ),
    ({"model": {"decoder": {"size": 12, "cell": "gru"}}}, '\'model.decoder.cell\' differs: "lstm" then, "gru" now'),
]


def test_a_change_of_model_or_text_is_rejected_with_its_key_and_both_values(corpus_folder, monkeypatch):
    interrupted(monkeypatch, tiny(), step=2)
    for sections, message in CHANGES:
        with pytest.raises(NmtError) as caught:
            train(changed(tiny(), **sections), resume=True)
        assert message in str(caught.value)


def test_dropout_may_change(corpus_folder, monkeypatch, messages):
    interrupted(monkeypatch, tiny("one", precision="fp32"), step=6)
    shutil.copytree("runs/one", "runs/other")
    one = train(tiny("one", precision="fp32"), resume=True)
    messages.clear()
    no_dropout = {"dropout": {"embedding": 0.0, "layer": 0.0, "output": 0.0}}
    other = train(with_model(tiny("other", precision="fp32"), **no_dropout), resume=True)
    assert not same_weights(one, other)
    [line] = [line for line in messages if line.startswith("changed since")]
    assert "model.dropout.embedding " in line and "-> 0.0" in line
    assert config.load_run_config(other).model.dropout.layer == 0.0


@pytest.mark.parametrize(("is_prepared_again", "is_compressed"), [(False, False), (True, True)])
def test_a_run_of_an_older_version_is_resumed(corpus_folder, monkeypatch, is_compressed, is_prepared_again):
    """Of the format whose fingerprint of the data included paths and compressed files."""
    corpus = {"source": "train.src", "target": "train.tgt"}
    if is_compressed:
        Path("train.src.gz").write_bytes(gzip.compress(Path("train.src").read_bytes()))
        corpus["source"] = "train.src.gz"
    settings = changed(tiny("parts"), data={"train": corpus})
    whole = train(changed(tiny("whole"), data={"train": corpus}))
    run = interrupted(monkeypatch, settings, step=6)
    header = json.loads(Path("prepared-False/prepared.json").read_text())
    former = manifest_v1.fingerprint_v1(settings, settings, Vocabularies.load(run.subword))
    meta = run.checkpoint("last") / "meta.json"
    meta.write_text(json.dumps(json.loads(meta.read_text()) | {"data": former}))
    checksums.write(run.checkpoint("last"))
    if not is_prepared_again:
        monkeypatch.setattr("nmt.data.prepared_data.read_header", lambda folder: header | {"fingerprint_v1": former})
        Path("train.tgt").unlink()
    assert same_state(whole, train(settings, resume=True))
    saved = json.loads((run.checkpoint("last") / "meta.json").read_text())
    assert saved["data"] == header["fingerprint"]


def test_changed_text_is_rejected_for_a_checkpoint_of_an_older_version(corpus_folder, monkeypatch):
    run = interrupted(monkeypatch, tiny(), step=2)
    meta = run.checkpoint("last") / "meta.json"
    meta.write_text(json.dumps(json.loads(meta.read_text()) | {"data": "0" * 64}))
    checksums.write(run.checkpoint("last"))
    with pytest.raises(NmtError, match="was not trained on the data in prepared-False"):
        train(tiny(), resume=True)


def test_resuming_is_recommended_only_if_there_is_a_checkpoint(corpus_folder, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device", "file")

    with monkeypatch.context() as patch, pytest.raises(NmtError) as caught:
        patch.setattr(checkpoint, "save_file", fail)
        train(tiny())
    assert "no checkpoint has been saved yet" in str(caught.value) and "--resume" not in str(caught.value)
    run = train(tiny(max_steps=3))  # the run can start again
    with monkeypatch.context() as patch, pytest.raises(NmtError, match=r"earlier checkpoints are intact.*--resume"):
        patch.setattr(checkpoint, "save_file", fail)
        train(tiny(max_steps=6), resume=True)
    assert run.checkpoint("last").name == "step-3"


def test_only_checkpoints_that_can_be_resumed_are_suggested_for_a_damaged_one(corpus_folder):
    run = train(tiny(max_steps=6, save_every=6, validate_every=6, average_last=1))
    assert run.names() == ["step-6", "averaged"]
    (run.checkpoint("last") / "training" / "state.json").write_text("{}")
    with pytest.raises(NmtError, match=r"choose another one with --checkpoint, such as averaged$"):
        train(tiny(max_steps=9), resume=True)
    with pytest.raises(
        NmtError, match=r"--checkpoint averaged: training cannot resume from it; choose step-N, best or last"
    ):
        train(tiny(max_steps=9), resume=True, checkpoint="averaged")


def test_the_prepared_data_may_be_made_again_in_another_folder(corpus_folder, whole_run, monkeypatch):
    interrupted(monkeypatch, tiny("parts"), step=6)
    Path("prepared-False").rename("elsewhere")
    settings = changed(tiny("parts"), data={"prepared": "elsewhere"})
    preprocess(settings, force=True)
    assert same_state(whole_run, train(settings, resume=True))


def test_reused_subword_models_that_were_deleted_are_taken_from_the_run(corpus_folder, monkeypatch):
    shutil.copytree(train(tiny("first", max_steps=1)).subword, "own")
    settings = {name: tiny(name, {"reuse": "own"}) for name in ("whole", "parts")}
    whole = train(settings["whole"])
    interrupted(monkeypatch, settings["parts"], step=6)
    for folder in ("own", "prepared-True"):
        shutil.rmtree(folder)
    assert same_state(whole, train(settings["parts"], resume=True))
