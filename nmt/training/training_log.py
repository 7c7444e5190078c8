"""What a run says while it trains: `log.jsonl`, and a progress bar or plain lines on stderr."""

import contextlib
import sys
from types import TracebackType
from typing import Any

import click
from tqdm import tqdm

from nmt.errors import NmtError
from nmt.storage.atomic_files import convert_write_errors, write_atomically
from nmt.storage.json_text import dump_json
from nmt.storage.run_folder import Run, read_log

AT_THE_END = ("averaged", "end")
"""Events after the last step, which come again when a run goes on."""


class TrainingLog:
    """Writes each event to the log and shows it."""

    def __init__(self, run: Run, step: int | None, max_steps: int, is_judged: bool = True) -> None:
        """Go on with the log of `run` after `step`, where None begins a new log; lines of later steps are dropped.

        So are those on the validation of `step` where that comes again, as it is not `is_judged`.
        """
        log = run.log
        if log.exists():
            known = (entry for entry in read_log(log) if entry.get("event") not in AT_THE_END)
            if not is_judged:
                known = (entry for entry in known if (entry.get("event"), entry.get("step")) != ("valid", step))
            steps = range(0 if step is None else step + 1)
            kept = [entry for entry in known if entry.get("step") in steps]
            write_atomically(log, "".join(dump_json(entry) + "\n" for entry in kept), run.disk_remedy)
        self._run = run
        with convert_write_errors(log, run.disk_remedy):
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
            convert_write_errors(self._run.log, self._run.disk_remedy),
        ):
            self._file.close()  # which writes again what could not be written

    def write(self, event: str, **values: Any) -> None:
        """Append one line to the log."""
        with convert_write_errors(self._run.log, self._run.disk_remedy):
            self._file.write(dump_json({"event": event, **values}) + "\n")

    def say(self, text: str) -> None:
        """Print a line on stderr, above the bar."""
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        else:
            click.echo(text, err=True)

    def advance(self) -> None:
        """Move the bar by one step."""
        if self._bar is not None:
            self._bar.update()

    def show(self, step: int, loss: float, rate: float, seconds_a_step: float) -> None:
        """Show loss (nats a token), speed (target tokens/s) and, where there is no bar, step and time left."""
        figures = f"loss {loss:.3f}, {rate:,.0f} target tokens/s"
        if self._bar is not None:
            self._bar.set_postfix_str(figures)
        else:
            left = (self._max_steps - step) * seconds_a_step
            self.say(f"step {step:,}/{self._max_steps:,}  {figures}, {clock(left)} left")


def clock(seconds: float) -> str:
    """Return `seconds` as h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
