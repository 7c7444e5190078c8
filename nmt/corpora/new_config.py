"""`nmt init`: from files of sentence pairs to training, validation and test sets and a configuration that fits them.

NAME.yaml               commented configuration
NAME-data/train.SRC …   the sets, UTF-8, one sentence per line
NAME-data/origin.json   which text and options they come from, and the facts
"""

import dataclasses
import hashlib
import logging
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt.corpora.config_text import ConfigFacts, vocabulary_size, write_config
from nmt.corpora.made_sets import make_sets
from nmt.corpora.settings import for_pairs
from nmt.corpora.summary import describe_sets
from nmt.data.languages import has_spaces
from nmt.errors import NmtError
from nmt.storage.atomic_files import convert_write_errors, write_atomically
from nmt.storage.atomic_folder import build_folder
from nmt.storage.checksums import digest
from nmt.storage.json_text import dump_json, parse_json

logger = logging.getLogger(__name__)
VERSION = 1
"""Changes when the same text gives other sets."""
ORIGIN = "origin.json"
_REMEDY = "choose another place with -o FOLDER/NAME.yaml"
_ENDINGS = re.compile(r"\.(gz|bz2|xz|txt|tsv|csv|tab|jsonl?|text)$", re.IGNORECASE)


@dataclass(frozen=True)
class Request:
    """What the user asked for."""

    inputs: tuple[Path, ...]
    """One table or two aligned files."""
    output: Path | None = None
    """The YAML file; by default named after the inputs, in the working directory."""
    languages: tuple[str, str] = ("", "")
    """Codes of source and target, "" for those to be found."""
    valid: tuple[Path, ...] = ()
    """The user's own validation set: one table or two files; empty to draw one."""
    test: tuple[Path, ...] = ()
    encoding: str = ""
    is_forced: bool = False
    """Replace what an earlier command wrote."""

    @property
    def config(self) -> Path:
        """The YAML file."""
        return self.output or Path(f"{_name_of(self.inputs)}.yaml")

    @property
    def name(self) -> str:
        """The name of the run."""
        return re.sub(r"[^A-Za-z0-9._-]+", "-", self.config.stem).strip("-._") or "corpus"

    @property
    def folder(self) -> Path:
        """The folder of the sets."""
        return self.config.with_name(f"{self.config.stem}-data")

    @property
    def command(self) -> str:
        """The command line that repeats this request."""
        options: list[str | Path] = ["nmt", "init", *self.inputs]
        options += ["-o", self.output] if self.output else []
        for flag, value in zip(("--source-language", "--target-language"), self.languages, strict=True):
            options += [flag, value] if value else []
        options += [word for path in self.valid for word in ("--valid", path)]
        options += [word for path in self.test for word in ("--test", path)]
        options += ["--encoding", self.encoding] if self.encoding else []
        return shlex.join(map(str, options))


def create_config(request: Request) -> Path:
    """Write the configuration and the sets of a corpus, unless they are up to date. Return the YAML file.

    Raise `NmtError` if the text cannot be used, or if the files exist and come from other text or options.
    """
    _check_output(request)
    missing = next((path for path in (*request.inputs, *request.valid, *request.test) if not path.is_file()), None)
    if missing is not None:
        reason = "is a folder; give text files" if missing.is_dir() else "no such file"
        raise NmtError(f"{missing}: {'is not a regular file' if missing.exists() and not missing.is_dir() else reason}")
    origin = _origin(request)
    if not request.is_forced and is_up_to_date(request, origin):
        logger.info(
            f"{request.config} is up to date: {request.folder} was made from the same text; nothing to do "
            "(--force makes both again)"
        )
        return request.config
    _check_existing(request)
    with _write_errors(request.folder), build_folder(request.folder, lambda: False) as folder:
        assert folder is not None  # is_done is always False
        text = _build(request, folder, origin)
    write_atomically(request.config, text, _REMEDY)
    logger.info(f"written: {request.config} (settings with reasons), {request.folder} (the sets)")
    return request.config


def config_for_training(inputs: tuple[Path, ...]) -> Path:
    """Return the YAML file of a corpus for `nmt train`; write it unless it exists and comes from the same text."""
    request = Request(inputs)
    stored = (_stored_origin(request.folder) or {}).get("inputs")
    is_known = request.config.is_file() and all(path.is_file() for path in inputs)
    if is_known and stored == [digest(path) for path in inputs]:
        logger.info(f"{request.config} was made from the same text: it is used unchanged")
        return request.config
    return create_config(request)


def is_up_to_date(request: Request, origin: dict[str, Any] | None = None) -> bool:
    """Return whether the configuration exists and its sets come from the same text and options."""
    if not request.config.is_file():
        return False
    stored = _stored_origin(request.folder)
    return stored is not None and stored.get("key") == (origin or _origin(request))["key"]


def _origin(request: Request) -> dict[str, Any]:
    """Return what the sets depend on."""
    inputs = [digest(path) for path in request.inputs]
    key = {
        "version": VERSION,
        "inputs": inputs,
        "valid": [digest(path) for path in request.valid],
        "test": [digest(path) for path in request.test],
        "languages": list(request.languages),
        "encoding": request.encoding,
    }
    fingerprint = hashlib.sha256(dump_json(key).encode()).hexdigest()
    return {"key": fingerprint, "inputs": inputs, "command": request.command}


def _stored_origin(folder: Path) -> dict[str, Any] | None:
    try:
        stored = parse_json((folder / ORIGIN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return stored if isinstance(stored, dict) else None


def _check_output(request: Request) -> None:
    if request.config.suffix not in (".yaml", ".yml"):
        raise NmtError(f"-o {request.config}: give the name of a YAML file, such as {request.config}.yaml")
    if not request.config.parent.is_dir():
        raise NmtError(f"-o {request.config}: no such folder: {request.config.parent}; create it first")


def _check_existing(request: Request) -> None:
    """Raise `NmtError` if there are files that must not be replaced."""
    if request.folder.exists() and _stored_origin(request.folder) is None:
        raise NmtError(f"{request.folder}: exists and was not made by nmt init; choose another name with -o NAME.yaml")
    existing = next((path for path in (request.config, request.folder) if path.exists()), None)
    if existing is not None and not request.is_forced:
        raise NmtError(
            f"{existing}: exists, and was made from other text or with other options; choose another name with "
            "-o NAME.yaml, or replace it with --force"
        )


@contextmanager
def _write_errors(path: Path) -> Iterator[None]:
    with convert_write_errors(path, _REMEDY):
        yield


def _build(request: Request, folder: Path, origin: dict[str, Any]) -> str:
    """Write the sets into the new `folder` and return the text of the configuration."""
    made = make_sets(request.inputs, folder, request.languages, request.valid, request.test, request.encoding)
    facts, counts = made.facts, made.counts
    values = {**origin, "pairs": counts, "facts": dataclasses.asdict(facts)}
    (folder / ORIGIN).write_text(dump_json(values, indent=1) + "\n", encoding="utf-8")
    given = [part for part, files in (("valid", request.valid), ("test", request.test)) if files]
    drawn = sum(counts.get(part, 0) for part in ("valid", "test") if part not in given)
    pairs = max(1, facts.usable - drawn - made.related)
    settings = for_pairs(pairs, facts.target.median, has_spaces(facts.target.language))
    about = ConfigFacts(
        request.name,
        str(request.config),
        request.command,
        request.folder.as_posix(),
        made.sides,
        counts,
        pairs,
        facts,
        settings,
    )
    for line in describe_sets(counts, settings, vocabulary_size(about)[0]):
        logger.info(line)
    return write_config(about)


def _name_of(paths: tuple[Path, ...]) -> str:
    """Return the name of a corpus: the part that the file names share, without endings."""
    stems = []
    for path in paths:
        name = path.name
        while (shorter := _ENDINGS.sub("", name)) != name and shorter:
            name = shorter
        stems.append(name)
    if len(stems) == 2:
        parts = [re.split(r"([._-])", stem) for stem in stems]
        common = [a for a, b in zip(*parts, strict=False) if a == b] if parts[0][0] == parts[1][0] else []
        stems[0] = "".join(common).strip("._-") or "-".join(stems)
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stems[0]).strip("-._") or "corpus"
