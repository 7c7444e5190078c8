"""The graphs of a checkpoint, kept beside its weights in `checkpoints/step-N/graphs-PRECISION/`.

They are made when training ends and at the first use of an older run. The checksum of the weights in their description
says whether they belong to the checkpoint. If the folder cannot be written, they are made in memory each time.
"""

import contextlib
import importlib.util
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError
from safetensors.numpy import load_file

from nmt.config.model_settings import ModelSettings
from nmt.data.subword import Vocabularies
from nmt.engine import Arithmetic
from nmt.errors import NmtError
from nmt.runtime.graph_files import NAME, Graphs, load_graphs, read_description
from nmt.storage import checksums
from nmt.storage.atomic_folder import build_folder
from nmt.storage.run_folder import Run

if TYPE_CHECKING:
    from nmt.config import Config

logger = logging.getLogger(__name__)


def graphs_of_checkpoint(run: Run, folder: Path, vocabularies: Vocabularies, precision: Arithmetic) -> Graphs:
    """Return the graphs of a checkpoint folder; make and keep them if they are missing, damaged or of other weights.

    Raise `NmtError` if the weights are damaged or do not fit the configuration, or if the packages that make graphs are
    missing.
    """
    kept = folder / f"graphs-{precision}"
    weights = checksums.recorded_digest(folder / "model.safetensors")
    if (found := _load(kept, weights)) is not None:
        return found
    if importlib.util.find_spec("onnx") is None:
        raise NmtError(
            f"{folder} has no {precision} graphs yet, and making them needs the package onnx: pip install onnx, or run "
            f"'nmt export' where nmt is installed completely, and use the exported folder"
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
                if found["config"] == checksums.digest(run.config_file):
                    return ModelSettings.from_json(found["settings"])
    return ModelSettings.of(_load_config(run))


def make_graphs(run: Run, folder: Path, vocabularies: Vocabularies, precision: Arithmetic) -> Graphs:
    """Return the graphs of a checkpoint folder. Raise `NmtError` if it is damaged or does not fit the configuration."""
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
        raise NmtError(f"{path}: {error}") from None
    sizes = vocabularies.source.size, vocabularies.target.size
    return Graphs(
        graphs.encoder.SerializeToString(),
        graphs.decoder.SerializeToString(),
        precision,
        vocabularies.fingerprint,
        *sizes,
        run=config.name,
        checkpoint=folder.name,
        weights=checksums.recorded_digest(path),
        config=checksums.digest(run.config_file),
        settings=ModelSettings.of(config).to_json(),
    )


def _load(kept: Path, weights: str) -> Graphs | None:
    """Return the graphs in a folder if they belong to the `weights`, else None."""
    if not (kept / NAME).exists():
        return None
    try:
        graphs = load_graphs(kept, "")
    except NmtError as error:
        logger.warning(f"{str(error).rstrip('; ')}; the graphs are made again")
        return None
    return graphs if graphs.weights == weights else None


def _keep(kept: Path, graphs: Graphs) -> str:
    """Write the graphs to a folder, and say where they are. Another process may write the same ones."""
    try:
        with build_folder(kept, lambda: _load(kept, graphs.weights) is not None) as partial:
            if partial is not None:
                graphs.save(partial, {})
    except OSError as error:
        return f"not kept: {kept.parent}: {error.strerror or error}"
    return f"kept in {kept}"


def _load_config(run: Run) -> "Config":
    from nmt.config import load_run_config

    return load_run_config(run)
