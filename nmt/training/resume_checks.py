"""Whether a run may go on with a configuration: the network, the text and the subword model must be the same.

The text is the same wherever its files are now. The weights of corpora, dropout and the section `training` may change.
"""

import json
from collections.abc import Callable, Iterator
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

Report = Callable[[str], None]
Change = tuple[str, Any, Any]
"""A key, its value when the run began and its value now."""
ANOTHER = "choose another name (--set name=NAME)"


def find_start(run: Run, config: Config, which: str, report: Report) -> Path:
    """Return the checkpoint `which` to go on from, in a run that `config` suits; `report` what has changed."""
    checkpoint.recover(run)
    start = run.checkpoint(which)
    load_meta(start)
    _check_config(run, config, report)
    if not start.name.startswith("step-"):
        raise NmtError(f"--checkpoint {which}: only step-N, best and last hold what going on needs")
    return start


def _check_config(run: Run, config: Config, report: Report) -> None:
    """Refuse to go on with another model, seed or text; report what else has changed."""
    corpora, of_now = len(load_run_config(run).data.train), len(config.data.train)
    if corpora != of_now:
        raise NmtError(f"{run.config_file}: 'data.train' differs: {corpora} corpora then, {of_now} now; {ANOTHER}")
    before, now = _comparable(load_run_config(run)), _comparable(config)
    if refused := list(_differences("", before["fixed"], now["fixed"])):
        lines = ", ".join(f"'{key}' differs: {_shown(old)} then, {_shown(new)} now" for key, old, new in refused)
        raise NmtError(
            f"{run.config_file}: {lines}; a run goes on only with the model and the text it began with: {ANOTHER}"
        )
    if bool(load_run_config(run).training.ema_decay) != bool(config.training.ema_decay):
        raise NmtError(f"{run.config_file}: training.ema_decay cannot be switched on or off in a run that has begun")
    changed = list(_differences("", before["free"], now["free"]))
    if changed:
        changes = (f"{key} {_plain(old)} -> {_plain(new)}" for key, old, new in changed)
        report(f"changed since the run began: {', '.join(changes)}")


def _comparable(config: Config) -> dict[str, Any]:
    """Return what must stay the same in a run as `fixed`, and as `free` what may change and is worth a word."""
    values = config.model_dump(mode="json")
    data, model, subword = values["data"], values["model"], values["subword"]
    corpora = {"train": dict(enumerate(data["train"])), "valid": data["valid"]}
    places: dict[str, Any] = {"train": {}, "valid": {}}
    for number, corpus in corpora["train"].items():
        places["train"][number] = {key: corpus.pop(key) for key in ("source", "target", "tsv", "weight")}
    places["valid"] = {key: data["valid"].pop(key) for key in ("source", "target", "tsv", "weight")}
    for key in ("source_vectors", "target_vectors"):  # read before the first step only
        del model["embedding"][key]
    del subword["reuse"]  # the models themselves are compared
    return {
        "fixed": {
            "seed": values["seed"],
            "subword": subword,
            "model": {key: value for key, value in model.items() if key != "dropout"},
            "data": manifest.text_settings(config.data) | {"filters": data["filters"]} | corpora,
        },
        "free": {"data": places, "model": {"dropout": model["dropout"]}, "training": values["training"]},
    }


def _differences(name: str, old: Any, new: Any) -> Iterator[Change]:
    """Yield each key below `name` whose values differ."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        if old != new:
            yield name, old, new
        return
    for key in [*old, *(key for key in new if key not in old)]:
        yield from _differences(f"{name}.{key}" if name else str(key), old.get(key), new.get(key))


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else _shown(value)


def check_data(run: Run, config: Config, prepared: Prepared, start: Path, report: Report) -> None:
    """Refuse to go on from a checkpoint that was trained with other data or another vocabulary."""
    is_same = Vocabularies.load(run.subword).fingerprint == prepared.vocabularies.fingerprint
    if not is_same or not _is_data_of(run, config, start, prepared):
        if not is_made_for(prepared.folder, config):
            raise NmtError(
                f"{prepared.folder} holds the data of another configuration now: run nmt preprocess with this one and "
                "resume with --resume; give each its own data.prepared"
            )
        raise NmtError(
            f"{start} was not trained on the data in {prepared.folder}; the text of the corpora or their settings have "
            f"changed since the run began: {ANOTHER}"
        )
    _check_moved_files(run, config, prepared, report)


def _is_data_of(run: Run, config: Config, start: Path, prepared: Prepared) -> bool:
    """Return whether the checkpoint was trained on the prepared data."""
    known = load_meta(start).get("data")
    if known in (prepared.fingerprint, prepared.former_fingerprint):
        return known is not None
    # An older version saved the checkpoint, and the data has been prepared again since.
    former = manifest_v1.former_fingerprint(load_run_config(run), config, prepared.vocabularies)
    return known is not None and known == former and not any(manifest.differing(read_header(prepared.folder), config))


def _check_moved_files(run: Run, config: Config, prepared: Prepared, report: Report) -> None:
    """Refuse corpora in other files than before whose text is not that of the prepared data, which is what is read."""
    if manifest.corpus_files(load_run_config(run)) == manifest.corpus_files(config):
        return
    missing = [f"{key}: {path}" for key, path in manifest.corpus_files(config) if not path.exists()]
    if missing:
        report(f"no such file: {', '.join(missing)}; the run goes on with the text in {prepared.folder}")
        return
    header = read_header(prepared.folder)
    for key, path in manifest.differing(header, config):
        unknown = " (an older version kept the hash of compressed files only: name the file as it was)"
        raise NmtError(
            f"{run.config_file}: '{key}' differs: {path} does not hold the text that the run began with"
            f"{unknown if header.get('is_former') else ''}; {ANOTHER}"
        )
