"""The base class of all sections of the configuration, and the types of their values."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0.0, lt=1.0)]
Positive = Annotated[int, Field(gt=0)]
Depth = Annotated[int, Field(gt=0, le=100)]
Width = Annotated[int, Field(gt=0, le=100_000)]
NotNegative = Annotated[int, Field(ge=0)]


def expand(path: Path) -> Path:
    """Replace `~`, `~USER`, `$NAME` and `${NAME}` in `path` as a shell does, unless a file with this name exists.

    Raises ValueError for an unknown user or an environment variable that is not set.
    """
    if not re.search(r"^~|\$\w|\$\{", str(path)) or path.exists():
        return path
    missing = [name for name in re.findall(r"\$\{?(\w+)", str(path)) if name not in os.environ]
    if missing:
        raise ValueError(f"'{path}': the environment variable {missing[0]} is not set; set it, or write the full path")
    try:
        return Path(os.path.expandvars(path)).expanduser()
    except RuntimeError:
        raise ValueError(f"'{path}': this user and home folder do not exist; write the full path") from None


PathOf = Annotated[Path, AfterValidator(expand)]
"""A path in which `~` and environment variables are replaced."""


class Section(BaseModel):
    """A frozen section of the configuration that rejects unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def is_default(self, key: str) -> bool:
        """Return whether `key` has its default value, either left out or written as in a resolved configuration."""
        return bool(getattr(self, key) == type(self).model_fields[key].default)

    def reject_unused(self, keys: Iterable[str], when: str) -> None:
        """Raise ValueError if one of `keys`, which have no effect `when`, is set."""
        for key in keys:
            if not self.is_default(key):
                raise ValueError(f"'{key}' has no effect {when}; leave it out")


def reject(*rules: tuple[object, str]) -> None:
    """Raise ValueError with the message of the first of `rules` whose condition is true."""
    for is_wrong, message in rules:
        if is_wrong:
            raise ValueError(message)
