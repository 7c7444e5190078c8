"""The training loop: batches in, checkpoints and a log out, to be stopped and resumed at any instant.

Everything random is drawn from (seed, purpose, step), so the saved step and the position in the data are all that
going on needs besides the tensors.
"""

import dataclasses
import math
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch

from nmt.config import Config, Training
from nmt.data.batching import Batch, Batches
from nmt.data.prefetch import Prefetch
from nmt.data.prepared_data import Prepared
from nmt.errors import NmtError
from nmt.evaluation.metrics import sentence_scorer
from nmt.kernels.allocator import RETURN_EVERY, return_freed_memory
from nmt.kernels.device import Arithmetic, copy_network, set_cudnn_precision
from nmt.models.inference import prepare_for_search
from nmt.models.seq2seq import Seq2Seq
from nmt.models.weights import load_meta, load_tensors
from nmt.randomness import address
from nmt.storage.run_folder import Run
from nmt.training import checkpoint
from nmt.training.best_checkpoint import measure, update_best, update_best_on_resume
from nmt.training.checkpoint import Progress
from nmt.training.learning_rate import learning_rate
from nmt.training.microbatches import run_in_microbatches, split, to_device
from nmt.training.minimum_risk import risk_loss
from nmt.training.objective import Loss, likelihood_loss
from nmt.training.optimizer import MovingAverage, build_optimizer, clipped_step, mean_weights
from nmt.training.scheduled_sampling import sampled_previous, teacher_probability
from nmt.training.signals import Interrupted, Stop
from nmt.training.training_log import TrainingLog, clock
from nmt.training.validation import Result, Validator

MOST_SKIPPED = 20
"""Steps in a row without a finite gradient after which training gives up."""
DEFAULT_TOKENS = 4096
SUMS = 5
"""Minimised loss, NLL, gradient norm, target tokens and number of the steps that were taken since the last log line."""


class Mark(NamedTuple):
    """From where the speed in the next line of the log is measured."""

    time: float
    """`time.monotonic()` then, moved on by what validation took."""
    step: int
    tokens: int = 0
    """Target tokens since the last line that an earlier session had taken."""


class Trainer:
    """One run in training."""

    def __init__(
        self, config: Config, run: Run, prepared: Prepared, device: torch.device, arithmetic: Arithmetic
    ) -> None:
        """Build network, optimizer and batches; weights are drawn from the seed."""
        self.config = config
        self.settings = config.training
        self.run = run
        self.device = device
        self.arithmetic = arithmetic
        self.vocabularies = prepared.vocabularies
        self.data_fingerprint = prepared.fingerprint
        set_cudnn_precision(arithmetic, device)
        torch.manual_seed(address(config.seed, "weights"))
        self.model = Seq2Seq(config.model, self.vocabularies.source.size, self.vocabularies.target.size).to(device)
        self.model.train()
        self.average: MovingAverage | None = None
        if self.settings.ema_decay:
            self.average = MovingAverage(self.model, copy_network(self.model).eval(), self.settings.ema_decay)
        self.optimizer = build_optimizer(self.model, self.settings)
        self.batches = Batches(
            prepared.train,
            self.vocabularies,
            **_batch_size(self.settings),
            seed=config.seed,
            sampling=config.subword.sampling,
            kind=config.subword.kind,
        )
        self._score = sentence_scorer(config.data.target_language) if self.settings.objective == "risk" else None
        self._validator = Validator(config, prepared, device, arithmetic)
        self.progress = Progress()
        self._sums = torch.zeros(SUMS, dtype=torch.float64, device=device)
        self._skipped_in_a_row = 0
        self._in_parts: list[int] = []
        self._stop = Stop()

    @property
    def weights_to_use(self) -> Seq2Seq:
        """The network to validate and to keep: the moving average where there is one."""
        if self.average is None:
            return self.model
        averaged = self.average.averaged
        assert isinstance(averaged, Seq2Seq)
        return averaged

    def restart_average(self) -> None:
        """Let the moving average begin at the weights as they are now."""
        if self.average is not None:
            self.average.averaged.load_state_dict(self.model.state_dict())

    def resume(self, start: Path, before: Config) -> str | None:
        """Go on from the checkpoint folder `start` of a run that had the config `before`, and remove what came later.

        Returns a line for the user where the best checkpoint had to be found anew.
        """
        averaged = None if self.average is None else self.average.averaged
        progress = self.progress = checkpoint.restore(start, self.model, averaged, self.optimizer)
        meta = load_meta(start)
        measured = {**measure(before), "metric": meta.get("metric"), **meta.get("measure", {})}
        said = update_best_on_resume(progress, self.config, measured, self.run)
        checkpoint.rewind(self.run, start, progress.best_step)
        if len(self.progress.sums) == SUMS:
            self._sums = torch.tensor(self.progress.sums, dtype=torch.float64, device=self.device)
        else:  # saved by an older version, which summed something else
            self.progress.since = [0, 0]
        if progress.position.is_incomplete:
            weights = [corpus.weight for corpus in before.data.train]
            size = _batch_size(before.training)
            progress.position = self.batches.completed(progress.position, **size, weights=weights)
            if size != _batch_size(self.settings) or weights != [corpus.weight for corpus in self.config.data.train]:
                self._save(progress.passing != progress.step)  # as the run's config.yaml is about to change
        return said

    def train(self, journal: TrainingLog) -> str:
        """Train to the end and return why it ended; raises `Interrupted` after saving where a signal came."""
        progress = self.progress
        began = time.monotonic() - progress.seconds
        mark = Mark(time.monotonic(), progress.step, progress.since[0])
        reason = "max_steps reached"
        with self._stop.listening(), Prefetch(self.batches.run_from(progress.position)) as stream:
            while progress.is_unjudged or not (progress.step >= self.settings.max_steps or self._is_enough):
                was_unjudged = progress.is_unjudged
                if not was_unjudged:
                    batch, progress.position = next(stream)
                    self._update(batch)
                    progress.seconds = time.monotonic() - began
                    journal.advance()
                    if progress.step % self.settings.log_every == 0:
                        mark = self._log(journal, mark)
                is_last = progress.step == self.settings.max_steps
                is_due = is_last or progress.step % self.settings.save_every == 0
                progress.is_unjudged = is_last or progress.step % self.settings.validate_every == 0
                before = time.monotonic()
                if progress.is_unjudged and (result := self._validate(self.weights_to_use)) is not None:
                    progress.is_unjudged = False
                    is_due |= self._judge(result, journal) or self._is_enough
                    is_last |= self._is_enough
                    progress.seconds = time.monotonic() - began
                    mark = mark._replace(time=mark.time + time.monotonic() - before)
                if is_due or was_unjudged or self._stop.number is not None:
                    self._save(is_due)
                if self._stop.number is not None and (progress.is_unjudged or not is_last):
                    raise Interrupted(self._stop.number)
            if self._is_enough:
                reason = f"{self.settings.metric} has not improved for {progress.misses} validations"
            if self.settings.average_last:
                self._average_last(journal)
        return reason

    @property
    def _is_enough(self) -> bool:
        """Whether patience has run out, now or in what was resumed."""
        return 0 < self.settings.patience <= self.progress.misses

    def _validate(self, model: Seq2Seq) -> Result | None:
        """Validate `model`; None where a signal came before or meanwhile, which does not wait for the end of it."""
        if self._stop.number is not None:
            return None
        try:
            with self._stop.breaking_off():
                return self._validator(model)
        except Interrupted:
            return None

    def _update(self, batch: Batch) -> None:
        """Take one optimizer step on `batch`."""
        progress, settings = self.progress, self.settings
        step = progress.step + 1
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(step, settings, progress.plateaus)
        losses = self._gradients(batch, step)
        gradients = [weight.grad for weight in self.model.parameters() if weight.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        counts = losses.new_full((1,), batch.tokens), losses.new_ones(1)
        self._sums += torch.cat([losses, norm.double().view(1), *counts]).where(norm.isfinite(), 0.0)
        if self.device.type != "cpu" or self._is_taken(norm):
            clipped_step(self.optimizer, norm, settings.clip_norm)
        progress.step = step
        progress.since = [progress.since[0] + batch.tokens, progress.since[1] + 1]
        if self.average is not None:
            self.average.update(step)
        if step % RETURN_EVERY == 0:
            return_freed_memory()

    def _gradients(self, batch: Batch, step: int) -> torch.Tensor:
        """Set the gradients of the batch, taken in more and more parts while memory does not suffice.

        Returns the sums over its target tokens of minimised loss and NLL.
        """
        losses, parts = run_in_microbatches(
            batch,
            self.settings.accumulate,
            lambda parts: self._backward(batch, step, parts),
            f"step {step:,}",
            "leave longer pairs out (training.max_tokens)",
        )
        if parts > self.settings.accumulate:
            self._in_parts.append(parts)
        return losses

    def _backward(self, batch: Batch, step: int, parts: int) -> torch.Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        losses = torch.zeros(2, dtype=torch.float64, device=self.device)
        count = batch.tokens if self._score is None else batch.pairs
        is_drawn = self._score is not None or teacher_probability(step, self.settings) < 1.0
        drawer = prepare_for_search(self.model, self.arithmetic, is_packed=False) if is_drawn else None
        for number, part in enumerate(split(batch, parts)):
            loss = self._loss(part, step, number, drawer)
            mean = loss.minimised / count
            mean.backward()  # type: ignore[no-untyped-call]
            losses += torch.stack([mean.detach() * batch.tokens, loss.nll])
        return losses

    def _loss(self, part: Batch, step: int, number: int, drawer: Seq2Seq | None) -> Loss:
        """Return the loss of a part of the step's batch; `drawer` draws tokens where they are wanted."""
        torch.manual_seed(address(self.config.seed, "dropout", step, number))
        seed = address(self.config.seed, "samples", step, number)
        here = to_device(part, self.device)
        if drawer is not None and self._score is None:
            previous = sampled_previous(drawer, here, teacher_probability(step, self.settings), seed)
            here = dataclasses.replace(here, previous=previous)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.arithmetic == "bf16"):
            if drawer is not None and self._score is not None:
                return risk_loss(self.model, drawer, here, self.settings, self.vocabularies.target, self._score, seed)
            return likelihood_loss(self.model, here, self.settings, step)

    def _is_taken(self, norm: torch.Tensor) -> bool:
        """Return whether to take the step: its gradient is finite. Raises `NmtError` after too many that are not."""
        if math.isfinite(float(norm)):
            self._skipped_in_a_row = 0
            return True
        self._skipped_in_a_row += 1
        if self._skipped_in_a_row >= MOST_SKIPPED:
            raise self._diverged()
        return False

    def _diverged(self) -> NmtError:
        resume = " and resume with --resume" if self.run.can_resume else ""
        return NmtError(
            f"{self.run.folder}: no finite gradient in {MOST_SKIPPED} steps, up to step {self.progress.step}; "
            f"lower training.learning_rate or set training.precision to fp32{resume}"
        )

    def _log(self, journal: TrainingLog, mark: Mark) -> Mark:
        """Log the steps since `mark`, and return the mark of the next line."""
        progress = self.progress
        now, (tokens, steps) = time.monotonic(), progress.since
        smoothed, nll, norm, taken_tokens, taken = self._sums.tolist()
        self._sums.zero_()
        progress.since = [0, 0]
        if skipped := steps - round(taken):
            progress.skipped += skipped
            journal.say(f"{skipped} of {steps} steps skipped before step {progress.step:,}: no finite gradient")
        if self._in_parts:
            journal.say(
                f"{len(self._in_parts)} of {steps} steps before step {progress.step:,} were taken in up to "
                f"{max(self._in_parts)} parts: out of memory; smaller batches (training.tokens_per_batch) "
                "would be faster"
            )
            self._in_parts.clear()
        if self.device.type != "cpu":  # whose steps are not looked at one by one
            self._skipped_in_a_row = 0 if taken else self._skipped_in_a_row + steps
            if self._skipped_in_a_row >= MOST_SKIPPED:
                raise self._diverged()
        if taken == 0:
            return Mark(now, progress.step)
        elapsed = max(1e-9, now - mark.time)
        speed = (tokens - mark.tokens) / elapsed
        loss = nll / taken_tokens
        journal.write(
            "train",
            step=progress.step,
            epoch=progress.position.epoch,
            loss=loss,
            smoothed_loss=smoothed / taken_tokens,
            learning_rate=self.optimizer.param_groups[0]["lr"],
            gradient_norm=norm / taken,
            tokens=tokens,
            **({"skipped": skipped} if skipped else {}),
            tokens_per_second=round(speed, 1),
            seconds=round(progress.seconds, 2),
        )
        journal.show(progress.step, loss, speed, elapsed / max(1, progress.step - mark.step))
        return Mark(now, progress.step)

    def _judge(self, result: Result, journal: TrainingLog) -> bool:
        """Log a validation and return whether it is the best so far."""
        progress = self.progress
        bleu = {} if result.bleu is None else {"bleu": result.bleu}
        perplexity = math.exp(min(result.loss, 700.0)) if math.isfinite(result.loss) else result.loss
        journal.write(
            "valid",
            step=progress.step,
            epoch=progress.position.epoch,
            loss=result.loss,
            perplexity=perplexity,
            **bleu,
            samples=result.samples,
            seconds=round(progress.seconds, 2),
        )
        is_best = update_best(progress, self.settings, result.loss, result.bleu)
        at = f"at step {progress.step:,}" if progress.step else "before the first step"
        words = f"validation {at}: loss {result.loss:.3f}, perplexity {perplexity:.2f}"
        words += "" if result.bleu is None else f", BLEU {result.bleu:.2f} (greedy)"
        journal.say(f"{words}{', the best so far' if is_best else ''}; {clock(progress.seconds)} trained")
        return is_best

    def _meta(self) -> dict[str, Any]:
        return {
            "vocabularies": self.vocabularies.fingerprint,
            "data": self.data_fingerprint,
            "source_size": self.vocabularies.source.size,
            "target_size": self.vocabularies.target.size,
            "metric": self.settings.metric,
            "measure": measure(self.config),
            "best": self.progress.best,
        }

    def _save(self, is_due: bool) -> None:
        """Save a checkpoint; one that only a signal asked for, so is not due, is gone with the next."""
        progress = self.progress
        progress.sums = self._sums.tolist()
        passing = {f"step-{progress.passing}"} if progress.passing != progress.step else set()
        progress.passing = 0 if is_due else progress.step
        averaged = None if self.average is None else self.average.averaged
        name = checkpoint.save(self.run, progress, self._meta(), self.model, averaged, self.optimizer)
        best = name if progress.best_step is None else f"step-{progress.best_step}"
        if progress.best_step in (None, progress.step):
            checkpoint.point(self.run, "best", name)
        passing |= set() if is_due else {name}
        due = [known for known in self._trained() if known not in passing]
        checkpoint.prune(self.run, [best, name, *due[-self.settings.keep_last :]])

    def _trained(self) -> list[str]:
        """Return the names of the checkpoints after some steps, oldest first."""
        return [name for name in self.run.names() if name not in ("averaged", "step-0")]

    def _average_last(self, journal: TrainingLog) -> None:
        names = self._trained()[-self.settings.average_last :]
        mean = mean_weights(load_tensors(self.run.checkpoints / name / "model.safetensors") for name in names)
        averaged = copy_network(self.weights_to_use)
        averaged.load_state_dict(mean, strict=False)  # a tied weight is stored once
        result = self._validate(averaged)
        if result is None:
            assert self._stop.number is not None
            raise Interrupted(self._stop.number)
        checkpoint.save_to_use(self.run, "averaged", {**self._meta(), "average_of": names}, averaged)
        bleu = "" if result.bleu is None else f", BLEU {result.bleu:.2f}"
        journal.say(f"averaged the last {len(names)} checkpoints: loss {result.loss:.3f}{bleu}")
        journal.write("averaged", step=self.progress.step, loss=result.loss, bleu=result.bleu, of=names)


def _batch_size(settings: Training) -> dict[str, Any]:
    """Return the settings of `Batches` that decide which pairs make a batch."""
    sentences = settings.sentences_per_batch
    return {
        "tokens_per_batch": None if sentences else settings.tokens_per_batch or DEFAULT_TOKENS,
        "sentences_per_batch": sentences,
        "max_tokens": settings.max_tokens,
    }
