"""Read the JSON files of a checkpoint folder."""

from pathlib import Path
from typing import Any

from nmt.errors import NmtError
from nmt.storage import checksums
from nmt.storage.json_text import parse_json

FORMAT = 3
"""Version of the meaning of the weights in a checkpoint. From version 2 on, embeddings are scaled when looked up."""


def load_meta(checkpoint: Path) -> dict[str, Any]:
    """Return the content of a checkpoint's `meta.json`: step, vocabulary fingerprint and sizes.

    Raise `NmtError` if the checkpoint has another `FORMAT`.
    """
    meta = load_json(checkpoint / "meta.json")
    if meta.get("format") != FORMAT:
        raise NmtError(
            f"{checkpoint}: has format {meta.get('format', 1)}, but this version of nmt reads format {FORMAT}; "
            "translate with the version that trained it, or train again"
        )
    return meta


def load_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file of a checkpoint."""
    checksums.verify_file(path)
    try:
        values = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise checksums.corruption_error(path, str(error)) from None
    if not isinstance(values, dict):
        raise checksums.corruption_error(path, "not a JSON object")
    return values
