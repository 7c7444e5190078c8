"""The graphs of a checkpoint, kept beside its weights in `checkpoints/step-N/graphs-PRECISION/`.

They are made when training ends and at the first use. The checksum of the weights in their description says whether
they belong to the checkpoint. If the folder cannot be written, they are made in memory each time.
"""

import contextlib
import importlib.util
import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError
from safetensors.numpy import load_file

from nmt.config.model_settings import ModelSettings
from nmt.data.subword import Vocabularies
from nmt.engine import Arithmetic
from nmt.errors import NmtError
from nmt.runtime.graph_files import (
    EXPORTER,
    NAME,
    Description,
    Graphs,
    NoGraphsError,
    load_graphs,
    read_description,
)
from nmt.storage import checksums
from nmt.storage.atomic_files import write_atomically
from nmt.storage.atomic_folder import build_folder
from nmt.storage.run_folder import Run

if TYPE_CHECKING:
    from nmt.config import Config

logger = logging.getLogger(__name__)


def graphs_of_checkpoint(run: Run, folder: Path, vocabularies: Vocabularies, precision: Arithmetic) -> Graphs:
    """Return the graphs of a checkpoint folder; make and keep them if they are missing, damaged or of other weights.

    Raise `NmtError` if the weights are damaged or do not fit the configuration, and its subclass `NoGraphsError` if the
    graphs are missing and cannot be made.
    """
    kept = folder / f"graphs-{precision}"
    if (found := _load(kept)) is not None:
        return found
    if importlib.util.find_spec("onnx") is None:
        raise NoGraphsError(
            f"{folder} has no {precision} graphs yet, and the package onnx, which makes them, is not installed",
            "install onnx (pip install onnx)",
            "give a folder that 'nmt export' has written elsewhere",
        )
    start = time.perf_counter()
    graphs = make_graphs(run, folder, vocabularies, precision)
    where = _keep(kept, graphs)
    logger.info(f"made {precision} graphs of {folder.name} in {time.perf_counter() - start:.1f} s; {where}")
    return graphs


def read_settings(run: Run, folder: Path) -> ModelSettings:
    """Return the settings of a run: those beside the graphs of a checkpoint folder, if they are of the same config.

    Reading them there is faster than reading the config, and needs no schema.
    """
    for place in [folder] if run.is_exported else [folder / "graphs-int8", folder / "graphs-fp32"]:
        with contextlib.suppress(NmtError, OSError, KeyError, TypeError):
            if (place / NAME).exists():
                found = read_description(place, "")
                if found.config == checksums.digest(run.config_file):
                    return ModelSettings.from_json(found.settings)
    return ModelSettings.of(_load_config(run))


def update_settings(run: Run, before: str) -> None:
    """Update the settings beside the graphs of a run whose config.yaml had the checksum `before`.

    The caller has changed the file, but nothing that the graphs depend on. Settings that cannot be written are ignored:
    `read_settings` then reads the config.
    """
    config, digest = _load_config(run), checksums.digest(run.config_file)
    for path in run.checkpoints.glob(f"*/graphs-*/{NAME}"):
        with contextlib.suppress(NmtError):
            old = read_description(path.parent, "")
            if old.config == before:
                new = replace(old, config=digest, settings=ModelSettings.of(config).to_json())
                write_atomically(path, new.to_text(), "")


def make_graphs_of_best(run: Run) -> None:
    """Make the graphs that the first translation with a finished run will use. If that fails, log why."""
    try:
        graphs_of_checkpoint(run, run.checkpoint(), Vocabularies.load(run.subword), "int8")
    except (NmtError, MemoryError) as error:
        logger.info(f"no graphs for translation: {str(error) or 'out of memory'}")


def make_graphs(run: Run, folder: Path, vocabularies: Vocabularies, precision: Arithmetic) -> Graphs:
    """Return the graphs of a checkpoint folder.

    Raise `NmtError` if it is damaged or does not fit the configuration, and its subclass `NoGraphsError` if the graphs
    would be too large.
    """
    from nmt.runtime.network import build_graphs

    config, path = _load_config(run), folder / "model.safetensors"
    checksums.verify_file(path)
    try:
        weights = load_file(path)
    except (SafetensorError, OSError) as error:
        raise checksums.corruption_error(path, str(error)) from None
    try:
        graphs = build_graphs(config.model, weights, "int8" if precision == "int8" else "fp32")
    except NmtError as error:
        raise type(error)(f"{path}: {error}") from None
    description = Description(
        precision,
        run=config.name,
        checkpoint=folder.name,
        weights=checksums.recorded_digest(path),
        config=checksums.digest(run.config_file),
        settings=ModelSettings.of(config).to_json(),
        vocabularies=vocabularies.fingerprint,
        source_size=vocabularies.source.size,
        target_size=vocabularies.target.size,
    )
    return Graphs(graphs.encoder.SerializeToString(), graphs.decoder.SerializeToString(), description)


def _load(kept: Path, is_quiet: bool = False) -> Graphs | None:
    """Return the graphs in a folder if this version made them from the weights beside it, else None.

    Log why they cannot be used if they are damaged or have another format, unless `is_quiet`.

    Raise `NmtError` if the weights have changed since then and do not have their recorded checksum.
    """
    described, weights = kept / NAME, kept.parent / "model.safetensors"
    try:
        if not described.is_file():
            return None
        graphs = load_graphs(kept, "the graphs are made again")
    except NmtError as error:
        if not is_quiet:
            logger.info(str(error))
        return None
    if weights.stat().st_mtime_ns >= described.stat().st_mtime_ns:
        checksums.verify_file(weights)
    is_current = graphs.description.weights == checksums.recorded_digest(weights)
    return graphs if is_current and graphs.description.exporter == EXPORTER else None


def _keep(kept: Path, graphs: Graphs) -> str:
    """Write the graphs to a folder, and say where they are. Another process may write the same ones."""
    try:
        with build_folder(kept, lambda: _load(kept, is_quiet=True) is not None) as partial:
            if partial is not None:
                graphs.save(partial)
    except OSError as error:
        return f"not kept: {error.filename or kept.parent}: {error.strerror or error}"
    return f"kept in {kept}"


def _load_config(run: Run) -> "Config":
    from nmt.config import load_run_config

    return load_run_config(run)
