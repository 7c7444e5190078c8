"""The models that translate: train those of the command, and identify all of them by their weights."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nmt.config import Config, load_run_config
from nmt.config.model_settings import TextSettings
from nmt.config.schema import NAME
from nmt.data.language_names import parse_code
from nmt.decoding.loading import Checkpoint, find_checkpoints
from nmt.decoding.resumable_output import differences
from nmt.errors import NmtError
from nmt.storage.run_folder import RENAME_REMEDY, Run
from nmt.training.augmentation.state import Result, identity_of_config

Train = Callable[[Config, bool], object]
"""Trains a configuration to the end; the second argument is whether to resume its run. If training is stopped, it does
not return."""
UNNAMED = ("src", "tgt")
"""The defaults of the languages of a configuration, which name none."""


@dataclass(frozen=True)
class Translator:
    """A model, or an ensemble, that translates text for a corpus."""

    name: str
    """As in the manifest, e.g. forward-1."""
    runs: tuple[Path, ...]
    config: Config | None = None
    """The configuration to train; None for runs of the user."""


def is_training_begun(translator: Translator) -> bool:
    """Return whether a model that is to be trained has a checkpoint."""
    return translator.config is not None and Run(translator.config.run).can_resume


def train_once(config: Config, train: Train) -> None:
    """Train the run of a configuration, or resume it; do nothing if it is finished.

    Raise `NmtError` if there is a run of this name with other settings.
    """
    run = Run(config.run)
    exists = run.can_resume or run.finished.exists()
    stored = load_run_config(run) if exists else config
    if changes := differences(identity_of_config(stored), identity_of_config(config)):
        raise NmtError(f"{run.folder}: a run with other settings ({'; '.join(changes)}); remove it, or {RENAME_REMEDY}")
    if not run.finished.exists():
        train(config, run.can_resume)


def identity(models: Sequence[Path], checkpoint: str | None) -> Result:
    """Return the names and the weights of checkpoints, as JSON values."""
    return {"weights": {str(each.folder): each.weights for each in find_checkpoints(models, checkpoint)}}


def find_unchanged(translator: Translator, checkpoint: str | None, recorded: Result) -> list[Checkpoint]:
    """Return the checkpoints of a translator. Raise `NmtError` unless they have the weights that were `recorded`."""
    found = find_checkpoints(translator.runs, checkpoint)
    now = {str(each.folder): each.weights for each in found}
    if changes := differences(recorded["weights"], now):
        raise NmtError(
            f"{' and '.join(map(str, translator.runs))}: other weights than when the first text was translated "
            f"({'; '.join(changes)}); put the run back, or start over with another --name"
        )
    return found


def check_name(name: str) -> None:
    """Raise `NmtError` if a run cannot have this name."""
    if not re.fullmatch(NAME, name):
        raise NmtError(f"--name {name}: a name consists of letters, digits, '_', '-' and '.'")


def check_one_direction(config: Config, where: Path) -> None:
    """Raise `NmtError` if a configuration is for a model of several translation directions."""
    data = config.data
    if data.tags or len(data.directions) > 1:
        what = f"has tags ({', '.join(data.tags)})" if data.tags else "has corpora of several languages"
        raise NmtError(f"{where}: {what}; this command needs the configuration of a model of one direction")


def check_languages(models: Sequence[Path], languages: Sequence[str], option: str) -> list[Checkpoint]:
    """Raise `NmtError` if a model translates between other languages, where both name theirs; return the models."""
    found = find_checkpoints(models, None)
    for path, each in zip(models, found, strict=True):
        text: TextSettings = each.settings.text
        own = (text.source_language, text.target_language)
        if any(not _is_same_language(a, b) for a, b in zip(own, languages, strict=True)):
            raise NmtError(
                f"{option} {path}: translates from {own[0]} to {own[1]}; a model from {languages[0]} to {languages[1]} "
                "is needed"
            )
        if len(text.training_tags) > 1 and "" not in text.training_tags:
            raise NmtError(f"{option} {path}: has several translation directions; a model of one direction is needed")
    return found


def _is_same_language(one: str, other: str) -> bool:
    if {one, other} & {*UNNAMED}:
        return True
    return parse_code(one).language == parse_code(other).language
