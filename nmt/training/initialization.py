"""Initial weights from another run (`training.init_from`, fine-tuning) or from pretrained word vectors."""

import json
import logging
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nmt.config import Config, load_run_config
from nmt.data.manifest import text_setting_differences, text_settings
from nmt.data.prepared_data import Prepared
from nmt.data.subword import Vocabularies
from nmt.data.word_vectors import check_width, read_vectors
from nmt.errors import NmtError
from nmt.models.embedding import TokenEmbedding
from nmt.models.seq2seq import Seq2Seq
from nmt.models.weights import load_model
from nmt.storage.checkpoint_meta import load_meta
from nmt.storage.run_folder import Run, find_run
from nmt.training.new_rows import extend_rows

logger = logging.getLogger(__name__)


def initialize_weights(model: Seq2Seq, config: Config, prepared: Prepared) -> bool:
    """Copy the weights of `training.init_from` into `model`, or word vectors into its embeddings, if `config` says so.

    Return True if the weights of another run were copied.
    """
    if config.training.init_from is not None:
        _copy_weights(model, config, config.training.init_from, prepared.vocabularies)
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
        logger.info(f"{path}: vectors for {len(ids):,} of {len(table):,} {side} tokens")
    return False


def check_initialization(config: Config) -> None:
    """Raise `NmtError` if the initial weights are missing or do not fit, before any data is prepared."""
    if config.training.init_from is not None:
        run, checkpoint = _find_checkpoint(config.training.init_from)
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


def words_of_first_run(config: Config) -> list[Path]:
    """Return the files of the training words of the run of `training.init_from`: one, or none without that key."""
    return [] if config.training.init_from is None else [_find_checkpoint(config.training.init_from)[0].words]


def _find_checkpoint(path: Path) -> tuple[Run, Path]:
    try:
        run, name, _ = find_run(path)
        run.check_not_exported("start with its weights")
        return run, run.checkpoint(name)
    except NmtError as error:
        raise NmtError(f"training.init_from: {error}") from None


def _network(config: Config) -> dict[str, Any]:
    """Return the keys of the section `model` that decide the shapes and the meaning of the weights."""
    return config.model.model_dump(
        mode="json", exclude={"dropout": True, "embedding": {"source_vectors", "target_vectors"}}
    )


def _check_network(run: Run, config: Config) -> None:
    old, new = _network(load_run_config(run)), _network(config)
    old["attention"]["coverage"] |= new["attention"]["coverage"]  # coverage may be added
    differing = [
        f"model.{part}.{key} is {json.dumps(value)} there and {json.dumps(new[part][key])} here"
        for part, keys in old.items()
        for key, value in keys.items()
        if value != new[part][key]
    ]
    if differing:
        raise NmtError(
            f"training.init_from: the network of {run.config_file} is not that of this config: {', '.join(differing)}; "
            "copy its section 'model'"
        )


def _check_text(run: Run, config: Config) -> None:
    if different := text_setting_differences(text_settings(load_run_config(run).data), config.data):
        raise NmtError(
            f"training.init_from: {run.config_file}: {', '.join(different)}; the network was trained on text that was "
            "normalised differently: set these keys of 'data' to its values"
        )


def _check_vocabularies(run: Run, checkpoint: Path, vocabularies: Vocabularies, folder: Path) -> Vocabularies:
    """Return the vocabularies of a checkpoint. Raise `NmtError` if the given ones are neither these nor extend them."""
    fingerprint = load_meta(checkpoint).get("vocabularies")
    if fingerprint == vocabularies.fingerprint:
        return vocabularies
    old = Vocabularies.load(run.subword)
    if old.fingerprint != fingerprint or not vocabularies.is_extension_of(old):
        raise NmtError(
            f"training.init_from: {checkpoint} has another subword model than {folder}; set subword.reuse: "
            f"{run.folder} and run nmt preprocess again"
        )
    return old


def _copy_weights(model: Seq2Seq, config: Config, path: Path, vocabularies: Vocabularies) -> None:
    run, checkpoint = _find_checkpoint(path)
    old = _check_vocabularies(run, checkpoint, vocabularies, config.prepared)
    sizes = old.source.size, old.target.size
    network = load_model(checkpoint, load_run_config(run), *sizes, next(model.parameters()).device)
    weights = extend_rows(network.state_dict(), old, vocabularies)
    for name in model.load_state_dict(weights, strict=False).missing_keys:
        nn.init.zeros_(model.get_parameter(name))  # added coverage starts without any effect
    logger.info(f"starting with the weights of {checkpoint}")
