"""Find one test set for several models, and say how their test sets differ if there is none."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nmt.config import Config
from nmt.data.corpus import corpus_paths
from nmt.errors import NmtError
from nmt.evaluation.test_sets import Split, default_split, read_split

if TYPE_CHECKING:
    from nmt.decoding.loading import Checkpoint


def common_splits(models: Sequence["Checkpoint"], name: str | None) -> list[Split]:
    """Return the test set `name`, or the default one, of the first model for each model, with the tag that it needs.

    Raise `NmtError` that says how they differ if another model translates other languages, or has a test set of this
    name with other text.
    """
    configs = [each.config for each in models]
    languages = [f"{config.data.source_language}-{config.data.target_language}" for config in configs]
    for each, language in zip(models, languages, strict=True):
        if language != languages[0]:
            raise NmtError(f"{models[0].run.folder} translates {languages[0]}, but {each.run.folder} {language}")
    name = name or default_split(configs[0])
    first = read_split(configs[0], name, models[0].run.config_file)
    splits = [first]
    for each, config in zip(models[1:], configs[1:], strict=True):
        own = read_split(config, name, each.run.config_file) if _has_split(config, name) else None
        if own is not None:
            _check_same(first, models[0], own, each)
        splits.append(with_tag(first, config) if own is None else dataclasses.replace(first, tag=own.tag))
    return splits


def with_tag(split: Split, config: Config) -> Split:
    """Return a test set that is not in `config`, with the tag of its validation set."""
    remedy = "set data.valid.tag in config.yaml of the run"
    return dataclasses.replace(split, tag=config.data.valid.tag or "", tag_remedy=remedy)


def _has_split(config: Config, name: str) -> bool:
    """Return whether a configuration has the split, and its files are there; a copied model may lack them."""
    corpus = config.data.valid if name == "valid" else config.data.test.get(name)
    return corpus is not None and all(path.exists() for path in corpus_paths(corpus))


def _check_same(first: Split, model: "Checkpoint", other: Split, other_model: "Checkpoint") -> None:
    """Raise `NmtError` if two test sets have different text."""
    remedy = "give both the same one with --source FILE --reference FILE"
    where = (
        f"the test sets '{first.name}' differ: {model.run.folder} has {', '.join(first.files)} and "
        f"{other_model.run.folder} {', '.join(other.files)}"
    )
    if len(first.source) != len(other.source):
        raise NmtError(f"{where}, with {len(first.source):,} and {len(other.source):,} lines; {remedy}")
    for side, one, two in (
        ("source", first.source, other.source), ("reference", first.references[0], other.references[0])
    ):  # fmt: skip
        different = [number for number, pair in enumerate(zip(one, two, strict=True), 1) if pair[0] != pair[1]]
        if different:
            raise NmtError(f"{where}; {len(different):,} {side} lines, the first is line {different[0]}; {remedy}")
