"""From a configuration to a trained run: prepares the data, opens or goes on with the run's folder, trains."""

import json
import os
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from nmt import config as schema
from nmt.config import Config
from nmt.data.lexicon import learn_lexicon
from nmt.data.prepare import Prepared, is_made_for, prepare
from nmt.data.subword import Vocabularies, has_seeded_samples
from nmt.errors import NmtError
from nmt.files import hold, write_whole, writing
from nmt.models.device import check_trainable, choose_arithmetic, choose_device
from nmt.models.loading import load_meta
from nmt.process_memory import keep_freed_memory
from nmt.runs import Run
from nmt.training import checkpoint
from nmt.training.beginning import begin, check_beginning
from nmt.training.checkpoint import GO_ON
from nmt.training.journal import Journal, clock
from nmt.training.trainer import Interrupted, Trainer
from nmt.training.validation import advice

Report = Callable[[str], None]
OF_THE_TEXT = ("train", "valid", "normalization", "collapse_whitespace", "lowercase", "unescape_html", "filters")
"""Keys of `data` that decide what a network reads."""
PLACE = "runs are kept in runs/ of the working directory: work where that can be written"


def train(config: Config, resume: bool, report: Report, which: str = "last") -> Run:
    """Train `config` from the start, or where `resume` go on with its run from the checkpoint `which`.

    `report` takes lines for the user.

    Raises `NmtError`, and `Interrupted` once a signal has ended the run and its state is saved.
    """
    run = Run(config.run)
    _check_started(run, resume)
    if config.subword.sampling and not has_seeded_samples():
        report(
            "subword.sampling: not to be repeated or resumed to the bit; for that, SentencePiece 0.2.0 is needed, "
            "which is there for Python up to 3.12"
        )
    if not resume:
        check_beginning(config)
    with writing(run.folder, PLACE):
        run.checkpoints.mkdir(parents=True, exist_ok=True)
    with _locked(run):
        _check_started(run, resume)  # another process may have been at it meanwhile
        start = _start(run, config, which, report) if resume else None
        # A run that has begun needs the prepared data only, not the corpora.
        is_prepared = resume and (config.prepared / "prepared.json").is_file()
        prepared = Prepared.open(config.prepared) if is_prepared else prepare(config, report)
        if start is not None:
            _check_data(run, config, prepared, start)
        if hint := advice(config, prepared.valid_text[1]):
            report(hint)
        if config.training.threads:
            torch.set_num_threads(config.training.threads)
        keep_freed_memory()
        device = choose_device(config.training.device)
        arithmetic = choose_arithmetic(config.training.precision, device)
        check_trainable(arithmetic, device)
        trainer = Trainer(config, run, prepared, device, arithmetic)
        if start is not None:
            trainer.resume(start)
            checkpoint.rewind(run, start, trainer.progress.best_step)
        else:
            begin(trainer.model, config, prepared, report)
            trainer.restart_average()
        with writing(run.folder, GO_ON):  # nothing more stands in the way
            _fill(run, config, prepared, resume)
        progress = trainer.progress
        with Journal(run.log, progress.step, config.training.max_steps, not progress.is_unjudged) as journal:
            facts = _facts(trainer, prepared)
            journal.write("resume" if resume else "start", step=trainer.progress.step, **facts)
            journal.say("  ".join(f"{key.replace('_', ' ')} {value}" for key, value in facts.items()))
            if resume:
                journal.say(f"going on from step {trainer.progress.step:,}")
            reason = _run(trainer, journal)
        _finish(run, trainer, reason)
    _tell_end(trainer, reason, report)
    return run


def _check_started(run: Run, resume: bool) -> None:
    """Refuse to begin a run that has begun, and to go on with one that has not."""
    is_started = (run.checkpoints / "last").exists()
    if is_started and not resume:
        raise NmtError(
            f"{run.folder} holds a run already; add --resume to go on with it, choose another name "
            "(--set name=NAME), or remove the folder"
        )
    if resume and not is_started:
        raise NmtError(f"{run.folder}: nothing to resume; run without --resume to start")


def _run(trainer: Trainer, journal: Journal) -> str:
    try:
        reason = trainer.train(journal)
    except Interrupted:
        journal.say(f"stopped; step {trainer.progress.step:,} is saved in {trainer.run.checkpoints}")
        raise
    journal.write("end", step=trainer.progress.step, reason=reason, seconds=round(trainer.progress.seconds, 2))
    journal.say(f"trained for {clock(trainer.progress.seconds)}")
    return reason


def _tell_end(trainer: Trainer, reason: str, report: Report) -> None:
    """Report why the run ended, what is best, where it is and how to translate with it."""
    run, config, progress = trainer.run, trainer.config, trainer.progress
    best, metric = progress.best, config.training.metric
    report(reason if best is None else f"{reason}; best {metric} {best:.4g} at step {progress.best_step:,}")
    report(f"saved in {run.folder}: {', '.join(run.names())}; pictures in {run.folder / 'report.html'}")
    tags = {corpus.tag for corpus in config.data.train}
    tag = f" --tag {shlex.quote(config.data.valid.tag)}" if len(tags) > 1 and config.data.valid.tag else ""
    report(f"translate with: nmt translate --model {run.folder}{tag} < input.txt")


def _facts(trainer: Trainer, prepared: Prepared) -> dict[str, Any]:
    left_out = trainer.batches.left_out
    return {
        "parameters": f"{sum(weight.numel() for weight in trainer.model.parameters()):,}",
        "device": str(trainer.device),
        "precision": trainer.arithmetic,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "pairs": sum(len(store) for store, _ in prepared.train),
        **({"left_out": left_out} if left_out else {}),
        "vocabulary": f"{prepared.vocabularies.source.size}/{prepared.vocabularies.target.size}",
        "seed": trainer.config.seed,
    }


def _start(run: Run, config: Config, which: str, report: Report) -> Path:
    """Return the checkpoint to go on from, in a run that `config` suits."""
    checkpoint.recover(run)
    start = run.checkpoint(which)
    load_meta(start)
    _check_same(run, config, report)
    if not start.name.startswith("step-"):
        raise NmtError(f"--checkpoint {which}: only step-N, best and last hold what going on needs")
    return start


def _check_data(run: Run, config: Config, prepared: Prepared, start: Path) -> None:
    """Refuse to go on from a checkpoint that was trained with other data or another vocabulary."""
    is_same = Vocabularies.load(run.subword).fingerprint == prepared.vocabularies.fingerprint
    if not is_same or load_meta(start).get("data") != prepared.fingerprint:
        if not is_made_for(prepared.folder, config):
            raise NmtError(
                f"{prepared.folder} holds the data of another configuration now: run nmt preprocess with this one and "
                "go on with --resume; give each its own data.prepared"
            )
        raise NmtError(
            f"{start} was not trained on the data in {prepared.folder}; the corpora or their settings have changed "
            "since the run began: choose another name (--set name=NAME)"
        )


def _fill(run: Run, config: Config, prepared: Prepared, resume: bool) -> None:
    """Write what a run's folder holds beside checkpoints and log."""
    if not resume:
        run.subword.mkdir(exist_ok=True)
        prepared.vocabularies.copy_to(run.subword)
    write_whole(run.config_file, schema.dump(config), GO_ON)
    run.finished.unlink(missing_ok=True)
    if not resume or not run.lexicon.exists():
        write_whole(run.lexicon, learn_lexicon(prepared).to_bytes(prepared.vocabularies), GO_ON)


def _check_same(run: Run, config: Config, report: Report) -> None:
    """Refuse to go on with another model, seed or text; tell which training settings have changed."""
    before, now = run.config.model_dump(mode="json"), config.model_dump(mode="json")
    pairs = {key: (before[key], now[key]) for key in ("seed", "subword", "model")}
    pairs |= {f"data.{key}": (before["data"][key], now["data"][key]) for key in OF_THE_TEXT}
    for key, (old, new) in pairs.items():
        if old != new:
            raise NmtError(
                f"{run.config_file}: '{key}' differs from the configuration given; a run goes on only with the model "
                "and the text it began with: choose another name (--set name=NAME)"
            )
    if bool(before["training"]["ema_decay"]) != bool(now["training"]["ema_decay"]):
        raise NmtError(f"{run.config_file}: training.ema_decay cannot be switched on or off in a run that has begun")
    changed = [key for key, value in now["training"].items() if before["training"][key] != value]
    if changed:
        changes = (f"training.{key} {before['training'][key]} -> {now['training'][key]}" for key in changed)
        report(f"changed since the run began: {', '.join(changes)}")


def _finish(run: Run, trainer: Trainer, reason: str) -> None:
    progress = trainer.progress
    summary = {
        "reason": reason,
        "step": progress.step,
        "best_step": progress.best_step,
        trainer.settings.metric: progress.best,
        "seconds": round(progress.seconds, 2),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    write_whole(run.finished, json.dumps(summary, indent=1) + "\n", GO_ON)
    from nmt.reports.page import write_report  # matplotlib, wanted only now

    write_report(run.folder)


@contextmanager
def _locked(run: Run) -> Iterator[None]:
    """Hold the folder for this process; a second one is refused with the number of the first."""
    path = run.folder / ".lock"
    with writing(path, PLACE):
        handle = hold(path, wait=False)
    if handle is None:
        holder = path.read_text(encoding="utf-8").strip()
        raise NmtError(f"{run.folder} is in use by process {holder}; wait for it or stop it")
    with os.fdopen(handle, "wb", buffering=0) as lock:
        with writing(path, PLACE):
            lock.truncate()
            lock.write(str(os.getpid()).encode())
        yield
