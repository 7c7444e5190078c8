"""The loss and BLEU of a validation are computed from the same sources."""

from pathlib import Path
from typing import Any

import pytest
import torch

from nmt import config
from nmt.data.prepared_data import Prepared
from nmt.data.preprocess import preprocess
from nmt.models.seq2seq import Seq2Seq
from nmt.training.validation import Validator, scored_pairs

SHORT = [("a b c", "x y"), ("a", "x"), ("b c a b", "y x y")]
LONG = ("a b c a b c", "x y x y x")


def prepare(folder: Path, valid: list[tuple[str, str]], tag: str | None) -> tuple[config.Config, Prepared]:
    folder.mkdir()
    for name, pairs in (("train", SHORT * 20), ("valid", valid)):
        for side in (0, 1):
            text = "".join(f"{pair[side]}\n" for pair in pairs)
            (folder / f"{name}.{side}").write_text(text, encoding="utf-8")
    more: dict[str, Any] = {"tag": tag} if tag else {}
    corpora = {
        name: {"source": str(folder / f"{name}.0"), "target": str(folder / f"{name}.1"), **more}
        for name in ("train", "valid")
    }
    values = {
        "name": "x",
        "data": {**corpora, "prepared": str(folder / "prepared"), "workers": 1, "filters": {"duplicates": False}},
        "subword": {"kind": "word", "vocab_size": 20, "user_symbols": [tag] if tag else []},
        "model": {"embedding": {"size": 4}, "encoder": {"size": 8}, "decoder": {"size": 8}},
        "training": {"validation_bleu": False, "metric": "loss"},
        "decoding": {"max_source_tokens": 4},
    }
    parsed = config.parse(values, "test")
    return parsed, preprocess(parsed)


@pytest.mark.parametrize("tag", [None, "<2de>"])
def test_pairs_whose_source_is_cut_in_translation_are_not_in_the_loss(tmp_path: Path, tag: str | None) -> None:
    losses, notes = [], []
    for name, valid in (("mixed", [*SHORT, LONG]), ("short", SHORT), ("long", [LONG])):
        settings, prepared = prepare(tmp_path / name, valid, tag)
        torch.manual_seed(1)
        size = prepared.vocabularies.source.size
        validator = Validator(settings, prepared, torch.device("cpu"), "fp32")
        losses.append(validator(Seq2Seq(settings.model, size, size)).loss)
        notes.append(scored_pairs(settings, prepared)[1])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6) and abs(losses[0] - losses[2]) > 1e-4
    assert "1 of 4 pairs have more than decoding.max_source_tokens 4 tokens" in notes[0] and "without them" in notes[0]
    assert notes[1] == "" and "the loss is over the whole lines" in notes[2]
