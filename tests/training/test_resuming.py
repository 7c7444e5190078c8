"""With what a run may go on: the same text, wherever it is, and the same network; all else may change."""

import gzip
import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from safetensors.numpy import load_file
from tiny_training import equal, run, stop_after, tiny, untimed, with_model

from nmt import config
from nmt.data import manifest_v1
from nmt.data.preprocess import preprocess
from nmt.data.subword import Vocabularies
from nmt.data.token_ids import EOS
from nmt.errors import NmtError
from nmt.storage import checksums
from nmt.storage.run_folder import Run, read_log
from nmt.training import checkpoint
from nmt.training.session import train
from nmt.training.signals import Interrupted
from nmt.training.trainer import Trainer


def changed(settings, **sections):
    """Return the settings with other keys in a section, such as data."""
    values = settings.model_dump(mode="json")
    for name, keys in sections.items():
        values[name] |= keys
    return config.parse(values, "test")


def stopped(monkeypatch, settings, step=5):
    with monkeypatch.context() as patch:
        stop_after(patch, step)
        with pytest.raises(Interrupted):
            run(settings)
    return Run(settings.run)


def pairs_of_epoch(monkeypatch, patch_to, number=0):
    """Collect the pairs of the batches of an epoch in `patch_to`, as token ids."""
    update = Trainer._update

    def collecting(self, batch):
        epoch = self.progress.position.epoch - (
            self.progress.position.window == self.progress.position.batch == 0
        )  # it is that of the next batch
        if epoch == number:
            for source, target in zip(batch.source.tolist(), batch.target.tolist(), strict=True):
                patch_to[tuple(source[: source.index(EOS)]), tuple(target[: target.index(EOS)])] += 1
        update(self, batch)

    monkeypatch.setattr(Trainer, "_update", collecting)


@pytest.mark.parametrize(
    "size",
    [{"sentences_per_batch": 7}, {"sentences_per_batch": 90}, {"sentences_per_batch": None, "tokens_per_batch": 100}],
)
@pytest.mark.parametrize("is_old", [False, True], ids=["", "checkpoint of an older version"])
def test_another_batch_size_neither_repeats_nor_skips_pairs_of_the_epoch(here, monkeypatch, size, is_old):
    monkeypatch.setattr("nmt.data.batching._LEAST_PAIRS_PER_WINDOW", 1)
    monkeypatch.setattr("nmt.data.batching._BATCHES_PER_WINDOW", 3)
    settings = {"sentences_per_batch": 30, "max_steps": 80, "validate_every": 200, "save_every": 200}
    whole, seen = Counter(), Counter()
    with monkeypatch.context() as patch:
        pairs_of_epoch(patch, whole)
        run(tiny("whole", **settings | {"max_steps": 20}))
    assert sum(whole.values()) == 300
    with monkeypatch.context() as patch:
        pairs_of_epoch(patch, seen)
        stop_after(patch, 4)
        with pytest.raises(Interrupted):
            run(tiny("parts", **settings))
        assert 0 < sum(seen.values()) < 300
        if is_old:
            path = Path("runs/parts/checkpoints/step-5/training/state.json")
            state = json.loads(path.read_text())
            state["position"] = {key: state["position"][key] for key in ("epoch", "window", "batch")}
            path.write_text(json.dumps(state))
            checksums.write(path.parents[1])
    if is_old:  # killed before it saved anything, after config.yaml was written
        with monkeypatch.context() as patch, pytest.raises(MemoryError):
            patch.setattr(Trainer, "_update", lambda self, batch: (_ for _ in ()).throw(MemoryError))
            run(tiny("parts", **settings | size), resume=True)
    with monkeypatch.context() as patch:
        pairs_of_epoch(patch, seen)
        run(tiny("parts", **settings | size), resume=True)
    assert seen == whole


@pytest.mark.parametrize("is_prepared", [True, False])
@pytest.mark.parametrize("how", ["moved", "zipped", "weighted"])
def test_a_moved_or_zipped_or_weighted_corpus_goes_on(here, monkeypatch, how, is_prepared):
    whole = run(tiny("whole"))
    stopped(monkeypatch, tiny("parts"))
    corpus = {"source": "train.src", "target": "train.tgt"}
    if how == "moved":
        Path("text").mkdir()
        corpus["source"] = str(Path("train.src").rename("text/train.src").absolute())
    elif how == "zipped":
        Path("train.src").write_bytes(gzip.compress(Path("train.src").read_bytes()))
        corpus["source"] = str(Path("train.src").rename("train.src.gz"))
    else:
        corpus["weight"] = 2.0
    if not is_prepared:
        shutil.rmtree("prepared-False")
    heard = []
    parts = train(changed(tiny("parts"), data={"train": corpus}), True, heard.append)
    assert any(line.startswith("changed since the run began: data.train.0.") for line in heard)
    assert any(line.startswith("prepared ") for line in heard) != is_prepared
    if how == "weighted":
        assert "changed since the run began: data.train.0.weight 1.0 -> 2.0" in heard
        assert parts.config.data.train[0].weight == 2.0
    else:
        assert equal(whole, parts) and untimed(whole.log) == untimed(parts.log)


def test_a_project_that_was_moved_as_a_whole_goes_on_without_its_corpora(here, monkeypatch):
    there = here / "there"
    there.mkdir()
    for path in [*here.glob("*.src"), *here.glob("*.tgt")]:
        path.rename(there / path.name)
    monkeypatch.chdir(there)

    def settings(name):
        files = [{"source": str(Path(f"{n}.src").absolute()), "target": f"{n}.tgt"} for n in ("train", "valid")]
        data = {"train": files[0], "valid": files[1], "prepared": str(Path("prepared").absolute())}
        return changed(tiny(name), data=data)

    whole = run(settings("whole"))
    stopped(monkeypatch, settings("parts"))
    there.rename(here / "moved")
    monkeypatch.chdir(here / "moved")
    for path in Path().glob("*.src"):
        path.unlink()
    heard = []
    parts = train(settings("parts"), True, heard.append)
    assert any("train.src, data.valid.source: " in h and "the run goes on with the text in" in h for h in heard)
    assert equal(Run(Path("runs/whole")), parts) and whole.folder == Path("runs/whole")


def test_other_text_in_other_files_is_refused_by_its_key(here, monkeypatch):
    stopped(monkeypatch, tiny())
    Path("other.tgt").write_text(Path("train.tgt").read_text().lower())
    with pytest.raises(NmtError, match=r"'data\.train\.0\.target' differs: other\.tgt does not hold the text that the"):
        run(changed(tiny(), data={"train": {"source": "train.src", "target": "other.tgt"}}), resume=True)
    two = [{"source": "train.src", "target": "train.tgt"}] * 2
    with pytest.raises(NmtError, match=r"'data\.train' differs: 1 corpora then, 2 now; choose another name"):
        run(changed(tiny(), data={"train": two}), resume=True)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"data": {"lowercase": True}}, "'data.lowercase' differs: false then, true now"),
        ({"data": {"filters": {"max_words": 9}}}, "'data.filters.max_words' differs: 0 then, 9 now"),
        ({"subword": {"vocab_size": 80}}, "'subword.vocab_size' differs: 70 then, 80 now"),
        (
            {"model": {"encoder": {"size": 16}, "decoder": {"size": 14}}},
            "'model.encoder.size' differs: 12 then, 16 now, 'model.decoder.size' differs: 12 then, 14 now",
        ),
        ({"model": {"decoder": {"size": 12, "cell": "gru"}}}, '\'model.decoder.cell\' differs: "lstm" then, "gru" now'),
    ],
)
def test_what_may_not_change_is_named_with_its_key_and_both_values(here, monkeypatch, sections, message):
    stopped(monkeypatch, tiny())
    with pytest.raises(NmtError) as caught:
        run(changed(tiny(), **sections), resume=True)
    assert message in str(caught.value)


def test_dropout_may_change_and_is_used_from_then_on(here, monkeypatch):
    same = {"precision": "fp32"}
    drops = {"dropout": {"embedding": 0.0, "layer": 0.0, "output": 0.0}}
    stopped(monkeypatch, tiny("one", **same))
    shutil.copytree("runs/one", "runs/other")
    heard = []
    one, other = run(tiny("one", **same), True), train(with_model(tiny("other", **same), **drops), True, heard.append)
    assert not equal(one, other)
    [line] = [line for line in heard if line.startswith("changed since")]
    assert "model.dropout.embedding " in line and "-> 0.0" in line
    assert config.load_run_config(other).model.dropout.layer == 0.0


@pytest.mark.parametrize("is_remade", [False, True])
@pytest.mark.parametrize("is_zipped", [False, True])
def test_a_run_of_an_older_version_goes_on(here, monkeypatch, is_zipped, is_remade):
    corpus = {"source": "train.src", "target": "train.tgt"}
    if is_zipped:
        Path("train.src.gz").write_bytes(gzip.compress(Path("train.src").read_bytes()))
        corpus["source"] = "train.src.gz"
    settings = changed(tiny("parts"), data={"train": corpus})
    whole = run(changed(tiny("whole"), data={"train": corpus}))
    found = stopped(monkeypatch, settings)
    header = json.loads(Path("prepared-False/prepared.json").read_text())
    former = manifest_v1.former_fingerprint(settings, settings, Vocabularies.load(found.subword))
    meta = found.checkpoint("last") / "meta.json"
    meta.write_text(json.dumps(json.loads(meta.read_text()) | {"data": former}))
    checksums.write(found.checkpoint("last"))
    if not is_remade:
        monkeypatch.setattr("nmt.data.preprocess.read_header", lambda folder: header | {"former_fingerprint": former})
        Path("train.tgt").unlink()
    assert equal(whole, run(settings, resume=True))
    saved = json.loads((found.checkpoint("last") / "meta.json").read_text())
    assert saved["data"] == header["fingerprint"]


def test_changed_text_under_a_checkpoint_of_an_older_version_is_refused(here, monkeypatch):
    found = stopped(monkeypatch, tiny())
    meta = found.checkpoint("last") / "meta.json"
    meta.write_text(json.dumps(json.loads(meta.read_text()) | {"data": "0" * 64}))
    checksums.write(found.checkpoint("last"))
    with pytest.raises(NmtError, match="was not trained on the data in prepared-False"):
        run(tiny(), resume=True)


def test_resuming_is_advised_only_where_there_is_something_to_resume(here, monkeypatch):
    def full(*given):
        raise OSError(28, "No space left on device", "file")

    with monkeypatch.context() as patch, pytest.raises(NmtError) as caught:
        patch.setattr(checkpoint, "save_file", full)
        run(tiny())
    assert "no checkpoint has been saved yet" in str(caught.value) and "--resume" not in str(caught.value)
    found = run(tiny(max_steps=3))  # and it can begin anew
    with monkeypatch.context() as patch, pytest.raises(NmtError, match=r"earlier checkpoints are intact.*--resume"):
        patch.setattr(checkpoint, "save_file", full)
        run(tiny(max_steps=6), resume=True)
    assert found.checkpoint("last").name == "step-3"


def test_only_checkpoints_to_go_on_from_are_offered_in_place_of_a_damaged_one(here):
    found = run(tiny(max_steps=6, save_every=6, validate_every=6, average_last=1))
    assert found.names() == ["step-6", "averaged"]
    (found.checkpoint("last") / "training" / "state.json").write_text("{}")
    with pytest.raises(NmtError, match=r"take another one with --checkpoint, such as averaged$"):
        run(tiny(max_steps=9), resume=True)


def test_the_prepared_data_may_be_elsewhere_and_made_anew(here, monkeypatch):
    whole = run(tiny("whole"))
    stopped(monkeypatch, tiny("parts"))
    Path("prepared-False").rename("elsewhere")
    settings = changed(tiny("parts"), data={"prepared": "elsewhere"})
    preprocess(settings, lambda line: None, force=True)
    assert equal(whole, run(settings, resume=True))
    assert [entry["event"] for entry in read_log(whole.log)][-1] == "end"
    assert load_file(whole.checkpoint() / "model.safetensors")


def test_reused_subwords_that_are_gone_are_taken_from_the_run(here, monkeypatch):
    shutil.copytree(run(tiny("first", max_steps=1)).subword, "own")
    settings = {name: tiny(name, {"reuse": "own"}) for name in ("whole", "parts")}
    whole = run(settings["whole"])
    stopped(monkeypatch, settings["parts"])
    for folder in ("own", "prepared-True"):
        shutil.rmtree(folder)
    assert equal(whole, run(settings["parts"], resume=True))
