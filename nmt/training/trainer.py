"""The training loop: optimizer steps, log, validation and checkpoints; it can be stopped and resumed at any time.

Every random number is a function of (seed, purpose, step), so resuming needs only the step and the position in the
training data besides the tensors of a checkpoint.
"""

import dataclasses
import math
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from nmt.config import Config, Training
from nmt.data.batching import Batch, Batches, Position
from nmt.data.prefetch import prefetch
from nmt.data.prepared_data import Prepared
from nmt.engine import Arithmetic
from nmt.errors import NmtError, is_out_of_memory
from nmt.evaluation.metrics import sentence_scorer
from nmt.kernels.allocator import RETURN_EVERY, return_freed_memory
from nmt.kernels.device import autocast, copy_network, set_cudnn_precision, sum_dtype
from nmt.kernels.out_of_memory import OutOfMemory
from nmt.models.seq2seq import Seq2Seq
from nmt.models.weights import load_mean
from nmt.randomness import derive_seed
from nmt.storage.checkpoint_meta import load_meta
from nmt.storage.run_folder import Run
from nmt.storage.validation_texts import write_validation_texts
from nmt.training import checkpoint
from nmt.training.best_checkpoint import metric_settings, update_best, update_best_on_resume
from nmt.training.checkpoint import Progress
from nmt.training.events import CheckpointSaved, CheckpointsAveraged, Validated
from nmt.training.gradient_sum import GradientSum
from nmt.training.learning_rate import learning_rate
from nmt.training.microbatches import increase_count, share_out
from nmt.training.minimum_risk import risk_loss
from nmt.training.objective import Loss, likelihood_loss
from nmt.training.optimizer import build_optimizer, clipped_step, update_moving_average
from nmt.training.ranks import ALONE, Ranks
from nmt.training.restored_state import restored
from nmt.training.step_inputs import StepInput, StepInputs
from nmt.training.step_statistics import StepStatistics
from nmt.training.stop import Stopped, StopRequest
from nmt.training.torch_state import seed_generators
from nmt.training.training_log import TrainingLog
from nmt.training.validation import ValidationResult, Validator

DEFAULT_TOKENS = 4096
"""Target tokens of a batch if the configuration has neither `tokens_per_batch` nor `sentences_per_batch`."""


class Trainer:
    """Trains the model of one run."""

    def __init__(
        self,
        config: Config,
        run: Run,
        prepared: Prepared,
        device: torch.device,
        arithmetic: Arithmetic,
        stop: StopRequest | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        """Build the network, the optimizer and the batches; the seed decides the initial weights, on all ranks."""
        self.config = config
        self.ranks = ranks
        self.settings = config.training
        self.run = run
        self.device = device
        self.arithmetic = arithmetic
        self.vocabularies = prepared.vocabularies
        self.data_fingerprint = prepared.fingerprint
        set_cudnn_precision(arithmetic, device)
        seed_generators(derive_seed(config.seed, "weights"), device)
        self.model = Seq2Seq(config.model, self.vocabularies.source.size, self.vocabularies.target.size).to(device)
        self.model.train()
        self.averaged = copy_network(self.model).eval() if self.settings.ema_decay else None
        self.optimizer = build_optimizer(self.model, self.settings)
        self.batches = Batches(
            prepared.train,
            self.vocabularies,
            **_batch_size(self.settings),
            seed=config.seed,
            sampling=config.subword.sampling,
            kind=config.subword.kind,
        )
        self._inputs = StepInputs(self.model, config, device, arithmetic, ranks)
        self._gradients = GradientSum(self.model.parameters(), ranks)
        # Multiplies the loss, so that small gradients are not rounded to zero in fp16.
        self._scaler = torch.amp.GradScaler(device.type, enabled=arithmetic == "fp16")
        self._sentence_score = None  # BLEU of a sentence, for minimum-risk training
        if self.settings.objective == "risk":
            self._sentence_score = sentence_scorer(config.data.target_language)
        self.validator = Validator(config, prepared, device, arithmetic, ranks)
        self.progress = Progress()
        self._statistics = StepStatistics(run, self.progress, device)
        self.stop = stop or StopRequest()

    @property
    def weights_to_use(self) -> Seq2Seq:
        """The network to validate and to translate with: the moving average if there is one."""
        return self.averaged or self.model

    def restart_average(self) -> None:
        """Set the moving average to the current weights."""
        if self.averaged is not None:
            self.averaged.load_state_dict(self.model.state_dict())

    def resume(self, start: Path, old: Config) -> str | None:
        """Restore the checkpoint folder `start` of a run whose config was `old`, and remove later checkpoints.

        Return a message for the user if the best checkpoint had to be chosen again.
        """
        progress = checkpoint.restore(start, self.model, self.averaged, self.optimizer)
        self.ranks.wait_for_all()  # before rank 0 removes checkpoints
        message = None
        if self.ranks.is_first:
            meta = load_meta(start)
            old_metric = {**metric_settings(old), "metric": meta.get("metric"), **meta.get("measure", {})}
            message = update_best_on_resume(progress, self.config, old_metric, self.run)
            checkpoint.rewind(self.run, start, progress.best_step)
        progress = self.progress = self.ranks.from_first(progress)
        if progress.loss_scale:
            self._scaler.load_state_dict(progress.loss_scale)
        self._statistics = StepStatistics(self.run, progress, self.device)
        if progress.position.is_incomplete:
            weights = [corpus.weight for corpus in old.data.train]
            size = _batch_size(old.training)
            progress.position = self.batches.complete(progress.position, **size, weights=weights)
            if size != _batch_size(self.settings) or weights != [corpus.weight for corpus in self.config.data.train]:
                self._write_checkpoint()  # before the run's config.yaml, on which the position depends, is replaced
        return message

    @contextmanager
    def trial(self) -> Iterator[int]:
        """Let steps in this block leave no trace. Yield the memory, in bytes, that the copy of the state takes."""
        progress, statistics = self.progress, self._statistics
        self.progress = dataclasses.replace(progress)
        self._statistics = StepStatistics(self.run, self.progress, self.device)
        try:
            with restored(self.model, self.averaged, self.optimizer, self.device) as size:
                yield size
        finally:
            self.progress, self._statistics = progress, statistics

    def train(self, log: TrainingLog) -> str:
        """Train to the end and return why training ended.

        Raises `Stopped` after a `StopRequest` and `OutOfMemory` if memory ran out; both only after a checkpoint is
        saved.
        """
        progress, max_steps = self.progress, self.settings.max_steps
        start = time.monotonic() - progress.seconds
        self._statistics.start_clock()
        with prefetch(self.batches.iterate_from(progress.position)) as batches:
            while progress.needs_validation or not (progress.step >= max_steps or self._is_stalled):
                was_unvalidated = progress.needs_validation
                if not progress.needs_validation:
                    with self._saving_after_shortage(log):
                        batch, position = self._read(batches)
                        self.step(batch)
                    progress.position = position
                    progress.seconds = time.monotonic() - start
                    log.advance(progress.step, max_steps)
                    if progress.step % self.settings.log_every == 0:
                        self._log_steps(log)
                is_last = progress.step == max_steps
                progress.needs_validation = is_last or progress.step % self.settings.validate_every == 0
                if progress.needs_validation:
                    before, result = time.monotonic(), None
                    # A validation that is stopped is repeated when the run is resumed.
                    with self._saving_after_shortage(log), suppress(Stopped):
                        result = self.validate(self.weights_to_use)
                    if result is not None:
                        self._judge(result, log)
                        progress.needs_validation = False
                        progress.seconds = time.monotonic() - start
                        self._statistics.exclude(time.monotonic() - before)
                is_stopping = self.ranks.any(self.stop.is_set())
                if self._is_due or was_unvalidated or is_stopping:
                    self._save(log)
                is_last = is_last or self._is_stalled
                if is_stopping and (progress.needs_validation or not is_last):
                    raise Stopped
            reason = "max_steps reached"
            if self._is_stalled:
                reason = f"{self.settings.metric} has not improved for {progress.stalled_validations} validations"
            if self.settings.average_last:
                self._average_last(log)
        return reason

    def _read(self, batches: Iterator[tuple[Batch, Position]]) -> tuple[Batch, Position]:
        """Return the next batch. With several ranks, which have no part in an error here, lack of memory is final."""
        try:
            return next(batches)
        except MemoryError:
            if self.ranks.size == 1:
                raise
            raise NmtError("out of memory while the next batch was read; start fewer ranks on this machine") from None

    @property
    def _is_stalled(self) -> bool:
        """Whether `patience` has run out, in this session or in the one that was resumed."""
        return 0 < self.settings.patience <= self.progress.stalled_validations

    @property
    def _is_due(self) -> bool:
        """Whether a checkpoint of this step is to be saved also without a stop request."""
        progress, settings = self.progress, self.settings
        is_scheduled = progress.step == settings.max_steps or progress.step % settings.save_every == 0
        return is_scheduled or progress.best_step == progress.step or self._is_stalled

    def validate(self, model: Seq2Seq) -> ValidationResult:
        """Validate `model`, each rank a share of it.

        Raise `Stopped` if a stop is requested on any rank, in this one as soon as this thread requests it.
        """
        share, failure = None, None
        try:
            with self.stop.interrupting():
                share = self.validator.work(model)
        except Exception as error:
            failure = error
        self.ranks.agree(failure)
        shares = [each for each in self.ranks.gather(share) if each is not None]
        return self.validator.combine(shares, self.progress.step)

    def step(self, batch: Batch) -> None:
        """Take one optimizer step on `batch`, with more micro-batches than `accumulate` if memory runs out.

        Each rank computes its share of the sentences. The loss is the mean over all target tokens of the batch, or over
        its sentences for minimum-risk training, so it does not depend on the number of ranks.

        Raises `OutOfMemory` if memory does not suffice for one pair at a time. The weights are unchanged then.
        """
        progress, settings = self.progress, self.settings
        step, count, score = progress.step + 1, settings.accumulate, self._sentence_score
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(step, settings, progress.plateaus)
        divisor = batch.tokens if score is None else batch.pairs
        while True:
            losses = torch.zeros(3, dtype=sum_dtype(self.device), device=self.device)
            part: StepInput | None = None
            loss: Loss | None = None
            try:
                with self._gradients.summed(losses):
                    for part in self._inputs.share(batch, step, count):
                        self._gradients.is_last = part.is_last
                        with autocast(self.device, self.arithmetic):
                            if part.searched is None or score is None:
                                loss = likelihood_loss(self.model, part.batch, settings, step)
                            else:
                                target, seed = self.vocabularies.target, part.seed
                                loss = risk_loss(self.model, part.searched, part.batch, settings, target, score, seed)
                        self._scaler.scale(loss.minimised / divisor).backward()  # type: ignore[no-untyped-call]
                        losses[0] += loss.minimised.detach() / divisor * batch.tokens
                        losses[1] += loss.nll
                        losses[2] += loss.correct
                break
            except (MemoryError, RuntimeError) as error:
                part = loss = None
                remedy = "leave longer pairs out (training.max_tokens)"
                share = share_out(batch, self.ranks.size)[0]  # the largest one: all ranks count alike
                count = increase_count(error, share, count, f"step {step:,}", remedy)
        if count > settings.accumulate:
            self._statistics.microbatches.append(count)
        self._apply_gradients(step, losses, batch.tokens)

    def _apply_gradients(self, step: int, losses: torch.Tensor, tokens: int) -> None:
        """Update the weights and the progress; `losses` (3,) are the sums of `Loss` over `tokens`."""
        self._scaler.unscale_(self.optimizer)
        gradients = [weight.grad for weight in self.model.parameters() if weight.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if self._statistics.add(losses, norm, tokens):
            clipped_step(self.optimizer, norm, self.settings.clip_norm)
        self._scaler.update()
        self.progress.step = step
        if self.averaged is not None:
            update_moving_average(self.averaged, self.model, self.settings.ema_decay, step)
        if step % RETURN_EVERY == 0:
            return_freed_memory()

    def _judge(self, result: ValidationResult, log: TrainingLog) -> None:
        """Record whether a validation is the best so far, and log it."""
        progress = self.progress
        is_best = update_best(progress, self.settings, result.loss, result.bleu)
        if result.texts is not None and self.ranks.is_first:
            write_validation_texts(self.run, result.texts, is_best)
        event = Validated(
            step=progress.step,
            epoch=progress.position.epoch,
            loss=result.loss,
            perplexity=math.exp(min(result.loss, 700.0)) if math.isfinite(result.loss) else result.loss,
            bleu=result.bleu,
            is_best=is_best,
            samples=result.samples,
            seconds=progress.seconds,
            more=result.more,
        )
        log.emit(event)

    def _log_steps(self, log: TrainingLog) -> None:
        """Log the steps since the last entry of this kind."""
        event = self._statistics.finish_interval(self.optimizer.param_groups[0]["lr"], self.settings.max_steps)
        if event is not None:
            log.emit(event)

    def _meta(self) -> dict[str, Any]:
        return {
            "vocabularies": self.vocabularies.fingerprint,
            "data": self.data_fingerprint,
            "source_size": self.vocabularies.source.size,
            "target_size": self.vocabularies.target.size,
            "metric": self.settings.metric,
            "measure": metric_settings(self.config),
            "best": self.progress.best,
        }

    def _save(self, log: TrainingLog) -> None:
        """Save a checkpoint as `_write_checkpoint` does, and report it."""
        step, folder = self.progress.step, self._write_checkpoint()
        log.emit(CheckpointSaved(step, folder, is_best=self.progress.best_step in (None, step)))

    def _write_checkpoint(self) -> Path:
        """Save a checkpoint and remove those that are not kept; one that is not due is removed with the next."""
        progress, is_due = self.progress, self._is_due
        progress.log_sums = self._statistics.sums()
        progress.loss_scale = self._scaler.state_dict()
        interim = {f"step-{progress.interim_step}"} if progress.interim_step != progress.step else set()
        progress.interim_step = 0 if is_due else progress.step
        if not self.ranks.is_first:
            return self.run.checkpoints / f"step-{progress.step}"
        name = checkpoint.save(self.run, progress, self._meta(), self.model, self.averaged, self.optimizer)
        best = name if progress.best_step is None else f"step-{progress.best_step}"
        if progress.best_step in (None, progress.step):
            checkpoint.point(self.run, "best", name)
        interim |= set() if is_due else {name}
        kept = [other for other in self.run.trained_names() if other not in interim]
        checkpoint.prune(self.run, [best, name, *kept[-self.settings.keep_last :]])
        return self.run.checkpoints / name

    @contextmanager
    def _saving_after_shortage(self, log: TrainingLog) -> Iterator[None]:
        """If memory runs out in this block, save the state of the last finished step and raise `OutOfMemory`."""
        try:
            yield
        except (OutOfMemory, MemoryError, RuntimeError) as error:
            self._save_after_shortage(error, log)
            raise

    def _save_after_shortage(self, error: Exception, log: TrainingLog) -> None:
        """If `error` says that memory ran out, save the state of the last finished step and raise `OutOfMemory`."""
        step, message = self.progress.step, str(error)
        if not isinstance(error, OutOfMemory):
            if not is_out_of_memory(error):
                return
            remedy = "use smaller batches (training.tokens_per_batch) or a smaller model"
            message = f"after step {step:,}: out of memory ({message or 'MemoryError'}); {remedy}"
        traceback.clear_frames(error.__traceback__)
        if step and (not self.ranks.is_first or f"step-{step}" not in self.run.names()):
            self._save(log)
        self.ranks.wait_for_all()
        saved = f"step {step:,} is saved: resume with --resume" if self.run.can_resume else "no checkpoint is saved yet"
        raise OutOfMemory(f"{message}; {saved}") from None

    def _average_last(self, log: TrainingLog) -> None:
        """Average the last checkpoints, and validate and save the mean as checkpoint `averaged`."""
        names = self.ranks.from_first(self.run.trained_names()[-self.settings.average_last :])
        averaged = copy_network(self.weights_to_use)
        load_mean(averaged, [self.run.checkpoints / name / "model.safetensors" for name in names])
        result = self.validate(averaged)
        if self.ranks.is_first:
            checkpoint.save_weights_only(self.run, "averaged", {**self._meta(), "average_of": names}, averaged)
        folder = self.run.checkpoints / "averaged"
        log.emit(CheckpointsAveraged(self.progress.step, folder, tuple(names), result.loss, result.bleu))


def _batch_size(settings: Training) -> dict[str, Any]:
    """Return the settings of `Batches` that decide which pairs are in a batch."""
    sentences = settings.sentences_per_batch
    return {
        "tokens_per_batch": None if sentences else settings.tokens_per_batch or DEFAULT_TOKENS,
        "sentences_per_batch": sentences,
        "max_tokens": settings.max_tokens,
    }
