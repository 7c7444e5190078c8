"""What a new run's weights are before the first step, where they are not drawn: another run's, or word vectors."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nmt.config import Config, load_run_config
from nmt.data.manifest import differing_text_settings, text_settings
from nmt.data.prepared_data import Prepared
from nmt.data.subword import Vocabularies
from nmt.data.word_vectors import check_width, read_vectors
from nmt.errors import NmtError
from nmt.models.embedding import TokenEmbedding
from nmt.models.seq2seq import Seq2Seq
from nmt.models.weights import load_meta, load_model
from nmt.storage.run_folder import Run, find_run

Report = Callable[[str], None]


def initialize_weights(model: Seq2Seq, config: Config, prepared: Prepared, report: Report) -> bool:
    """Fill `model` from `training.init_from`, or its embeddings from word vectors, where the config asks for them.

    Returns whether it is now a trained network.
    """
    if config.training.init_from is not None:
        _from_run(model, config, config.training.init_from, prepared.vocabularies, report)
        return True
    for side in ("source", "target"):
        path: Path | None = getattr(config.model.embedding, f"{side}_vectors")
        if path is None:
            continue
        ids, vectors = read_vectors(path, getattr(prepared.vocabularies, side), config.model.embedding.size)
        embedding: TokenEmbedding = getattr(model, f"{side}_embedding")
        table, scale = embedding.table.weight, embedding.scale
        with torch.no_grad():
            table[torch.from_numpy(ids).to(table.device)] = torch.from_numpy(vectors).to(table.device) / scale
        report(f"{path}: vectors for {len(ids):,} of {len(table):,} {side} tokens")
    return False


def check_initialization(config: Config) -> None:
    """Raise `NmtError` where what the run is to begin with is missing or does not fit, before data is prepared."""
    if config.training.init_from is not None:
        run, checkpoint = _named(config.training.init_from)
        _check_network(run, config)
        _check_text(run, config)
        if config.subword.reuse is not None:
            reused = Vocabularies.find(config.subword.reuse, config.subword.joint)
            _check_vocabularies(run, checkpoint, reused, config.subword.reuse)
    for side in ("source", "target"):
        path: Path | None = getattr(config.model.embedding, f"{side}_vectors")
        if path is not None and not path.is_file():
            raise NmtError(f"model.embedding.{side}_vectors: {path}: no such file")
        if path is not None:
            check_width(path, config.model.embedding.size)


def _named(place: Path) -> tuple[Run, Path]:
    try:
        run, name, _ = find_run(place)
        return run, run.checkpoint(name)
    except NmtError as error:
        raise NmtError(f"training.init_from: {error}") from None


def _network(config: Config) -> dict[str, Any]:
    """Return what of the section `model` the shapes and the meaning of the weights depend on."""
    return config.model.model_dump(
        mode="json", exclude={"dropout": True, "embedding": {"source_vectors", "target_vectors"}}
    )


def _check_network(run: Run, config: Config) -> None:
    there, here = _network(load_run_config(run)), _network(config)
    there["attention"]["coverage"] |= here["attention"]["coverage"]  # which may be added
    differing = [
        f"model.{part}.{key} is {json.dumps(value)} there and {json.dumps(here[part][key])} here"
        for part, keys in there.items()
        for key, value in keys.items()
        if value != here[part][key]
    ]
    if differing:
        raise NmtError(
            f"training.init_from: the network of {run.config_file} is not that of this config: {', '.join(differing)}; "
            "copy its section 'model'"
        )


def _check_text(run: Run, config: Config) -> None:
    if different := differing_text_settings(text_settings(load_run_config(run).data), config.data):
        raise NmtError(
            f"training.init_from: {run.config_file}: {', '.join(different)}; the network was trained on text that is "
            "normalised otherwise: set the same values in 'data'"
        )


def _check_vocabularies(run: Run, checkpoint: Path, here: Vocabularies, place: Path) -> None:
    if load_meta(checkpoint).get("vocabularies") != here.fingerprint:
        raise NmtError(
            f"training.init_from: {checkpoint} has another subword model than {place}; set subword.reuse: {run.folder} "
            "and run nmt preprocess again"
        )


def _from_run(model: Seq2Seq, config: Config, place: Path, vocabularies: Vocabularies, report: Report) -> None:
    run, checkpoint = _named(place)
    _check_vocabularies(run, checkpoint, vocabularies, config.prepared)
    sizes = vocabularies.source.size, vocabularies.target.size
    weights = load_model(checkpoint, load_run_config(run), *sizes, next(model.parameters()).device).state_dict()
    for name in model.load_state_dict(weights, strict=False).missing_keys:
        nn.init.zeros_(model.get_parameter(name))  # of added coverage, which acts only as it is learnt
    report(f"beginning with the weights of {checkpoint}")
