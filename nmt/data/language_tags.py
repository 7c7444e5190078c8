"""Which token goes before a line that a model of several directions is to translate (Johnson 2017)."""

from collections.abc import Collection, Iterable

from nmt.config import Data
from nmt.errors import NmtError


class Tagger:
    """Chooses the tag of each line; `asked` for all of them, or empty.

    A model whose training text all had one and the same tag puts that before lines; one with several cannot choose.
    """

    def __init__(self, data: Data, asked: str, remedy: str = "choose one with --tag", option: str = "--tag") -> None:
        """Raise `NmtError` if the model does not know the tag that the `option` asks for.

        The `remedy` is for lines that lack a tag.
        """
        self._remedy = remedy
        self._known = data.tags
        if asked and asked not in self._known:
            there = ", ".join(self._known) or "none"
            raise NmtError(f"{option} {asked}: this model was not trained with it; its tags are: {there}")
        trained = {corpus.tag or "" for corpus in data.train}
        is_clear = len(trained) == 1 or "" in trained
        self._default = asked or (min(trained) if is_clear else None)  # "" comes first

    def __call__(self, line: str, name: str) -> str:
        """Return the tag to put before a normalised line, none where that is empty or begins with one itself.

        Raises `NmtError` with the `name` of the line where one is missing.
        """
        if not line or self.own(line):
            return ""
        if self._default is None:
            raise NmtError(
                f"{name}: this model translates in several directions: {self._remedy}, or begin the line with it: "
                f"{', '.join(self._known)}"
            )
        return self._default

    def own(self, line: str) -> str:
        """Return the tag that a normalised line begins with, or nothing."""
        first = line.split(" ", 1)[0]
        return first if first in self._known else ""

    def check(self, lines: Iterable[str], name: str) -> None:
        """Raise `NmtError` for the first of the normalised lines of `name` that lacks a tag; reads none needlessly."""
        if self._default is not None:
            return
        for number, line in enumerate(lines, 1):
            self(line, f"{name}, line {number:,}")


def tagged(source: str, tag: str | None, known: Collection[str] = ()) -> str:
    """Return a normalised source line after the tag of its corpus.

    A line that is empty, or begins with one of the `known` tags itself, stays as it is.
    """
    if not tag or not source or source.split(" ", 1)[0] in known:
        return source
    return f"{tag} {source}"
