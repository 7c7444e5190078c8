"""Change values in the text of a YAML configuration without touching its comments and its other keys."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from nmt.config.loading import dump, load, override, resolve
from nmt.errors import NmtError

Edit = tuple[int, int, str]
"""Begin and end, as indices of characters, of what is replaced, and the new text."""


def edited(path: Path, section: str, values: Mapping[str, Any]) -> str:
    """Return the text of a configuration file with other `values` in a section.

    All else stays as it is, comments included. If that is not possible, as with a section that is a YAML alias, it is
    the complete configuration without comments. Raise `NmtError` if the file or the new configuration is not valid.
    """
    load(path)  # raises errors of the file itself
    text = path.read_text(encoding="utf-8")
    expected = resolve(path, {f"{section}.{key}": value for key, value in values.items()})
    try:
        new = _replace(text, section, values)
        if override(yaml.safe_load(new), [], str(path)) == expected:
            return new
    except (yaml.YAMLError, ValueError, NmtError):
        pass
    return dump(expected)


def _replace(text: str, section: str, values: Mapping[str, Any]) -> str:
    """Return `text` with the values. Raise ValueError if the section is no mapping."""
    root = yaml.compose(text, yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise ValueError("not a mapping")
    node = next((value for key, value in root.value if key.value == section), None)
    if node is None:
        line_end = "" if text.endswith("\n") else "\n"
        return f"{text}{line_end}{section}:\n" + "".join(
            f"  {key}: {_to_yaml(value)}\n" for key, value in values.items()
        )
    if not isinstance(node, yaml.MappingNode):
        raise ValueError("not a mapping")
    for begin, end, new in sorted(_edits(node, values), reverse=True):
        text = text[:begin] + new + text[end:]
    return text


def _edits(node: yaml.MappingNode, values: Mapping[str, Any]) -> Iterator[Edit]:
    """Yield what to change in the text of a section: values of existing keys, and new keys before the first one."""
    found = {key.value: value for key, value in node.value}
    added = []
    for name, value in values.items():
        if name in found:
            yield found[name].start_mark.index, found[name].end_mark.index, _to_yaml(value)
        else:
            added.append(f"{name}: {_to_yaml(value)}")
    if not added:
        return
    if node.flow_style:
        begin = node.start_mark.index + 1  # after the brace
        yield begin, begin, ", ".join(added) + (", " if found else "")
    else:
        first = node.value[0][0].start_mark
        yield first.index, first.index, "".join(f"{line}\n{' ' * first.column}" for line in added)


def _to_yaml(value: Any) -> str:
    """Return a scalar as YAML."""
    return yaml.safe_dump({"key": value}).removeprefix("key: ").removesuffix("\n")
