"""Translate many files to a folder with the nodes of a Ray cluster, whose actors hold the model."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt.cluster.actors import ActorSize, RayActors
from nmt.cluster.connection import connected
from nmt.cluster.node_checks import check_nodes
from nmt.decoding.file_parts import FilePart
from nmt.decoding.files_job import FilesJob
from nmt.decoding.loading import Checkpoint, find_checkpoints, load_translator
from nmt.decoding.output_folder import make_output_folder
from nmt.decoding.part_translation import PartResult, PartTranslator
from nmt.decoding.search_options import SearchOptions
from nmt.decoding.translate_files import finish_in_folder
from nmt.decoding.translate_lines import TranslationJob
from nmt.engine import Device, EngineName, Precision
from nmt.errors import NmtError
from nmt.storage.cores import available_cores


@dataclass(frozen=True)
class RayOptions:
    """The cluster and what an actor needs of its node."""

    address: str
    """See `nmt.cluster.connection.connected`."""
    cpus: int = 1
    gpus: float | None = None
    """None is one GPU if the cluster has any and the model may use it."""


@dataclass(frozen=True)
class TranslatorRecipe:
    """Loads the translator in an actor. It can be pickled."""

    models: list[Path]
    checkpoint: str | None
    engine: EngineName
    device: Device
    precision: Precision
    search: SearchOptions
    job: TranslationJob

    def __call__(self) -> "_PartWorker":
        """Load the model in this process."""
        loaded = load_translator(
            find_checkpoints(self.models, self.checkpoint),
            self.engine, self.device, self.precision, self.search.shortlist,
        )  # fmt: skip
        search = self.job.fit_search(self.search, loaded)
        loaded.translator.lines.check(search)
        made_with = {**loaded.identity(), **self.job.identity(search)}
        return _PartWorker(made_with, PartTranslator(loaded, search, self.job))


@dataclass(frozen=True)
class _PartWorker:
    identity: dict[str, Any]
    translator: PartTranslator

    def __call__(self, part: FilePart) -> PartResult:
        return self.translator.translate(part)
