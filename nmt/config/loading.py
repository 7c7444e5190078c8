"""Load a YAML file as a validated `Config`, and write it back; errors name the key and how to correct it."""

import copy
import difflib
import functools
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from nmt.config.schema import Config
from nmt.errors import NmtError
from nmt.storage.run_folder import Run

MAX_VALUES = 100_000
"""Maximum number of values of a configuration, with aliases expanded."""


class _Loader(yaml.SafeLoader):
    """Rejects duplicate keys, of which PyYAML silently keeps the last."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        lines: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and key.value in lines:
                raise ValueError(f"line {line}: '{key.value}' is a duplicate of line {lines[key.value]}; merge them")
            if isinstance(key, yaml.ScalarNode):
                lines[key.value] = line
        return node


_OWN_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""For text that this program wrote: ten times as fast, but nested brackets of others could overflow the stack of C."""


def _read(text: str) -> Any:
    return yaml.load(text, _Loader)


def load(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read the YAML file `path`, apply ``section.key=value`` overrides, check, and return the config.

    Raises `NmtError` that names the file and the key.
    """
    return _resolved(_read_file(path), str(path), tuple(overrides))


def resolve(config: str | Path | dict[str, Any] | Config, overrides: Mapping[str, Any] | None = None) -> Config:
    """Return the configuration in a YAML file, a mapping with the same sections, or a `Config`.

    `overrides` replace values, such as ``{"training.max_steps": 500}``. Paths are relative to the working directory.
    Raises `NmtError` that names the key.
    """
    if isinstance(config, Config) and not overrides:
        return config
    if isinstance(config, (str, Path)):
        where = str(config)
        values = _read_sections(_read_file(Path(config)), where)
    else:
        where = "config"
        values = _separate(config.model_dump(mode="json") if isinstance(config, Config) else config, where)
    labels = {}
    for key, value in (overrides or {}).items():
        labels[key] = f"overrides[{key!r}]"
        _set_key(values, key, copy.deepcopy(value), labels[key])
    return parse(values, where, labels)


def override(values: dict[str, Any], overrides: Sequence[str], where: str) -> Config:
    """Return the configuration in a mapping with ``section.key=value`` overrides; errors begin with `where`."""
    values = _separate(values, where)
    labels = {}
    for text in overrides:
        labels[text.partition("=")[0]] = f"--set {text}"
        _apply_override(values, text)
    return parse(values, where, labels)


def _read_file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NmtError(f"{path}: no such config file") from None
    except UnicodeDecodeError:
        raise NmtError(f"{path}: not UTF-8 text; is this a YAML config?") from None
    except IsADirectoryError:
        raise NmtError(f"{path}: is a folder; give a YAML file") from None
    except OSError as error:
        raise NmtError(f"{path}: {error.strerror}") from None


def load_run_config(run: Run) -> Config:
    """Return the resolved configuration of a run folder. Raises `NmtError` if it is missing or invalid."""
    return load(run.config_file)


@functools.lru_cache(maxsize=16)
def _resolved(text: str, where: str, overrides: tuple[str, ...]) -> Config:
    """Return the config of a file with this `text`; cached, because one command loads it several times."""
    return override(_read_sections(text, where), overrides, where)


def _read_sections(text: str, where: str) -> dict[str, Any]:
    """Return the sections of a YAML file with this `text`."""
    try:
        values = _read(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise NmtError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from None
    return _separate(values, where, "not valid YAML: ")


def _separate(values: Any, where: str, what: str = "") -> dict[str, Any]:
    """Return a copy of `values`, which must be a mapping, in which no two values are the same object."""
    try:
        values = _expand_aliases(values, iter(range(MAX_VALUES)))
    except (ValueError, RecursionError) as error:
        raise NmtError(f"{where}: {what}{error}") from None
    if not isinstance(values, dict):
        raise NmtError(f"{where}: a config is a mapping of sections such as 'data:', not {_describe_type(values)}")
    return values


def parse(values: dict[str, Any], where: str, labels: Mapping[str, str] | None = None) -> Config:
    """Check a mapping and return the config.

    Error messages begin with `where`, or with the label of the override that set the key, of those in `labels`.
    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        lines = [f"{_find_override(e['loc'], labels or {}) or where}: {explain(dict(e))}" for e in error.errors()[:10]]
        raise NmtError("\n".join(lines)) from None


def _find_override(key: Sequence[str | int], labels: Mapping[str, str]) -> str | None:
    """Return the label of the override that set `key`; None if the file did."""
    parts = [str(part) for part in key]
    found = [label for name, label in labels.items() if _number_single_corpus(name.split(".")) == parts]
    return found[-1] if found else None


def _number_single_corpus(parts: list[str]) -> list[str]:
    """Return data.train.KEY of a single corpus as data.train.0.KEY, the key of the same value in a list."""
    is_single = parts[:2] == ["data", "train"] and len(parts) > 2 and not parts[2].isdecimal()
    return [*parts[:2], "0", *parts[2:]] if is_single else parts


def dump(config: Config) -> str:
    """Return the resolved config as YAML with every key."""
    values = config.model_dump(mode="json")
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    if yaml.load(text, _OWN_LOADER) == values:
        return text
    return yaml.safe_dump(values, sort_keys=False)  # some line separators are only read back if they are escaped


def _expand_aliases(value: Any, budget: Iterator[int]) -> Any:
    """Return a copy in which a YAML anchor and its aliases are separate objects.

    Each value consumes one of `budget`, because nested aliases could fill any memory. Raises ValueError at its end.
    """
    if next(budget, None) is None:
        raise ValueError(f"more than {MAX_VALUES:,} values")
    if isinstance(value, dict):
        return {key: _expand_aliases(item, budget) for key, item in value.items()}
    return [_expand_aliases(item, budget) for item in value] if isinstance(value, list) else value


def _apply_override(values: dict[str, Any], text: str) -> None:
    key, equals, written = text.partition("=")
    if not equals or not all(key.split(".")):
        raise NmtError(f"--set {text}: expected section.key=value")
    try:
        value = _read(written)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise NmtError(f"--set {text}: the value is not valid YAML") from None
    _set_key(values, key, value, f"--set {text}")


def _set_key(values: dict[str, Any], key: str, value: Any, label: str) -> None:
    """Set section.key in `values`. Error messages begin with `label`, the override as the user wrote it."""
    *sections, last = key.split(".")
    node: Any = values
    for depth, section in enumerate(sections):
        if isinstance(node, list) and section.isdecimal() and int(section) < len(node):
            node = node[int(section)]
            continue
        if isinstance(node, dict) and section == "0" and sections[:depth] == ["data", "train"]:
            continue  # a single corpus, not in a list
        if isinstance(node, dict) and node.get(section) is None:
            node[section] = {}
        if not isinstance(node, dict) or not isinstance(node[section], (dict, list)):
            raise NmtError(f"{label}: {'.'.join(sections[: depth + 1])} is not a section")
        node = node[section]
    if isinstance(node, list):
        where = ".".join(sections)
        raise NmtError(f"{label}: {where} is a list: number the item, from 0, e.g. {where}.0.{last}")
    if not isinstance(node, dict):
        raise NmtError(f"{label}: {'.'.join(sections)} is not a section")
    node[last] = value


def explain(error: dict[str, Any]) -> str:
    """Convert one pydantic error to `section.key: what is wrong; remedy`."""
    *parents, last = error["loc"] or ("",)
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        known = list(getattr(_section_at(parents), "model_fields", {}))
        near = difflib.get_close_matches(str(last), known, n=1, cutoff=0.5)
        in_other_sections = [path for path in _keys(Config) if path.split(".")[-1] == last]
        hint = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(known)}"
        if in_other_sections and not near:
            hint = f"did you mean {' or '.join(in_other_sections)}?"
        return f"{'.'.join(map(str, parents)) or 'top level'}: unknown key '{last}'; {hint}"
    if error["type"] == "missing":
        return f"{key}: this key is required"
    message = error["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if error["type"] == "value_error":
        return f"{key}: {message}" if key else message
    quoted = "; write it in quotes" if error["type"] == "string_type" and not isinstance(error["input"], dict) else ""
    return f"{key}: {message}, not {error['input']!r:.80}{quoted}"


def _keys(section: type[BaseModel], before: str = "") -> Iterator[str]:
    """Yield the dotted names of all keys of a section and of its subsections."""
    for name, field in section.model_fields.items():
        yield f"{before}{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _keys(field.annotation, f"{before}{name}.")


def _section_at(parents: list[str | int]) -> Any:
    """Return the class of the section at the path `parents`."""
    section: Any = Config
    for part in parents:
        if isinstance(section, type) and issubclass(section, BaseModel):
            section = section.model_fields[str(part)].annotation
        else:
            section = typing.get_args(section)[-1]
        if isinstance(section, types.UnionType):
            section = typing.get_args(section)[0]
    return section


def _describe_type(value: Any) -> str:
    return "empty" if value is None else f"a {type(value).__name__}"
