"""Prepared data of format 1, of which the paths, the weights and compressed files were part of the fingerprint."""

import hashlib
import json
from pathlib import Path
from typing import Any

from nmt.config import Config
from nmt.data import manifest
from nmt.data.subword import Vocabularies
from nmt.storage.checksums import digest

_CORPUS = ("source", "target", "tsv", "source_column", "target_column", "tag", "weight")
_DATA = ("train", "valid", "normalization", "filters", "collapse_whitespace", "lowercase")
_FILTERS = ("empty", "min_words", "max_words", "max_characters", "max_ratio", "copies", "duplicates")
_SUBWORD = (
    "kind", "joint", "vocab_size", "source_vocab_size", "target_vocab_size", "character_coverage", "byte_fallback",
    "user_symbols", "training_sentences",
)  # fmt: skip


def converted(header: dict[str, Any]) -> dict[str, Any]:
    """Return the header of prepared data of format 1 as one of today; raises `KeyError` and the like.

    `is_former` tells that hashes are of files as they are, compressed ones too. `former_fingerprint` is the one that
    checkpoints of that time hold.
    """
    settings = header["settings"]
    data = settings["data"]
    new = {
        "settings": manifest.without_defaults(data, settings["subword"], settings.get("extended", False)),
        "inputs": header["inputs"],
        "files": [
            [corpus[key] for key in ("source", "target", "tsv") if corpus[key] is not None]
            for corpus in (*data["train"], data["valid"])
        ],
        "weights": header["weights"],
        "vocabularies": header["vocabularies"],
        "is_former": True,
        "former_fingerprint": header["fingerprint"],
    }
    return new | {"fingerprint": manifest.fingerprint(new)}


def former_fingerprint(then: Config, now: Config, vocabularies: Vocabularies) -> str | None:
    """Return the fingerprint that format 1 gave to the data of the config `then`; None if it cannot be told.

    The files are read where they are `now`; compressed ones must be the same.
    """
    paths, places = ([path for _, path in manifest.corpus_files(config)] for config in (then, now))
    if len(paths) != len(places) or not all(map(Path.is_file, places)):
        return None
    values = then.model_dump(mode="json")
    data = _only(_DATA, values["data"]) | {"filters": _only(_FILTERS, values["data"]["filters"])}
    data["train"] = [_corpus(corpus) for corpus in data["train"]]
    data["valid"] = _corpus(data["valid"])
    subword = _only(_SUBWORD, values["subword"]) | {"sampling": then.subword.sampling > 0}
    subword |= {"reuse": vocabularies.fingerprint} if then.subword.reuse is not None else {}
    kind = vocabularies.source.kind if then.subword.reuse is not None else then.subword.kind
    settings = {"format": 1, "data": data, "subword": subword}
    settings |= {"extended": True} if then.model.decoder.copy_source and kind == "word" else {}
    digests = {path: digest(place) for path, place in zip(paths, places, strict=True)}
    content = [settings, list(digests.values()), vocabularies.fingerprint]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _corpus(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in _only(_CORPUS, values).items() if key != "tag" or value is not None}


def _only(keys: tuple[str, ...], values: dict[str, Any]) -> dict[str, Any]:
    return {key: values[key] for key in keys}
