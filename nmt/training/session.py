"""From a configuration to a trained run: prepares the data, opens or goes on with the run's folder, trains."""

import os
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from nmt import config as schema
from nmt.config import Config, load_run_config
from nmt.data import source_lengths
from nmt.data.lexicon_learning import learn_lexicon
from nmt.data.prepared_data import Prepared
from nmt.data.preprocess import preprocess
from nmt.data.subword import has_seeded_samples
from nmt.errors import NmtError
from nmt.kernels.allocator import keep_freed_memory
from nmt.kernels.device import check_trainable, choose_arithmetic, choose_device
from nmt.kernels.openmp import share_cores
from nmt.storage.atomic_files import convert_write_errors, write_atomically
from nmt.storage.json_text import dump_json
from nmt.storage.locks import lock_file
from nmt.storage.run_folder import Run
from nmt.training.initialization import check_initialization, initialize_weights
from nmt.training.preflight import check_texts, missing_files, where
from nmt.training.resume_checks import check_data, find_start
from nmt.training.signals import Interrupted
from nmt.training.trainer import Trainer
from nmt.training.training_log import TrainingLog, clock
from nmt.training.validation import advice, scored_pairs

Report = Callable[[str], None]
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
        check_texts(config)
        check_initialization(config)
    with convert_write_errors(run.folder, PLACE):
        run.checkpoints.mkdir(parents=True, exist_ok=True)
    with _locked(run):
        _check_started(run, resume)  # another process may have been at it meanwhile
        start = find_start(run, config, which, report) if resume else None
        prepared = preprocess(config, report) if start is None else _resumed_data(run, config, start, report)
        if hint := advice(config, prepared.valid_text[1]):
            report(hint)
        if config.training.threads:
            torch.set_num_threads(config.training.threads)
        keep_freed_memory()
        share_cores(torch.get_num_threads())
        device = choose_device(config.training.device)
        arithmetic = choose_arithmetic(config.training.precision, device)
        check_trainable(arithmetic, device)
        trainer = Trainer(config, run, prepared, device, arithmetic)
        if start is not None:
            if (said := trainer.resume(start, load_run_config(run))) is not None:
                report(said)
        else:
            # Weights that are given are validated before the first step, so that nothing worse becomes the best.
            trainer.progress.is_unjudged = initialize_weights(trainer.model, config, prepared, report)
            trainer.restart_average()
        progress = trainer.progress
        with convert_write_errors(run.folder, run.disk_remedy):  # nothing more stands in the way
            _fill(run, config, prepared, resume)
        reached = progress.step if resume else None
        with TrainingLog(run, reached, config.training.max_steps, not progress.is_unjudged) as journal:
            facts = _facts(trainer, prepared)
            journal.write("resume" if resume else "start", step=trainer.progress.step, **facts)
            journal.say("  ".join(f"{key.replace('_', ' ')} {value}" for key, value in facts.items()))
            if note := scored_pairs(config, prepared)[1]:
                journal.say(note)
            if resume:
                journal.say(f"going on from step {trainer.progress.step:,}")
            reason = _run(trainer, journal)
        _finish(run, trainer, reason)
    _tell_end(trainer, reason, report)
    return run


def _check_started(run: Run, resume: bool) -> None:
    """Refuse to begin a run that has begun, and to go on with one that has not."""
    if run.can_resume and not resume:
        raise NmtError(
            f"{run.folder} holds a run already; add --resume to go on with it, choose another name "
            "(--set name=NAME), or remove the folder"
        )
    if resume and not run.can_resume:
        raise NmtError(f"{run.folder}: nothing to resume; run without --resume to start")


def _resumed_data(run: Run, config: Config, start: Path, report: Report) -> Prepared:
    """Return the data that the checkpoint `start` was trained on; if it is prepared, the corpora are not needed."""
    if faults := [fault for fault in missing_files(config) if fault.startswith("data.test.")]:
        report("\n".join(["warning: nmt evaluate will miss:", *faults, where()]))
    if config.subword.reuse is not None:  # the models are in the run now; where they came from may be gone
        config = config.model_copy(update={"subword": config.subword.model_copy(update={"reuse": run.folder})})
    if (config.prepared / "prepared.json").is_file():
        prepared = Prepared.open(config.prepared, [corpus.weight for corpus in config.data.train])
    else:
        prepared = preprocess(config, report)
    check_data(run, config, prepared, start, report)
    return prepared


def _run(trainer: Trainer, journal: TrainingLog) -> str:
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
    if progress.best_step == 0:
        report(
            f"nothing was gained: no validation was better than that of the weights this run began with "
            f"({config.training.init_from}), which the best checkpoint, step-0, holds unchanged"
        )
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


def _fill(run: Run, config: Config, prepared: Prepared, resume: bool) -> None:
    """Write what a run's folder holds beside checkpoints and log."""
    if not resume:
        run.subword.mkdir(exist_ok=True)
        prepared.vocabularies.copy_to(run.subword)
    write_atomically(run.config_file, schema.dump(config), run.disk_remedy)
    run.finished.unlink(missing_ok=True)
    if not resume or not run.lexicon.exists():
        write_atomically(run.lexicon, learn_lexicon(prepared).to_bytes(prepared.vocabularies), run.disk_remedy)
    if not resume or not run.lengths.exists():
        usual = source_lengths.measure(prepared, config.data.train, config.training.max_tokens)
        write_atomically(run.lengths, usual, run.disk_remedy)


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
    write_atomically(run.finished, dump_json(summary, indent=1) + "\n", run.disk_remedy)
    from nmt.reports.report_page import write_report  # matplotlib, wanted only now

    write_report(run.folder)


@contextmanager
def _locked(run: Run) -> Iterator[None]:
    """Hold the folder for this process; a second one is refused with the number of the first."""
    path = run.folder / ".lock"
    with convert_write_errors(path, PLACE):
        handle = lock_file(path, wait=False)
    if handle is None:
        holder = path.read_text(encoding="utf-8").strip()
        raise NmtError(f"{run.folder} is in use by process {holder}; wait for it or stop it")
    with os.fdopen(handle, "wb", buffering=0) as lock:
        with convert_write_errors(path, PLACE):
            lock.truncate()
            lock.write(str(os.getpid()).encode())
        yield
