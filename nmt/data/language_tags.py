"""Add the tag of the target language, such as <2de>, to source lines for multilingual models (Johnson 2017)."""

from collections.abc import Collection, Iterable
from typing import Protocol

from nmt.errors import NmtError


class Tags(Protocol):
    """The tags of a configuration: of `config.Data`, or of the settings of a model."""

    @property
    def tags(self) -> Collection[str]:
        """The tags of all corpora, each once."""

    @property
    def training_tags(self) -> Collection[str]:
        """The tags of the training corpora, "" for none."""


class Tagger:
    """Chooses the tag of each line.

    If all the training text of a model has the same tag, lines get that tag. If it has several tags, each line or the
    caller must choose one.
    """

    def __init__(self, data: Tags, tag: str, remedy: str = "choose one with --tag", option: str = "--tag") -> None:
        """Use `tag` for all lines that have none, or the tag of the training text if it is empty.

        `remedy` is advice for lines without a tag. Raise NmtError, which names the `option`, if the model does not
        know the tag.
        """
        self._remedy = remedy
        self._known = data.tags
        if tag and tag not in self._known:
            known = ", ".join(self._known) or "none"
            raise NmtError(f"{option} {tag}: this model was not trained with it; its tags are: {known}")
        trained = set(data.training_tags)
        is_clear = len(trained) == 1 or "" in trained
        self._default = tag or (min(trained) if is_clear else None)  # min: "" if some text has no tag

    def __call__(self, line: str, name: str) -> str:
        """Return the tag for a normalised line; "" if the line is empty or begins with a tag.

        Raise NmtError with the `name` of the line if it needs a tag and has none.
        """
        if not line or self.tag_of(line):
            return ""
        if self._default is None:
            raise NmtError(
                f"{name}: this model has several translation directions: {self._remedy}, or begin the line with one of "
                f"the tags {', '.join(self._known)}"
            )
        return self._default

    def tag_of(self, line: str) -> str:
        """Return the tag that a normalised line begins with; "" if there is none."""
        first = line.split(" ", 1)[0]
        return first if first in self._known else ""

    def check(self, lines: Iterable[str], name: str) -> None:
        """Raise NmtError for the first of the normalised lines of the file `name` that needs a tag and has none."""
        if self._default is not None:
            return
        for number, line in enumerate(lines, 1):
            self(line, f"{name}, line {number:,}")


def prepend_tag(source: str, tag: str | None, known: Collection[str] = ()) -> str:
    """Return a normalised source line with the tag of its corpus and a space before it.

    A line that is empty or begins with one of the `known` tags is not changed.
    """
    if not tag or not source or source.split(" ", 1)[0] in known:
        return source
    return f"{tag} {source}"
