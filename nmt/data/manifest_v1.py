"""Read manifests of format 1, whose fingerprints depended on file paths, corpus weights and compression."""

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


def convert_header(header: dict[str, Any]) -> dict[str, Any]:
    """Return a header of format 1 in the current format. Raise KeyError or the like if it is corrupt.

    `is_v1` says that the hashes are of the files themselves, even if compressed. `fingerprint_v1` is the fingerprint in
    checkpoints of that time.
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
        "is_v1": True,
        "fingerprint_v1": header["fingerprint"],
    }
    return new | {"fingerprint": manifest.fingerprint(new)}


def fingerprint_v1(old: Config, new: Config, vocabularies: Vocabularies) -> str | None:
    """Return the fingerprint that format 1 gave to the data of the config `old`; None if files are missing.

    The files are read from their places in the config `new`; compressed files must not have changed.
    """
    old_paths, paths = ([path for _, path in manifest.corpus_files(config)] for config in (old, new))
    if len(old_paths) != len(paths) or not all(map(Path.is_file, paths)):
        return None
    values = old.model_dump(mode="json")
    data = _select(_DATA, values["data"]) | {"filters": _select(_FILTERS, values["data"]["filters"])}
    data["train"] = [_corpus(corpus) for corpus in data["train"]]
    data["valid"] = _corpus(data["valid"])
    subword = _select(_SUBWORD, values["subword"]) | {"sampling": old.subword.sampling > 0}
    subword |= {"reuse": vocabularies.fingerprint} if old.subword.reuse is not None else {}
    kind = vocabularies.source.kind if old.subword.reuse is not None else old.subword.kind
    settings = {"format": 1, "data": data, "subword": subword}
    settings |= {"extended": True} if old.model.decoder.copy_source and kind == "word" else {}
    digests = {old_path: digest(path) for old_path, path in zip(old_paths, paths, strict=True)}
    content = [settings, list(digests.values()), vocabularies.fingerprint]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _corpus(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in _select(_CORPUS, values).items() if key != "tag" or value is not None}


def _select(keys: tuple[str, ...], values: dict[str, Any]) -> dict[str, Any]:
    return {key: values[key] for key in keys}
