"""What translating needs of the configuration of a run.

It is read from the description of the graphs (`nmt.runtime.graph_files`), so that translating needs neither YAML nor
the schema of the whole configuration, or made from the configuration.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nmt.config import Config

TEXT_KEYS = ("normalization", "collapse_whitespace", "lowercase", "unescape_html")
"""Keys of `config.Data`, and of `TextSettings`, that say how a line is normalised before it is encoded."""


@dataclass(frozen=True)
class Direction:
    """A translation direction that a model was trained on."""

    source: str
    """Language code of the source."""
    target: str
    """Language code of the target."""
    tag: str
    """The tag that sources of this direction begin with; "" for none."""


@dataclass(frozen=True)
class TextSettings:
    """How lines are normalised and tagged: keys of `config.Data`."""

    source_language: str
    target_language: str
    normalization: str
    collapse_whitespace: bool
    lowercase: bool
    unescape_html: bool
    tags: tuple[str, ...]
    """The tags that the model knows."""
    training_tags: tuple[str, ...]
    """The tag of each training corpus, "" for none, each once."""
    directions: tuple[Direction, ...]
    """The directions of the training corpora in their order, each once (`config.Data.directions`). Of two directions
    with the same languages the first is the default."""


@dataclass(frozen=True)
class ModelSettings:
    """The settings of a run that translating depends on."""

    name: str
    """Name of the run."""
    text: TextSettings
    has_attention: bool
    copies_source: bool
    """Whether the network is a pointer-generator."""
    most_source_tokens: int | None
    """Source tokens that the network can read (`Config.most_source_tokens`)."""
    positions: int
    """`model.attention.positions`"""
    decoding: Mapping[str, Any]
    """The `decoding` section."""

    @classmethod
    def of(cls, config: "Config") -> "ModelSettings":
        """Return the settings of a configuration."""
        data = config.data
        text = TextSettings(
            data.source_language,
            data.target_language,
            data.normalization,
            data.collapse_whitespace,
            data.lowercase,
            data.unescape_html,
            tuple(data.tags),
            tuple(data.training_tags),
            tuple(data.directions),
        )
        return cls(
            config.name,
            text,
            config.model.has_attention,
            config.model.decoder.copy_source,
            config.most_source_tokens,
            config.model.attention.positions,
            dict(config.decoding),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the settings as JSON values, which `from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "ModelSettings":
        """Return the settings that `to_json` wrote. Raise `KeyError` or `TypeError` if the `values` are others."""
        text: dict[str, Any] = dict(values["text"])
        text |= {key: tuple(map(str, text[key])) for key in ("tags", "training_tags")}
        text["directions"] = _read_directions(text)
        return cls(**{**values, "text": TextSettings(**text)})


def _read_directions(text: Mapping[str, Any]) -> tuple[Direction, ...]:
    """Return the directions in the JSON values of `TextSettings`.

    Earlier versions wrote none: each tag of the training corpora is then a direction between the languages of `data`.
    """
    if "directions" not in text:
        source, target = text["source_language"], text["target_language"]
        return tuple(Direction(source, target, tag) for tag in text["training_tags"])
    keys = ("source", "target", "tag")
    return tuple(Direction(*(str(values[key]) for key in keys)) for values in text["directions"])
