"""How long the training sources were: kept in the run's folder, so that unusually long lines are noticed."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nmt.config import Corpus
from nmt.data.prepared_data import Prepared
from nmt.storage.json_text import parse_json

SHARE = 0.999
"""Share of the training lines that are no longer than what `read_usual` returns."""


def measure(prepared: Prepared, corpora: Sequence[Corpus], max_tokens: int) -> str:
    """Return as JSON how many tokens, tags not counted, the sources have that are trained on.

    Pairs with more than `max_tokens` tokens on a side are not.
    """
    counts = np.zeros(max_tokens + 1, np.int64)
    for (store, _), corpus in zip(prepared.train, corpora, strict=True):
        tag = len(prepared.vocabularies.source.encode([corpus.tag])[0]) if corpus.tag else 0
        is_used = (store.source_lengths <= max_tokens) & (store.target_lengths <= max_tokens)
        lengths = np.maximum(store.source_lengths[is_used].astype(np.int64) - tag, 0)
        counts += np.bincount(lengths, minlength=max_tokens + 1)
    upto = counts.cumsum()
    usual = int(np.searchsorted(upto, SHARE * upto[-1]))
    values = {"sources": int(upto[-1]), "usual_tokens": usual, "max_tokens": int(np.flatnonzero(counts).max(initial=0))}
    return json.dumps(values, indent=1) + "\n"


def read_usual(path: Path) -> int | None:
    """Return the tokens that `SHARE` of the training lines do not exceed; None where that is not known."""
    try:
        usual = parse_json(path.read_text(encoding="utf-8"))["usual_tokens"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return usual if isinstance(usual, int) else None
