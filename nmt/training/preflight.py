"""What is looked for before hours go into a run: the files of every corpus, and what a run is to begin with."""

from pathlib import Path

from nmt.config import Config, Corpus
from nmt.data.corpus import read_pairs
from nmt.data.language_tags import Tagger
from nmt.data.lines import normalize
from nmt.data.manifest import files_by_key
from nmt.errors import NmtError


def check_texts(config: Config) -> None:
    """Raise `NmtError` with a line for each file of a corpus that is missing, unreadable or misaligned.

    Training corpora, which may be large, are only looked for; the others are read.
    """
    if faults := missing_files(config) or unreadable_texts(config):
        raise NmtError("\n".join([*faults, where()]))


def where() -> str:
    """Return what paths are relative to."""
    return f"paths are relative to the working directory, {Path.cwd()}"


def corpora(config: Config) -> dict[str, Corpus]:
    """Return every corpus of a configuration after its key."""
    return {f"data.train.{number}": one for number, one in enumerate(config.data.train)} | _evaluated(config)


def missing_files(config: Config) -> list[str]:
    """Return a line for each file of a corpus that is not there."""
    return [
        f"{name}: {'not a regular file' if file.exists() else 'no such file'}: {file}"
        for key, corpus in corpora(config).items()
        for name, file in files_by_key(key, corpus)
        if not file.is_file()
    ]


def unreadable_texts(config: Config) -> list[str]:
    """Return a line for each of the corpora `valid` and `test` that is unreadable, misaligned or lacks a tag."""
    faults = []
    for key, corpus in _evaluated(config).items():
        try:
            tagger = Tagger(config.data, corpus.tag or "", f"set {key}.tag")
            # A few lines of `valid` that are not UTF-8 are accepted where the data is prepared.
            pairs = read_pairs(corpus, [] if key == "data.valid" else None)
            tagger.check((normalize(source, config.data) for source, _ in pairs), key)
            for _ in pairs:  # misaligned files are found at their ends
                pass
        except NmtError as error:
            faults.append(str(error) if str(error).startswith(key) else f"{key}: {error}")
    return faults


def _evaluated(config: Config) -> dict[str, Corpus]:
    """Return the corpora that a model is evaluated on, each after its key."""
    return {"data.valid": config.data.valid} | {f"data.test.{name}": one for name, one in config.data.test.items()}
