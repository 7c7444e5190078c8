"""Check that a run can be resumed: the network, the seed, the text and the subword model must be the same.

The files of the text may have moved. Corpus weights and languages, dropout and the sections `training` and `decoding`
may change.
"""

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nmt.config import TEXT_KEYS, Config, load_run_config
from nmt.data import manifest, manifest_v1
from nmt.data.prepared_data import Prepared, is_made_for, read_header
from nmt.data.subword import Vocabularies
from nmt.errors import NmtError
from nmt.storage.checkpoint_meta import load_meta
from nmt.storage.run_folder import RENAME_REMEDY, Run
from nmt.training import checkpoint

logger = logging.getLogger(__name__)
MAY_CHANGE = re.compile(
    r"training\.|decoding\.|model\.dropout\."
    r"|data\.(train\.\d+|valid|more_valid\..+)\.(source|target|tsv|weight|source_language|target_language)$"
)
"""Keys whose change is logged."""
MUST_STAY = re.compile(
    r"seed$|subword\.(?!reuse$)|model\.(?!embedding\.(source|target)_vectors$)|data\.(train|valid|more_valid|filters)\."
    rf"|data\.({'|'.join(TEXT_KEYS)})$"
)
"""Keys whose change is an error, except those that may change. The subword models themselves are compared, too."""


def find_resume_checkpoint(run: Run, config: Config, name: str) -> Path:
    """Return the folder of checkpoint `name` to resume from; log what has changed in `config` since the run began.

    Raises `NmtError` if the checkpoint cannot be resumed or `config` does not fit the run.
    """
    checkpoint.recover(run)
    start = run.checkpoint(name)
    load_meta(start)
    _check_config(run, config)
    if not start.name.startswith("step-"):
        raise NmtError(f"--checkpoint {name}: training cannot resume from it; choose step-N, best or last")
    return start


def _check_config(run: Run, config: Config) -> None:
    """Raise `NmtError` if the model, the seed or the text differ; log other changes."""
    old_config = load_run_config(run)
    old_count, new_count = len(old_config.data.train), len(config.data.train)
    if old_count != new_count:
        raise NmtError(
            f"{run.config_file}: 'data.train' differs: the number of corpora was {old_count} and is now {new_count}; "
            f"to resume, restore the corpora; to train a new run, {RENAME_REMEDY}"
        )
    old, new = (dict(flatten("", one.model_dump(mode="json"))) for one in (old_config, config))
    changed = [key for key in new if new[key] != old.get(key)]
    free = [key for key in changed if MAY_CHANGE.match(key)]
    if fixed := [key for key in changed if MUST_STAY.match(key) and key not in free]:
        lines = (f"'{key}' differs: {_to_json(old.get(key))} then, {_to_json(new[key])} now" for key in fixed)
        raise NmtError(
            f"{run.config_file}: {', '.join(lines)}; a run can be resumed only with the model and the text it began "
            f"with: {RENAME_REMEDY}"
        )
    if bool(old_config.training.ema_decay) != bool(config.training.ema_decay):
        raise NmtError(f"{run.config_file}: training.ema_decay cannot be switched on or off in a run that has begun")
    if free:
        lines = (f"{key} {_to_text(old.get(key))} -> {_to_text(new[key])}" for key in free)
        logger.info(f"changed since the run began: {', '.join(lines)}")


def flatten(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the values in nested sections and lists of sections with their keys, such as data.train.0.source."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        value = dict(enumerate(value))
    if not isinstance(value, dict):
        yield name, value
        return
    for key, inner in value.items():
        yield from flatten(f"{name}.{key}" if name else str(key), inner)


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _to_text(value: Any) -> str:
    return value if isinstance(value, str) else _to_json(value)


def check_data(run: Run, config: Config, prepared: Prepared, start: Path) -> None:
    """Raise `NmtError` if the checkpoint `start` was trained with other data or another vocabulary."""
    is_same = Vocabularies.load(run.subword).fingerprint == prepared.vocabularies.fingerprint
    if not is_same or not _is_data_of(run, config, start, prepared):
        if not is_made_for(prepared.folder, config):
            raise NmtError(
                f"{prepared.folder} now holds the data of another configuration: run nmt preprocess with this one and "
                "resume with --resume; give each configuration its own data.prepared"
            )
        raise NmtError(
            f"{start} was not trained on the data in {prepared.folder}; the text of the corpora or their settings have "
            f"changed since the run began: {RENAME_REMEDY}"
        )
    _check_moved_files(run, config, prepared)


def _is_data_of(run: Run, config: Config, start: Path, prepared: Prepared) -> bool:
    """Return whether the checkpoint was trained on the prepared data."""
    fingerprint = load_meta(start).get("data")
    if fingerprint in (prepared.fingerprint, prepared.fingerprint_v1):
        return fingerprint is not None
    # An older version saved the checkpoint, and the data has been prepared again since.
    former = manifest_v1.fingerprint_v1(load_run_config(run), config, prepared.vocabularies)
    if fingerprint is None or fingerprint != former:
        return False
    return not any(manifest.changed_files(read_header(prepared.folder), config))


def _check_moved_files(run: Run, config: Config, prepared: Prepared) -> None:
    """Raise `NmtError` if the corpora are in other files now and their text is not that of the prepared data."""
    if manifest.corpus_files(load_run_config(run)) == manifest.corpus_files(config):
        return
    missing = [f"{key}: {path}" for key, path in manifest.corpus_files(config) if not path.exists()]
    if missing:
        logger.info(f"no such file: {', '.join(missing)}; training uses the text in {prepared.folder}")
        return
    header = read_header(prepared.folder)
    note = " (an older version recorded the hash of the compressed file only: use the original file name)"
    for key, path in manifest.changed_files(header, config):
        raise NmtError(
            f"{run.config_file}: '{key}' differs: {path} does not hold the text that the run began with"
            f"{note if header.get('is_v1') else ''}; {RENAME_REMEDY}"
        )
