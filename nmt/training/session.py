"""`nmt train` from configuration to finished run: prepare the data, open or resume the run folder, train, summarise."""

import logging
import shlex
import time
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
from nmt.runtime.checkpoint_graphs import make_graphs_of_best
from nmt.storage.atomic_files import convert_write_errors, write_atomically
from nmt.storage.json_text import dump_json
from nmt.storage.run_folder import RENAME_REMEDY, Run
from nmt.training.initialization import check_initialization, initialize_weights
from nmt.training.preflight import check_texts, missing_files, working_directory
from nmt.training.resume_checks import check_data, find_resume_checkpoint
from nmt.training.signals import Interrupted
from nmt.training.trainer import Trainer
from nmt.training.training_log import TrainingLog, format_seconds
from nmt.training.validation import bleu_hint, scored_pairs

logger = logging.getLogger(__name__)
FOLDER_REMEDY = "runs are stored in runs/ of the working directory: use a working directory that is writable"


def train(config: Config, resume: bool = False, checkpoint: str = "last") -> Run:
    """Train the model of `config` and return its run, a new one or, with `resume`, the one to continue.

    `checkpoint` is the one to resume from: last, best or step-N. Raises `NmtError`, and `Interrupted` after a signal
    once the state is saved.
    """
    run = Run(config.run)
    _check_run_state(run, resume)
    if config.subword.sampling and not has_seeded_samples():
        logger.info(
            "subword.sampling: training cannot be repeated or resumed to the bit; that needs SentencePiece 0.2.0, "
            "which is available for Python up to 3.12"
        )
    if not resume:
        check_texts(config)
        check_initialization(config)
    with convert_write_errors(run.folder, FOLDER_REMEDY):
        run.checkpoints.mkdir(parents=True, exist_ok=True)
    with run.lock(FOLDER_REMEDY):
        _check_run_state(run, resume)  # another process may have used the run before it was locked
        start = find_resume_checkpoint(run, config, checkpoint) if resume else None
        prepared = preprocess(config) if start is None else _resumed_data(run, config, start)
        trainer = _build_trainer(run, config, prepared, start)
        progress = trainer.progress
        with convert_write_errors(run.folder, run.write_remedy):  # all checks have passed
            _write_run_files(run, config, prepared, resume)
        last_step = progress.step if resume else None
        with TrainingLog(run, last_step, config.training.max_steps, not progress.needs_validation) as log:
            facts = _facts(trainer, prepared)
            log.write("resume" if resume else "start", step=progress.step, **facts)
            logger.info("  ".join(f"{key.replace('_', ' ')} {value}" for key, value in facts.items()))
            if note := scored_pairs(config, prepared)[1]:
                logger.info(note)
            if resume:
                logger.info(f"resuming at step {progress.step:,}")
            try:
                reason = trainer.train(log)
            except Interrupted:
                logger.info(f"stopped; step {progress.step:,} is saved in {run.checkpoints}")
                raise
            log.write("end", step=progress.step, reason=reason, seconds=round(progress.seconds, 2))
            logger.info(f"trained for {format_seconds(progress.seconds)}")
        _write_summary(run, trainer, reason)
    make_graphs_of_best(run)
    _log_end(trainer, reason)
    return run


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


def _resumed_data(run: Run, config: Config, start: Path) -> Prepared:
    """Return the data that the checkpoint `start` was trained on; the corpora are read only if it must be prepared."""
    if faults := [fault for fault in missing_files(config) if fault.startswith("data.test.")]:
        logger.warning("\n".join(["nmt evaluate will miss:", *faults, working_directory()]))
    if config.subword.reuse is not None:  # use the copies in the run, because the original may have been deleted
        config = config.model_copy(update={"subword": config.subword.model_copy(update={"reuse": run.folder})})
    if (config.prepared / "prepared.json").is_file():
        prepared = Prepared.open(config.prepared, [corpus.weight for corpus in config.data.train])
    else:
        prepared = preprocess(config)
    check_data(run, config, prepared, start)
    return prepared


def _build_trainer(run: Run, config: Config, prepared: Prepared, start: Path | None) -> Trainer:
    """Return a trainer with its initial weights, or with the state of the checkpoint `start`."""
    if hint := bleu_hint(config, prepared.valid_text[1]):
        logger.info(hint)
    if config.training.threads:
        torch.set_num_threads(config.training.threads)
    keep_freed_memory()
    share_cores(torch.get_num_threads())
    device = choose_device(config.training.device)
    arithmetic = choose_arithmetic(config.training.precision, device)
    check_trainable(arithmetic, device)
    trainer = Trainer(config, run, prepared, device, arithmetic)
    if start is not None:
        if (message := trainer.resume(start, load_run_config(run))) is not None:
            logger.info(message)
        return trainer
    # Trained initial weights are validated before the first step, so that nothing worse becomes the best checkpoint.
    trainer.progress.needs_validation = initialize_weights(trainer.model, config, prepared)
    trainer.restart_average()
    return trainer


def _facts(trainer: Trainer, prepared: Prepared) -> dict[str, Any]:
    """Return the values of the first entry of the log."""
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


def _write_summary(run: Run, trainer: Trainer, reason: str) -> None:
    progress = trainer.progress
    summary = {
        "reason": reason,
        "step": progress.step,
        "best_step": progress.best_step,
        trainer.settings.metric: progress.best,
        "seconds": round(progress.seconds, 2),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    write_atomically(run.finished, dump_json(summary, indent=1) + "\n", run.write_remedy)
    from nmt.reports.report_page import write_report  # imports matplotlib, which takes long

    write_report(run.folder)


def _log_end(trainer: Trainer, reason: str) -> None:
    """Log why training ended, the best checkpoint, where the run is and how to translate with it."""
    run, config, progress = trainer.run, trainer.config, trainer.progress
    best, metric = progress.best, config.training.metric
    logger.info(reason if best is None else f"{reason}; best {metric} {best:.4g} at step {progress.best_step:,}")
    if progress.best_step == 0:
        logger.info(
            "training brought no improvement: no validation was better than that of the initial weights "
            f"({config.training.init_from}), which the best checkpoint, step-0, holds unchanged"
        )
    logger.info(f"saved in {run.folder}: {', '.join(run.names())}; figures in {run.folder / 'report.html'}")
    tags = {corpus.tag for corpus in config.data.train}
    tag = f" --tag {shlex.quote(config.data.valid.tag)}" if len(tags) > 1 and config.data.valid.tag else ""
    logger.info(f"translate with: nmt translate --model {run.folder}{tag} < input.txt")
