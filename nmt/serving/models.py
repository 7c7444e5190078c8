"""The models that the server has loaded, and the translation directions that they serve."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from nmt.config.model_settings import Direction
from nmt.decoding.loading import find_checkpoints, load_translator
from nmt.decoding.search_options import SearchOptions
from nmt.decoding.translator import Translator
from nmt.engine import Device, EngineName, Precision
from nmt.serving.limits import ApiError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ServedModel:
    """A loaded model."""

    name: str
    """Unique among the served models."""
    checkpoint: str
    translator: Translator
    directions: tuple[Direction, ...]

    @property
    def has_attention(self) -> bool:
        """Whether it has alignments."""
        return self.translator.has_attention

    def options(self, changes: Mapping[str, Any]) -> SearchOptions:
        """Return the options of a search: those of the run with the `changes`. Raise `NmtError` if they are wrong."""
        return _changed(self.translator.options, tuple(sorted(changes.items())))


@lru_cache(maxsize=256)
def _changed(options: SearchOptions, changes: tuple[tuple[str, Any], ...]) -> SearchOptions:
    """Return changed options. Validating them takes longer than encoding a sentence."""
    return options.changed(**dict(changes))


@dataclass(frozen=True)
class Models:
    """All models that are served at the same time."""

    models: tuple[ServedModel, ...]
    _by_languages: dict[tuple[str, str], tuple[ServedModel, Direction]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Index the directions; the first model of a direction serves it."""
        for model in self.models:
            for direction in model.directions:
                self._by_languages.setdefault((direction.source, direction.target), (model, direction))

    @property
    def sources(self) -> list[str]:
        """The source languages, in the order of the models."""
        return list(dict.fromkeys(source for source, _ in self._by_languages))

    @property
    def codes(self) -> list[str]:
        """All languages, in the order of the models."""
        return list(dict.fromkeys([*self.sources, *(target for _, target in self._by_languages)]))

    def targets(self, source: str) -> list[str]:
        """Return the languages into which `source` can be translated."""
        return [target for found, target in self._by_languages if found == source]

    def find_code(self, code: str) -> str:
        """Return the served language that a client means: de for DE and de-AT. Raise `ApiError` for others."""
        wanted = code.replace("_", "-").lower()
        served = {each.replace("_", "-").lower(): each for each in reversed(self.codes)}
        while wanted:
            if wanted in served:
                return served[wanted]
            wanted = wanted.rpartition("-")[0]
        raise ApiError(400, f"{code} is not supported")

    def find(self, source: str, target: str) -> tuple[ServedModel, Direction]:
        """Return the model for two served languages. Raise `ApiError` if there is none."""
        found = self._by_languages.get((source, target))
        if found is None:
            raise ApiError(400, f"{target} is not available as a target language from {source}")
        return found

    def named(self, name: str) -> ServedModel:
        """Return a model by its name. Raise `ApiError` if there is none."""
        for model in self.models:
            if model.name == name:
                return model
        names = ", ".join(model.name for model in self.models)
        raise ApiError(400, f"Invalid request: there is no model {name}; the models are: {names}")


@dataclass(frozen=True)
class ModelLoader:
    """What the command line says about the models; called again on SIGHUP."""

    paths: Sequence[Path]
    """Runs, checkpoint folders or exported folders; empty for the newest run."""
    checkpoint: str | None
    engine: EngineName
    device: Device
    precision: Precision

    def load(self) -> Models:
        """Load all models. Raise `NmtError` if one cannot be loaded."""
        found: list[ServedModel] = []
        for paths in [[path] for path in self.paths] or [[]]:
            [checkpoint] = find_checkpoints(paths, self.checkpoint)
            loaded = load_translator([checkpoint], self.engine, self.device, self.precision)
            settings = checkpoint.settings
            name = _unique(settings.name, [model.name for model in found])
            model = ServedModel(name, loaded.checkpoints[0].name, loaded.translator, settings.text.directions)
            _report(model, found)
            found.append(model)
        return Models(tuple(found))


def _unique(name: str, others: Sequence[str]) -> str:
    number = 2
    unique = name
    while unique in others:
        unique, number = f"{name}-{number}", number + 1
    return unique


def _report(model: ServedModel, others: Sequence[ServedModel]) -> None:
    """Log the directions of a model, and warn about those that another one serves or that have no language code."""
    served = {(each.source, each.target): other.name for other in others for each in other.directions}
    for direction in model.directions:
        pair = direction.source, direction.target
        if pair in served:
            logger.warning(
                f"model {model.name}: {direction.source} to {direction.target} is served by {served[pair]}, which is "
                f'named first; only requests to /v1/translate with "model": "{model.name}" use {model.name}'
            )
        served.setdefault(pair, model.name)
        if pair == ("src", "tgt"):
            logger.warning(
                f"model {model.name}: its configuration names no languages (data.source_language, "
                "data.target_language); clients must use the codes src and tgt"
            )
    directions = ", ".join(dict.fromkeys(f"{each.source} to {each.target}" for each in model.directions))
    logger.info(f"serving {model.name} ({model.checkpoint}): {directions}")
