"""What the prepared data was made from: the text and the settings, so that nothing is made twice.

The text counts, not where it is: a file may be moved, renamed, compressed with gzip or unpacked.
"""

import hashlib
import json
import stat
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nmt import config as schema
from nmt.config import TEXT_KEYS, Config, Corpus, Data, Section
from nmt.data.corpus import paths
from nmt.data.lines import open_binary
from nmt.data.subword import Vocabularies
from nmt.errors import NmtError
from nmt.storage.checksums import digest
from nmt.storage.json_text import parse_json

FORMAT = 2
_BLOCK = 1 << 20
_PLACES = ("source", "target", "tsv")
_OTHER = frozenset({"source_language", "target_language", "test", "prepared", "workers"})
"""Keys of `data` that the prepared data does not depend on."""
_CORPORA = frozenset({"train", "valid", "filters"})
"""Keys of `data` about which pairs there are, not about how a line is normalised."""


@dataclass(frozen=True)
class Input:
    """An input file as it was when it was read."""

    path: str
    size: int
    mtime_ns: int
    sha256: str
    """Of the text, which gzip does not change."""
    lines: int


def settings(config: Config) -> dict[str, Any]:
    """Return all of the config that the prepared data depends on besides the text, ready for JSON.

    Keys with their default value are left out, so that a new key changes nothing where it is not used.
    """
    data = config.data.model_dump(mode="json", exclude=set(_OTHER))
    subword = config.subword.model_dump(mode="json", exclude={"reuse"}) | {"sampling": config.subword.sampling > 0}
    kind: str = config.subword.kind
    if config.subword.reuse is not None:
        reused = Vocabularies.find(config.subword.reuse, config.subword.joint)
        subword["reuse"], kind = reused.fingerprint, reused.source.kind
    is_extended = config.model.decoder.copy_source and kind == "word"
    return without_defaults(data, subword, is_extended)


def without_defaults(data: dict[str, Any], subword: dict[str, Any], is_extended: bool) -> dict[str, Any]:
    """Return what `settings` returns, from the dumped sections `data` and `subword`."""
    filters = _changed(schema.Filters, data.get("filters", {}))
    corpora = {
        "train": [_changed_corpus(corpus) for corpus in data["train"]],
        "valid": _changed_corpus(data["valid"]),
        **({"filters": filters} if filters else {}),
    }
    others = {key: value for key, value in data.items() if key not in _CORPORA}
    return {
        "format": FORMAT,
        "data": _changed(Data, others) | corpora,
        "subword": _changed(schema.Subword, subword),
        **({"extended": True} if is_extended else {}),
    }


def _changed_corpus(corpus: dict[str, Any]) -> dict[str, Any]:
    return _changed(Corpus, {key: value for key, value in corpus.items() if key not in (*_PLACES, "weight")})


def _changed(section: type[Section], values: dict[str, Any]) -> dict[str, Any]:
    """Return the values that are not the default ones of a section."""
    fields = section.model_fields
    return {key: value for key, value in values.items() if key not in fields or value != fields[key].default}


def corpus_files(config: Config) -> list[tuple[str, Path]]:
    """Return every file of the training and validation corpora, each after its key, such as data.train.0.source."""
    corpora = {f"data.train.{number}": corpus for number, corpus in enumerate(config.data.train)}
    corpora["data.valid"] = config.data.valid
    return [found for key, corpus in corpora.items() for found in files_by_key(key, corpus)]


def files_by_key(key: str, corpus: Corpus) -> list[tuple[str, Path]]:
    """Return the files of the corpus `key`, each after its own key."""
    return [(f"{key}.{name}", path) for name in _PLACES if (path := getattr(corpus, name)) is not None]


def files(config: Config) -> list[Path]:
    """Return every file of the training and validation corpora once."""
    return list(dict.fromkeys(path for _, path in corpus_files(config)))


def inspect(path: Path) -> Input:
    """Read a file once for the hash of its text and its number of lines."""
    status = _status(path)
    text, lines, last = hashlib.sha256(), 0, b"\n"
    with open_binary(path) as file:
        while block := file.read(_BLOCK):
            text.update(block)
            lines += block.count(b"\n")
            last = block[-1:]
    return Input(str(path), status[0], status[1], text.hexdigest(), lines + (last != b"\n"))


def header(
    config: Config, used: dict[str, Any], found: Sequence[Input], vocabularies: str, damaged: list[str] | None
) -> dict[str, Any]:
    """Return what is kept about prepared data: its settings `used`, its inputs and its fingerprint.

    `damaged` is the table of what was dropped, if pairs were that are not UTF-8: earlier versions kept these.
    """
    corpora = [*config.data.train, config.data.valid]
    kept = {
        "settings": used,
        "inputs": [asdict(entry) for entry in found],
        "files": [[str(path) for path in paths(corpus)] for corpus in corpora],
        "vocabularies": vocabularies,
        **({"damaged": damaged} if damaged else {}),
    }
    return kept | {"fingerprint": fingerprint(kept)}


def fingerprint(header: dict[str, Any]) -> str:
    """Return a hash of the text, the settings and the subword model that prepared data was made from."""
    digests = {entry["path"]: entry["sha256"] for entry in header["inputs"]}
    texts = [[digests[path] for path in corpus] for corpus in header["files"]]
    content = [header["settings"], texts, header["vocabularies"], *([header["damaged"]] if "damaged" in header else [])]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def differing(header: dict[str, Any], config: Config) -> Iterator[tuple[str, Path]]:
    """Yield the key and the path of each file of `config` whose text is not that of the prepared data.

    A file at the same path, of the same size and time, is not read.
    """
    known = {entry["path"]: entry for entry in header["inputs"]}
    places = [path for corpus in header["files"] for path in corpus]
    here = corpus_files(config)
    if len(here) != len(places):  # a corpus is now a TSV, or no longer one
        yield here[0]
        return
    digests: dict[Path, str] = {}
    for (key, path), place in zip(here, places, strict=True):
        entry = known[place]
        if str(path) == place and _status(path) == (entry["size"], entry["mtime_ns"]):
            continue
        digests[path] = digests.get(path) or inspect(path).sha256
        if digests[path] != entry["sha256"] and not _is_file_of(header, path, entry):
            yield key, path


def _is_file_of(header: dict[str, Any], path: Path, entry: dict[str, Any]) -> bool:
    """Tell whether `path` is a compressed file of which format 1 kept the hash."""
    return header.get("is_former", False) and digest(path) == entry.get("sha256")


def check_still(inputs: list[Input]) -> None:
    """Raise `NmtError` where a file has changed since it was inspected."""
    for entry in inputs:
        if _status(Path(entry.path)) != (entry.size, entry.mtime_ns):
            raise NmtError(f"{entry.path}: the file changed while it was read; run nmt preprocess again")


def text_settings(data: Data) -> dict[str, Any]:
    """Return the keys of `data` that decide how a line is normalised, and their values."""
    return data.model_dump(mode="json", include=set(TEXT_KEYS))


def kept_text_settings(place: Path) -> tuple[Path, dict[str, Any]] | None:
    """Return how the text was normalised that the subword model at `place` was learnt from, with its source.

    `place` is a run, its folder `subword`, prepared data or a file in one of them; None where nothing says so.
    """
    own = place.parent if place.is_file() else place
    for folder in [own, own.parent] if own.name == "subword" else [own]:
        if (folder / "config.yaml").is_file() and (folder / "checkpoints").is_dir():
            return folder / "config.yaml", text_settings(schema.load(folder / "config.yaml").data)
        try:
            data = parse_json((folder / "prepared.json").read_text(encoding="utf-8"))["settings"]["data"]
            values = {key: data.get(key, Data.model_fields[key].default) for key in TEXT_KEYS}
            return folder / "prepared.json", values
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return None


def differing_text_settings(there: dict[str, Any], here: Data) -> list[str]:
    """Return in words each key of `text_settings` that is not the same there and here."""
    return [
        f"data.{key} is {json.dumps(there[key])} there and {json.dumps(value)} here"
        for key, value in text_settings(here).items()
        if key in there and there[key] != value
    ]


def reuse_warning(config: Config) -> str | None:
    """Return a warning where the subword model that is reused was learnt from lines normalised otherwise."""
    reuse = config.subword.reuse
    if reuse is None or (kept := kept_text_settings(reuse)) is None:
        return None
    if not (different := differing_text_settings(kept[1], config.data)):
        return None
    return (
        f"warning: subword.reuse: {kept[0]}: {', '.join(different)}; the subword model was learnt from other text than "
        "it will read: set the same values in 'data'"
    )


def _status(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except FileNotFoundError:
        raise NmtError(f"{path}: no such file") from None
    except OSError as error:
        raise NmtError(f"{path}: cannot be opened: {error.strerror}") from None
    if stat.S_ISDIR(status.st_mode):
        raise NmtError(f"{path}: is a folder, not a text file")
    if not stat.S_ISREG(status.st_mode):
        raise NmtError(f"{path}: preprocessing reads its input more than once; save the stream to a file")
    return status.st_size, status.st_mtime_ns
