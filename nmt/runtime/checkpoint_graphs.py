"""The graphs of a checkpoint, kept beside its weights in `checkpoints/step-N/graphs-PRECISION/`.

They are made when training ends and at the first use. The checksum of the weights in their description says whether
they belong to the checkpoint. If the folder cannot be written, they are made in memory each time.
"""

import importlib.util
import logging
import time
from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import load_file

from nmt.config import Config, load_run_config
from nmt.data.subword import Vocabularies
from nmt.engine import Arithmetic
from nmt.errors import NmtError
from nmt.runtime.graph_files import EXPORTER, NAME, Description, Graphs, NoGraphsError, load_graphs
from nmt.storage import checksums
from nmt.storage.atomic_folder import build_folder
from nmt.storage.run_folder import Run

logger = logging.getLogger(__name__)


def graphs_of_checkpoint(folder: Path, config: Config, vocabularies: Vocabularies, precision: Arithmetic) -> Graphs:
    """Return the graphs of a checkpoint folder; make and keep them if they are missing, damaged or of other weights.

    Raise `NmtError` if the weights are damaged or do not fit `config`, and its subclass `NoGraphsError` if the graphs
    are missing and cannot be made.
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
    graphs = make_graphs(folder, config, vocabularies, precision)
    where = _keep(kept, graphs)
    logger.info(f"made {precision} graphs of {folder.name} in {time.perf_counter() - start:.1f} s; {where}")
    return graphs


def make_graphs_of_best(run: Run) -> None:
    """Make the graphs that the first translation with a finished run will use. If that fails, log why."""
    try:
        config, vocabularies = load_run_config(run), Vocabularies.load(run.subword)
        graphs_of_checkpoint(run.checkpoint(), config, vocabularies, "int8")
    except (NmtError, MemoryError) as error:
        logger.info(f"no graphs for translation: {str(error) or 'out of memory'}")


def make_graphs(folder: Path, config: Config, vocabularies: Vocabularies, precision: Arithmetic) -> Graphs:
    """Return the graphs of a checkpoint folder.

    Raise `NmtError` if it is damaged or does not fit `config`, and its subclass `NoGraphsError` if the graphs would be
    too large.
    """
    from nmt.runtime.network import build_graphs

    path = folder / "model.safetensors"
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
