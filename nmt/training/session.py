"""`nmt.train`, from configuration to finished run: prepare data, open or resume the run folder, train, summarise."""

import logging
import time
from collections.abc import Mapping
from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path
from typing import Any

import torch

from nmt import config as schema
from nmt.config import Config, load_run_config, resolve
from nmt.data import source_lengths
from nmt.data.corpus_facts import corpus_facts
from nmt.data.lexicon_learning import learn_lexicon
from nmt.data.prepared_data import Prepared
from nmt.data.preprocess import OnProgress, ignore_progress
from nmt.data.subword import has_seeded_samples
from nmt.data.training_words import count_words, words_file
from nmt.errors import NmtError
from nmt.kernels.device import check_trainable, choose_device, choose_training_arithmetic
from nmt.reports.tensorboard import check_installed as check_tensorboard
from nmt.runtime.checkpoint_graphs import make_graphs_of_best
from nmt.storage.atomic_files import convert_write_errors, write_atomically
from nmt.storage.json_text import dump_json
from nmt.storage.run_folder import RENAME_REMEDY, Run
from nmt.training.checkpoint import read_progress
from nmt.training.cost import SHORT_RUN, estimate, logged_times
from nmt.training.events import CostEstimated, TrainingEnded, TrainingEvent, TrainingStarted
from nmt.training.initialization import check_initialization, initialize_weights, words_of_first_run
from nmt.training.preflight import check_texts
from nmt.training.rank_start import (
    check_ranks,
    check_shared_folder,
    find_start,
    prepare_on_first,
    record_job,
    resumes_by_itself,
)
from nmt.training.ranks import Ranks, joined, local_rank
from nmt.training.report_refresh import ReportRefresh
from nmt.training.run_data import prepare_data
from nmt.training.stop import Stopped, StopRequest
from nmt.training.torch_state import training_state
from nmt.training.trained_run import TrainedRun
from nmt.training.trainer import Trainer
from nmt.training.training_log import EventsOnly, OnEvent, TrainingLog
from nmt.training.validation import bleu_hint, scored_pairs

logger = logging.getLogger(__name__)
FOLDER_REMEDY = "runs are stored in runs/ of the working directory: use a working directory that is writable"


def _ignore_event(event: TrainingEvent) -> None:
    """Do nothing: the default `on_event`."""


def train(
    config: str | Path | dict[str, Any] | Config,
    overrides: Mapping[str, Any] | None = None,
    *,
    resume: bool = False,
    checkpoint: str | None = None,
    on_event: OnEvent | None = None,
    on_progress: OnProgress | None = None,
    stop: StopRequest | None = None,
) -> TrainedRun:
    """Train a model, or resume its training, and return the run.

    This is what `nmt train` calls. It prepares the data if necessary and writes the folder ``runs/NAME``. Messages go
    to the logger ``nmt`` of the standard module `logging`; nothing is printed. The state of the caller's process is
    restored: torch's random generators, default dtype and number of threads.

    Args:
        config: A YAML file, a mapping with the same sections, or a `Config`. Relative paths in it, and ``runs/``, are
            relative to the working directory, also those of a YAML file in another folder. The working directory must
            not change during training.
        overrides: Values that replace those of `config`, such as ``{"training.max_steps": 500}``.
        resume: Continue the run, with the same result as if it had not been interrupted. Otherwise the run must be new.
        checkpoint: With `resume`, the checkpoint to continue from: last (the default), best or step-N.
        on_event: Receives each event of `nmt.training.events`, in the thread that trains. If it raises an exception,
            training ends as after an error, with the checkpoints saved so far, and the exception is raised.
        on_progress: Receives what is being done ("cleaning", "subwords", "encoding", "training"), how much of it is
            done and how much there is to do, for a progress bar: for "training" the numbers of steps, after each step.
        stop: Its `set` ends training early, with a checkpoint; the run that is returned has `is_finished` False then.

    Raises:
        NmtError: For a mistake in the configuration or the data, a full disk, too little memory, a loss that is not
            finite, or if this process trains already. The message names options of the command line: ``--resume`` is
            `resume`, ``--set`` is `overrides`.
    """
    on_event, on_progress = on_event or _ignore_event, on_progress or ignore_progress
    with joined() as ranks, ExitStack() as stack:
        config = resolve(config, overrides)
        run = Run(config.run)
        check_ranks(ranks, config)
        resume = resume or resumes_by_itself(ranks, run)
        ranks.on_first(lambda: _check_and_lock(stack, run, config, resume, checkpoint))
        check_shared_folder(ranks, run.folder)
        start = find_start(ranks, run, config, checkpoint or "last") if resume else None
        prepared = prepare_on_first(ranks, config, lambda: prepare_data(run, config, start, on_progress))
        device = choose_device(config.training.device, local_rank())
        ranks.connect(device)
        with training_state(device, config.training.threads):
            trainer = _build_trainer(run, config, prepared, device, start, stop, ranks)
            report = _report(trainer)
            on_all = _both(on_event, report.observe) if ranks.is_first else on_event
            with report, _open_log(trainer, prepared, resume, on_all, on_progress) as log:
                _log_start(log, trainer, prepared, resume)
                reason = None
                with suppress(Stopped):
                    reason = trainer.train(log)
                trained = _result(trainer, reason)
                log.write(TrainingEnded(trained))
        ranks.on_first(lambda: _end(run, trained, report))
    on_event(TrainingEnded(trained))
    return trained


def _end(run: Run, trained: TrainedRun, report: ReportRefresh) -> None:
    """Write the page of the run and, if the run is finished, its summary and the graphs of its best checkpoint."""
    if trained.is_finished:
        _write_summary(run, trained)
    report.write(is_training=False)
    if trained.is_finished:
        make_graphs_of_best(run)


def _report(trainer: Trainer) -> ReportRefresh:
    shapes = {name: tuple(weight.shape) for name, weight in trainer.model.named_parameters()}
    return ReportRefresh(trainer.run, trainer.config, shapes)


def _both(first: OnEvent, second: OnEvent) -> OnEvent:
    """Return a function that passes an event to two functions."""

    def on_event(event: TrainingEvent) -> None:
        first(event)
        second(event)

    return on_event


def estimate_cost(
    config: str | Path | dict[str, Any] | Config,
    overrides: Mapping[str, Any] | None = None,
    *,
    resume: bool = False,
    on_event: OnEvent | None = None,
    on_progress: OnProgress | None = None,
) -> CostEstimated:
    """Return what a run would cost: time, memory and disk space, measured with a few steps.

    This is what `nmt train --dry-run` calls. Only the prepared data is kept; no folder of a run is made or changed.
    Arguments and errors are those of `train`. `on_event` receives `TrainingStarted`. With `resume` the estimate is for
    the rest of the run after its last checkpoint, by the speed in its log.
    """
    on_event, on_progress = on_event or _ignore_event, on_progress or ignore_progress
    with joined() as ranks:
        config = resolve(config, overrides)
        run = Run(config.run)
        check_ranks(ranks, config)
        ranks.on_first(lambda: _check_start(run, config, resume))
        with run.lock(FOLDER_REMEDY) if resume and ranks.is_first else nullcontext():
            start = find_start(ranks, run, config, "last") if resume else None
            prepared = prepare_on_first(ranks, config, lambda: prepare_data(run, config, start, on_progress))
            device = choose_device(config.training.device, local_rank())
            ranks.connect(device)
            with training_state(device, config.training.threads):
                trainer = _build_trainer(run, config, prepared, device, None, None, ranks)
                if start is not None:
                    trainer.progress = read_progress(start)
                started = _started(trainer, prepared, resume)
                on_event(started)
                return estimate(trainer, ranks.from_first(logged_times(run, started)))


def _open_log(
    trainer: Trainer, prepared: Prepared, resume: bool, on_event: OnEvent, on_progress: OnProgress
) -> TrainingLog:
    """Write the files of the run, for which all checks must have passed, and open its log."""
    run, progress, ranks = trainer.run, trainer.progress, trainer.ranks
    ranks.on_first(lambda: _write_run_files(run, trainer.config, prepared, resume))
    if not ranks.is_first:
        return EventsOnly(on_event, on_progress)
    last_step = progress.step if resume else None
    is_validated, tensorboard = not progress.needs_validation, trainer.settings.tensorboard
    return TrainingLog(run, last_step, on_event, on_progress, is_validated, tensorboard)


def _log_start(log: TrainingLog, trainer: Trainer, prepared: Prepared, resume: bool) -> None:
    for key in prepared.validation:
        if note := scored_pairs(trainer.config, prepared, key)[1]:
            logger.info(note)
    started = _started(trainer, prepared, resume)
    logged = trainer.ranks.from_first(logged_times(trainer.run, started))
    log.emit(started)
    if trainer.settings.max_steps - trainer.progress.step >= SHORT_RUN:
        with suppress(Stopped):  # training takes a step, saves a checkpoint and stops
            log.emit(estimate(trainer, logged))
    log.advance(trainer.progress.step, trainer.settings.max_steps)


def _result(trainer: Trainer, reason: str | None) -> TrainedRun:
    progress = trainer.progress
    return TrainedRun(
        folder=trainer.run.folder,
        is_finished=reason is not None,
        reason=reason or "stopped",
        step=progress.step,
        metric=trainer.settings.metric,
        best_value=progress.best,
        best_step=progress.best_step,
        seconds=progress.seconds,
    )


def _check_and_lock(stack: ExitStack, run: Run, config: Config, resume: bool, checkpoint: str | None) -> None:
    """Create the folder of the run, and lock it until `stack` is closed.

    Raise `NmtError` if training cannot start, before anything is written.
    """
    if checkpoint is not None and not resume:
        raise NmtError("checkpoint names the checkpoint to resume from: add resume=True")
    _check_start(run, config, resume)
    with convert_write_errors(run.folder, FOLDER_REMEDY):
        run.checkpoints.mkdir(parents=True, exist_ok=True)
    stack.enter_context(run.lock(FOLDER_REMEDY))
    _check_run_state(run, resume)  # another process may have used the run before it was locked
    record_job(run)


def _check_start(run: Run, config: Config, resume: bool) -> None:
    """Raise `NmtError` if training cannot start, before anything is written."""
    _check_run_state(run, resume)
    if config.training.tensorboard:
        check_tensorboard()
    if config.subword.sampling and not has_seeded_samples():
        logger.info(
            "subword.sampling: training cannot be repeated or resumed to the bit; that needs SentencePiece 0.2.0, "
            "which is available for Python up to 3.12"
        )
    if not resume:
        check_texts(config)
        check_initialization(config)


def _check_run_state(run: Run, resume: bool) -> None:
    """Raise `NmtError` if a new run has begun already, or if the run to resume has no checkpoint."""
    if run.is_exported:
        raise NmtError(f"{run.folder} is an exported model, which cannot be trained; {RENAME_REMEDY}")
    if run.can_resume and not resume:
        raise NmtError(
            f"{run.folder} holds a run already; add --resume to continue it, {RENAME_REMEDY}, or remove the folder"
        )
    if resume and not run.can_resume:
        raise NmtError(f"{run.folder}: nothing to resume; run without --resume to start")


def _build_trainer(
    run: Run,
    config: Config,
    prepared: Prepared,
    device: torch.device,
    start: Path | None,
    stop: StopRequest | None,
    ranks: Ranks,
) -> Trainer:
    """Return a trainer with its initial weights, or with the state of the checkpoint `start`."""
    if hint := bleu_hint(config, prepared.valid.text[1]):
        logger.info(hint)
    arithmetic = choose_training_arithmetic(config.training.precision, device)
    check_trainable(arithmetic, device)
    trainer = Trainer(config, run, prepared, device, arithmetic, stop, ranks)
    if start is not None:
        if (message := trainer.resume(start, load_run_config(run))) is not None:
            logger.info(message)
        return trainer
    # Trained initial weights are validated before the first step, so that nothing worse becomes the best checkpoint.
    trainer.progress.needs_validation = initialize_weights(trainer.model, config, prepared)
    with torch.no_grad():
        ranks.copy_from_first(trainer.model.parameters())  # other CPUs may round initial weights differently
    trainer.restart_average()
    return trainer


def _started(trainer: Trainer, prepared: Prepared, resume: bool) -> TrainingStarted:
    """Return the first event of training."""
    return TrainingStarted(
        folder=trainer.run.folder,
        step=trainer.progress.step,
        max_steps=trainer.settings.max_steps,
        is_resumed=resume,
        parameters=sum(weight.numel() for weight in trainer.model.parameters()),
        device=str(trainer.device),
        precision=trainer.arithmetic,
        threads=torch.get_num_threads(),
        torch=str(torch.__version__),
        processes=trainer.ranks.size,
        pairs=sum(len(store) for store, _ in prepared.train),
        left_out=trainer.batches.left_out,
        source_vocabulary=prepared.vocabularies.source.size,
        target_vocabulary=prepared.vocabularies.target.size,
        seed=trainer.config.seed,
    )


def _write_run_files(run: Run, config: Config, prepared: Prepared, resume: bool) -> None:
    """Write the files of a run folder other than checkpoints and log."""
    if not resume:
        run.subword.mkdir(exist_ok=True)
        prepared.vocabularies.copy_to(run.subword)
        run.lexicon.unlink(missing_ok=True)  # of an earlier start that saved no checkpoint
    write_atomically(run.config_file, schema.dump(config), run.write_remedy)
    run.finished.unlink(missing_ok=True)
    if config.decoding.shortlist and not run.lexicon.exists():
        write_atomically(run.lexicon, learn_lexicon(prepared).to_bytes(prepared.vocabularies), run.write_remedy)
    if not resume or not run.lengths.exists():
        lengths = source_lengths.measure_lengths(prepared, config.data.train, config.training.max_tokens)
        write_atomically(run.lengths, lengths, run.write_remedy)
    if not resume or not run.corpus.exists() or not run.words.exists():
        words, pairs = count_words(prepared, config.data.source_language)
        facts = dump_json(corpus_facts(config, prepared, words), ensure_ascii=False) + "\n"
        write_atomically(run.corpus, facts, run.write_remedy)
        first = words_of_first_run(config)
        write_atomically(run.words, words_file(prepared, config, words, pairs, first), run.write_remedy)


def _write_summary(run: Run, trained: TrainedRun) -> None:
    summary = {
        "reason": trained.reason,
        "step": trained.step,
        "best_step": trained.best_step,
        trained.metric: trained.best_value,
        "seconds": round(trained.seconds, 2),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    write_atomically(run.finished, dump_json(summary, indent=1) + "\n", run.write_remedy)
