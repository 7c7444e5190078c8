"""Find the checkpoints that the user names with --model and --checkpoint, and load them as a translator."""

import contextlib
import dataclasses
import functools
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.config.model_settings import TEXT_KEYS, ModelSettings
from nmt.data.lines import InvalidLines
from nmt.data.source_lengths import read_typical_length
from nmt.data.subword import Vocabularies
from nmt.data.training_words import TrainingWords, read_training_words
from nmt.decoding.engines import choose_machine, choose_torch_instead, load_engines
from nmt.decoding.ensemble import Ensemble, check_same_text
from nmt.decoding.input_warnings import InputWarnings
from nmt.decoding.translator import Translator
from nmt.engine import Device, EngineName, Precision
from nmt.errors import NmtError
from nmt.runtime.checkpoint_graphs import read_settings
from nmt.runtime.export import MAX_RETRIES, check_exported
from nmt.runtime.graph_files import EXPORT_REMEDY, NoGraphsError, read_description
from nmt.storage import checksums
from nmt.storage.run_folder import Run, find_run

RETRY_DELAY = 0.1
"""Seconds until a checkpoint that is being replaced is looked up again."""

if TYPE_CHECKING:
    from nmt.config import Config

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint of a run."""

    run: Run
    which: str
    """The requested name: best, last, step-N or that of a mean."""
    folder: Path
    """The folder that had this name when it was looked up."""

    @property
    def config(self) -> "Config":
        """The whole configuration of the run."""
        from nmt.config import load_run_config

        return load_run_config(self.run)

    @functools.cached_property
    def settings(self) -> ModelSettings:
        """What translating needs of the configuration."""
        return read_settings(self.run, self.folder)

    @property
    def weights(self) -> str:
        """The checksum of the weights."""
        if self.run.is_exported:
            return read_description(self.folder, EXPORT_REMEDY).weights
        return checksums.recorded_digest(self.folder / "model.safetensors")

    @property
    def name(self) -> str:
        """The name of the checkpoint: step-N or that of a mean."""
        if self.run.is_exported:
            return read_description(self.folder, EXPORT_REMEDY).checkpoint
        return self.folder.name

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

    @functools.cached_property
    def training_words(self) -> TrainingWords | None:
        """The words of the training sources of all models; None if those of one are not known."""
        paths = [each.run.words for each in self.checkpoints]
        return read_training_words(paths, self.checkpoints[0].settings.text.source_language)

    def input_warnings(self, name: str, invalid: InvalidLines | None = None, is_live: bool = False) -> InputWarnings:
        """Return what warns about the lines of the input `name`, of which `invalid` counts those of invalid UTF-8."""
        return InputWarnings(invalid or InvalidLines(name), self.typical_length, is_live, self.training_words)

    def identity(self) -> dict[str, Any]:
        """Return everything but the search options that a translation depends on, as JSON values."""
        text = self.checkpoints[0].settings.text
        names = [f"{each.settings.name}/{each.name}" for each in self.checkpoints]
        return {
            "model": [f"{name} {checksum}" for name, checksum in zip(names, self.weights, strict=True)],
            "subword model": self.translator.vocabularies.fingerprint,
            "text": {**{key: getattr(text, key) for key in TEXT_KEYS}, "tags": list(text.tags)},
            "shortlist": self.shortlist,
            "lexicon": checksums.digest(self.checkpoints[0].run.lexicon) if self.shortlist else None,
            "arithmetic": self.translator.machine.description,
        }


def load(
    model: str | Path | Sequence[str | Path],
    checkpoint: str | None = None,
    *,
    engine: EngineName = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
) -> Translator:
    """Load a trained model, ready to translate: a run folder, a checkpoint folder inside one, or an exported folder.

    Several models form an ensemble, which averages their probabilities. `checkpoint` is best (the default), last,
    step-N, averaged or another name of a mean. `engine` is onnx (ONNX Runtime, on the CPU) or torch; auto is torch if
    there is a GPU, else onnx. `precision` auto is int8 on a CPU, and bf16 on a GPU that supports it.

    Raise `NmtError` if there is no such model, if it is damaged, or if a package that it needs is not installed.
    """
    models = [model] if isinstance(model, (str, Path)) else model
    found = find_checkpoints([Path(each) for each in models], checkpoint)
    return load_translator(found, engine, device, precision).translator


def find_checkpoints(models: Sequence[Path], which: str | None) -> list[Checkpoint]:
    """Return the checkpoint of each of `models`, or of the run that `find_run` chooses if `models` is empty.

    A model is a run folder, a checkpoint folder inside one, or an exported folder. `which` (best, last, step-N,
    the name of a mean) overrides the checkpoint. Raise `NmtError` that names the folder if there is no such checkpoint,
    or if an exported folder is damaged.
    """
    found = []
    requested: Sequence[Path | None] = models or [None]
    for run, name, reason in map(find_run, requested):
        if run.is_exported:
            check_exported(run)
        checkpoint = Checkpoint(run, which or name, run.checkpoint(which or name))
        logger.info(f"model {run.folder} ({reason}), checkpoint {checkpoint.name}")
        found.append(checkpoint)
    return found


def load_translator(
    found: Sequence[Checkpoint], engine: EngineName, device: Device, precision: Precision, shortlist: int = 0
) -> LoadedTranslator:
    """Load the checkpoints that `find_checkpoints` found.

    A checkpoint that a training run has removed or replaced in the meantime is looked up again.
    """
    start = time.perf_counter()
    checkpoints = list(found)
    for retries_left in range(MAX_RETRIES, -1, -1):
        before = [_folder_identity(each) for each in checkpoints]
        try:
            translator = _load(checkpoints, engine, device, precision)
            if shortlist:
                translator.lines.check(translator.options.changed(shortlist=shortlist))
            weights = [each.weights for each in checkpoints]
            break
        except (NmtError, OSError):
            checkpoints = _look_up_again(checkpoints)
            if not retries_left or before == [_folder_identity(each) for each in checkpoints]:
                raise
            names = ", ".join(each.folder.name for each in checkpoints)
            logger.info(f"checkpoint removed or replaced while it was loaded; loading {names}")
    logger.info(f"loaded in {time.perf_counter() - start:.2f} s; {translator.machine.explanation}")
    return LoadedTranslator(translator, checkpoints, weights, shortlist)


def _load(checkpoints: Sequence[Checkpoint], engine: EngineName, device: Device, precision: Precision) -> Translator:
    """Load checkpoints. Raise `NmtError` if their subword models or their text normalisation differ."""
    runs = [each.run for each in checkpoints]
    vocabularies = [Vocabularies.load(run.subword) for run in runs]
    for run, vocabulary in zip(runs, vocabularies, strict=True):
        if vocabulary.fingerprint != vocabularies[0].fingerprint:
            raise NmtError(
                f"{runs[0].folder} and {run.folder} have different subword models; an ensemble needs runs that "
                "were trained on the same prepared data"
            )
    settings = [each.settings for each in checkpoints]
    for run, other in zip(runs, settings, strict=True):
        check_same_text(runs[0].folder, settings[0].text, run.folder, other.text)
    machine = choose_machine(engine, device, precision, [each.folder for each in checkpoints if each.run.is_exported])
    folders = [(each.run, each.folder) for each in checkpoints]
    try:
        engines = load_engines(folders, vocabularies[0], machine)
    except NoGraphsError as error:
        machine = choose_torch_instead(error, engine, device, precision, any(run.is_exported for run in runs))
        engines = load_engines(folders, vocabularies[0], machine)
    return Translator(
        engines[0] if len(engines) == 1 else Ensemble(engines),
        vocabularies[0],
        settings,
        machine,
        runs[0].lexicon.absolute(),
    )


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
