"""Saving the state of a training run, whole or not at all, and reading it back.

A checkpoint is `checkpoints/step-N/`: `model.safetensors` (the weights to use: the moving average where one is kept),
`meta.json`, `checksums.json`, and `training/` with what going on needs: `weights.safetensors` (only with a moving
average), `optimizer.safetensors` and `state.json`. It is written beside its place and renamed; no file holds pickle.
"""

import dataclasses
import math
import os
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
from nmt.models.weights import FORMAT, load_json, load_tensors, load_weights, save_weights
from nmt.storage import checksums
from nmt.storage.atomic_files import convert_write_errors, write_atomically
from nmt.storage.json_text import dump_json
from nmt.storage.run_folder import Run


@dataclass
class Progress:
    """All of a run that is not a tensor."""

    step: int = 0
    """Optimizer steps done."""
    position: Position = field(default_factory=Position)
    """The next batch."""
    best: float | None = None
    """Best value of the chosen metric so far; None where there is none yet."""
    best_loss: float | None = None
    """Validation loss of the best checkpoint, which decides between equal BLEU."""
    best_step: int | None = None
    """Step of the best checkpoint, 0 for the weights that the run began with; None where there is none yet."""
    misses: int = 0
    """Validations without improvement since then, see `judging.counts`."""
    plateaus: int = 0
    """Plateaus met (see `learning_rate`)."""
    plateau_misses: int = 0
    """Validations without improvement since the last plateau."""
    seconds: float = 0.0
    """Time trained, over all sessions."""
    sums: list[float] = field(default_factory=list)
    """What the trainer sums between two lines of the log."""
    since: list[int] = field(default_factory=lambda: [0, 0])
    """Target tokens and steps since the last line of the log."""
    is_unjudged: bool = False
    """Whether the weights of this step are still to be validated, as a signal came before that was done."""
    passing: int = 0
    """Step of a checkpoint that is there only because a signal came; the next takes its place."""
    skipped: int = 0
    """Steps left out because the gradient was not finite."""

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Progress":
        """Undo `to_json`; raises `KeyError` and `TypeError`. In what older versions wrote, step 0 means none."""
        is_old = "best_loss" not in values
        best_step = None if is_old and values["best_step"] == 0 else values["best_step"]
        sums = [math.nan if value is None else value for value in values["sums"]]
        position = Position.from_json(values["position"])
        return cls(**{**values, "position": position, "best_step": best_step, "sums": sums})


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
    with _new(run, name) as folder:
        (folder / "training").mkdir()
        save_weights(averaged or model, folder / "model.safetensors")
        if averaged is not None:
            save_weights(model, folder / "training" / "weights.safetensors")
        save_file(_optimizer_tensors(model, optimizer), folder / "training" / "optimizer.safetensors")
        _write_json(folder / "training" / "state.json", progress.to_json())
        _write_json(folder / "meta.json", {"format": FORMAT, "step": progress.step, **meta})
    point(run, "last", name)
    return name


def save_to_use(run: Run, name: str, meta: dict[str, Any], model: nn.Module) -> None:
    """Write a checkpoint of weights alone, to translate with but not to go on from."""
    with _new(run, name) as folder:
        save_weights(model, folder / "model.safetensors")
        _write_json(folder / "meta.json", {"format": FORMAT, **meta})


@contextmanager
def _new(run: Run, name: str) -> Iterator[Path]:
    """Give a folder to fill, which becomes checkpoint `name` once it is whole; raises `NmtError` where that fails."""
    temporary = run.checkpoints / f".{name}.tmp"
    with convert_write_errors(run.checkpoints, run.disk_remedy):
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            yield temporary
            _publish(temporary, run.checkpoints / name)
        except SafetensorError as error:
            shutil.rmtree(temporary, ignore_errors=True)
            raise OSError(str(error)) from None
        except OSError:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def restore(
    checkpoint: Path, model: nn.Module, averaged: nn.Module | None, optimizer: torch.optim.Optimizer
) -> Progress:
    """Fill network, moving average and optimizer from `checkpoint` and return the run's progress."""
    training = checkpoint / "training"
    path = training / "state.json"
    try:
        progress = Progress.from_json(load_json(path))
    except (TypeError, KeyError) as error:
        raise checksums.damaged(path, str(error)) from None
    if averaged is not None:
        load_weights(averaged, checkpoint / "model.safetensors")
        load_weights(model, training / "weights.safetensors")
    else:
        load_weights(model, checkpoint / "model.safetensors")
    tensors = load_tensors(training / "optimizer.safetensors")
    for name, weight in model.named_parameters():
        if not any(f"{name}/{key}" in tensors for key in STATE_KEYS):
            continue  # it has never had a gradient
        try:
            optimizer.state[weight] = {key: _place(tensors[f"{name}/{key}"], weight, key) for key in STATE_KEYS}
        except (KeyError, RuntimeError):
            raise NmtError(f"{training / 'optimizer.safetensors'}: does not fit the configuration ({name})") from None
    return progress


_OLD = ".old.tmp"
STATE_KEYS = ("step", "exp_avg", "exp_avg_sq")
"""What Adam keeps for each weight."""


def point(run: Run, pointer: str, name: str) -> None:
    """Make `checkpoints/best` or `checkpoints/last` name a checkpoint."""
    write_atomically(run.checkpoints / pointer, f"{name}\n", run.disk_remedy)


def rewind(run: Run, start: Path, best_step: int | None) -> None:
    """Forget what came after the checkpoint `start`, at which the best one was `best_step`, and unfinished writes."""
    names = [name for name in run.names() if name == "averaged" or int(name[5:]) <= int(start.name[5:])]
    best = f"step-{best_step}"  # in no case the name of a checkpoint where there is none
    point(run, "last", start.name)
    point(run, "best", best if best in names else start.name)
    prune(run, names)


def recover(run: Run) -> None:
    """Give back its name to a checkpoint that a kill caught while a newer one of the same step took its place."""
    for old in run.checkpoints.glob(f".*{_OLD}"):
        place = old.with_name(old.name[1 : -len(_OLD)])
        if not place.exists():
            old.rename(place)


def prune(run: Run, keep: Iterable[str]) -> None:
    """Remove all checkpoints `step-N` but those named, and what an interrupted write left."""
    kept = set(keep)
    for path in run.checkpoints.iterdir():
        is_old = path.name.startswith("step-") and path.name not in kept
        if is_old or (path.name.startswith(".") and path.name.endswith(".tmp")):
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


def _place(tensor: Tensor, weight: Tensor, key: str) -> Tensor:
    if key != "step" and tensor.shape != weight.shape:
        raise RuntimeError("shape")
    return tensor.to(weight.device, copy=True)  # it lies in the file, askew, and the file may go


def _write_json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(dump_json(values, indent=1) + "\n", encoding="utf-8")


def _publish(temporary: Path, place: Path) -> None:
    """Give a finished folder its checksums and its name; what had that name is gone only when the new one is whole."""
    checksums.write(temporary)
    for path in sorted(temporary.rglob("*"), reverse=True):
        _sync(path)
    _sync(temporary)
    if place.exists():
        old = place.with_name(f".{place.name}{_OLD}")
        shutil.rmtree(old, ignore_errors=True)
        place.rename(old)
        temporary.rename(place)
        shutil.rmtree(old)
    else:
        temporary.rename(place)
    _sync(place.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
