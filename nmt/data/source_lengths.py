"""Measure the lengths of the training sources, which a run keeps for the warning about unusually long lines."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nmt.storage.json_text import parse_json

if TYPE_CHECKING:
    from nmt.config import Corpus
    from nmt.data.prepared_data import Prepared

TYPICAL_SHARE = 0.999
"""The share of the training sources that are at most as long as the typical length."""


def measure_lengths(prepared: "Prepared", corpora: "Sequence[Corpus]", max_tokens: int) -> str:
    """Return as JSON the number of training sources, their typical and their largest number of tokens, without tags.

    Pairs with more than `max_tokens` tokens on a side are left out, as in training.
    """
    counts = np.zeros(max_tokens + 1, np.int64)
    for (store, _), corpus in zip(prepared.train, corpora, strict=True):
        tag = len(prepared.vocabularies.source.encode([corpus.tag])[0]) if corpus.tag else 0
        for source, target in store.read_lengths():
            lengths = np.maximum(source[np.maximum(source, target) <= max_tokens] - tag, 0)
            counts += np.bincount(lengths, minlength=max_tokens + 1)
    cumulative = counts.cumsum()
    values = {
        "sources": int(cumulative[-1]),
        "usual_tokens": int(np.searchsorted(cumulative, TYPICAL_SHARE * cumulative[-1])),
        "max_tokens": int(np.flatnonzero(counts).max(initial=0)),
    }
    return json.dumps(values, indent=1) + "\n"


def read_typical_length(path: Path) -> int | None:
    """Return the length in tokens that `TYPICAL_SHARE` of the sources do not exceed; None if the file does not say."""
    try:
        length = parse_json(path.read_text(encoding="utf-8"))["usual_tokens"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return length if isinstance(length, int) else None
