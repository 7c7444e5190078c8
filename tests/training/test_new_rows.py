"""An extended vocabulary keeps the segmentation of old text and the old weights; new rows are means of old rows."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny_training import changed, tiny, with_model, write_corpus

from nmt import config
from nmt.data.preprocess import preprocess
from nmt.data.subword import SPACE, Subword, Vocabularies
from nmt.data.token_ids import UNK
from nmt.data.vocabulary_extension import MIN_COUNT, extend_vocabularies, find_new_pieces
from nmt.errors import NmtError
from nmt.models.seq2seq import Seq2Seq
from nmt.training.initialization import initialize_weights
from nmt.training.session import train

OLD = [
    f"{who} {does} {what} ."
    for who in ("the dog", "a small cat", "their neighbour", "nobody")
    for does in ("sees", "wants", "is eating", "painted")
    for what in ("the house", "a red ball", "some bread", "it")
]
NEW = [f"Übung macht {what} größer ." for what in ("the house", "a red ball", "some bread")] * MIN_COUNT
KINDS = [("bpe", True), ("bpe", False), ("unigram", True), ("unigram", False), ("char", False), ("word", False)]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, bool], Subword]:
    folder = tmp_path_factory.mktemp("models")
    return {
        (kind, has_bytes): Subword.train(
            iter(OLD), folder / "m", config.Subword.model_validate({"kind": kind, "byte_fallback": has_bytes}), 320
        )
        for kind, has_bytes in KINDS
    }


@pytest.mark.parametrize("which", KINDS, ids=str)
def test_needed_pieces(models: dict[tuple[str, bool], Subword], which: tuple[str, bool]) -> None:
    old = models[which]
    found = find_new_pieces(old, [*NEW, "ŷ ŷ", "ŷ\ufffd\x01 " * 9, *OLD])
    new = old.extended(found.needed)
    pieces = [piece for piece, _ in found.needed]
    if which[0] == "word":
        assert set(pieces) == {f"{SPACE}{word}" for word in ("Übung", "macht", "größer", "ŷ\ufffd\x01")}
    else:
        assert {"Ü", "ß", "ö"} < set(pieces) and not {"\ufffd", "\x01", "d"} & set(pieces)
    assert new.encode(OLD) == old.encode(OLD) and new.pieces(range(old.size)) == old.pieces(range(old.size))
    assert new.is_extension_of(old) and old.is_extension_of(old) and not old.is_extension_of(new)
    tokens = new.encode(NEW)
    assert UNK not in tokens[0] and new.size - old.size == len(pieces)
    assert [new.decode(ids) for ids in tokens] == NEW
    expected = [UNK] if not which[1] else old.encode(["ß"])[0][1:]
    piece = f"{SPACE}macht" if which[0] == "word" else "ß"
    assert old.segment_piece(piece) == expected
    assert find_new_pieces(new, NEW).needed == ()


def test_rare_characters_get_no_entry(models: dict[tuple[str, bool], Subword]) -> None:
    lines = ["ß" * (MIN_COUNT - 1), "ö" * MIN_COUNT]
    assert [piece for piece, _ in find_new_pieces(models["bpe", True], lines).needed] == ["ö"]


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_frequent_subwords(models: dict[tuple[str, bool], Subword], kind: str) -> None:
    """A frequent word becomes one token; text without it stays as it was."""
    old = models[kind, True]
    lines = [f"open {word} now" for word in ("gadget", "gadgets", "widget")] * 20
    vocabularies, [found] = extend_vocabularies(Vocabularies(old, old), [(line, "") for line in lines], 50)
    new = vocabularies.target
    assert vocabularies.is_joint and new.is_extension_of(old)
    assert new.encode(OLD) == old.encode(OLD)
    assert {f"{SPACE}gadget", f"{SPACE}now"} <= {piece for piece, _ in found.frequent}
    assert [len(ids) for ids in new.encode(["gadget", "gadgets now"])] == [1, 2]
    assert [new.decode(ids) for ids in new.encode(lines)] == lines
    assert "".join(old.pieces(old.segment_piece(f"{SPACE}gadget"))) == f"{SPACE}gadget"
    assert len(find_new_pieces(old, lines, 2).frequent) == 2


def test_subwords_of_separate_vocabularies(models: dict[tuple[str, bool], Subword]) -> None:
    sides = Vocabularies(models["char", False], models["bpe", False])
    new, found = extend_vocabularies(sides, [("ß", "é"), ("ßß", "éé")])
    assert [[piece for piece, _ in each.needed] for each in found] == [["ß"], ["é"]]
    assert new.is_extension_of(sides) and not new.is_joint
    assert not new.is_extension_of(Vocabularies(models["bpe", False], models["bpe", False]))
    for kind in ("char", "word"):
        with pytest.raises(NmtError, match=f"kind bpe or unigram, and this one is of kind {kind}: leave out --new-sub"):
            find_new_pieces(models[kind, False], NEW, 5)


NETWORKS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "tied": ({}, {"tie": "all"}),
    "target": ({"joint": False}, {"tie": "target"}),
    "untied": ({"kind": "word"}, {"tie": "none"}),
}


@pytest.fixture
def base_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_corpus(pairs=60)
    return tmp_path


@pytest.mark.parametrize("name", NETWORKS)
def test_rows(base_folder: Path, name: str) -> None:
    """Old weights are the same to the bit; each new row is the mean of the rows of its tokens."""
    subword, embedding = NETWORKS[name]
    settings = with_model(tiny("base", subword=subword, max_steps=2, validation_bleu=False, metric="loss"))
    settings = with_model(settings, embedding=embedding)
    base = train(settings)
    old = Vocabularies.load(base.subword)
    new, _ = extend_vocabularies(old, [("xä xä xä ba", "XÄ XÄ XÄ BA")])
    new.copy_to(Path("extended"))
    keys = {"subword": {"reuse": "extended"}, "training": {"init_from": str(base.folder)}}
    tuned = changed(settings, **keys, data={"prepared": "prepared-tuned"})
    prepared = preprocess(tuned)
    model = Seq2Seq(tuned.model, new.source.size, new.target.size)
    assert initialize_weights(model, tuned, prepared)
    before, after = load_file(base.checkpoint() / "model.safetensors"), model.state_dict()
    vocabularies = {"source_embedding.table.weight": (old.source, new.source)}
    compared = 0
    for key, rows in before.items():
        assert (after[key][: len(rows)] == rows).all()
        is_extended = key.startswith("output.") or ".table." in key
        old_side, new_side = (
            vocabularies.get(key, (old.target, new.target)) if is_extended else (old.target, old.target)
        )
        assert len(after[key]) - len(rows) == new_side.size - old_side.size
        for token in range(old_side.size, new_side.size):
            parts = old_side.segment_piece(new_side.pieces([token])[0])
            assert torch.allclose(after[key][token], rows[parts].mean(0), atol=1e-7)
            compared += 1
    assert compared >= 4


def test_an_extended_model_fits_only_the_run_it_extends(base_folder: Path) -> None:
    base = train(tiny("base", max_steps=1))
    folder = Path("extended")
    folder.mkdir()
    Subword.train(iter(OLD), folder / "joint.model", config.Subword(byte_fallback=False), 90)
    other, _ = extend_vocabularies(Vocabularies.load(folder), [("äää", "äää")])
    other.copy_to(folder)
    with pytest.raises(NmtError, match="another subword model than extended"):
        train(tiny("tuned", subword={"reuse": "extended"}, init_from=str(base.folder)))
