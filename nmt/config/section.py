"""The base of all sections, and the kinds of numbers they hold."""

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
    """Return `path` with `~`, `~USER`, `$NAME` and `${NAME}` replaced as a shell does; a file named so is kept.

    Raises ValueError for an unknown user or an environment variable that is not set.
    """
    if not re.search(r"^~|\$\w|\$\{", str(path)) or path.exists():
        return path
    missing = [name for name in re.findall(r"\$\{?(\w+)", str(path)) if name not in os.environ]
    if missing:
        raise ValueError(f"'{path}': the environment variable {missing[0]} is not set; set it, or write the path out")
    try:
        return Path(os.path.expandvars(path)).expanduser()
    except RuntimeError:
        raise ValueError(f"'{path}': there is no such user, so no home folder; write the path out") from None


PathOf = Annotated[Path, AfterValidator(expand)]
"""A path in which `~` and environment variables are replaced."""


class Section(BaseModel):
    """A frozen part of the configuration that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    def is_default(self, key: str) -> bool:
        """Whether `key` has its default value, left out or spelt out as in a resolved config."""
        return bool(getattr(self, key) == type(self).model_fields[key].default)

    def refuse_idle(self, keys: Iterable[str], where: str) -> None:
        """Refuse `keys` that mean nothing `where`."""
        for key in keys:
            if not self.is_default(key):
                raise ValueError(f"'{key}' means nothing {where}; leave it out")
