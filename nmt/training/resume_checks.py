"""Check that a run can be resumed: the network, the seed, the text and the subword model must be the same.

The files of the text may have moved. Corpus weights, dropout and the section `training` may change.
"""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nmt.config import Config, load_run_config
from nmt.data import manifest, manifest_v1
from nmt.data.prepared_data import Prepared, is_made_for, read_header
from nmt.data.subword import Vocabularies
from nmt.errors import NmtError
from nmt.models.weights import load_meta
from nmt.storage.run_folder import Run
from nmt.training import checkpoint

logger = logging.getLogger(__name__)
Change = tuple[str, Any, Any]
"""A key, its value when the run began and its value now."""
RENAME_REMEDY = "choose another name (--set name=NAME)"


def find_resume_checkpoint(run: Run, config: Config, name: str) -> Path:
    """Return the folder of checkpoint `name` to resume from; log what has changed in `config` since the run began.

    Raises `NmtError` if the checkpoint cannot be resumed or `config` does not fit the run.
    """
    checkpoint.recover(run)
    start = run.checkpoint(name)
    load_meta(start)
    _check_config(run, config)
    if not start.name.startswith("step-"):
        raise NmtError(f"--checkpoint {name}: cannot be resumed from; choose step-N, best or last")
    return start


def _check_config(run: Run, config: Config) -> None:
    """Raise `NmtError` if the model, the seed or the text differ; log other changes."""
    old_count, new_count = len(load_run_config(run).data.train), len(config.data.train)
    if old_count != new_count:
        raise NmtError(
            f"{run.config_file}: 'data.train' differs: {old_count} corpora then, {new_count} now; {RENAME_REMEDY}"
        )
    old, new = _comparable(load_run_config(run)), _comparable(config)
    if fixed := list(_differences("", old["fixed"], new["fixed"])):
        lines = ", ".join(
            f"'{key}' differs: {_to_json(before)} then, {_to_json(after)} now" for key, before, after in fixed
        )
        raise NmtError(
            f"{run.config_file}: {lines}; a run can be resumed only with the model and the text it began with: "
            f"{RENAME_REMEDY}"
        )
    if bool(load_run_config(run).training.ema_decay) != bool(config.training.ema_decay):
        raise NmtError(f"{run.config_file}: training.ema_decay cannot be switched on or off in a run that has begun")
    if free := list(_differences("", old["free"], new["free"])):
        changes = (f"{key} {_to_text(before)} -> {_to_text(after)}" for key, before, after in free)
        logger.info(f"changed since the run began: {', '.join(changes)}")


def _comparable(config: Config) -> dict[str, Any]:
    """Return the values that must not change in a run as `fixed`, and as `free` those whose change is logged."""
    values = config.model_dump(mode="json")
    data, model, subword = values["data"], values["model"], values["subword"]
    corpora = {"train": dict(enumerate(data["train"])), "valid": data["valid"]}
    files: dict[str, Any] = {"train": {}, "valid": {}}
    for number, corpus in corpora["train"].items():
        files["train"][number] = {key: corpus.pop(key) for key in ("source", "target", "tsv", "weight")}
    files["valid"] = {key: data["valid"].pop(key) for key in ("source", "target", "tsv", "weight")}
    for key in ("source_vectors", "target_vectors"):  # read before the first step only
        del model["embedding"][key]
    del subword["reuse"]  # the subword models themselves are compared
    return {
        "fixed": {
            "seed": values["seed"],
            "subword": subword,
            "model": {key: value for key, value in model.items() if key != "dropout"},
            "data": manifest.text_settings(config.data) | {"filters": data["filters"]} | corpora,
        },
        "free": {"data": files, "model": {"dropout": model["dropout"]}, "training": values["training"]},
    }


def _differences(name: str, old: Any, new: Any) -> Iterator[Change]:
    """Yield each key below `name` whose values differ."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        if old != new:
            yield name, old, new
        return
    for key in [*old, *(key for key in new if key not in old)]:
        yield from _differences(f"{name}.{key}" if name else str(key), old.get(key), new.get(key))


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
    for key, path in manifest.changed_files(header, config):
        note = " (an older version recorded the hash of the compressed file only: use the original file name)"
        raise NmtError(
            f"{run.config_file}: '{key}' differs: {path} does not hold the text that the run began with"
            f"{note if header.get('is_v1') else ''}; {RENAME_REMEDY}"
        )
