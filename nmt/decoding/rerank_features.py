"""The features of the hypotheses of an n-best list: their score, and how probable other models find them.

A weighted sum of features ranks the hypotheses (Och 2003). Log-probabilities are divided by the number of tokens, as in
the noisy channel of Yee et al. (2019), eq. 4: 1/t log p(y | x) + w/s log p(x | y), t target and s source tokens.
Axes: N hypotheses of a list, F features.
"""

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nmt.config.model_settings import Direction
from nmt.data.languages import parse_language
from nmt.decoding.loading import Checkpoint, LoadedTranslator
from nmt.decoding.n_best_lists import NBestList
from nmt.errors import NmtError

if TYPE_CHECKING:
    from nmt.data.language_detection import LanguageDetector

SCORE, BACKWARD, LENGTH = "score", "backward", "length"
"""Names of features; those of further models are "model 1", "model 2" and so on."""
LOWEST = -1000.0
"""Lowest value of a log-probability per token, in place of that of what a model can never generate."""
MIN_LETTERS = 200
"""Characters from which the languages of a text are detected."""
MIN_CONFIDENCE = 95.0
"""Confidence, in percent, from which a language counts as detected."""
_UNKNOWN_LANGUAGES = ("src", "tgt")
"""The defaults of the configuration, which name no language."""


@dataclass(frozen=True)
class Feature:
    """A feature, and the model that computes it."""

    name: str
    loaded: LoadedTranslator | None = None
    """None for the features of the list itself."""
    tag: str = ""
    """Tag that the model needs before what it reads."""

    @property
    def model(self) -> str:
        """The checkpoint of the model as RUN/CHECKPOINT; "" if there is none."""
        return "" if self.loaded is None else f"{self._first.settings.name}/{self._first.name}"

    @property
    def checksum(self) -> str:
        """The checksum of the weights of the model; "" if there is none."""
        return "" if self.loaded is None else self.loaded.weights[0]

    @property
    def folder(self) -> str:
        """The folder of the run of the model, for messages."""
        return "" if self.loaded is None else str(self._first.run.folder)

    @property
    def directions(self) -> Sequence[Direction]:
        """The translation directions of the model."""
        return () if self.loaded is None else self._first.settings.text.directions

    @property
    def _first(self) -> Checkpoint:
        assert self.loaded is not None
        return self.loaded.checkpoints[0]

    def values(self, lists: Sequence[NBestList], tokens_per_batch: int | None) -> Iterator[list[float]]:
        """Yield the values of the hypotheses of each list."""
        if self.name == SCORE:
            yield from ([float(one["score"]) for one in each.hypotheses] for each in lists)
        elif self.loaded is None:
            yield from ([_length_ratio(each.source, text) for text in each.texts] for each in lists)
        else:
            yield from self._log_probs(lists, tokens_per_batch)

    def _log_probs(self, lists: Sequence[NBestList], tokens_per_batch: int | None) -> Iterator[list[float]]:
        """Yield log p(target | source) per token of the target, or of the source for the backward model."""
        assert self.loaded is not None
        translator = self.loaded.translator
        pairs = (
            (text, each.source) if self.name == BACKWARD else (each.tagged_source, text)
            for each in lists
            for text in each.texts
        )
        size = tokens_per_batch or translator.options.tokens_per_batch
        scored = (
            max(LOWEST, math.fsum(values) / len(values))
            for _, values in translator.token_log_probs(pairs, size, self.tag)
        )
        for each in lists:
            yield [next(scored) for _ in each.hypotheses]


def features_of(
    backward: LoadedTranslator | None, models: Sequence[LoadedTranslator], tag: str = "", backward_tag: str = ""
) -> list[Feature]:
    """Return the features in their order: score, backward, model 1, …, length.

    Raise `NmtError` if the backward model does not translate from the target to the source language of the models.
    """
    found = [Feature(SCORE)]
    found += [] if backward is None else [Feature(BACKWARD, backward, backward_tag)]
    found += [Feature(f"model {number}", model, tag) for number, model in enumerate(models, 1)]
    _check_directions([feature for feature in found if feature.loaded is not None])
    return [*found, Feature(LENGTH)]


def matrices(
    features: Sequence[Feature], lists: Sequence[NBestList], tokens_per_batch: int | None
) -> list[NDArray[np.float64]]:
    """Return the features (N, F) of the hypotheses of each list."""
    columns = [feature.values(lists, tokens_per_batch) for feature in features]
    return [np.array(rows, np.float64).T for rows in zip(*columns, strict=True)]


def check_languages(features: Sequence[Feature], lists: Sequence[NBestList]) -> None:
    """Raise `NmtError` if the text of `lists` surely has the languages of a model, but the wrong way round.

    Without py3langid, which detects languages, nothing is checked.
    """
    sources, targets = " ".join(one.source for one in lists), " ".join(one.texts[0] for one in lists)
    for feature in features:
        pairs = {_languages(direction, is_backward=feature.name == BACKWARD) for direction in feature.directions}
        if len(pairs) != 1 or min(len(sources), len(targets)) < MIN_LETTERS:
            continue
        source, target = pairs.pop()
        try:
            is_swapped = _surely_is(sources, target, source) and _surely_is(targets, source, target)
        except ModuleNotFoundError:
            return
        if is_swapped:
            remedy = (
                "--backward needs a model from the language of the translations to that of the source lines"
                if feature.name == BACKWARD
                else "--model needs a model of the direction of the list"
            )
            raise NmtError(
                f"{feature.folder}: the list has translations from {target} to {source}, by their text; {remedy}"
            )


def _surely_is(text: str, language: str, other: str) -> bool:
    """Return whether a text is in a language and not in another one. Raise `ModuleNotFoundError` without py3langid."""
    if language == other or {language, other} & {*_UNKNOWN_LANGUAGES}:
        return False
    found = _detector(tuple(sorted((language, other)))).detect(text)
    return bool(found) and found[0].language == language and found[0].confidence >= MIN_CONFIDENCE


@functools.cache
def _detector(languages: tuple[str, ...]) -> "LanguageDetector":
    from nmt.data.language_detection import LanguageDetector

    return LanguageDetector(languages)


def _check_directions(features: Sequence[Feature]) -> None:
    """Raise `NmtError` if the models have no direction in common, that of the backward model reversed."""
    known: set[tuple[str, str]] = set()
    first: Feature | None = None
    for feature in features:
        is_backward = feature.name == BACKWARD
        pairs = {_languages(direction, is_backward) for direction in feature.directions}
        if any({*pair} & {*_UNKNOWN_LANGUAGES} for pair in pairs):
            continue
        if first is not None and not known & pairs:
            remedy = (
                "give one that translates in the opposite direction"
                if BACKWARD in (first.name, feature.name)
                else ("give models of the same direction")
            )
            raise NmtError(
                f"{feature.folder} translates from {_text(feature)}, and {first.folder} from {_text(first)}; {remedy}"
            )
        known, first = (known & pairs or pairs), first or feature


def _languages(direction: Direction, is_backward: bool) -> tuple[str, str]:
    """Return the source and the target language of the list that a model of this direction belongs to."""
    source, target = parse_language(direction.source).base, parse_language(direction.target).base
    return (target, source) if is_backward else (source, target)


def _text(feature: Feature) -> str:
    return " and ".join(dict.fromkeys(f"{one.source} to {one.target}" for one in feature.directions))


def _length_ratio(source: str, text: str) -> float:
    """Return the characters of a translation per character of its source, without white space."""
    return len("".join(text.split())) / max(1, len("".join(source.split())))
