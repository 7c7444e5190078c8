"""The manifest prepared.json: the text and the settings of the prepared data, to see whether the data is up to date.

The text counts, not the place: a file may be moved, renamed, compressed with gzip or decompressed.
"""

import hashlib
import json
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nmt import config as schema
from nmt.config import TEXT_KEYS, Config, Corpus, Data, Section
from nmt.data.corpus import corpus_paths
from nmt.data.lines import open_binary
from nmt.data.subword import Vocabularies
from nmt.errors import NmtError
from nmt.storage.checksums import digest
from nmt.storage.json_text import parse_json

FORMAT = 2
_BLOCK = 1 << 20
_PATH_KEYS = ("source", "target", "tsv")
_IRRELEVANT_KEYS = frozenset({"source_language", "target_language", "test", "prepared", "workers"})
"""Keys of `data` that do not change the prepared data."""
_IRRELEVANT_CORPUS_KEYS = frozenset({*_PATH_KEYS, "weight", "source_language", "target_language"})
"""Keys of a corpus that do not change the prepared data; the files count by their text."""
_CORPUS_KEYS = frozenset({"train", "valid", "more_valid", "filters"})
"""Keys of `data` that decide which pairs there are, not how a line is normalised."""


@dataclass(frozen=True)
class InputFile:
    """An input file as it was when it was read. The field names are keys of prepared.json."""

    path: str
    size: int
    mtime_ns: int
    sha256: str
    """The hash of the decompressed text."""
    lines: int


def preparation_settings(config: Config) -> dict[str, Any]:
    """Return all settings that the prepared data depends on, ready for JSON.

    Keys with their default value are left out, so that data stays up to date when the schema gets a new key.
    """
    data = config.data.model_dump(mode="json", exclude=set(_IRRELEVANT_KEYS))
    subword = config.subword.model_dump(mode="json", exclude={"reuse"}) | {"sampling": config.subword.sampling > 0}
    kind: str = config.subword.kind
    if config.subword.reuse is not None:
        reused = Vocabularies.find(config.subword.reuse, config.subword.joint)
        subword["reuse"], kind = reused.fingerprint, reused.source.kind
    is_extended = config.model.decoder.copy_source and kind == "word"
    return without_defaults(data, subword, is_extended)


def without_defaults(data: dict[str, Any], subword: dict[str, Any], is_extended: bool) -> dict[str, Any]:
    """Return the settings in the form of `preparation_settings` from the dumped sections `data` and `subword`."""
    filters = _non_default(schema.Filters, data.get("filters", {}))
    more_valid = {name: _non_default_corpus(corpus) for name, corpus in data.get("more_valid", {}).items()}
    corpora = {
        "train": [_non_default_corpus(corpus) for corpus in data["train"]],
        "valid": _non_default_corpus(data["valid"]),
        **({"more_valid": more_valid} if more_valid else {}),
        **({"filters": filters} if filters else {}),
    }
    others = {key: value for key, value in data.items() if key not in _CORPUS_KEYS}
    return {
        "format": FORMAT,
        "data": _non_default(Data, others) | corpora,
        "subword": _non_default(schema.Subword, subword),
        **({"extended": True} if is_extended else {}),
    }


def _non_default_corpus(corpus: dict[str, Any]) -> dict[str, Any]:
    return _non_default(Corpus, {key: value for key, value in corpus.items() if key not in _IRRELEVANT_CORPUS_KEYS})


def _non_default(section: type[Section], values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a section that differ from their defaults."""
    fields = section.model_fields
    return {key: value for key, value in values.items() if key not in fields or value != fields[key].default}


def corpus_files(config: Config) -> list[tuple[str, Path]]:
    """Return the files of the training and validation corpora, each with its key, such as data.train.0.source."""
    corpora = {f"data.train.{number}": corpus for number, corpus in enumerate(config.data.train)}
    corpora |= {f"data.{key}": corpus for key, corpus in config.data.validation.items()}
    return [found for key, corpus in corpora.items() for found in files_by_key(key, corpus)]


def files_by_key(key: str, corpus: Corpus) -> list[tuple[str, Path]]:
    """Return the files of the corpus at `key`, each with its own key."""
    return [(f"{key}.{name}", path) for name in _PATH_KEYS if (path := getattr(corpus, name)) is not None]


def input_files(config: Config) -> list[Path]:
    """Return the files of the training and validation corpora, each file once."""
    return list(dict.fromkeys(path for _, path in corpus_files(config)))


def inspect_file(path: Path, on_block: Callable[[bytes], object] | None = None) -> InputFile:
    """Read a file once for the hash of its text and its number of lines; `on_block` gets its text too."""
    size, mtime_ns = _size_and_time(path)
    text, lines, last = hashlib.sha256(), 0, b"\n"
    with open_binary(path) as file:
        while block := file.read(_BLOCK):
            text.update(block)
            if on_block is not None:
                on_block(block)
            lines += block.count(b"\n")
            last = block[-1:]
    return InputFile(str(path), size, mtime_ns, text.hexdigest(), lines + (last != b"\n"))


def make_header(
    config: Config, settings: dict[str, Any], inputs: Sequence[InputFile], vocabularies: str, damaged: list[str] | None
) -> dict[str, Any]:
    """Return the content of prepared.json: settings, inputs, the fingerprint of the `vocabularies` and its own.

    `damaged` is the table of dropped pairs if some were dropped because they are not UTF-8. It is part of the
    fingerprint, as earlier versions kept such pairs.
    """
    corpora = [*config.data.train, *config.data.validation.values()]
    header = {
        "settings": settings,
        "inputs": [asdict(entry) for entry in inputs],
        "files": [[str(path) for path in corpus_paths(corpus)] for corpus in corpora],
        "vocabularies": vocabularies,
        **({"damaged": damaged} if damaged else {}),
    }
    return header | {"fingerprint": fingerprint(header)}


def fingerprint(header: dict[str, Any]) -> str:
    """Return a hash of the text, the settings and the subword model that prepared data was made from."""
    digests = {entry["path"]: entry["sha256"] for entry in header["inputs"]}
    texts = [[digests[path] for path in corpus] for corpus in header["files"]]
    content = [header["settings"], texts, header["vocabularies"], *([header["damaged"]] if "damaged" in header else [])]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def changed_files(header: dict[str, Any], config: Config) -> Iterator[tuple[str, Path]]:
    """Yield the key and the path of each file of `config` whose text is not that of the prepared data.

    A file with the same path, size and time as then is not read.
    """
    inputs = {entry["path"]: entry for entry in header["inputs"]}
    old_paths = [path for corpus in header["files"] for path in corpus]
    files = corpus_files(config)
    if len(files) != len(old_paths):  # a corpus is now a TSV, or was one
        yield files[0]
        return
    digests: dict[Path, str] = {}
    for (key, path), old_path in zip(files, old_paths, strict=True):
        entry = inputs[old_path]
        if str(path) == old_path and _size_and_time(path) == (entry["size"], entry["mtime_ns"]):
            continue
        digests[path] = digests.get(path) or inspect_file(path).sha256
        # Format 1 kept the hash of the file itself, even if it was compressed.
        if digests[path] != entry["sha256"] and not (header.get("is_v1") and digest(path) == entry["sha256"]):
            yield key, path


def check_unchanged(inputs: list[InputFile]) -> None:
    """Raise NmtError if a file has changed since it was inspected."""
    for entry in inputs:
        if _size_and_time(Path(entry.path)) != (entry.size, entry.mtime_ns):
            raise NmtError(f"{entry.path}: the file changed while it was read; run nmt preprocess again")


def text_settings(data: Data) -> dict[str, Any]:
    """Return the keys of `data` that decide how a line is normalised, with their values."""
    return data.model_dump(mode="json", include=set(TEXT_KEYS))


def stored_text_settings(path: Path) -> tuple[Path, dict[str, Any]] | None:
    """Return how the training text of the subword model at `path` was normalised, and the file that says so.

    `path` is a run, its folder `subword`, prepared data or a file in one of them. Return None if no file says so.
    """
    start = path.parent if path.is_file() else path
    for folder in [start, start.parent] if start.name == "subword" else [start]:
        if (folder / "config.yaml").is_file() and (folder / "checkpoints").is_dir():
            return folder / "config.yaml", text_settings(schema.load(folder / "config.yaml").data)
        try:
            data = parse_json((folder / "prepared.json").read_text(encoding="utf-8"))["settings"]["data"]
            values = {key: data.get(key, Data.model_fields[key].default) for key in TEXT_KEYS}
            return folder / "prepared.json", values
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return None


def text_setting_differences(stored: dict[str, Any], data: Data) -> list[str]:
    """Describe each key of `text_settings` whose value in `data` is not the `stored` one."""
    return [
        f"data.{key} is {json.dumps(stored[key])} there and {json.dumps(value)} here"
        for key, value in text_settings(data).items()
        if key in stored and stored[key] != value
    ]


def reuse_warning(config: Config) -> str | None:
    """Return a warning if the reused subword model was trained on text that was normalised in another way."""
    reuse = config.subword.reuse
    if reuse is None or (stored := stored_text_settings(reuse)) is None:
        return None
    if not (different := text_setting_differences(stored[1], config.data)):
        return None
    return (
        f"subword.reuse: {stored[0]}: {', '.join(different)}; the subword model was trained on text normalised in "
        "another way: set the same values in 'data'"
    )


def _size_and_time(path: Path) -> tuple[int, int]:
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
