"""From what the user names (a run, a checkpoint folder, nothing) to a loaded translator."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from nmt.config import TEXT_KEYS, Config, load_run_config
from nmt.data.source_lengths import read_usual
from nmt.data.subword import Vocabularies
from nmt.decoding.translator import Translator
from nmt.errors import NmtError
from nmt.kernels.allocator import keep_freed_memory
from nmt.kernels.device import Precision
from nmt.kernels.openmp import share_cores
from nmt.storage import checksums
from nmt.storage.run_folder import Run, find_run

TRIES = 10
"""How often checkpoints are looked for that a training removes or replaces at the same time."""
PAUSE = 0.1
"""Seconds until a checkpoint that is being replaced is looked for again."""

Report = Callable[[str], None]


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was chosen."""

    run: Run
    which: str
    """What was asked for: best, last, averaged or step-N."""
    folder: Path
    """What that was when it was looked up."""

    @property
    def config(self) -> Config:
        """The configuration of the run."""
        return load_run_config(self.run)

    @property
    def weights(self) -> Path:
        """The file of the weights."""
        return self.folder / "model.safetensors"

    def again(self) -> "Checkpoint":
        """Look it up again."""
        return dataclasses.replace(self, folder=self.run.checkpoint(self.which))


@dataclass(frozen=True)
class LoadedTranslator:
    """A translator and where it is from."""

    translator: Translator
    checkpoints: list[Checkpoint]
    """One, or several of an ensemble; with the folders that were loaded."""
    weights: list[str]
    """The checksum of the weights of each."""
    shortlist: int

    @property
    def usual_tokens(self) -> int | None:
        """Source tokens that 99.9 % of the training lines do not exceed; None where that is not known."""
        known = [usual for each in self.checkpoints if (usual := read_usual(each.run.lengths)) is not None]
        return min(known, default=None)

    def identity(self) -> dict[str, Any]:
        """Return what a translation depends on besides the settings, as JSON values."""
        data, kept = self.checkpoints[0].config.data, (*TEXT_KEYS, "tags")
        return {
            "model": [f"{each.config.name}/{each.folder.name} {sum}" for each, sum in self._sums()],
            "subword model": Vocabularies.load(self.checkpoints[0].run.subword).fingerprint,
            "text": {key: getattr(data, key) for key in kept},
            "shortlist": self.shortlist,
            "lexicon": checksums.digest(self.checkpoints[0].run.lexicon) if self.shortlist else None,
            "arithmetic": f"{self.translator.device.type} {self.translator.arithmetic}",
        }

    def _sums(self) -> list[tuple[Checkpoint, str]]:
        return list(zip(self.checkpoints, self.weights, strict=True))


def find_checkpoints(models: Sequence[Path], which: str | None, say: Report = lambda line: None) -> list[Checkpoint]:
    """Return the checkpoint of each of `models`, or of the run that `find_run` takes if there is none.

    A model is a run folder or a checkpoint folder inside one; `which` (best, last, averaged, step-N) overrides the
    checkpoint. `say` gets a line about what was taken and why. Raises `NmtError` naming the folder.
    """
    found = []
    asked: Sequence[Path | None] = models or [None]
    for run, name, why in map(find_run, asked):
        checkpoint = run.checkpoint(which or name)
        say(f"model {run.folder} ({why}), checkpoint {checkpoint.relative_to(run.checkpoints)}")
        found.append(Checkpoint(run, which or name, checkpoint))
    return found


def load_translator(
    found: Sequence[Checkpoint],
    device: Literal["auto", "cpu", "cuda"],
    precision: Precision,
    shortlist: int = 0,
    say: Report = lambda line: None,
) -> LoadedTranslator:
    """Load what `find_checkpoints` found, and `say` where it runs.

    A checkpoint that a training has removed or replaced meanwhile is looked up again.
    """
    keep_freed_memory()
    share_cores(torch.get_num_threads())
    start = time.perf_counter()
    chosen = list(found)
    for last in range(TRIES, -1, -1):
        before = [_state(each) for each in chosen]
        try:
            pairs = [(each.run, each.folder) for each in chosen]
            translator = Translator.load(pairs, device, precision, shortlist)
            weights = [checksums.of(each.weights) for each in chosen]
        except (NmtError, OSError):
            chosen = _again(chosen)
            if not last or before == [_state(each) for each in chosen]:
                raise
            say(f"removed or replaced meanwhile; checkpoint {', '.join(each.folder.name for each in chosen)}")
            continue
        break
    say(f"loaded on {translator.device.type} in {translator.arithmetic} in {time.perf_counter() - start:.2f} s")
    return LoadedTranslator(translator, chosen, weights, shortlist)


def _again(chosen: Sequence[Checkpoint]) -> list[Checkpoint]:
    """Look up checkpoints again; raises `NmtError` if one is still missing after a moment."""
    for _ in range(TRIES):
        try:
            return [each.again() for each in chosen]
        except NmtError:
            time.sleep(PAUSE)
    return [each.again() for each in chosen]


def _state(checkpoint: Checkpoint) -> tuple[Path, int, int] | None:
    """Return what changes when another folder takes the place of a checkpoint; None if there is none."""
    try:
        found = checkpoint.folder.stat()
    except OSError:
        return None
    return checkpoint.folder, found.st_ino, found.st_mtime_ns
