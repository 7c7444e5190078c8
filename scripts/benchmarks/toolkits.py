"""Convert prepared data and configurations of nmt to the files of OpenNMT-py and JoeyNMT."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from nmt.config import Config
from nmt.data.prepared_data import Prepared
from nmt.data.store import Store
from nmt.data.subword import Subword
from nmt.errors import NmtError

SPECIALS = ("<pad>", "<unk>", "<s>", "</s>")
"""Pieces 0 to 3 of our vocabularies; the other toolkits add their own special tokens."""
SUPPORTED: dict[str, dict[str, Any]] = {
    "embedding": {"tie": "none"},
    "encoder": {
        "cell": "lstm",
        "layers": 1,
        "kind": "recurrent",
        "bidirectional": True,
        "merge": "concat",
        "residual": False,
        "layer_norm": False,
        "gate_norm": False,
        "transitions": 1,
    },
    "attention": {"score": "general", "scaled": True, "local": "none", "heads": 1},
    "decoder": {
        "kind": "recurrent",
        "cell": "lstm",
        "layers": 1,
        "context_to": "next_input",
        "residual": False,
        "layer_norm": False,
        "gate_norm": False,
        "transitions": 1,
        "start": "last",
        "feedback": True,
        "readout": "tanh",
        "copy_source": False,
    },
}
"""The `model` settings of the only network that OpenNMT-py and JoeyNMT can build as well."""


@dataclass(frozen=True)
class Text:
    """Files of subword pieces separated by spaces: `train`, `valid` and `vocabulary`, each `.source` and `.target`."""

    folder: Path
    pairs: int
    """Sentence pairs of the training text."""
    source_size: int
    """Entries of the vocabulary, including the four special tokens."""
    target_size: int

    def path(self, name: str, side: str) -> str:
        """Return the path of a file, such as `train` of the `source`."""
        return str(self.folder / f"{name}.{side}")


def check_supported(config: Config, where: str) -> None:
    """Raise NmtError if the other toolkits cannot build the network of `config`; the message begins with `where`."""
    model = config.model.model_dump()
    for section, settings in SUPPORTED.items():
        for key, value in settings.items():
            if model[section][key] != value:
                raise NmtError(
                    f"{where}: the other toolkits support only model.{section}.{key} {value}, not {model[section][key]}"
                )


def write_vocabularies(folder: Path, source: Subword, target: Subword) -> None:
    """Write the pieces of both sides, one per line, without the special tokens."""
    for side, subword in (("source", source), ("target", target)):
        pieces = subword.pieces(range(len(SPECIALS), subword.size))
        (folder / f"vocabulary.{side}").write_text("".join(f"{piece}\n" for piece in pieces), encoding="utf-8")


def write_text(prepared: Prepared, folder: Path) -> Text:
    """Write the prepared pairs as pieces, so that all toolkits read the same tokens."""
    vocabularies = prepared.vocabularies
    if any(weight != 1 for _, weight in prepared.train) or any(store.is_text for store, _ in prepared.train):
        raise NmtError("the other toolkits support neither weighted corpora nor subword.sampling")
    folder.mkdir(parents=True, exist_ok=True)
    write_vocabularies(folder, vocabularies.source, vocabularies.target)
    stores = [store for store, _ in prepared.train]
    for side, subword in (("source", vocabularies.source), ("target", vocabularies.target)):
        for name, parts in (("train", stores), ("valid", [prepared.valid.store])):
            lines = itertools.chain.from_iterable(_segmented(store, side, subword) for store in parts)
            (folder / f"{name}.{side}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return Text(folder, sum(map(len, stores)), vocabularies.source.size, vocabularies.target.size)


def _segmented(store: Store, side: str, subword: Subword) -> Iterator[str]:
    pieces = subword.pieces(range(subword.size))
    ids, sizes = store.gather(side, np.arange(len(store)))
    tokens = iter(ids.tolist())
    for size in sizes.tolist():
        yield " ".join(pieces[i] for i in itertools.islice(tokens, size))


def opennmt_base(text: Text, steps: int) -> dict[str, Any]:
    """Return the OpenNMT-py settings that every network shares.

    The default `bucket_size` of 262,144 sentences, sorted at once, would read a small corpus several times before the
    first step and then drop duplicates within a batch.
    """
    corpus = {"path_src": text.path("train", "source"), "path_tgt": text.path("train", "target")}
    return {
        "data": {"corpus": {**corpus, "transforms": [], "weight": 1}},
        "src_vocab": text.path("vocabulary", "source"),
        "tgt_vocab": text.path("vocabulary", "target"),
        "src_vocab_size": text.source_size,
        "tgt_vocab_size": text.target_size,
        "vocab_size_multiple": 1,
        "param_init": 0.0,
        "param_init_glorot": "true",
        "bucket_size": min(262_144, text.pairs),
        "num_workers": 0,
        "normalization": "tokens",
        "optim": "adam",
        "train_steps": steps,
        "valid_steps": steps + 1,
    }


def opennmt_settings(config: Config, text: Text, folder: Path, steps: int, log_every: int) -> dict[str, Any]:
    """Return the OpenNMT-py settings for the network and the training of `config`."""
    model, training = config.model, config.training
    return {
        **opennmt_base(text, steps),
        "save_model": str(folder / "model"),
        "save_checkpoint_steps": steps,
        "encoder_type": "brnn",
        "decoder_type": "rnn",
        "rnn_type": "LSTM",
        "layers": 1,
        "word_vec_size": model.embedding.size,
        "enc_hid_size": model.encoder.size,
        "dec_hid_size": model.decoder.size,
        "global_attention": "general",
        "input_feed": 1,
        "dropout": [model.dropout.layer],
        "batch_type": "sents",
        "batch_size": training.sentences_per_batch,
        "adam_beta1": training.betas[0],
        "adam_beta2": training.betas[1],
        "learning_rate": training.learning_rate,
        "max_grad_norm": training.clip_norm,
        "label_smoothing": training.label_smoothing,
        "report_every": log_every,
        "seed": config.seed,
    }


def joeynmt_settings(config: Config, text: Text, folder: Path, steps: int, log_every: int) -> dict[str, Any]:
    """Return the JoeyNMT settings for the network and the training of `config`."""
    model, training = config.model, config.training

    def side(name: str) -> dict[str, Any]:
        return {"lang": name, "level": "word", "voc_file": text.path("vocabulary", name)}

    def network(size: int) -> dict[str, Any]:
        embeddings = {"embedding_dim": model.embedding.size, "scale": False, "dropout": model.dropout.embedding}
        shared = {"type": "recurrent", "rnn_type": "lstm", "num_layers": 1, "dropout": model.dropout.layer}
        return {**shared, "embeddings": embeddings, "hidden_size": size}

    decoder = {"hidden_dropout": model.dropout.output, "input_feeding": True, "init_hidden": "last"}
    return {
        "name": "bench",
        "model_dir": str(folder / "model"),
        "use_cuda": False,
        "random_seed": config.seed,
        "data": {
            "train": str(text.folder / "train"),
            "dev": str(text.folder / "valid"),
            "dataset_type": "plain",
            "src": side("source"),
            "trg": side("target"),
        },
        "testing": {"beam_size": 1},
        "training": {
            "optimizer": "adam",
            "adam_betas": list(training.betas),
            "learning_rate": training.learning_rate,
            "scheduling": "exponential",  # by a factor of 1: a scheduler is required, and `plateau` fails on torch 2.7
            "decrease_factor": 1.0,
            "clip_grad_norm": training.clip_norm,
            "label_smoothing": training.label_smoothing,
            "normalization": "tokens",
            "batch_type": "sentence",
            "batch_size": training.sentences_per_batch,
            "epochs": steps,
            "updates": steps,
            "logging_freq": log_every,
            "validation_freq": log_every * (steps + 1),
            "keep_best_ckpts": 1,
        },
        "model": {
            "initializer": "xavier_uniform",
            "encoder": {**network(model.encoder.size // 2), "bidirectional": True},
            "decoder": {**network(model.decoder.size), **decoder, "attention": "luong"},
        },
    }


def write_yaml(path: Path, values: dict[str, Any]) -> Path:
    """Write `values` and return `path`."""
    path.write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path
