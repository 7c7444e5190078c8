"""Read and write JSON, with null for NaN and infinite numbers, which JSON lacks."""

import json
import math
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text, with None for NaN and infinite numbers, which older versions wrote.

    Raise `ValueError` if the text is not JSON or is nested too deeply.
    """
    try:
        return json.loads(text, parse_constant=lambda name: None)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def dump_json(value: Any, indent: int | None = None, ensure_ascii: bool = True, sort_keys: bool = False) -> str:
    """Return `value` as JSON, with null for NaN and infinite numbers."""
    return json.dumps(_finite(value), indent=indent, ensure_ascii=ensure_ascii, sort_keys=sort_keys, allow_nan=False)


def _finite(value: Any) -> Any:
    """Return `value` with None for each float that is not finite, at any depth."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return value
