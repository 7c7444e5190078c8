"""The base of all sections, and the kinds of numbers they hold."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0.0, lt=1.0)]
Positive = Annotated[int, Field(gt=0)]
Depth = Annotated[int, Field(gt=0, le=100)]
Width = Annotated[int, Field(gt=0, le=100_000)]
NotNegative = Annotated[int, Field(ge=0)]


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
