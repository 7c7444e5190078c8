"""Write `log.jsonl` and show the progress of training: a bar on a terminal, else a line for each log entry."""

import contextlib
import logging
import sys
from types import TracebackType
from typing import Any

from tqdm import tqdm

from nmt.errors import NmtError
from nmt.storage.atomic_files import convert_write_errors, write_atomically
from nmt.storage.json_text import dump_json
from nmt.storage.run_folder import Run, read_log

logger = logging.getLogger(__name__)
FINAL_EVENTS = ("averaged", "end")
"""Events after the last step, which are logged again when a run is resumed."""


class TrainingLog:
    """The log of a run and its progress bar."""

    def __init__(self, run: Run, step: int | None, max_steps: int, is_validated: bool = True) -> None:
        """Open the log of `run` to continue after `step`, or a new log if it is None; drop the lines of later steps.

        If `step` is not yet validated (not `is_validated`), drop its validation, too.
        """
        log = run.log
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
        with convert_write_errors(log, run.write_remedy):
            self._file = log.open("a", encoding="utf-8", buffering=1)
        self._bar: tqdm[Any] | None = None
        self._max_steps = max_steps
        if sys.stderr.isatty():
            self._bar = tqdm(total=max_steps, initial=step or 0, unit="step", dynamic_ncols=True, file=sys.stderr)

    def __enter__(self) -> "TrainingLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        with (
            contextlib.suppress(NmtError) if error is not None else contextlib.nullcontext(),
            convert_write_errors(self._run.log, self._run.write_remedy),
        ):
            self._file.close()  # tries again to write lines that could not be written

    def write(self, event: str, **values: Any) -> None:
        """Append one line to the log."""
        with convert_write_errors(self._run.log, self._run.write_remedy):
            self._file.write(dump_json({"event": event, **values}) + "\n")

    def advance(self) -> None:
        """Move the bar by one step."""
        if self._bar is not None:
            self._bar.update()

    def show(self, step: int, loss: float, rate: float, seconds_per_step: float) -> None:
        """Show loss (nats per token) and speed (target tokens/s); without a bar also the step and the time left."""
        figures = f"loss {loss:.3f}, {rate:,.0f} target tokens/s"
        if self._bar is not None:
            self._bar.set_postfix_str(figures)
        else:
            left = (self._max_steps - step) * seconds_per_step
            logger.info(f"step {step:,}/{self._max_steps:,}  {figures}, {format_seconds(left)} left")


def format_seconds(seconds: float) -> str:
    """Return `seconds` as h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
