"""Write the events of training to `log.jsonl` and pass them to the caller."""

import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeAlias

from nmt.data.preprocess import OnProgress
from nmt.errors import NmtError
from nmt.reports.tensorboard import open_event_file
from nmt.storage.atomic_files import convert_write_errors, write_atomically
from nmt.storage.json_text import dump_json
from nmt.storage.run_folder import Run, read_log
from nmt.training.events import (
    CheckpointsAveraged,
    StepLogged,
    TrainingEnded,
    TrainingEvent,
    TrainingStarted,
    Validated,
    ValidationScores,
)

OnEvent: TypeAlias = Callable[[TrainingEvent], object]
FINAL_EVENTS = ("averaged", "end", "error")
"""Events after the last step, which are not kept when a run is resumed."""


def log_entry(event: TrainingEvent) -> dict[str, Any] | None:
    """Return the line of `log.jsonl` for an event; None if the log has none."""
    match event:
        case TrainingStarted():
            return {"event": "resume" if event.is_resumed else "start", "step": event.step, **event.facts()}
        case StepLogged():
            return {
                "event": "train",
                "step": event.step,
                "epoch": event.epoch,
                "loss": event.loss,
                "smoothed_loss": event.smoothed_loss,
                **({} if event.accuracy is None else {"accuracy": event.accuracy}),
                "learning_rate": event.learning_rate,
                "gradient_norm": event.gradient_norm,
                "tokens": event.tokens,
                **({"skipped": event.skipped} if event.skipped else {}),
                "tokens_per_second": round(event.tokens_per_second, 1),
                "seconds": round(event.seconds, 2),
            }
        case Validated():
            return {
                "event": "valid",
                "step": event.step,
                "epoch": event.epoch,
                "loss": event.loss,
                "perplexity": event.perplexity,
                **({} if event.bleu is None else {"bleu": event.bleu}),
                **({"more": {name: _scores(one) for name, one in event.more.items()}} if event.more else {}),
                "samples": event.samples,
                "seconds": round(event.seconds, 2),
            }
        case CheckpointsAveraged():
            values = {"step": event.step, "loss": event.loss, "bleu": event.bleu, "of": event.names}
            return {"event": "averaged", **values}
        case TrainingEnded(run) if run.is_finished:
            return {"event": "end", "step": run.step, "reason": run.reason, "seconds": round(run.seconds, 2)}
        case _:
            return None


def _scores(scores: ValidationScores) -> dict[str, float]:
    return {"loss": scores.loss, **({} if scores.bleu is None else {"bleu": scores.bleu})}


class TrainingLog:
    """The log of a run, and the functions of the caller that receive its events and its progress."""

    def __init__(
        self,
        run: Run,
        step: int | None,
        on_event: OnEvent,
        on_progress: OnProgress,
        is_validated: bool = True,
        tensorboard: bool = False,
    ) -> None:
        """Open the log of `run` to continue after `step`, or a new log if it is None; drop the lines of later steps.

        If `step` is not yet validated (not `is_validated`), drop its validation, too. With `tensorboard`, write the
        scalars to event files as well.
        """
        log, kept = run.log, []
        if log.exists():
            steps = range(0 if step is None else step + 1)
            kept = [
                entry
                for entry in read_log(log)
                if entry.get("step") in steps
                and entry.get("event") not in FINAL_EVENTS
                and (is_validated or (entry.get("event"), entry.get("step")) != ("valid", step))
            ]
            write_atomically(log, "".join(dump_json(entry) + "\n" for entry in kept), run.write_remedy)
        self._run = run
        self._on_event = on_event
        self._on_progress = on_progress
        with convert_write_errors(log, run.write_remedy):
            self._file = log.open("a", encoding="utf-8", buffering=1)
        self._event_file = open_event_file(run, kept, step) if tensorboard else None

    def __enter__(self) -> "TrainingLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(NmtError) if error is not None else contextlib.nullcontext():
            if isinstance(error, Exception):  # not an interrupt
                self._write_entry({"event": "error", "message": str(error) or type(error).__name__})
        with (
            contextlib.suppress(NmtError) if error is not None else contextlib.nullcontext(),
            convert_write_errors(self._run.log, self._run.write_remedy),
        ):
            if self._event_file is not None:
                self._event_file.close()
            self._file.close()  # tries again to write lines that could not be written

    def write(self, event: TrainingEvent) -> None:
        """Append the line of `event` to the log, if it has one."""
        if (entry := log_entry(event)) is not None:
            self._write_entry(entry)
            if self._event_file is not None:
                self._event_file.write(entry)

    def _write_entry(self, entry: dict[str, Any]) -> None:
        with convert_write_errors(self._run.log, self._run.write_remedy):
            self._file.write(dump_json(entry) + "\n")

    def emit(self, event: TrainingEvent) -> None:
        """Write `event` to the log, and pass it to the caller."""
        self.write(event)
        self._on_event(event)

    def advance(self, step: int, max_steps: int) -> None:
        """Report to the caller that `step` of `max_steps` steps are done."""
        self._on_progress("training", step, max_steps)


class EventsOnly(TrainingLog):
    """The log of a rank that writes no files: events and progress only go to the caller."""

    def __init__(self, on_event: OnEvent, on_progress: OnProgress) -> None:
        self._on_event = on_event
        self._on_progress = on_progress

    def __exit__(self, *error: object) -> None:
        pass

    def write(self, event: TrainingEvent) -> None:
        """Write nothing."""
