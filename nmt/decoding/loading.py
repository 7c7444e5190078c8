"""Find the checkpoints that the user names with --model and --checkpoint, and load them as a translator."""

import contextlib
import dataclasses
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from nmt.config import TEXT_KEYS, Config, load_run_config
from nmt.data.source_lengths import read_typical_length
from nmt.data.subword import Vocabularies
from nmt.decoding.translator import Translator
from nmt.errors import NmtError
from nmt.kernels.allocator import keep_freed_memory
from nmt.kernels.device import Precision
from nmt.kernels.openmp import share_cores
from nmt.storage import checksums
from nmt.storage.run_folder import Run, find_run

MAX_RETRIES = 10
"""How often checkpoints that a training run removes or replaces are looked up again."""
RETRY_DELAY = 0.1
"""Seconds until a checkpoint that is being replaced is looked up again."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint of a run."""

    run: Run
    which: str
    """The requested name: best, last, averaged or step-N."""
    folder: Path
    """The folder that had this name when it was looked up."""

    @property
    def config(self) -> Config:
        """The configuration of the run."""
        return load_run_config(self.run)

    def look_up_again(self) -> "Checkpoint":
        """Return the checkpoint that has the requested name now."""
        return dataclasses.replace(self, folder=self.run.checkpoint(self.which))


@dataclass(frozen=True)
class LoadedTranslator:
    """A translator and the checkpoints that it was loaded from."""

    translator: Translator
    checkpoints: list[Checkpoint]
    """One checkpoint, or those of an ensemble."""
    weights: list[str]
    """The checksum of the weights of each checkpoint."""
    shortlist: int

    @property
    def typical_length(self) -> int | None:
        """Source tokens that 99.9 % of the training lines do not exceed; None if this is not known."""
        lengths = [read_typical_length(each.run.lengths) for each in self.checkpoints]
        return min((length for length in lengths if length is not None), default=None)

    def identity(self) -> dict[str, Any]:
        """Return everything but the search options that a translation depends on, as JSON values."""
        data = self.checkpoints[0].config.data
        names = [f"{each.config.name}/{each.folder.name}" for each in self.checkpoints]
        return {
            "model": [f"{name} {checksum}" for name, checksum in zip(names, self.weights, strict=True)],
            "subword model": Vocabularies.load(self.checkpoints[0].run.subword).fingerprint,
            "text": {key: getattr(data, key) for key in (*TEXT_KEYS, "tags")},
            "shortlist": self.shortlist,
            "lexicon": checksums.digest(self.checkpoints[0].run.lexicon) if self.shortlist else None,
            "arithmetic": f"{self.translator.device.type} {self.translator.arithmetic}",
        }


def find_checkpoints(models: Sequence[Path], which: str | None) -> list[Checkpoint]:
    """Return the checkpoint of each of `models`, or of the run that `find_run` chooses if `models` is empty.

    A model is a run folder or a checkpoint folder inside one. `which` (best, last, averaged, step-N) overrides the
    checkpoint. Raise `NmtError` that names the folder if there is no such checkpoint.
    """
    found = []
    requested: Sequence[Path | None] = models or [None]
    for run, name, reason in map(find_run, requested):
        checkpoint = Checkpoint(run, which or name, run.checkpoint(which or name))
        logger.info(f"model {run.folder} ({reason}), checkpoint {checkpoint.folder.relative_to(run.checkpoints)}")
        found.append(checkpoint)
    return found


def load_translator(
    found: Sequence[Checkpoint], device: Literal["auto", "cpu", "cuda"], precision: Precision, shortlist: int = 0
) -> LoadedTranslator:
    """Load the checkpoints that `find_checkpoints` found.

    A checkpoint that a training run has removed or replaced in the meantime is looked up again.
    """
    keep_freed_memory()
    share_cores(torch.get_num_threads())
    start = time.perf_counter()
    checkpoints = list(found)
    for retries_left in range(MAX_RETRIES, -1, -1):
        before = [_folder_identity(each) for each in checkpoints]
        try:
            pairs = [(each.run, each.folder) for each in checkpoints]
            translator = Translator.load(pairs, device, precision, shortlist)
            weights = [checksums.recorded_digest(each.folder / "model.safetensors") for each in checkpoints]
            break
        except (NmtError, OSError):
            checkpoints = _look_up_again(checkpoints)
            if not retries_left or before == [_folder_identity(each) for each in checkpoints]:
                raise
            names = ", ".join(each.folder.name for each in checkpoints)
            logger.info(f"checkpoint removed or replaced while it was loaded; loading {names}")
    seconds = time.perf_counter() - start
    logger.info(f"loaded on {translator.device.type} in {translator.arithmetic} in {seconds:.2f} s")
    return LoadedTranslator(translator, checkpoints, weights, shortlist)


def _look_up_again(checkpoints: Sequence[Checkpoint]) -> list[Checkpoint]:
    """Look up checkpoints again. Raise `NmtError` if one of them is still missing after `MAX_RETRIES` delays."""
    for _ in range(MAX_RETRIES):
        with contextlib.suppress(NmtError):
            return [each.look_up_again() for each in checkpoints]
        time.sleep(RETRY_DELAY)
    return [each.look_up_again() for each in checkpoints]


def _folder_identity(checkpoint: Checkpoint) -> tuple[Path, int, int] | None:
    """Return values that change if another folder replaces that of the checkpoint; None if there is no folder."""
    try:
        found = checkpoint.folder.stat()
    except OSError:
        return None
    return checkpoint.folder, found.st_ino, found.st_mtime_ns
