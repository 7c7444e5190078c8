"""Translate many files to a folder with the nodes of a Ray cluster, whose actors hold the model."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nmt.cluster.actors import ActorSize, RayActors
from nmt.cluster.connection import Cluster, connected
from nmt.cluster.node_checks import check_nodes
from nmt.decoding.file_manifest import REMEDY
from nmt.decoding.file_parts import FilePart
from nmt.decoding.files_job import FilesJob
from nmt.decoding.loading import Checkpoint, find_checkpoints, load_translator
from nmt.decoding.part_translation import PartResult, PartTranslator
from nmt.decoding.search_options import SearchOptions
from nmt.decoding.translate_files import translate_to_folder
from nmt.decoding.translate_lines import TranslationJob
from nmt.engine import Device, EngineName, Precision
from nmt.errors import NmtError
from nmt.storage.atomic_files import convert_write_errors
from nmt.storage.cores import available_cores


@dataclass(frozen=True)
class RayOptions:
    """The cluster, and what an actor needs of its node."""

    address: str
    """See `nmt.cluster.connection.connected`."""
    cpus: int = 1
    gpus: float | None = None
    """None is one GPU if the cluster has any that the model may use."""


@dataclass(frozen=True)
class PartWorker:
    """A loaded translator."""

    identity: dict[str, Any]
    translator: PartTranslator

    def __call__(self, part: FilePart) -> PartResult:
        """Translate a part to its file."""
        return self.translator.translate(part)


@dataclass(frozen=True)
class Recipe:
    """How an actor loads the translator. It can be pickled."""

    folders: list[Path]
    """Absolute paths of the checkpoints, or of exported models."""
    engine: EngineName
    device: Device
    precision: Precision
    search: SearchOptions
    job: TranslationJob

    @classmethod
    def of(
        cls,
        found: Sequence[Checkpoint],
        engine: EngineName,
        device: Device,
        precision: Precision,
        search: SearchOptions,
        job: TranslationJob,
    ) -> "Recipe":
        """Return the recipe for these checkpoints, even if others get their names, such as best, meanwhile."""
        folders = [(each.run.folder if each.run.is_exported else each.folder).absolute() for each in found]
        return cls(folders, engine, device, precision, search, replace(job, prefixes=None))

    def __call__(self) -> PartWorker:
        """Load the translator in this process."""
        found = find_checkpoints(self.folders, None)
        loaded = load_translator(found, self.engine, self.device, self.precision, self.search.shortlist)
        loaded.translator.lines.check(self.search)
        made_with = {**loaded.identity(), **self.job.identity(self.search)}
        return PartWorker(made_with, PartTranslator(loaded, self.search, self.job))

    def actor_size(self, cluster: Cluster, options: RayOptions) -> ActorSize:
        """Return what an actor needs. Raise NmtError if no node has it."""
        gpus = options.gpus
        if gpus is None:
            gpus = 1.0 if self.device != "cpu" and self.engine != "onnx" and cluster.total("GPU") else 0.0
        size = ActorSize(options.cpus, gpus)
        if not any(map(size.count, cluster.nodes)):
            raise NmtError(
                f"no node of the Ray cluster has {size.cpus:g} CPUs and {size.gpus:g} GPUs; change --ray-cpus or "
                "--ray-gpus"
            )
        return size


def translate_with_ray(recipe: Recipe, files: FilesJob, options: RayOptions) -> None:
    """Translate files to a folder like `translate_files`, on the nodes of a cluster that see the same files.

    The actors write the parts themselves; only facts about them come back. Raise NmtError as `translate_files`, and if
    the cluster cannot be used.
    """
    files = replace(files, folder=files.folder.absolute())
    with convert_write_errors(files.folder, "name another folder"):
        files.folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        cluster = stack.enter_context(connected(options.address, available_cores()))
        size = recipe.actor_size(cluster, options)
        with convert_write_errors(files.folder, REMEDY):
            check_nodes(cluster, [*recipe.folders, *files.inputs], [files.folder])
        actors = stack.enter_context(RayActors[FilePart, PartResult](cluster, recipe, size))
        translate_to_folder(files, actors.identity(), lambda parts, on_batch: _work(actors, parts))


def _work(actors: RayActors[FilePart, PartResult], parts: Sequence[FilePart]) -> Iterator[PartResult]:
    """Yield the results of the parts. After an error the other parts of the file are left out."""
    failed: set[str] = set()
    for result in actors.map((part for part in parts if part.output not in failed), len(parts)):
        if result.error is not None:
            failed.add(result.part.output)
        yield result
