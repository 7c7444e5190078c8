"""Save the state of a training run as a checkpoint, completely or not at all, and restore it.

A checkpoint is `checkpoints/step-N/`: `model.safetensors` (the weights to translate with, which are the moving average
if there is one), `meta.json`, `checksums.json`, and `training/`, which only resuming needs: `weights.safetensors` (only
with a moving average), `optimizer.safetensors` and `state.json`. It is written to a temporary folder and renamed. No
file is a pickle. Corrupted files are detected by `storage.checksums`.
"""

import dataclasses
import math
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from nmt.data.batching import Position
from nmt.errors import NmtError
from nmt.models.weights import load_tensors, load_weights, save_weights
from nmt.storage import checksums
from nmt.storage.atomic_files import convert_write_errors, write_atomically
from nmt.storage.checkpoint_meta import FORMAT, load_json
from nmt.storage.json_text import dump_json
from nmt.storage.portability import sync, sync_tree
from nmt.storage.run_folder import RENAME_REMEDY, Run

STATE_KEYS = ("step", "exp_avg", "exp_avg_sq")
"""The state of Adam for each weight."""
JSON_KEYS = {
    "stalled_validations": "misses",
    "stalled_since_plateau": "plateau_misses",
    "log_sums": "sums",
    "needs_validation": "is_unjudged",
    "interim_step": "passing",
    "skipped_steps": "skipped",
}
"""The keys in `state.json` of the fields of `Progress` whose names differ from them."""
_REPLACED = ".old.tmp"


@dataclass
class Progress:
    """The state of a run apart from its tensors."""

    step: int = 0
    """Optimizer steps done."""
    position: Position = field(default_factory=Position)
    """Position of the next batch in the training data."""
    best: float | None = None
    """Best value of `training.metric` so far; None if there is none yet."""
    best_loss: float | None = None
    """Validation loss of the best checkpoint, which decides between equal BLEU."""
    best_step: int | None = None
    """Step of the best checkpoint, 0 for the initial weights; None if there is none yet."""
    stalled_validations: int = 0
    """Validations without improvement since the best one that count for patience (`counts_for_patience`)."""
    plateaus: int = 0
    """Number of plateaus so far (see `learning_rate`)."""
    stalled_since_plateau: int = 0
    """Validations without improvement since the last plateau."""
    seconds: float = 0.0
    """Time trained, over all sessions."""
    log_sums: list[float] = field(default_factory=list)
    """The trainer's sums since the last line of the log."""
    tokens_since_log: int = 0
    """Target tokens since the last line of the log."""
    steps_since_log: int = 0
    """Steps since the last line of the log."""
    needs_validation: bool = False
    """Whether the weights of this step must be validated, because a signal arrived before that was done."""
    interim_step: int = 0
    """Step of a checkpoint that was saved only because training was interrupted; the next checkpoint replaces it."""
    skipped_steps: int = 0
    """Steps skipped because the gradient was not finite."""
    loss_scale: dict[str, Any] = field(default_factory=dict)
    """The state of the scaler of the loss in fp16."""

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values with the keys of `state.json`."""
        values = dataclasses.asdict(self)
        values["since"] = [values.pop("tokens_since_log"), values.pop("steps_since_log")]
        if not self.loss_scale:  # earlier versions do not know it
            del values["loss_scale"]
        return {JSON_KEYS.get(name, name): value for name, value in values.items()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Progress":
        """Return the progress that `to_json` made `values` from, in this or an older version.

        Raises KeyError, TypeError or ValueError if `values` are something else. In old files step 0 means None.
        """
        is_old = "best_loss" not in values
        names = {key: name for name, key in JSON_KEYS.items()}
        fields = {names.get(key, key): value for key, value in values.items() if key != "since"}
        fields["tokens_since_log"], fields["steps_since_log"] = values.get("since", (0, 0))
        fields["position"] = Position.from_json(values["position"])
        fields["best_step"] = None if is_old and values["best_step"] == 0 else values["best_step"]
        fields["log_sums"] = [math.nan if value is None else value for value in values["sums"]]
        return cls(**fields)


def save(
    run: Run,
    progress: Progress,
    meta: dict[str, Any],
    model: nn.Module,
    averaged: nn.Module | None,
    optimizer: torch.optim.Optimizer,
) -> str:
    """Write checkpoint `step-N` of `run`, point `last` at it, and return its name."""
    name = f"step-{progress.step}"
    with _new_checkpoint(run, name) as folder:
        (folder / "training").mkdir()
        save_weights(averaged or model, folder / "model.safetensors")
        if averaged is not None:
            save_weights(model, folder / "training" / "weights.safetensors")
        save_file(_optimizer_tensors(model, optimizer), folder / "training" / "optimizer.safetensors")
        _write_json(folder / "training" / "state.json", progress.to_json())
        _write_json(folder / "meta.json", {"format": FORMAT, "step": progress.step, **meta})
    point(run, "last", name)
    return name


def save_weights_only(run: Run, name: str, meta: dict[str, Any], model: nn.Module) -> None:
    """Write a checkpoint that can be used for translation but not resumed."""
    with _new_checkpoint(run, name) as folder:
        save_weights(model, folder / "model.safetensors")
        _write_json(folder / "meta.json", {"format": FORMAT, **meta})


@contextmanager
def _new_checkpoint(run: Run, name: str) -> Iterator[Path]:
    """Yield a temporary folder. At the end it becomes checkpoint `name`. Raise `NmtError` if it cannot be written."""
    temporary = run.checkpoints / f".{name}.tmp"
    with convert_write_errors(run.checkpoints, run.write_remedy):
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            yield temporary
            _publish(temporary, run.checkpoints / name)
        except (OSError, SafetensorError) as error:
            shutil.rmtree(temporary, ignore_errors=True)
            raise error if isinstance(error, OSError) else OSError(str(error)) from None


def read_progress(checkpoint: Path) -> Progress:
    """Return the progress of the run at `checkpoint`."""
    path = checkpoint / "training" / "state.json"
    try:
        return Progress.from_json(load_json(path))
    except (KeyError, TypeError, ValueError) as error:
        raise checksums.corruption_error(path, str(error)) from None


def restore(
    checkpoint: Path, model: nn.Module, averaged: nn.Module | None, optimizer: torch.optim.Optimizer
) -> Progress:
    """Load the network, its moving average and the optimizer from `checkpoint`, and return the progress of the run."""
    training = checkpoint / "training"
    progress = read_progress(checkpoint)
    if averaged is not None:
        load_weights(averaged, checkpoint / "model.safetensors")
        load_weights(model, training / "weights.safetensors")
    else:
        load_weights(model, checkpoint / "model.safetensors")
    tensors = load_tensors(training / "optimizer.safetensors")
    for name, weight in model.named_parameters():
        state = {key: tensors[f"{name}/{key}"] for key in STATE_KEYS if f"{name}/{key}" in tensors}
        if not state:
            continue  # this weight has never had a gradient
        if any(key not in state or (key != "step" and state[key].shape != weight.shape) for key in STATE_KEYS):
            raise NmtError(
                f"{training / 'optimizer.safetensors'}: the optimizer state of the weight {name} is missing or has "
                "another shape than in the configuration; restore the model section of this run, or "
                f"{RENAME_REMEDY}"
            )
        # Copies, because the tensors are unaligned memory maps of a file that may be deleted.
        optimizer.state[weight] = {key: tensor.to(weight.device, copy=True) for key, tensor in state.items()}
    return progress


def point(run: Run, pointer: str, name: str) -> None:
    """Write the name of a checkpoint into the file `checkpoints/best` or `checkpoints/last`."""
    write_atomically(run.checkpoints / pointer, f"{name}\n", run.write_remedy)


def rewind(run: Run, start: Path, best_step: int | None) -> None:
    """Remove checkpoints after `start` and unfinished writes; point `last` at `start` and `best` at `best_step`."""
    names = [name for name in run.step_names() if int(name[5:]) <= int(start.name[5:])]
    best = f"step-{best_step}"  # "step-None" is the name of no checkpoint
    point(run, "last", start.name)
    point(run, "best", best if best in names else start.name)
    prune(run, names)


def recover(run: Run) -> None:
    """Rename a checkpoint back if the process was killed while a newer one of the same step replaced it."""
    for replaced in run.checkpoints.glob(f".*{_REPLACED}"):
        original = replaced.with_name(replaced.name[1 : -len(_REPLACED)])
        if not original.exists():
            replaced.rename(original)


def prune(run: Run, keep: Iterable[str]) -> None:
    """Remove all checkpoints `step-N` whose names are not in `keep`, and the files of interrupted writes.

    A checkpoint is renamed before it is removed: another process may be writing graphs to it
    (`nmt.runtime.checkpoint_graphs`), and a new file would keep the folder from being removed.
    """
    names = set(keep)
    paths = list(run.checkpoints.iterdir())
    for path in paths:
        if path.name.startswith(".") and path.name.endswith(".tmp"):
            _remove(path)
    for path in paths:
        if path.name.startswith("step-") and path.name not in names:
            _remove(path.rename(path.with_name(f".{path.name}.tmp")))


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _optimizer_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {
        f"{name}/{key}": optimizer.state[weight][key].cpu().contiguous()
        for name, weight in model.named_parameters()
        if weight in optimizer.state
        for key in STATE_KEYS
    }


def _write_json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(dump_json(values, indent=1) + "\n", encoding="utf-8")


def _publish(temporary: Path, final: Path) -> None:
    """Add the checksums and rename the folder; a folder that it replaces is removed only afterwards."""
    checksums.write(temporary)
    sync_tree(temporary)
    if final.exists():
        replaced = final.with_name(f".{final.name}{_REPLACED}")
        shutil.rmtree(replaced, ignore_errors=True)
        final.rename(replaced)
        temporary.rename(final)
        shutil.rmtree(replaced)
    else:
        temporary.rename(final)
    sync(final.parent)
