"""Compare trained models: how their configurations differ, their scores on one test set, and the sentences that differ.

A result of `nmt evaluate` is used again if it is of the same checkpoint, text, search and arithmetic; otherwise the
test set is translated, and the result is saved as `nmt evaluate` saves it.
"""

import dataclasses
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from nmt.config import Config
from nmt.data.lines import read_lines
from nmt.decoding.engines import choose_machine
from nmt.decoding.search_options import SearchOptions
from nmt.errors import NmtError
from nmt.evaluation.common_test_set import common_splits, with_tag
from nmt.evaluation.metrics import Scoring, build, default_tokenizer, sentence_scores
from nmt.evaluation.significance import System, paired_bootstrap
from nmt.evaluation.test_sets import (
    DEFAULTS_OF_NEW_OPTIONS,
    Split,
    as_dict,
    evaluate,
    read_files,
    save,
    search_settings,
)
from nmt.storage.history import History, read_history
from nmt.storage.json_text import parse_json

if TYPE_CHECKING:
    from nmt.decoding.loading import Checkpoint, LoadedTranslator

logger = logging.getLogger(__name__)
Load: TypeAlias = Callable[[Sequence["Checkpoint"], int], "LoadedTranslator"]
METRICS = ("bleu", "chrf")
"""Metrics of the paired test; TER would take longer than all the rest."""
UNCOMPARED = {"name"}
"""Keys of the configuration that always differ."""


@dataclass(frozen=True)
class Difference:
    """A key of the configuration that has different values."""

    key: str
    values: tuple[Any, ...]
    """The value of each model; `ABSENT` if a list of corpora or test sets is shorter there."""


class _Absent:
    def __repr__(self) -> str:
        return ""


ABSENT = _Absent()


@dataclass(frozen=True)
class Translated:
    """The translation of the test set by one model."""

    name: str
    hypotheses: tuple[str, ...]
    arithmetic: str
    """Engine, device and data type."""
    search: dict[str, Any]
    is_stored: bool
    """Whether it was translated by an earlier command."""


@dataclass(frozen=True)
class DifferingSentence:
    """A sentence that the models translate with different quality."""

    line: int
    """Number of the line in the test set, from 1."""
    source: str
    reference: str
    translations: tuple[str, ...]
    scores: tuple[float, ...]
    """Sentence score of each translation, 0 to 100."""

    @property
    def difference(self) -> float:
        """The highest score minus the lowest."""
        return max(self.scores) - min(self.scores)


@dataclass(frozen=True)
class ComparedModel:
    """One of the models that are compared."""

    name: str
    folder: Path
    checkpoint: str
    history: History | None
    """The log of its training; None for an exported model."""


@dataclass(frozen=True)
class ScoreComparison:
    """The scores of the models on one test set."""

    split: Split
    translated: tuple[Translated, ...]
    systems: tuple[System, ...]
    """Scores and paired bootstrap; the first model is the baseline."""
    sentences: tuple[DifferingSentence, ...]
    """The sentences that differ most, first the one with the largest difference."""
    metric: str
    """Name of the metric of the sentence scores."""
    shows_sentences: bool = True
    """Whether sentences were asked for."""


@dataclass(frozen=True)
class Comparison:
    """How models differ."""

    models: tuple[ComparedModel, ...]
    differences: tuple[Difference, ...]
    scores: ScoreComparison | None
    """None if the models have no common test set."""
    problem: str = ""
    """Why the scores are not compared."""


def describe_models(models: Sequence["Checkpoint"]) -> tuple[ComparedModel, ...]:
    """Return name, checkpoint and training history of each model."""
    described = []
    for name, each in zip(names_of(models), models, strict=True):
        history = dataclasses.replace(read_history(each.run.folder), name=name) if each.run.log.exists() else None
        described.append(ComparedModel(name, each.run.folder, each.name, history))
    return tuple(described)


def names_of(models: Sequence["Checkpoint"]) -> list[str]:
    """Return a name for each model: that of its folder; with the checkpoint, or the path, if names are equal."""
    folders = [each.run.folder.absolute().name for each in models]
    with_checkpoint = [f"{name}/{each.name}" for name, each in zip(folders, models, strict=True)]
    paths = [f"{each.run.folder}/{each.name}" for each in models]
    numbered = [f"{path} ({number})" for number, path in enumerate(paths, 1)]
    return next((names for names in (folders, with_checkpoint, paths) if len(set(names)) == len(names)), numbered)


def config_differences(configs: Sequence[Config]) -> list[Difference]:
    """Return the keys whose values differ, in the order of the configuration."""
    flat = [dict(_flatten("", config.model_dump(mode="json"))) for config in configs]
    keys = dict.fromkeys(key for values in flat for key in values)
    rows = [Difference(key, tuple(values.get(key, ABSENT) for values in flat)) for key in keys if key not in UNCOMPARED]
    return [row for row in rows if any(_value(value) != _value(row.values[0]) for value in row.values)]


def _value(value: Any) -> Any:
    """Return a value to compare: a key that is absent counts as one that is not set."""
    return None if value is ABSENT else value


def _flatten(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the values in nested sections, and in lists of sections, with their dotted keys."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        value = dict(enumerate(value))
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flatten(f"{name}.{key}" if name else str(key), inner)
    else:
        yield name, value


def compare(
    models: Sequence["Checkpoint"],
    searches: Sequence[SearchOptions],
    load: Load,
    machine: dict[str, Any],
    *,
    split: str | None = None,
    files: tuple[Path, Sequence[Path]] | None = None,
    tokenize: str | None = None,
    count: int = 20,
    metric: str = "chrf",
) -> Comparison:
    """Compare `models` on the test set `split`, or on `files`, a source and its references; else on the default one.

    `searches` has the search options of each model. `load` loads a model, given it and the shortlist; `machine` has the
    arguments `engine`, `device` and `precision` that `load` uses. `tokenize` is the tokeniser of BLEU; the default
    depends on the language. `count` is the number of sentences to return, and `metric`, chrf or bleu, the one that
    decides how much they differ. If the models have no common test set, the result says how their test sets differ.
    """
    described = describe_models(models)
    configs = [each.config for each in models]
    differences = tuple(config_differences(configs))
    scoring = Scoring(tokenize=tokenize or default_tokenizer(configs[0].data.target_language))
    build("bleu", scoring)  # check the tokeniser
    try:
        if files is not None:
            given = read_files(*files)
            splits = [with_tag(given, config) for config in configs]
        else:
            splits = common_splits(models, split)
    except NmtError as error:
        if files is not None:
            raise
        return Comparison(described, differences, None, str(error))
    scores = compare_scores(models, splits, searches, scoring, load, machine, count, metric)
    return Comparison(described, differences, scores)


def compare_scores(
    models: Sequence["Checkpoint"],
    splits: Sequence[Split],
    searches: Sequence[SearchOptions],
    scoring: Scoring,
    load: Load,
    machine: dict[str, Any],
    count: int,
    metric: str = "chrf",
) -> ScoreComparison:
    """Translate the test set with each model, unless that is stored, and compare the scores.

    `splits` are the same text with the tag of each model. See `compare` for the other arguments.
    """
    names = names_of(models)
    translated = tuple(
        _stored(name, model, split, search, machine) or _translate(name, model, split, search, scoring, load)
        for name, model, split, search in zip(names, models, splits, searches, strict=True)
    )
    split = splits[0]
    systems = paired_bootstrap(
        [(each.name, each.hypotheses) for each in translated], split.references, METRICS, scoring
    )
    sentences, metric_name = differing_sentences(split, translated, metric, scoring, count)
    return ScoreComparison(split, translated, tuple(systems), tuple(sentences), metric_name, count > 0)


def differing_sentences(
    split: Split, translated: Sequence[Translated], metric: str, scoring: Scoring, count: int
) -> tuple[list[DifferingSentence], str]:
    """Return the `count` sentences whose scores differ most, and the name of the metric. Equal scores do not count."""
    found = [sentence_scores(each.hypotheses, split.references, [metric], scoring)[0] for each in translated]
    sentences = [
        DifferingSentence(
            number,
            split.source[number - 1],
            split.references[0][number - 1],
            tuple(each.hypotheses[number - 1] for each in translated),
            scores,
        )
        for number, scores in enumerate(zip(*(each.values for each in found), strict=True), 1)
        if max(scores) > min(scores)
    ]
    return sorted(sentences, key=lambda each: (-each.difference, each.line))[:count], found[0].name


def _stored(
    name: str, model: "Checkpoint", split: Split, search: SearchOptions, machine: dict[str, Any]
) -> Translated | None:
    """Return the stored translation of `nmt evaluate` by the same checkpoint, search and arithmetic; else None."""
    exported = [model.folder] if model.run.is_exported else []
    wanted = {
        "weights": [model.weights],
        "search": search_settings(search) | {"tag": split.tag},
        "sentences": len(split.source),
        "arithmetic": choose_machine(**machine, exported=exported).description,
    }
    for path in sorted((model.run.folder / "evaluations").glob("*.json")):
        try:
            result = parse_json(path.read_text(encoding="utf-8"))
            result["search"] = {**DEFAULTS_OF_NEW_OPTIONS, **result["search"]}
            is_same = all(result[key] == value for key, value in wanted.items())
            rows = zip(split.source, split.references[0], strict=True)
            is_same = is_same and [[s, r] for s, _, r in result["samples"]] == [
                list(row) for row, _ in zip(rows, result["samples"], strict=False)
            ]
            hypotheses = tuple(read_lines(path.with_suffix(".txt"))) if is_same else ()
        except (OSError, ValueError, KeyError, TypeError, NmtError):
            continue
        if len(hypotheses) == len(split.source):
            logger.info(f"{name}: translation of '{split.name}' from {path.with_suffix('.txt')}")
            return Translated(name, hypotheses, str(wanted["arithmetic"]), result["search"], True)
    return None


def _translate(
    name: str,
    model: "Checkpoint",
    split: Split,
    search: SearchOptions,
    scoring: Scoring,
    load: Load,
) -> Translated:
    """Translate the split and save the result beside those of `nmt evaluate`, if the folder can be written."""
    loaded = load([model], search.shortlist)
    loaded.translator.check_tags(split.source, split.tag, split.files[0], split.tag_remedy)
    evaluation = evaluate(loaded.translator, search, split, scoring, loaded.input_warnings(split.name))
    arithmetic = loaded.translator.machine.description
    models = [f"{each.config.name}/{each.name}" for each in loaded.checkpoints]
    result = as_dict(evaluation, models, loaded.weights, search, arithmetic)
    folder: Path = model.run.folder / "evaluations"
    try:
        folder.mkdir(exist_ok=True)
        save(evaluation, result, folder, model.config)
    except (NmtError, OSError) as error:
        logger.info(f"{name}: the translation is not saved: {error}")
    return Translated(name, evaluation.hypotheses, arithmetic, result["search"], False)
