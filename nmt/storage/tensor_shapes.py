"""Read the shapes of the tensors of a safetensors file from its header, without the tensors and without torch."""

from pathlib import Path

from nmt.errors import NmtError
from nmt.storage.json_text import parse_json

MAX_HEADER = 100_000_000
"""The limit of the header in safetensors."""


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor by its name. Raise `NmtError` if the file cannot be read."""
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = parse_json(file.read(min(size, MAX_HEADER)))
        return {name: tuple(map(int, entry["shape"])) for name, entry in header.items() if name != "__metadata__"}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NmtError(f"{path}: cannot be read as a safetensors file: {error}") from None
