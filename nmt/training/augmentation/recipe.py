"""What `nmt augment` and `nmt distill` have in common: what the user asked for, and the steps of both.

data/NAME/manifest.json    options, inputs, and the results of finished steps
data/NAME/text/            what is translated (`texts`)
data/NAME/hypotheses/      its translations, with scores (`translation`)
data/NAME/corpora/         the synthetic pairs (`corpora`)
data/NAME/subword/         the subword model of the final model, unless it has its own
data/NAME/NAME.yaml        the configuration of the final model
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from nmt.config import load
from nmt.corpora.synthetic_pairs import Limits
from nmt.storage.atomic_files import write_atomically
from nmt.storage.run_folder import RUNS, Run
from nmt.training.augmentation import configurations
from nmt.training.augmentation.configurations import CorpusEntry
from nmt.training.augmentation.corpora import CorpusMaker, Translated
from nmt.training.augmentation.models import (
    Train,
    Translator,
    check_name,
    check_one_direction,
    find_unchanged,
    train_once,
)
from nmt.training.augmentation.state import REMEDY, Result, State, Step
from nmt.training.augmentation.translation import Translations, is_begun

FOLDER = Path("data")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user asked for, in both commands."""

    config_file: Path
    """The configuration of the model to train in the end."""
    overrides: tuple[str, ...] = ()
    """Values section.key=value for every model of this configuration."""
    final_overrides: tuple[str, ...] = ()
    """Values for the final model only."""
    name: str = ""
    """Name of the final run; default NAME-augmented or NAME-distilled."""
    checkpoint: str | None = None
    """The checkpoint that translates; None is the best one."""
    search: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `SearchOptions` that differ from the configuration of the model that translates."""
    limits: Limits = field(default_factory=Limits)
    trains: bool = True
    """Whether to train the final model."""
    command: str = "the same command"
    """The command that continues after an interruption."""


class Recipe:
    """The steps of a request. A subclass sets `state`, `_maker` and `_translations`, and names what is translated."""

    request: Request
    state: State
    _maker: CorpusMaker
    _translations: Translations

    def __init__(self, request: Request, suffix: str) -> None:
        """Check what both commands check; the default name is that of the configuration with `suffix`."""
        self.request, self.config = request, load(request.config_file, request.overrides)
        check_one_direction(self.config, request.config_file)
        self.name = request.name or f"{self.config.name}-{suffix}"
        check_name(self.name)
        configurations.check_overrides(self.config, self.name, request.final_overrides)
        self.folder = FOLDER / self.name

    @property
    def config_file(self) -> Path:
        """The configuration of the final model."""
        return self.folder / f"{self.name}.yaml"

    @property
    def final_run(self) -> Run:
        """The run of the final model."""
        return Run(RUNS / self.name)

    def _translation_step(self, translator: Translator, each: Translated) -> Step:
        source, output = self._files(each)
        names = " + ".join(map(str, translator.runs))
        action = partial(self._translate, translator, each)
        return Step(f"translate {each.name}", f"translate {source} with {names}", action, partial(is_begun, output))

    def _last_steps(self, train: Train) -> list[Step]:
        """Return the steps after the last translation; `train` trains a model."""
        found = [
            Step("pairs", f"write the pairs to {self._maker.folder}", self._make_pairs),
            Step("config", f"write {self.config_file}", self._write_config),
        ]
        if self.request.trains:
            action = partial(self._train_final, train)
            about = f"train {self.final_run.folder}"
            found.append(Step("final", about, action, lambda: self.final_run.can_resume))
        return found

    def _files(self, each: Translated) -> tuple[Path, Path]:
        """Return the file to translate and the file of the hypotheses."""
        return each.text.path(self.folder / "text", each.original), each.hypotheses(self.folder / "hypotheses")

    def _translate(self, translator: Translator, each: Translated) -> Result:
        recorded = self.state.results[f"model {translator.name}"]
        models = find_unchanged(translator, self.request.checkpoint, recorded)
        return self._translations.translate(models, *self._files(each))

    def _make_pairs(self) -> Result:
        raise NotImplementedError

    def _write_config(self) -> Result:
        raise NotImplementedError

    def _save_config(
        self, entries: Sequence[CorpusEntry], subword: Path | None, head: Sequence[str], tag: str | None = None
    ) -> Result:
        """Write the configuration that trains on `entries`, with comments and the lines `head` at its start."""
        config = configurations.final(self.config, self.name, entries, self.request.final_overrides, subword, tag)
        first = [f"Written by: {self.request.command}", f"Train: nmt train --config {self.config_file}"]
        write_atomically(self.config_file, configurations.as_yaml(config, entries, [*first, *head]), REMEDY)
        return {"file": str(self.config_file)}

    def _train_final(self, train: Train) -> Result:
        config = load(self.config_file)
        train_once(config, train)
        return {"run": str(config.run)}
