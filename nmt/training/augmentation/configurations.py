"""The configurations of an augmentation: of the models that it trains, and the commented file of the final one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nmt import config as schema
from nmt.config import Config
from nmt.data.lines import normalize
from nmt.data.subword import Vocabularies
from nmt.errors import NmtError

Values = dict[str, Any]


@dataclass(frozen=True)
class CorpusEntry:
    """A training corpus in a configuration that is written."""

    values: Values
    """Its keys."""
    comment: str
    """What it is, for the reader of the file."""


def values_of(config: Config) -> Values:
    """Return the keys that the user has set, as JSON values."""
    return config.model_dump(mode="json", exclude_unset=True)


def forward(config: Config, seed: int, tag: str | None, prepared: Path) -> Config:
    """Return the configuration of a model of the same direction."""
    values = values_of(config) | {"name": f"{config.name}-seed{seed}", "seed": seed}
    values["data"]["prepared"] = str(prepared)
    return _parse(with_symbol(values, tag))


def backward(config: Config, seed: int, tag: str | None, prepared: Path) -> Config:
    """Return the configuration of a model of the opposite direction: the source and the target are swapped."""
    values = values_of(config) | {"name": f"{config.name}-backward-seed{seed}", "seed": seed}
    data, subword = values["data"], values.get("subword", {})
    evaluated = (data["valid"], *data.get("more_valid", {}).values(), *data.get("test", {}).values())
    embedding = values.get("model", {}).get("embedding", {})
    pairs = [(data, "{}_language"), (subword, "{}_vocab_size"), (embedding, "{}_vectors")]
    for corpus in (*data["train"], *evaluated):
        pairs += [(corpus, key) for key in ("{}", "{}_column", "{}_language")]
        if "tsv" in corpus:
            corpus.setdefault("source_column", 1)
            corpus.setdefault("target_column", 2)
    for section, key in pairs:
        _swap(section, key.format("source"), key.format("target"))
    data["prepared"] = str(prepared)
    values.get("training", {}).pop("init_from", None)  # weights of the other direction
    if not config.subword.joint:
        subword.pop("reuse", None)  # the folder has the models of the other sides
    return _parse(with_symbol(values, tag))


def with_symbol(values: Values, tag: str | None) -> Values:
    """Add a tag to the symbols of a subword model that is still to be trained."""
    if tag is not None:
        subword = values.setdefault("subword", {})
        symbols = subword.get("user_symbols", [])
        subword["user_symbols"] = symbols if tag in symbols else [*symbols, tag]
    return values


def check_overrides(config: Config, name: str, overrides: Sequence[str]) -> None:
    """Raise `NmtError` if the overrides of the final model are wrong, which would else show after hours of training."""
    if any(text.partition("=")[0] == "name" for text in overrides):
        raise NmtError("--final-set name=…: name the final run with --name")
    entries = [CorpusEntry(corpus, "") for corpus in values_of(config)["data"]["train"]]
    final(config, name, entries, overrides, None)


def check_tag(config: Config, tag: str) -> None:
    """Raise `NmtError` if a tag cannot be a symbol of the final model."""
    if not tag or any(character.isspace() for character in tag):
        raise NmtError(f"--tag {tag!r}: a tag is a word, such as <synthetic>")
    if normalize(tag, config.data) != tag:
        changed = normalize(tag, config.data)
        raise NmtError(f"--tag {tag}: data.normalization and data.lowercase make {changed} of it; use that")
    reuse = config.subword.reuse
    if reuse is not None and not Vocabularies.find(reuse, config.subword.joint).source.has_symbol(tag):
        raise NmtError(
            f"--tag {tag}: the subword model of subword.reuse ({reuse}) has no such symbol; leave out subword.reuse, "
            "so that a new one is trained, or leave out --tag"
        )


def final(
    config: Config,
    name: str,
    corpora: Sequence[CorpusEntry],
    overrides: Sequence[str],
    subword: Path | None,
    tag: str | None = None,
) -> Config:
    """Return the configuration that trains on `corpora`, with the subword model in the folder `subword` if given."""
    values = values_of(config) | {"name": name}
    values["data"] = {**values["data"], "train": [entry.values for entry in corpora], "prepared": None}
    with_symbol(values, tag)
    if subword is not None:
        values.setdefault("subword", {})["reuse"] = str(subword)
    return schema.override(values, overrides, f"the configuration of {name}")


def original_entries(config: Config, counts: Mapping[str, Any], weight: float = 1.0) -> list[CorpusEntry]:
    """Return the original training corpora with `weight` times their weights.

    `counts` has the number of lines of each, as `write_texts` returns them.
    """
    found = []
    for number, corpus in enumerate(values_of(config)["data"]["train"], 1):
        weighted = {"weight": scaled(corpus.get("weight", 1.0), weight)} if weight != 1.0 else {}
        lines = counts[f"train-{number}"]["lines"]
        found.append(CorpusEntry(corpus | weighted, f"{lines:,} original pairs, after the filters"))
    return found


def scaled(weight: float, factor: float) -> float:
    """Return a product of weights without digits that are rounding errors."""
    return float(f"{weight * factor:.6g}")


def as_yaml(config: Config, corpora: Sequence[CorpusEntry], head: Iterable[str]) -> str:
    """Return the text of a configuration: the lines `head` as comments, and a comment for each corpus."""
    values = values_of(config)
    comments = [entry.comment for entry in corpora]
    if len(comments) != len(values["data"]["train"]):  # an override replaced the corpora
        return schema.dump(config)
    lines = [f"# {text}" for text in head]
    for key, section in values.items():
        if key != "data":
            lines += _block({key: section})
            continue
        lines += ["data:", "  train:"]
        for corpus, comment in zip(section["train"], comments, strict=True):
            flow = yaml.safe_dump(corpus, default_flow_style=True, sort_keys=False, allow_unicode=True, width=1 << 20)
            lines += [f"    # {comment}", f"    - {flow.strip()}"]
        rest = {name: value for name, value in section.items() if name != "train" and value is not None}
        lines += [f"  {line}" for line in _block(rest)]
    text = "".join(f"{line}\n" for line in lines)
    return text if _reads_back(text, config) else schema.dump(config)


def _reads_back(text: str, config: Config) -> bool:
    """Return whether `text` is this configuration. Some line separators are only read back if they are escaped."""
    try:
        return Config.model_validate(yaml.safe_load(text)) == config
    except (yaml.YAMLError, ValueError):
        return False


def _block(values: Values) -> list[str]:
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=1 << 20)
    return text.removesuffix("\n").split("\n") if values else []


def _swap(section: Values, one: str, other: str) -> None:
    """Exchange the values of two keys; a key whose partner is missing takes the partner's name."""
    values = {one: section.pop(other, None), other: section.pop(one, None)}
    section.update({key: value for key, value in values.items() if value is not None})


def _parse(values: Values) -> Config:
    return schema.parse(values, f"the configuration of {values['name']}")
