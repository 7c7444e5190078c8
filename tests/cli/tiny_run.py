"""Create a run folder with an untrained network for tests of the commands that use finished runs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from text_files import write_lines

from nmt import config
from nmt.data.lexicon import CANDIDATES_PER_TOKEN, Lexicon
from nmt.data.subword import Subword, Vocabularies
from nmt.models.seq2seq import Seq2Seq
from nmt.models.weights import save_weights
from nmt.storage.checkpoint_meta import FORMAT

SOURCE = ["a dog runs", "the cat sleeps here", "a man reads a book .", "two women see the dog"]
TARGET = ["ein Hund rennt", "die Katze schläft hier", "ein Mann liest ein Buch .", "zwei Frauen sehen den Hund"]


def make_run(folder: Path, more: str = "", **sections: dict[str, Any]) -> Path:
    """Write corpora to `folder` and a run to `folder/runs/tiny`; return the folder of the run.

    The vocabulary contains the characters of the corpora and of `more`. `sections` are added to the config.
    """
    name = "tiny"
    folder.mkdir(exist_ok=True)
    for suffix, lines in (("en", SOURCE), ("de", TARGET)):
        write_lines(folder / f"x.{suffix}", lines)
    corpus = {"source": str(folder / "x.en"), "target": str(folder / "x.de")}
    settings = config.parse(
        {
            "name": name,
            "training": sections.get("training", {}),
            "data": {
                "source_language": "en",
                "target_language": "de",
                "train": corpus,
                "valid": corpus,
                "test": {"flickr": corpus},
            },
            "subword": {"kind": "char", "vocab_size": 60},
            "model": {
                "embedding": {"size": 4, "tie": "none"},
                "encoder": {"size": 8},
                "decoder": {"size": 8},
                **sections.get("model", {}),
            },
            "decoding": {
                "max_length_ratio": 1.0,
                "max_length_extra": 2,
                "beam_size": 2,
                **sections.get("decoding", {}),
            },
        },
        "tiny",
    )
    run = folder / "runs" / name
    (run / "subword").mkdir(parents=True)
    model = run / "subword" / "joint.model"
    subword = Subword.train(iter([*SOURCE, *TARGET, more]), model, settings.subword, settings.subword.vocab_size)
    meta = json.dumps({"format": FORMAT, "vocabularies": Vocabularies.load(run / "subword").fingerprint})
    (run / "config.yaml").write_text(config.dump(settings), encoding="utf-8")
    for number in (1, 2):
        torch.manual_seed(number)
        checkpoint = run / "checkpoints" / f"step-{number}"
        checkpoint.mkdir(parents=True)
        save_weights(Seq2Seq(settings.model, subword.size, subword.size), checkpoint / "model.safetensors")
        (checkpoint / "meta.json").write_text(meta, encoding="utf-8")
    candidates = np.full((subword.size, CANDIDATES_PER_TOKEN), subword.size - 1, np.int32)
    lexicon = Lexicon(candidates, np.empty(0, np.int32))
    (run / "lexicon.safetensors").write_bytes(lexicon.to_bytes(Vocabularies.load(run / "subword")))
    (run / "checkpoints" / "best").write_text("step-1\n", encoding="utf-8")
    (run / "checkpoints" / "last").write_text("step-2\n", encoding="utf-8")
    return run
