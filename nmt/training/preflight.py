"""Check before training that the files of every corpus exist, are readable and are aligned line by line."""

from pathlib import Path

from nmt.config import Config, Corpus
from nmt.data.corpus import read_pairs
from nmt.data.language_tags import Tagger
from nmt.data.lines import normalize
from nmt.data.manifest import files_by_key
from nmt.errors import NmtError


def check_texts(config: Config) -> None:
    """Raise `NmtError` with a line for each file of a corpus that is missing, unreadable or misaligned.

    Training corpora may be large, so only their existence is checked. The others are read.
    """
    if faults := missing_files(config) or unreadable_texts(config):
        raise NmtError("\n".join([*faults, working_directory()]))


def working_directory() -> str:
    """Return a line that names the directory to which paths are relative."""
    return f"paths are relative to the working directory, {Path.cwd()}"


def corpora(config: Config) -> dict[str, Corpus]:
    """Return every corpus of a configuration by its key."""
    return {f"data.train.{number}": one for number, one in enumerate(config.data.train)} | _evaluated(config)


def missing_files(config: Config) -> list[str]:
    """Return a line for each file of a corpus that does not exist or is not a regular file."""
    return [
        f"{name}: {'not a regular file' if file.exists() else 'no such file'}: {file}"
        for key, corpus in corpora(config).items()
        for name, file in files_by_key(key, corpus)
        if not file.is_file()
    ]


def unreadable_texts(config: Config) -> list[str]:
    """Return a line for each validation or test set that is unreadable, misaligned or lacks a tag."""
    faults = []
    for key, corpus in _evaluated(config).items():
        try:
            tagger = Tagger(config.data, corpus.tag or "", f"set {key}.tag")
            # Preprocessing accepts a few lines of validation sets that are not UTF-8.
            pairs = read_pairs(corpus, None if key.startswith("data.test.") else [])
            tagger.check((normalize(source, config.data) for source, _ in pairs), key)
            for _ in pairs:  # read to the end: only there are misaligned files found
                pass
        except NmtError as error:
            faults.append(str(error) if str(error).startswith(key) else f"{key}: {error}")
    return faults


def _evaluated(config: Config) -> dict[str, Corpus]:
    """Return the corpora that a model is evaluated on by their keys."""
    return {f"data.{key}": corpus for key, corpus in config.data.evaluated.items()}
